"""From signature to chart: what the EHR's store holds afterwards, and what our rows say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fhir_mappings.bundle import find_references
from launch.ehr_profile import get_ehr_profile
from launch.scopes import Scopes
from smart_app.model.audit import AuditAction
from smart_app.model.ledger import RowState
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.outcome import find_stops
from smart_app.writeback.stops import NOT_CO_SIGNED, OTHER_USER, STILL_SENDING
from smart_app.writeback.writer import write_approval
from tests.fakes.ehr_door import CLINICIAN, Act, FakeChart, capabilities, open_fake_door, timed_out, unauthorized
from tests.fakes.signing import NOW, Clock, sign_reviewed


def together(chart: FakeChart, **changes: Any) -> Any:
    return open_fake_door(
        chart,
        **{
            "profile": get_ehr_profile("hapi"),
            "capabilities": capabilities(transaction=True, conditional=True),
            **changes,
        },
    )


@pytest.mark.parametrize("open_door", [open_fake_door, together], ids=["single", "transaction"])
def test_signing_and_writing_puts_each_resource_into_the_chart_once(
    units: Units, chart: FakeChart, clock: Clock, open_door: Any
) -> None:
    door = open_door(chart)
    approval = sign_reviewed(units, door)

    report = write_approval(units, approval.id, door, clock=clock)

    assert report.stop is None
    assert {row.state for row in report.rows} == {RowState.WRITTEN}
    types = [resource["resourceType"] for resource in chart.stored]
    assert types == ["QuestionnaireResponse", *["Observation"] * 12, "DocumentReference", "Provenance"]
    assert set(chart.copies().values()) == {1}
    ids = {f"{resource['resourceType']}/{resource['id']}" for resource in chart.stored}
    references = {reference for resource in chart.stored for reference in find_references(resource)}
    assert references <= ids | {
        "Patient/rosa",
        "Encounter/visit",
        "Practitioner/miriam",
        "Organization/alder-creek",
        "#software",
    }
    assert {row.resource_id for row in report.rows} == {resource["id"] for resource in chart.stored}


def test_the_transaction_is_one_request_and_each_entry_is_conditional(
    units: Units, chart: FakeChart, clock: Clock
) -> None:
    door = together(chart)
    approval = sign_reviewed(units, door)

    write_approval(units, approval.id, door, clock=clock)

    assert [post["type"] for post in chart.posts] == ["transaction"]
    assert all(condition for condition in chart.conditions)


def test_single_creates_go_in_the_order_of_their_references(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)

    write_approval(units, approval.id, door, clock=clock)

    types = [post["resourceType"] for post in chart.posts]
    assert types == ["QuestionnaireResponse", *["Observation"] * 12, "DocumentReference", "Provenance"]
    assert "hasMember" in chart.posts[12]
    assert chart.conditions == [None] * 15


def test_writing_again_sends_nothing(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = together(chart)
    approval = sign_reviewed(units, door)
    write_approval(units, approval.id, door, clock=clock)

    write_approval(units, approval.id, door, clock=clock)

    assert len(chart.posts) == 1


def test_sending_is_committed_before_the_first_byte(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    seen: list[list[RowState]] = []

    class Watching(FakeChart):
        def _post(self, entries: Any, before_first_byte: Any, *, posted: Any) -> Any:
            def watched() -> None:
                before_first_byte()
                with units.read() as unit:
                    seen.append([row.state for row in unit.ledger.rows_of(approval.id)])

            return super()._post(entries, watched, posted=posted)

    watching = Watching()
    write_approval(units, approval.id, open_fake_door(watching), clock=clock)

    assert [states.count(RowState.SENDING) for states in seen] == [1] * 15
    assert [states.count(RowState.WRITTEN) for states in seen] == list(range(15))


def test_a_refused_resource_is_told_by_codes_and_does_not_hold_back_the_note(
    units: Units, chart: FakeChart, clock: Clock
) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.REFUSE]

    report = write_approval(units, approval.id, door, clock=clock)

    states = {row.key: row.state for row in report.rows}
    assert states["questionnaire-response"] is RowState.REFUSED
    assert states["document-reference"] is RowState.WRITTEN
    assert states["observation:panel"] is RowState.CANCELLED
    assert states["provenance"] is RowState.CANCELLED
    refused = next(row for row in report.rows if row.state is RowState.REFUSED)
    assert (refused.reason_code, refused.reason) == (
        "ehr-refused-422",
        "The EHR refused it (HTTP 422, business-rule).",
    )
    assert report.finished


def test_a_refused_transaction_refuses_every_row(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = together(chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.REFUSE]

    report = write_approval(units, approval.id, door, clock=clock)

    assert {row.state for row in report.rows} == {RowState.REFUSED}
    assert chart.stored == []


def test_a_held_resource_makes_its_dependants_wait(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.HOLD]

    report = write_approval(units, approval.id, door, clock=clock)

    states = {row.key: row.state for row in report.rows}
    assert states["questionnaire-response"] is RowState.HELD
    assert states["observation:panel"] is RowState.WAITING
    assert states["document-reference"] is RowState.WRITTEN


def test_an_unreachable_ehr_leaves_the_rows_planned_and_the_run_stops(
    units: Units, chart: FakeChart, clock: Clock
) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.UNREACHABLE]

    report = write_approval(units, approval.id, door, clock=clock)

    assert report.stop is not None
    assert report.stop.code == "ehr-unreachable"
    assert {row.state for row in report.rows} == {RowState.PLANNED}
    assert chart.posts == []

    write_approval(units, approval.id, door, clock=clock)
    assert [post["resourceType"] for post in chart.posts] == ["DocumentReference"], "the first row waits for its time"
    clock.go(seconds=30)
    assert write_approval(units, approval.id, door, clock=clock).finished
    assert set(chart.copies().values()) == {1}


def test_too_many_requests_waits_as_long_as_the_ehr_says(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = together(chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.TOO_MANY]

    report = write_approval(units, approval.id, door, clock=clock)
    assert report.stop is not None
    assert report.stop.code == "ehr-busy"

    clock.go(seconds=119)
    write_approval(units, approval.id, door, clock=clock)
    assert len(chart.posts) == 1
    clock.go(seconds=1)
    assert write_approval(units, approval.id, door, clock=clock).finished
    assert len(chart.posts) == 2


@pytest.mark.parametrize("open_door", [open_fake_door, together], ids=["single", "transaction"])
def test_401_is_answered_by_one_refresh(units: Units, chart: FakeChart, clock: Clock, open_door: Any) -> None:
    fresh = open_door(chart, launch_id="fresh")
    refreshed: list[str] = []

    def refresh() -> Any:
        refreshed.append("once")
        return fresh

    door = open_door(chart, refresh=refresh)
    approval = sign_reviewed(units, door)
    chart.script = [Act.UNAUTHORIZED]

    report = write_approval(units, approval.id, door, clock=clock)

    assert refreshed == ["once"]
    assert report.finished
    assert set(chart.copies().values()) == {1}


def test_without_a_fresh_token_the_rows_wait_for_the_next_launch(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = together(chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.UNAUTHORIZED]

    report = write_approval(units, approval.id, door, clock=clock)

    assert report.stop is not None
    assert report.stop.code == "token-ended"
    assert {(row.state, row.reason_code) for row in report.rows} == {(RowState.WAITING, "token-ended")}

    assert write_approval(units, approval.id, together(chart, launch_id="next"), clock=clock).finished


def test_a_token_that_ends_while_the_guard_reads_is_refreshed_too(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = together(chart, refresh=lambda: together(chart))
    approval = sign_reviewed(units, door)
    chart.read_errors = [unauthorized()]

    assert write_approval(units, approval.id, door, clock=clock).finished


def test_nothing_is_sent_when_the_ehr_cannot_be_asked_first(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.read_errors = [timed_out()]

    report = write_approval(units, approval.id, door, clock=clock)

    assert report.stop is not None
    assert (report.stop.code, report.stop.transient) == ("cannot-check", True)
    assert chart.posts == []


def test_a_row_that_the_token_does_not_cover_waits_and_the_others_go(
    units: Units, chart: FakeChart, clock: Clock
) -> None:
    approval = sign_reviewed(units, open_fake_door(chart))
    narrow = open_fake_door(chart, scopes=Scopes.parse("patient/QuestionnaireResponse.c patient/Observation.c"))

    report = write_approval(units, approval.id, narrow, clock=clock)

    states = {row.key: (row.state, row.reason_code) for row in report.rows}
    assert states["document-reference"] == (RowState.WAITING, "no-scope")
    assert states["observation:panel"] == (RowState.WRITTEN, "")


def test_a_resource_written_without_an_id_is_looked_up_and_its_dependants_go_on(
    units: Units, chart: FakeChart, clock: Clock
) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.TAKE_WITHOUT_ID]
    chart.hidden_from_search = True

    report = write_approval(units, approval.id, door, clock=clock)
    first = report.rows[0]
    assert (first.state, first.resource_id, first.reason_code) == (RowState.WRITTEN, None, "id-not-given")
    assert next(row for row in report.rows if row.key == "observation:panel").state is RowState.WAITING

    chart.hidden_from_search = False
    report = write_approval(units, approval.id, door, clock=clock)
    assert report.finished
    assert {row.state for row in report.rows} == {RowState.WRITTEN}
    assert set(chart.copies().values()) == {1}


def test_every_step_of_a_row_is_audited_without_patient_text(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = together(chart)
    approval = sign_reviewed(units, door)
    write_approval(units, approval.id, door, clock=clock)

    with units.read() as unit:
        events = [event for _, event in unit.audit.export()]
        assert unit.audit.verify().is_intact
    actions = [event.action for event in events]
    assert actions[0] is AuditAction.SIGNED
    assert actions.count(AuditAction.ROW_SENDING) == 15
    assert actions.count(AuditAction.ROW_RESULT) == 15
    assert "Delgado" not in repr([event.detail for event in events])


def test_a_launch_that_ends_while_it_is_refreshed_leaves_the_rest_waiting(
    units: Units, chart: FakeChart, clock: Clock
) -> None:
    def over() -> None:
        raise unauthorized()

    door = open_fake_door(chart, refresh=over)
    approval = sign_reviewed(units, door)
    chart.script = [Act.TAKE, Act.UNAUTHORIZED]

    report = write_approval(units, approval.id, door, clock=clock)

    assert report.stop is not None
    assert report.stop.code == "token-ended"
    assert [row.state for row in report.rows] == [RowState.WRITTEN, *[RowState.WAITING] * 14]


def test_a_slow_ehr_does_not_hold_the_page_for_every_resource(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.before_post = lambda: clock.go(seconds=20)

    report = write_approval(units, approval.id, door, clock=clock)

    assert report.stop is not None
    assert (report.stop.code, len(chart.posts)) == ("still-sending", 3)

    chart.before_post = lambda: None
    assert write_approval(units, approval.id, door, clock=clock).finished
    assert set(chart.copies().values()) == {1}


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([Act.UNREACHABLE], "ehr-unreachable"),
        ([Act.TOO_MANY], "ehr-busy"),
        ([Act.UNAUTHORIZED], "token-ended"),
        ([Act.REFUSE], None),
        ([], None),
    ],
)
def test_why_a_run_stopped_can_be_told_from_its_rows_afterwards(
    units: Units, chart: FakeChart, clock: Clock, script: list[Act], code: str | None
) -> None:
    approval = sign_reviewed(units, open_fake_door(chart))
    chart.script = script

    report = write_approval(units, approval.id, open_fake_door(chart), clock=clock)

    stops = find_stops(approval, report.rows, CLINICIAN)
    assert [stop.code for stop in stops] == ([] if code is None else [code])
    assert (report.stop and report.stop.code) == code


def test_a_run_out_of_patience_is_told_from_its_rows_too(units: Units, chart: FakeChart, clock: Clock) -> None:
    approval = sign_reviewed(units, open_fake_door(chart))

    report = write_approval(units, approval.id, open_fake_door(chart), clock=clock, patience=timedelta(0))

    assert report.stop is STILL_SENDING
    assert find_stops(approval, report.rows, CLINICIAN) == (STILL_SENDING,)


def test_another_launch_is_told_who_may_send_and_a_waiting_signature_comes_before_all(
    units: Units, chart: FakeChart
) -> None:
    approval = sign_reviewed(units, open_fake_door(chart))
    with units.read() as unit:
        rows = unit.ledger.rows_of(approval.id)
    colleague = replace(CLINICIAN, subject="s-2")
    assert find_stops(approval, rows, colleague) == (OTHER_USER,)
    assert find_stops(replace(approval, co_signed_by=colleague), rows, colleague) == (STILL_SENDING,)
    assert find_stops(replace(approval, awaiting="Practitioner/9"), rows, CLINICIAN) == (NOT_CO_SIGNED,)
    ended = [row.end(RowState.CANCELLED, NOW) for row in rows]
    assert find_stops(approval, ended, colleague) == ()
