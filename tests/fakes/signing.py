"""A reviewed PHQ-9 (total 13, item 9 = 1) ready to sign, and a real database to sign it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from fhir_mappings.administration import Party
from fhir_mappings.note import build_note_text
from fhir_mappings.result import ScreeningResult, Signer, Subject
from smart_app.model.approval import Approval, WriteChoice
from smart_app.model.patient_record import parse_patient_identity
from smart_app.model.screening import Giving, Screening, ScreeningState
from smart_app.storage.engine import open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.migrate import upgrade
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.facts import find_facts
from smart_app.writeback.plan import WritePlan, WriteSite, make_plan
from smart_app.writeback.signing import SignRequest, sign
from tests.fakes.ehr_door import CLINICIAN, PATIENT, FakeChart
from tests.unit.fhir_mappings.factories import answers_of, phq9, screening_result

NOW = datetime(2026, 11, 23, 15, 55, tzinfo=UTC)
TOTAL_13 = (2, 2, 3, 2, 0, 1, 2, 0, 1, 1)
SIGNER = Signer(reference="Practitioner/miriam", display="Miriam Okafor, MD")
ORGANIZATION = Party(reference="Organization/alder-creek", display="Alder Creek")


class Clock:
    """A clock that moves when it is told to, and by a microsecond each time it is read."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def go(self, **time: float) -> None:
        self.now += timedelta(**time)


def counting_ids(start: int = 1) -> Callable[[], UUID]:
    numbers = count(start)
    return lambda: UUID(int=next(numbers))


@cache
def _empty_database() -> bytes:
    """The file that the real migrations make, once for all tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "app.db"
        database = open_database(f"sqlite:///{path}")
        upgrade(database)
        database.close()
        return path.read_bytes()


@contextmanager
def open_units(folder: Path) -> Iterator[Units]:
    """A real SQLite file, brought up by the real migrations."""
    path = folder / "app.db"
    path.write_bytes(_empty_database())
    database = open_database(f"sqlite:///{path}")
    yield Units(database, KeyRing.generate(NOW))
    database.close()


def reviewed_result(**changes: Any) -> ScreeningResult:
    values: dict[str, Any] = {
        "patient": Subject(reference="Patient/rosa", display="Rosa Delgado-Quinn", birth_date="1986-03-14")
    }
    return screening_result(phq9(), answers_of(phq9(), TOTAL_13), **(values | changes))


def reviewed_screening(**changes: Any) -> Screening:
    giving = Giving(
        informant="patient", relationship=None, mode="own-device", administered_by="Ana Ruiz, MA", language="en-US"
    )
    values: dict[str, Any] = {
        "id": UUID(int=1 << 64),
        "patient": PATIENT,
        "instrument_id": "phq-9",
        "canonical": phq9().canonical,
        "state": ScreeningState.IN_REVIEW,
        "giving": giving,
        "encounter_id": "visit",
        "started_by": CLINICIAN,
        "started_at": NOW,
        "updated_at": NOW,
        "completed_at": NOW,
    }
    return Screening(**{**values, **changes})


def plan_for(
    door: EhrDoor,
    result: ScreeningResult,
    *,
    choice: WriteChoice | None = None,
    site: WriteSite | None = None,
    organization: Party | None = ORGANIZATION,
) -> WritePlan:
    return make_plan(
        capabilities=door.capabilities,
        scopes=door.scopes,
        profile=door.profile,
        site=site or WriteSite(),
        facts=find_facts(result, signer=SIGNER, note_text=build_note_text(result), organization=organization, now=NOW),
        choice=choice,
    )


def sign_request(door: EhrDoor, screening: Screening, **changes: Any) -> SignRequest:
    result = changes.pop("result", None) or reviewed_result()
    organization = changes.pop("organization", ORGANIZATION)
    plan = changes.pop("plan", None) or plan_for(
        door, result, choice=changes.pop("choice", None), organization=organization
    )
    values: dict[str, Any] = {
        "screening": screening,
        "result": result,
        "plan": plan,
        "patient_identity": parse_patient_identity(FakeChart().patient),
        "encounter_id": "visit",
        "encounter_status": "in-progress",
        "signer": CLINICIAN,
        "signer_name": SIGNER,
        "organization": organization,
        "launch_id": "launch-1",
        "note_text": build_note_text(result),
        "displayed_hash": plan.hash,
        "current_hash": plan.hash,
        "software_version": "1.0.0",
    }
    return SignRequest(**{**values, **changes})


def sign_reviewed(units: Units, door: EhrDoor, **changes: Any) -> Approval:
    """Keep a reviewed screening and sign it."""
    screening = reviewed_screening()
    keep(units, screening)
    return signed(units, sign_request(door, screening, **changes))


def keep(units: Units, screening: Screening) -> None:
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.commit()


def signed(units: Units, request: SignRequest) -> Approval:
    return sign(units, request, now=NOW, new_id=counting_ids(), random_bytes=lambda number: b"\x5a" * number)
