"""Safety rule 7: at most one copy. A POST of unknown outcome is looked up, never repeated without proof.

The truth is read from the EHR's store and request log. Each run breaks one POST, or kills the process around it, and
goes on with a new process: no resource twice in the chart, and no row that says what is not so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launch.ehr_profile import AbsenceProof, get_ehr_profile
from launch.fhir_reader import FhirResource, SearchResult
from launch.scopes import Scopes
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.report import WriteReport
from smart_app.writeback.writer import finish_due, write_approval
from tests.fakes.ehr_door import Act, FakeChart, Killed, capabilities, open_fake_door, timed_out
from tests.fakes.signing import Clock, open_units, sign_reviewed

GENERIC = get_ehr_profile("generic")
SEARCH = replace(GENERIC, absence_proof=AbsenceProof.IDENTIFIER_SEARCH)
HAPI = get_ehr_profile("hapi")

KILLS = (Act.KILL_BEFORE_FIRST_BYTE, Act.KILL_AFTER_FIRST_BYTE, Act.KILL_AFTER_COMMIT)
LOSSES = (Act.LOSE_REQUEST, Act.LOSE_ANSWER)
NOT_DONE = (Act.UNREACHABLE, Act.UNAUTHORIZED, Act.TOO_MANY, Act.CONFLICT)
METHODS = ("search", "conditional", "transaction", "no-proof")
STEPS = {"first": 0, "panel": 12, "last": 14}
NEVER_IN_CHART = frozenset(
    {RowState.PLANNED, RowState.WAITING, RowState.REFUSED, RowState.CANCELLED, RowState.NOT_SUPPORTED}
)


def open_door(method: str, chart: FakeChart) -> EhrDoor:
    match method:
        case "search":
            return open_fake_door(chart, profile=SEARCH)
        case "conditional":
            return open_fake_door(chart, profile=HAPI, capabilities=capabilities(conditional=True))
        case "transaction":
            return open_fake_door(chart, profile=HAPI, capabilities=capabilities(transaction=True, conditional=True))
        case _:
            return open_fake_door(chart, profile=GENERIC)


@pytest.fixture
def units(tmp_path: Path) -> Iterator[Units]:
    with open_units(tmp_path) as units:
        yield units


def rows_of(units: Units, approval_id: UUID) -> tuple[LedgerRow, ...]:
    with units.read() as unit:
        return unit.ledger.rows_of(approval_id)


def check_truth(units: Units, approval_id: UUID, chart: FakeChart) -> None:
    """Each identifier at most once in the chart, and every row as it is."""
    copies = chart.copies()
    assert set(copies.values()) <= {1}
    for row in rows_of(units, approval_id):
        if row.state is RowState.WRITTEN:
            assert row.identifier_value in copies
        if row.state in NEVER_IN_CHART:
            assert row.identifier_value not in copies


def write_until_killed(units: Units, approval_id: UUID, door: EhrDoor, clock: Clock) -> WriteReport | None:
    try:
        return write_approval(units, approval_id, door, clock=clock)
    except Killed:
        return None


def go_on(units: Units, approval_id: UUID, method: str, chart: FakeChart, clock: Clock) -> WriteReport:
    """New processes, three minutes apart, until nothing moves any more."""
    report = None
    for _ in range(8):
        clock.go(minutes=3)
        report = write_until_killed(units, approval_id, open_door(method, chart), clock)
        check_truth(units, approval_id, chart)
        if report is not None and report.finished:
            break
    assert report is not None
    return report


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("act", [*KILLS, *LOSSES, *NOT_DONE])
def test_a_broken_step_leaves_one_copy_and_true_rows(units: Units, method: str, step: str, act: Act) -> None:
    chart, clock = FakeChart(), Clock()
    door = open_door(method, chart)
    approval = sign_reviewed(units, door)
    before = 0 if method == "transaction" else STEPS[step]
    chart.script = [Act.TAKE] * before + [act]

    report = write_until_killed(units, approval.id, door, clock)
    assert (report is None) == (act in KILLS)
    check_truth(units, approval.id, chart)

    report = go_on(units, approval.id, method, chart, clock)
    lost_for_good = method == "no-proof" and act in {Act.LOSE_REQUEST, Act.KILL_AFTER_FIRST_BYTE, Act.CONFLICT}
    if lost_for_good:
        assert report.count(RowState.UNKNOWN) == 1
    else:
        assert {row.state for row in report.rows} == {RowState.WRITTEN}
        assert len(chart.stored) == 15


@pytest.mark.parametrize("act", [Act.KILL_AFTER_FIRST_BYTE, Act.KILL_AFTER_COMMIT])
@pytest.mark.parametrize("method", METHODS)
def test_a_row_that_was_being_sent_is_never_planned_again_by_time_alone(units: Units, method: str, act: Act) -> None:
    chart, clock = FakeChart(), Clock()
    door = open_door(method, chart)
    approval = sign_reviewed(units, door)
    chart.script = [act]
    write_until_killed(units, approval.id, door, clock)
    sending = [row for row in rows_of(units, approval.id) if row.state is RowState.SENDING]
    assert sending

    clock.go(days=30)
    finish_due(units, ["clinic"], lambda _: None, clock=clock)

    after = {row.id: row for row in rows_of(units, approval.id)}
    assert {(after[row.id].state, after[row.id].reason_code) for row in sending} == {(RowState.UNKNOWN, "lease-lapsed")}
    assert len(chart.posts) == 1


def test_a_second_process_leaves_alone_what_the_first_is_sending(units: Units) -> None:
    chart, clock = FakeChart(), Clock()
    door = open_door("transaction", chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.KILL_AFTER_FIRST_BYTE]
    write_until_killed(units, approval.id, door, clock)

    clock.go(seconds=60)
    write_approval(units, approval.id, open_door("transaction", chart), clock=clock)

    assert len(chart.posts) == 1
    assert {row.state for row in rows_of(units, approval.id)} == {RowState.SENDING}


def test_nothing_is_sent_when_the_guard_took_so_long_that_the_lease_would_end_first(units: Units) -> None:
    chart, clock = FakeChart(), Clock()
    door = open_door("transaction", chart)
    approval = sign_reviewed(units, door)
    chart.before_post = lambda: clock.go(seconds=91)

    write_approval(units, approval.id, door, clock=clock)

    assert chart.posts == []
    assert {row.state for row in rows_of(units, approval.id)} == {RowState.PLANNED}


def test_an_empty_search_alone_is_no_proof(units: Units) -> None:
    chart, clock = FakeChart(), Clock()
    door = open_door("search", chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.LOSE_ANSWER]
    chart.hidden_from_search = True

    write_approval(units, approval.id, door, clock=clock)
    clock.go(seconds=SEARCH.settle_seconds - 1)
    write_approval(units, approval.id, door, clock=clock)
    first = rows_of(units, approval.id)[0]
    assert (first.state, first.reason_code) == (RowState.UNKNOWN, "not-found-yet")

    chart.hidden_from_search = False
    clock.go(seconds=1)
    assert write_approval(units, approval.id, door, clock=clock).finished
    assert set(chart.copies().values()) == {1}


class SlowChart(FakeChart):
    """Takes its time over each search."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def search(self, resource_type: str, params: Iterable[tuple[str, str]]) -> SearchResult:
        self._clock.go(seconds=SEARCH.settle_seconds)
        return super().search(resource_type, params)


