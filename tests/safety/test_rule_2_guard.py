"""Safety rule 2: before each write, EHR, patient, encounter and user are compared and read again from the EHR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launch.errors import BreakTheGlass, Forbidden, Gone, LaunchError, MalformedResource, NotFhirJson, ServerFault
from smart_app.model.approval import Approval
from smart_app.model.audit import AuditAction
from smart_app.model.identity import User
from smart_app.model.ledger import RowState
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.writer import write_approval
from tests.fakes.ehr_door import PATIENT, FakeChart, open_fake_door, unauthorized
from tests.fakes.signing import NOW, Clock, open_units, sign_reviewed

SUPERVISOR = User(issuer="https://ehr.example", subject="s-9", fhir_user="Practitioner/super", name="Sana Park, MD")
Change = Callable[[FakeChart], None]


@pytest.fixture
def units(tmp_path: Path) -> Iterator[Units]:
    with open_units(tmp_path) as units:
        yield units


def patient(**changes: Any) -> Change:
    return lambda chart: chart.patient.update(changes)


def encounter(**changes: Any) -> Change:
    return lambda chart: chart.encounter.update(changes)


def without(part: str, name: str) -> Change:
    return lambda chart: getattr(chart, part).pop(name) and None


CHANGES: dict[str, tuple[Change, str]] = {
    "name": (patient(name=[{"family": "Delgado", "given": ["Rosa"]}]), "patient-changed"),
    "birth date": (patient(birthDate="1986-03-15"), "patient-changed"),
    "identifier": (patient(identifier=[{"system": "urn:mrn", "value": "00482914"}]), "patient-changed"),
    "identifier gone": (without("patient", "identifier"), "patient-changed"),
    "merged": (
        patient(link=[{"type": "replaced-by", "other": {"reference": "Patient/rosa-2"}}]),
        "patient-merged",
    ),
    "inactive": (patient(active=False), "patient-inactive"),
    "deceased": (patient(deceasedDateTime="2026-11-23"), "patient-deceased"),
    "unreadable": (patient(name="Rosa"), "patient-unreadable"),
    "patient gone": (patient(id="rosa-2"), "patient-gone"),
    "visit cancelled": (encounter(status="cancelled"), "encounter-cancelled"),
    "visit entered in error": (encounter(status="entered-in-error"), "encounter-cancelled"),
    "visit without status": (without("encounter", "status"), "encounter-cancelled"),
    "visit moved to another patient": (
        encounter(subject={"reference": "Patient/bo"}),
        "encounter-of-another-patient",
    ),
    "visit of the same id at another EHR": (
        encounter(subject={"reference": "https://other.example/fhir/Patient/rosa"}),
        "encounter-of-another-patient",
    ),
    "visit without patient": (without("encounter", "subject"), "encounter-of-another-patient"),
    "visit gone": (encounter(id="visit-2"), "encounter-gone"),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_a_change_on_the_server_between_signing_and_sending_stops_every_send(units: Units, change: str) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    make, code = CHANGES[change]
    make(chart)

    report = write_approval(units, approval.id, door, clock=Clock())

    assert report.stop is not None
    assert report.stop.code == code
    assert chart.posts == []
    assert {(row.state, row.reason_code) for row in report.rows} == {(RowState.WAITING, code)}
    with units.read() as unit:
        stopped = [e.outcome for _, e in unit.audit.export() if e.action is AuditAction.ROW_STOPPED]
    assert set(stopped) == {code}


def test_the_guard_runs_before_each_send_and_not_once(units: Units) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)

    def merge_after_three() -> None:
        if len(chart.posts) == 3:
            chart.patient["link"] = [{"type": "replaced-by", "other": {"reference": "Patient/rosa-2"}}]

    chart.before_post = merge_after_three
    report = write_approval(units, approval.id, door, clock=Clock())

    assert report.stop is not None
    assert report.stop.code == "patient-merged"
    # The fourth was asked about before the merge; the fifth is stopped.
    assert len(chart.posts) == 4


@pytest.mark.parametrize("status", ["finished", "onleave", "planned"])
def test_a_visit_whose_status_changed_since_signing_stops_until_a_signer_confirms_it(units: Units, status: str) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.encounter["status"] = status
    report = write_approval(units, approval.id, door, clock=Clock())
    assert report.stop is not None
    assert (report.stop.code, report.stop.transient) == ("encounter-changed", False)
    assert chart.posts == []

    confirm_visit(units, approval)
    assert write_approval(units, approval.id, door, clock=Clock()).finished


@pytest.mark.parametrize("change", [name for name in CHANGES if name.startswith("visit")])
def test_a_confirmed_visit_still_stops_where_it_can_take_no_result(units: Units, change: str) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    confirm_visit(units, approval)
    make, code = CHANGES[change]
    make(chart)
    report = write_approval(units, approval.id, door, clock=Clock())
    assert report.stop is not None
    assert report.stop.code == code
    assert chart.posts == []


def confirm_visit(units: Units, approval: Approval) -> None:
    with units.write() as unit:
        unit.approvals.save(replace(approval, visit_confirmed=True))
        unit.commit()


def test_a_visit_that_had_ended_when_it_was_signed_does_not_stop(units: Units) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door, encounter_status="finished")
    chart.encounter["status"] = "finished"
    assert write_approval(units, approval.id, door, clock=Clock()).finished


def test_a_reference_that_spells_the_patient_as_a_whole_address_is_the_same_patient(units: Units) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.encounter["subject"] = {"reference": "https://ehr.example/fhir/Patient/rosa"}
    assert write_approval(units, approval.id, door, clock=Clock()).finished


def test_a_confirmed_death_does_not_stop(units: Units) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door, deceased_confirmed=True)
    chart.patient["deceasedBoolean"] = True
    assert write_approval(units, approval.id, door, clock=Clock()).finished


ERRORS: tuple[tuple[LaunchError, str], ...] = (
    (Gone(), "patient-gone"),
    (Forbidden(), "no-right-to-check"),
    (BreakTheGlass(), "chart-protected"),
    (ServerFault(), "cannot-check"),
    (NotFhirJson(), "cannot-check"),
    (MalformedResource(), "cannot-check"),
)


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
def test_what_cannot_be_read_again_is_not_sent(units: Units, error: LaunchError, code: str) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.read_errors = [error]

    report = write_approval(units, approval.id, door, clock=Clock())

    assert report.stop is not None
    assert report.stop.code == code
    assert chart.posts == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"patient": replace(PATIENT, patient_id="bo")}, "other-patient"),
        ({"patient": replace(PATIENT, tenant="north")}, "other-patient"),
        ({"patient": replace(PATIENT, ehr_id="hospital")}, "other-ehr"),
        ({"user": SUPERVISOR}, "other-user"),
    ],
    ids=["patient", "tenant", "ehr", "user"],
)
def test_a_launch_of_another_patient_ehr_or_user_sends_nothing(units: Units, changes: Any, code: str) -> None:
    chart = FakeChart()
    approval = sign_reviewed(units, open_fake_door(chart))

    report = write_approval(units, approval.id, open_fake_door(chart, **changes), clock=Clock())

    assert report.stop is not None
    assert report.stop.code == code
    assert chart.posts == []
    assert {row.state for row in report.rows} == {RowState.PLANNED}
    with units.read() as unit:
        stopped = [e.outcome for _, e in unit.audit.export() if e.action is AuditAction.ROW_STOPPED]
    assert stopped == ([] if report.stop.transient else [code])


def test_a_refreshed_token_of_another_patient_sends_nothing(units: Units) -> None:
    chart = FakeChart()
    other = open_fake_door(chart, patient=replace(PATIENT, patient_id="bo"))
    door = open_fake_door(chart, refresh=lambda: other)
    approval = sign_reviewed(units, door)
    chart.read_errors = [unauthorized()]
    report = write_approval(units, approval.id, door, clock=Clock())

    assert report.stop is not None
    assert report.stop.code == "token-ended"
    assert chart.posts == []


def test_a_trainees_signature_waits_for_the_supervisor(units: Units) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door, awaiting="Practitioner/super")

    report = write_approval(units, approval.id, door, clock=Clock())
    assert report.stop is not None
    assert report.stop.code == "not-co-signed"
    assert chart.posts == []

    with units.write() as unit:
        unit.approvals.save(replace(approval, co_signed_by=SUPERVISOR, co_signed_at=NOW))
        unit.commit()
    by_supervisor = open_fake_door(chart, user=SUPERVISOR)
    assert write_approval(units, approval.id, by_supervisor, clock=Clock()).finished
