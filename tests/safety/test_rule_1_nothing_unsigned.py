"""Safety rule 1: nothing unsigned reaches the EHR; one module sends, and only what an Approval names, by hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import update

from fhir_mappings.bundle import content_hash
from fhir_mappings.r4 import parse_json_strict
from smart_app.model.alert import Alert
from smart_app.model.approval import WriteChoice
from smart_app.model.audit import AuditAction
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.model.moves import MissingField
from smart_app.model.screening import ScreeningState
from smart_app.storage.errors import StaleVersion, UnknownApproval
from smart_app.storage.ledger import _SIGNED, _Signed
from smart_app.storage.tables import ledger_rows
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.errors import AlertStillOpen, ChangedSinceShown, ChoiceMissing, PlanNotMet
from smart_app.writeback.signing import sign
from smart_app.writeback.writer import write_approval
from tests.fakes.ehr_door import PATIENT, FakeChart, open_fake_door
from tests.fakes.signing import NOW, Clock, counting_ids, open_units, reviewed_screening, sign_request, sign_reviewed


@pytest.fixture
def units(tmp_path: Path) -> Iterator[Units]:
    with open_units(tmp_path) as units:
        yield units


def refused_codes(units: Units) -> list[str]:
    with units.read() as unit:
        return [event.outcome for _, event in unit.audit.export() if event.action is AuditAction.SIGN_REFUSED]


def nothing_signed(units: Units) -> bool:
    with units.read() as unit:
        screening = unit.screenings.get(UUID(int=1 << 64))
        return screening.state is ScreeningState.IN_REVIEW and unit.approvals.find_for_screening(screening.id) is None


def test_without_an_approval_nothing_can_be_sent(units: Units) -> None:
    chart = FakeChart()
    with pytest.raises(UnknownApproval):
        write_approval(units, UUID(int=5), open_fake_door(chart), clock=Clock())
    assert chart.posts == []


def test_what_is_sent_is_what_was_signed_but_for_the_ids_that_the_ehr_gave(units: Units) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    report = write_approval(units, approval.id, door, clock=Clock())

    ids = {f"{row.resource_type}/{row.resource_id}": row.full_url for row in report.rows}
    for row, post in zip(report.rows, chart.posts, strict=True):
        text = repr(post)
        for real, urn in ids.items():
            text = text.replace(f"'{real}'", f"'{urn}'")
        assert text == repr(parse_json_strict(row.resource.encode()))


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_stored_resource_that_was_changed_after_signing_is_never_sent(units: Units, place: str) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    with units.read() as unit:
        rows = unit.ledger.rows_of(approval.id)
    _forge(units, rows[0 if place == "first" else -1])

    report = write_approval(units, approval.id, door, clock=Clock())

    assert report.stop is not None
    assert report.stop.code == "not-as-signed"
    assert chart.posts == []
    assert {(row.state, row.reason_code) for row in report.rows} == {(RowState.WAITING, "not-as-signed")}


def _forge(units: Units, row: LedgerRow) -> None:
    """Put another resource in a row's place as one could who has the keys, with a row hash that fits it."""
    forged = row.resource.replace("rosa", "other")
    signed = _Signed(resource=forged, content_hash=content_hash([parse_json_strict(forged.encode())]))
    with units.read() as unit:
        sealed = _SIGNED.seal(unit.ledger._cipher, row.id, signed)
    with units.database.connect(writing=True) as connection:
        connection.execute(update(ledger_rows).where(ledger_rows.c.id == row.id).values(sealed=sealed))
        connection.commit()


def test_a_page_that_changed_since_it_was_shown_cannot_be_signed(units: Units) -> None:
    with pytest.raises(ChangedSinceShown):
        sign_reviewed(units, open_fake_door(FakeChart()), displayed_hash="another")
    assert refused_codes(units) == ["changed-since-shown"]
    assert nothing_signed(units)


def test_an_open_alert_blocks_the_signature_even_when_the_page_let_it_through(units: Units) -> None:
    screening = reviewed_screening()
    alert = Alert(
        id=UUID(int=9),
        screening_id=screening.id,
        patient=PATIENT,
        instrument_id="phq-9",
        rule_id="phq9-item-9",
        link_id="phq9-9",
        kind="risk-answer",
        level="urgent",
        reason="any answer above 0",
        source="definition",
        opened_at=NOW,
        opened_by_version=1,
    )
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.alerts.add(alert)
        unit.commit()
    request = sign_request(open_fake_door(FakeChart()), screening)
    with pytest.raises(AlertStillOpen):
        sign(units, request, now=NOW, new_id=counting_ids(), random_bytes=bytes)
    assert refused_codes(units) == ["alert-still-open"]
    assert nothing_signed(units)


def test_resources_that_the_plan_did_not_show_are_not_signed(units: Units) -> None:
    door = open_fake_door(FakeChart())
    plan = sign_request(door, reviewed_screening()).plan
    fewer = tuple(replace(line, count=8) if line.count == 9 else line for line in plan.lines)
    with pytest.raises(PlanNotMet):
        sign_reviewed(units, door, plan=replace(plan, lines=fewer))
    assert nothing_signed(units)


def test_a_choice_that_is_not_offered_cannot_be_signed(units: Units) -> None:
    with pytest.raises(ChoiceMissing):
        sign_reviewed(units, open_fake_door(FakeChart()), choice=WriteChoice.RESTRICTED)
    assert nothing_signed(units)


def test_a_patient_who_died_needs_a_confirmation(units: Units) -> None:
    door = open_fake_door(FakeChart())
    request = sign_request(door, reviewed_screening())
    with pytest.raises(MissingField) as caught:
        sign_reviewed(units, door, patient_identity=replace(request.patient_identity, deceased=True))
    assert caught.value.field == "deceased_confirmed"


def test_two_reviewers_sign_the_same_result_and_one_wins(units: Units) -> None:
    door = open_fake_door(FakeChart())
    approval = sign_reviewed(units, door)
    second = sign_request(door, reviewed_screening())

    with pytest.raises(StaleVersion):
        sign(units, second, now=NOW, new_id=counting_ids(10_000), random_bytes=bytes)

    with units.read() as unit:
        found = unit.approvals.find_for_screening(second.screening.id)
    assert found is not None
    assert found.id == approval.id