def test_the_time_to_settle_begins_when_the_first_look_up_has_ended(units: Units) -> None:
    clock = Clock()
    chart = SlowChart(clock)
    door = open_door("search", chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.LOSE_ANSWER]
    chart.hidden_from_search = True

    write_approval(units, approval.id, door, clock=clock)
    clock.go(seconds=SEARCH.settle_seconds - 1)
    write_approval(units, approval.id, door, clock=clock)

    assert rows_of(units, approval.id)[0].state is RowState.UNKNOWN
    assert [post["resourceType"] for post in chart.posts].count("QuestionnaireResponse") == 1


def test_a_search_that_is_not_allowed_counts_for_nothing(units: Units) -> None:
    chart, clock = FakeChart(), Clock()
    blind = open_fake_door(chart, profile=SEARCH, capabilities=capabilities(searchable=False))
    approval = sign_reviewed(units, blind)
    chart.script = [Act.LOSE_REQUEST]
    for _ in range(5):
        write_approval(units, approval.id, blind, clock=clock)
        clock.go(hours=1)
    first = rows_of(units, approval.id)[0]
    assert (first.state, first.reason_code, first.look_ups) == (RowState.UNKNOWN, "cannot-look-up", 0)

    write_approval(units, approval.id, open_door("search", chart), clock=clock)
    assert rows_of(units, approval.id)[0].state is RowState.UNKNOWN, "one empty search is not two"


