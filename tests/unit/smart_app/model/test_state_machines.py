"""Whatever is done, in whatever order: no answer is lost, no alert closes unassessed, no ended row lives again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from smart_app.model.alert import STAYS_OPEN, ActionKind, Alert, AlertState, Assessment, Disposition
from smart_app.model.identity import PatientKey, User
from smart_app.model.ledger import ENDED, LedgerRow, RowState
from smart_app.model.moves import IllegalMove, MissingField
from smart_app.model.saving import IncomingAnswer, SaveKind, save_answer
from smart_app.model.screening import UNSIGNED, Giving, SavedStatus, Screening, ScreeningState

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
NURSE, DOCTOR = (
    User(issuer="https://ehr.example", subject=name, fhir_user=f"Practitioner/{name}", name=name)
    for name in ("nurse", "doctor")
)
PATIENT = PatientKey(ehr_id="clinic", tenant="", patient_id="1")
DRAFT = Screening(
    id=UUID(int=1),
    patient=PATIENT,
    instrument_id="phq-9",
    canonical="https://example.org/Questionnaire/phq-9|1.0.0",
    state=ScreeningState.IN_PROGRESS,
    giving=Giving(informant="patient", relationship=None, mode="interview", administered_by="nurse", language="en"),
    encounter_id=None,
    started_by=NURSE,
    started_at=NOW,
    updated_at=NOW,
)
OPENED = Alert(
    id=UUID(int=2),
    screening_id=DRAFT.id,
    patient=PATIENT,
    instrument_id="phq-9",
    rule_id="phq-9-item-9",
    link_id="phq9-9",
    kind="risk-answer",
    level="high",
    reason="item 9 above 0",
    source="the published rule",
    opened_at=NOW,
    opened_by_version=1,
)
ROW = LedgerRow(
    id=UUID(int=3),
    approval_id=UUID(int=4),
    ordinal=1,
    key="document-reference",
    kind="document-reference",
    resource_type="DocumentReference",
    full_url="urn:uuid:3",
    identifier_value="3",
    resource="{}",
    content_hash="",
    depends_on=(),
    state=RowState.PLANNED,
)
T = TypeVar("T")
Move = Callable[[T], T]

words = st.sampled_from(["", "  ", "seen, no plan"])
minutes = st.integers(0, 3).map(lambda count: timedelta(minutes=count))
times = minutes.map(lambda gone: NOW + gone)
users = st.sampled_from([NURSE, DOCTOR])


def attempt(move: Move[T], value: T) -> T:
    """Do what may be done; what may not be changes nothing."""
    with suppress(IllegalMove, MissingField):
        return move(value)
    return value


# --- screenings ------------------------------------------------------------------------------------------------------

saves = st.builds(
    IncomingAnswer,
    link_id=st.sampled_from(["phq9-1", "phq9-9"]),
    status=st.sampled_from(SavedStatus),
    code=st.sampled_from(["LA6568-5", "LA6569-3"]),
    device=st.sampled_from(["page-1", "page-2"]),
    sequence=st.integers(1, 5),
    seen_version=st.integers(0, 5),
)
screening_moves: st.SearchStrategy[Move[Screening]] = st.one_of(
    st.builds(lambda save, at, by: lambda s: save_answer(s, save, now=at, user=by).screening, saves, times, users),
    st.builds(lambda at: lambda s: s.hand_in(at), times),
    st.builds(lambda at: lambda s: s.take_up(at), times),
    st.builds(lambda at: lambda s: s.reopen(at), times),
    st.builds(lambda at: lambda s: s.sign(at), times),
    st.builds(lambda at, why: lambda s: s.stop(at, why), times, words),
    st.builds(lambda at, why: lambda s: s.reject(at, why), times, words),
)


@settings(max_examples=200)
@given(moves=st.lists(screening_moves, min_size=4, max_size=25))
def test_no_order_of_moves_loses_or_changes_a_saved_answer(moves: list[Move[Screening]]) -> None:
    screening = DRAFT
    for move in moves:
        before, screening = screening, attempt(move, screening)
        assert screening.answers[: len(before.answers)] == before.answers
        if before.state is not ScreeningState.IN_PROGRESS:
            assert screening.answers == before.answers
        for link_id in ("phq9-1", "phq9-9"):
            versions = [saved.version for saved in screening.history(link_id)]
            assert versions == list(range(1, len(versions) + 1))


@settings(max_examples=200)
@given(moves=st.lists(screening_moves, min_size=4, max_size=25))
def test_a_screening_that_has_ended_stays_as_it_is_and_a_reason_stands_where_it_was_refused(
    moves: list[Move[Screening]],
) -> None:
    screening = DRAFT
    for move in moves:
        before, screening = screening, attempt(move, screening)
        if before.state not in UNSIGNED:
            assert screening == before
        if screening.state in {ScreeningState.STOPPED, ScreeningState.REJECTED}:
            assert (screening.ended_reason or "").strip()
        if screening.state is ScreeningState.SIGNED and before.state is not ScreeningState.SIGNED:
            assert before.state in {ScreeningState.COMPLETED, ScreeningState.IN_REVIEW}


@given(first=saves, second=saves)
def test_a_save_is_applied_or_named_as_late_or_in_conflict_and_never_dropped_silently(
    first: IncomingAnswer, second: IncomingAnswer
) -> None:
    screening = save_answer(DRAFT, first, now=NOW, user=NURSE).screening
    result = save_answer(screening, second, now=NOW, user=DOCTOR)
    added = result.screening.answers[len(screening.answers) :]
    assert (len(added) == 1) is (result.kind in {SaveKind.SAVED, SaveKind.UNCHANGED})
    if result.kind is SaveKind.UNCHANGED:
        standing = result.standing
        stands = (SavedStatus.CLEARED, None) if standing is None else (standing.status, standing.code)
        assert stands == (second.status, second.code if second.status is SavedStatus.ANSWERED else stands[1])
    if result.kind is SaveKind.LATE:
        assert (first.link_id, first.device) == (second.link_id, second.device)
        assert second.sequence <= first.sequence
    if result.kind is SaveKind.CONFLICT:
        assert first.device != second.device
        assert second.seen_version == 0


# --- alerts ----------------------------------------------------------------------------------------------------------

assessments = st.builds(
    Assessment,
    assessor=words,
    assessed_at=times,
    risk_level=words,
    reasons=words,
    plan=words,
    disposition=st.sampled_from(Disposition),
    outreach_plan=words,
)
whole = st.builds(
    Assessment,
    assessor=st.just("doctor"),
    assessed_at=st.just(NOW),
    risk_level=st.just("low"),
    reasons=st.just("no plan"),
    plan=st.just("call on Friday"),
    disposition=st.sampled_from(Disposition),
    outreach_plan=st.just("call today"),
)
alert_moves: st.SearchStrategy[Move[Alert]] = st.one_of(
    st.builds(lambda by, at, a: lambda alert: alert.close(by, at, a), users, times, assessments | whole),
    st.builds(
        lambda by, at, name, taken: lambda alert: alert.hand_over_to(by, at, name=name, accepted_at=taken),
        users,
        times,
        words,
        times,
    ),
    st.builds(
        lambda by, at, x, y: lambda alert: alert.ask_again(by, at, answer=x, reason=y), users, times, words, words
    ),
    st.builds(lambda by, at, x: lambda alert: alert.keep_answer(by, at, x), users, times, words),
    st.builds(lambda by, at: lambda alert: alert.reopen(by, at), users, times),
    st.builds(lambda by, at, x: lambda alert: alert.add(by, at, x), users, times, words),
)


@settings(max_examples=200)
@given(moves=st.lists(alert_moves, min_size=4, max_size=20))
def test_no_order_of_moves_closes_an_alert_without_an_assessment(moves: list[Move[Alert]]) -> None:
    alert = OPENED
    for move in moves:
        before, alert = alert, attempt(move, alert)
        assert alert.actions[: len(before.actions)] == before.actions
        if alert.state is AlertState.CLOSED and before.state is not AlertState.CLOSED:
            closing = alert.actions[-1]
            assert closing.kind is ActionKind.CLOSED
            assessment = closing.assessment
            assert assessment is not None
            assert all((assessment.assessor, assessment.risk_level, assessment.reasons, assessment.plan))
            assert assessment.disposition not in STAYS_OPEN
            assert assessment.assessed_at <= closing.at
        if before.state is AlertState.CLOSED and alert.state is not AlertState.CLOSED:
            assert (alert.state, alert.actions[-1].kind) == (AlertState.OPEN, ActionKind.REOPENED)


@settings(max_examples=200)
@given(moves=st.lists(alert_moves, min_size=4, max_size=20))
def test_signing_is_free_only_while_an_alert_is_closed_or_a_named_person_has_accepted_it_since(
    moves: list[Move[Alert]],
) -> None:
    alert = OPENED
    for move in moves:
        alert = attempt(move, alert)
        kinds = [action.kind for action in alert.actions]
        decided = [kind for kind in kinds if kind in {ActionKind.CLOSED, ActionKind.ACCEPTED, ActionKind.REOPENED}]
        if alert.blocks_signing:
            assert not decided or decided[-1] is ActionKind.REOPENED
        elif alert.state is AlertState.HANDED_OVER:
            assert decided[-1] is ActionKind.ACCEPTED
            taken = alert.hand_over
            assert taken is not None
            assert (taken.to_name or "").strip()
        else:
            assert decided[-1] is ActionKind.CLOSED


# --- ledger rows -----------------------------------------------------------------------------------------------------

states = st.sampled_from(RowState)
rows = st.builds(lambda state, lease: replace(ROW, state=state, lease_until=lease), states, times | st.none())
row_moves: st.SearchStrategy[Move[LedgerRow]] = st.one_of(
    st.builds(lambda at, lease: lambda row: row.claim(at, at + lease), times, minutes),
    st.builds(lambda at: lambda row: row.start_sending(at), times),
    st.builds(lambda at: lambda row: row.lapse(at), times),
    st.builds(lambda at, state: lambda row: row.end(state, at), times, states),
    st.builds(lambda at, state: lambda row: row.end(state, at, resource_id="1"), times, states),
    st.builds(lambda at, state: lambda row: row.postpone(state, at, "later"), times | st.none(), states),
    st.builds(lambda name: lambda row: row.identify(name, None), st.sampled_from(["1", "2"])),
    st.builds(lambda at: lambda row: row.look_up(at, reason_code="looked", reason=""), times),
    st.builds(lambda at: lambda row: row.prove_absent(at), times),
)


@settings(max_examples=400)
@given(row=rows, moves=st.lists(row_moves, min_size=8, max_size=25))
def test_no_order_of_moves_brings_an_ended_row_back_to_life(row: LedgerRow, moves: list[Move[LedgerRow]]) -> None:
    for move in moves:
        before, row = row, attempt(move, row)
        if before.state in ENDED:
            assert row.state is before.state
            if before.resource_id is not None:
                assert row == before
        assert row.attempt - before.attempt in {0, 1}


@settings(max_examples=400)
@given(row=rows, moves=st.lists(row_moves, min_size=8, max_size=25))
def test_only_an_answer_tells_of_the_chart_and_only_proof_or_a_refused_attempt_sends_again(
    row: LedgerRow, moves: list[Move[LedgerRow]]
) -> None:
    for move in moves:
        before, row = row, attempt(move, row)
        if row.state is before.state:
            continue
        if row.state in {RowState.WRITTEN, RowState.HELD, RowState.REFUSED, RowState.UNKNOWN}:
            assert before.state in {RowState.SENDING, RowState.UNKNOWN}
        if row.state is RowState.SENDING:
            assert before.state is RowState.PLANNED
            assert before.lease_until is not None
        if before.state is RowState.UNKNOWN and row.state not in ENDED:
            assert (row.state, row.reason_code) == (RowState.PLANNED, "proven-absent")


@given(lease=minutes, now=minutes)
def test_a_lease_that_ran_out_leaves_a_row_free_only_if_no_byte_had_left(lease: timedelta, now: timedelta) -> None:
    claimed = ROW.claim(NOW, NOW + lease)
    free = attempt(lambda row: row.claim(NOW + now, NOW + now + lease), claimed)
    assert (free.attempt == 2) is (lease <= now)
    if lease:
        sending = claimed.start_sending(NOW)
        assert attempt(lambda row: row.claim(NOW + now, NOW + now + lease), sending) == sending
        lapsed = attempt(lambda row: row.lapse(NOW + now), sending)
        assert lapsed.state is (RowState.UNKNOWN if lease <= now else RowState.SENDING)


def test_an_alert_tells_a_higher_level_even_when_closed_and_never_a_lower_one() -> None:
    told = {"kind": "risk-answer", "reason": "r", "source": "s"}
    raised = OPENED.raise_level(NOW, level="higher", rank=(2, 1, 2), **told)
    assert (raised.level, raised.state) == ("higher", OPENED.state)
    assert raised.raise_level(NOW, level="high", rank=(1, 1, 3), **told) is raised
    assert raised.raise_level(NOW, level="same", rank=(2, 1, 2), **told) is raised
    closed = replace(raised, state=AlertState.CLOSED).raise_level(NOW, level="highest", rank=(3, 1, 3), **told)
    assert (closed.level, closed.state) == ("highest", AlertState.CLOSED)
    assert [reached.level for reached in closed.levels] == ["high", "higher", "highest"]
