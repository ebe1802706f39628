"""The table from answer to state, row by row (design: "From result to state")."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from launch.errors import Issue
from launch.fhir_writer import OutcomeKind, WriteOutcome
from smart_app.model.ledger import RowState
from smart_app.writeback.result_table import apply_outcome, apply_together
from tests.fakes.signing import NOW
from tests.unit.smart_app.writeback.factories import ROW


def outcome(kind: OutcomeKind, status: int | None = None, **changes: Any) -> WriteOutcome:
    return WriteOutcome(kind=kind, http_status=status, **changes)


TABLE: dict[str, tuple[WriteOutcome, RowState, str]] = {
    "created": (outcome(OutcomeKind.CREATED, 201, resource_id="a"), RowState.WRITTEN, ""),
    "existed": (outcome(OutcomeKind.EXISTED, 200, resource_id="a"), RowState.WRITTEN, ""),
    "created without id": (outcome(OutcomeKind.CREATED, 201), RowState.WRITTEN, "id-not-given"),
    "held": (outcome(OutcomeKind.HELD, 202), RowState.HELD, "held"),
    "not sent": (outcome(OutcomeKind.NOT_SENT), RowState.PLANNED, "not-sent"),
    "401": (outcome(OutcomeKind.UNAUTHORIZED, 401), RowState.PLANNED, "unauthorized"),
    "429": (outcome(OutcomeKind.TOO_MANY_REQUESTS, 429), RowState.PLANNED, "too-many-requests"),
    "conflict": (outcome(OutcomeKind.CONFLICT, 412), RowState.UNKNOWN, "conflict"),
    "422": (outcome(OutcomeKind.REFUSED, 422), RowState.REFUSED, "ehr-refused-422"),
    "redirect": (outcome(OutcomeKind.REFUSED, error_code="redirect-refused"), RowState.REFUSED, "ehr-refused"),
    "500": (outcome(OutcomeKind.UNKNOWN, 500), RowState.UNKNOWN, "no-clear-answer"),
    "time-out": (outcome(OutcomeKind.UNKNOWN, error_code="read-timeout"), RowState.UNKNOWN, "no-clear-answer"),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_answer_leaves_the_row_where_the_design_says(name: str) -> None:
    answer, state, code = TABLE[name]
    after = apply_outcome(ROW, answer, NOW)
    assert (after.state, after.reason_code, after.lease_until) == (state, code, None)
    assert bool(after.reason) == bool(code)


def test_the_table_has_a_line_for_every_kind_of_a_create() -> None:
    assert {answer.kind for answer, _, _ in TABLE.values()} == set(OutcomeKind) - {OutcomeKind.UPDATED}


def test_id_and_version_are_kept() -> None:
    after = apply_outcome(ROW, outcome(OutcomeKind.CREATED, 201, resource_id="a", version_id="3"), NOW)
    assert (after.resource_id, after.version_id, after.http_status, after.ended_at) == ("a", "3", 201, NOW)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 30), (2, 60), (3, 120), (6, 900), (500, 900)], ids=str)
def test_an_unreachable_ehr_is_tried_ever_more_seldom(attempt: int, seconds: int) -> None:
    after = apply_outcome(replace(ROW, attempt=attempt), outcome(OutcomeKind.NOT_SENT), NOW)
    assert after.not_before == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(("said", "seconds"), [(None, 60), (5.0, 5), (0.0, 0)])
def test_a_busy_ehr_is_obeyed(said: float | None, seconds: int) -> None:
    after = apply_outcome(ROW, outcome(OutcomeKind.TOO_MANY_REQUESTS, 429, retry_after=said), NOW)
    assert after.not_before == NOW + timedelta(seconds=seconds)


def test_a_refusal_is_told_by_codes_and_never_by_the_ehrs_text() -> None:
    issues = (
        Issue(severity="error", code="business-rule", text="Rosa Delgado-Quinn has no such code"),
        Issue(severity="error", code="code-invalid"),
        Issue(severity="warning", code="informational"),
    )
    after = apply_outcome(ROW, outcome(OutcomeKind.REFUSED, 400, issues=issues), NOW)
    assert after.reason == "The EHR refused it (HTTP 400, business-rule, code-invalid)."


ROWS = (ROW, replace(ROW, id=UUID(int=3), key="document-reference"))


def test_a_transaction_is_told_entry_by_entry() -> None:
    entries = (outcome(OutcomeKind.CREATED, 201, resource_id="a"), outcome(OutcomeKind.EXISTED, 200, resource_id="b"))
    after = apply_together(ROWS, outcome(OutcomeKind.CREATED, 200, entries=entries), NOW)
    assert [(row.state, row.resource_id) for row in after] == [(RowState.WRITTEN, "a"), (RowState.WRITTEN, "b")]


def test_a_server_that_breaks_its_own_transaction_is_believed_entry_by_entry() -> None:
    entries = (outcome(OutcomeKind.CREATED, 201, resource_id="a"), outcome(OutcomeKind.REFUSED, 422))
    after = apply_together(ROWS, outcome(OutcomeKind.REFUSED, 200, entries=entries), NOW)
    assert [row.state for row in after] == [RowState.WRITTEN, RowState.REFUSED]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (outcome(OutcomeKind.REFUSED, 422), RowState.REFUSED),
        (outcome(OutcomeKind.UNKNOWN, 504), RowState.UNKNOWN),
        (outcome(OutcomeKind.NOT_SENT), RowState.PLANNED),
    ],
)
def test_an_answer_to_the_whole_transaction_is_every_rows(answer: WriteOutcome, state: RowState) -> None:
    same = replace(answer, entries=(WriteOutcome(kind=answer.kind),) * 2)
    assert {row.state for row in apply_together(ROWS, same, NOW)} == {state}