class DeafChart(FakeChart):
    """Answers no search."""

    def search(self, resource_type: str, params: Iterable[tuple[str, str]]) -> SearchResult:
        raise timed_out()


@pytest.mark.parametrize("method", ["search", "conditional", "transaction"])
def test_a_search_that_fails_counts_for_nothing(units: Units, method: str) -> None:
    chart, clock = DeafChart(), Clock()
    door = open_door(method, chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.LOSE_REQUEST]
    for _ in range(5):
        write_approval(units, approval.id, door, clock=clock)
        clock.go(hours=1)
    first = rows_of(units, approval.id)[0]
    assert (first.state, first.look_ups) == (RowState.UNKNOWN, 0)
    assert chart.found("QuestionnaireResponse") == []


@pytest.mark.parametrize("act", LOSSES)
def test_without_a_search_a_conditional_create_is_the_proof_once_the_first_has_settled(units: Units, act: Act) -> None:
    chart, clock = FakeChart(), Clock()
    blind = open_fake_door(chart, profile=HAPI, capabilities=capabilities(conditional=True, searchable=False))
    approval = sign_reviewed(units, blind)
    chart.script = [act]
    write_approval(units, approval.id, blind, clock=clock)
    posts = len(chart.posts)
    clock.go(seconds=HAPI.settle_seconds - 1)
    write_approval(units, approval.id, blind, clock=clock)
    assert len(chart.posts) == posts

    clock.go(seconds=1)
    write_approval(units, approval.id, blind, clock=clock)
    report = write_approval(units, approval.id, blind, clock=clock)

    assert report.finished
    assert set(chart.copies().values()) == {1}


def test_several_copies_are_shown_to_a_person_and_nothing_is_sent(units: Units) -> None:
    chart, clock = FakeChart(), Clock()
    door = open_door("search", chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.LOSE_ANSWER]
    chart.hidden_from_search = True
    write_approval(units, approval.id, door, clock=clock)
    chart.stored.append({**chart.stored[0], "id": "replayed-by-the-network"})
    chart.hidden_from_search = False
    posts = len(chart.posts)

    clock.go(minutes=5)
    write_approval(units, approval.id, door, clock=clock)

    first = rows_of(units, approval.id)[0]
    assert (first.state, first.reason_code) == (RowState.UNKNOWN, "several-found")
    assert len(chart.posts) == posts


class PartialChart(FakeChart):
    """Gives a part of what it has: the search index shows only what stands in ``indexed``, or pages are missing."""

    def __init__(self) -> None:
        super().__init__()
        self.indexed: frozenset[str] | None = None
        self.complete = True

    def search(self, resource_type: str, params: Iterable[tuple[str, str]]) -> SearchResult:
        found = super().search(resource_type, params)
        shown = [match for match in found.resources if self.indexed is None or match.resource_type in self.indexed]
        return SearchResult(resources=tuple(shown), complete=self.complete)


def test_two_empty_searches_of_which_pages_are_missing_prove_nothing(units: Units) -> None:
    chart, clock = PartialChart(), Clock()
    chart.complete, chart.indexed = False, frozenset()
    door = open_door("search", chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.LOSE_ANSWER]
    for _ in range(6):
        write_approval(units, approval.id, door, clock=clock)
        clock.go(hours=1)

    first = rows_of(units, approval.id)[0]
    assert (first.state, first.look_ups) == (RowState.UNKNOWN, 0)
    assert set(chart.copies().values()) == {1}


def test_while_a_part_of_a_transaction_is_found_no_other_part_is_proven_absent(units: Units) -> None:
    chart, clock = PartialChart(), Clock()
    chart.indexed = frozenset({"Observation"})
    # Not conditional: a second POST of what the index hides would be a second copy.
    door = open_fake_door(chart, profile=SEARCH, capabilities=capabilities(transaction=True))
    approval = sign_reviewed(units, door)
    chart.script = [Act.LOSE_ANSWER]
    for _ in range(6):
        write_approval(units, approval.id, door, clock=clock)
        check_truth(units, approval.id, chart)
        clock.go(hours=1)
    assert len(chart.posts) == 1

    chart.indexed = None
    assert write_approval(units, approval.id, door, clock=clock).finished


def test_what_cannot_be_searched_is_told_by_its_transaction_only_when_all_the_rest_is_found(units: Units) -> None:
    chart, clock = PartialChart(), Clock()
    chart.indexed = frozenset({"Observation"})
    blind = Scopes.parse(
        "patient/*.cru patient/Observation.s patient/QuestionnaireResponse.s patient/DocumentReference.s"
    )
    door = open_fake_door(chart, profile=SEARCH, capabilities=capabilities(transaction=True), scopes=blind)
    approval = sign_reviewed(units, door)
    chart.script = [Act.LOSE_ANSWER]
    write_approval(units, approval.id, door, clock=clock)
    assert rows_of(units, approval.id)[-1].state is RowState.UNKNOWN

    chart.indexed = None
    clock.go(hours=1)
    write_approval(units, approval.id, door, clock=clock)

    last = rows_of(units, approval.id)[-1]
    assert (last.kind, last.state, last.reason_code) == ("provenance", RowState.WRITTEN, "found-together")
    check_truth(units, approval.id, chart)


def test_what_began_one_by_one_goes_on_one_by_one(units: Units) -> None:
    chart, clock = FakeChart(), Clock()
    single = open_door("search", chart)
    approval = sign_reviewed(units, single)
    chart.script = [Act.TAKE, Act.TAKE, Act.UNREACHABLE]
    write_approval(units, approval.id, single, clock=clock)
    clock.go(minutes=1)

    report = write_approval(units, approval.id, open_door("transaction", chart), clock=clock)

    assert report.finished
    assert set(chart.copies().values()) == {1}
    assert "Bundle" not in {post["resourceType"] for post in chart.posts}


class LaxChart(FakeChart):
    """Ignores search parameters that it does not know, as R4 lets a server do."""

    def search(self, resource_type: str, params: Iterable[tuple[str, str]]) -> SearchResult:
        found = [
            FhirResource(resource_type=resource_type, id=resource["id"], version_id=None, resource=resource)
            for resource in self.found(resource_type)
        ]
        return SearchResult(resources=tuple(found), complete=True)


def test_what_a_server_finds_by_ignoring_our_parameter_is_not_taken_for_ours(units: Units) -> None:
    chart, clock = LaxChart(), Clock()
    earlier = {"resourceType": "QuestionnaireResponse", "id": "old", "subject": {"reference": "Patient/rosa"}}
    chart.stored.append(earlier)
    door = open_door("search", chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.LOSE_REQUEST]

    write_approval(units, approval.id, door, clock=clock)

    assert rows_of(units, approval.id)[0].state is RowState.UNKNOWN


ANY_ACT = st.sampled_from(list(Act))


@settings(max_examples=60, deadline=None)
@given(method=st.sampled_from(METHODS), script=st.lists(ANY_ACT, max_size=25), minutes=st.lists(st.integers(0, 5)))
def test_whatever_the_ehr_does_there_is_one_copy_and_no_untrue_row(
    method: str, script: list[Act], minutes: list[int]
) -> None:
    with TemporaryDirectory() as folder, open_units(Path(folder)) as units:
        chart, clock = FakeChart(), Clock()
        door = open_door(method, chart)
        approval = sign_reviewed(units, door)
        chart.script = list(script)
        for pause in minutes:
            write_until_killed(units, approval.id, open_door(method, chart), clock)
            check_truth(units, approval.id, chart)
            clock.go(minutes=pause)
        chart.script = []
        report = go_on(units, approval.id, method, chart, clock)
        if method != "no-proof":
            assert report.count(RowState.UNKNOWN) == 0
