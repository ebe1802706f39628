"""From the EHR's answer to a row's state (design: "From result to state"; FHIR R4 http, create, transaction). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from launch.fhir_writer import OutcomeKind, WriteOutcome
from smart_app.model.ledger import LedgerRow, RowState

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=15)
_TOO_MANY_PAUSE = timedelta(seconds=60)

_DONE = frozenset({OutcomeKind.CREATED, OutcomeKind.EXISTED, OutcomeKind.UPDATED})
NOT_DONE = frozenset({OutcomeKind.NOT_SENT, OutcomeKind.UNAUTHORIZED, OutcomeKind.TOO_MANY_REQUESTS})
"""Answers that prove that nothing was written: the row goes back to planned."""


def apply_outcome(row: LedgerRow, outcome: WriteOutcome, now: datetime) -> LedgerRow:
    """Move a row that is being sent to where the answer leaves it."""
    if outcome.kind in _DONE:
        return row.end(
            RowState.WRITTEN,
            now,
            resource_id=outcome.resource_id,
            version_id=outcome.version_id,
            http_status=outcome.http_status,
            reason_code="" if outcome.resource_id else "id-not-given",
            reason="" if outcome.resource_id else "The EHR has it, but did not tell its id.",
        )
    if outcome.kind in NOT_DONE:
        return _put_back(row, outcome, now)
    state, code, words = _ends(outcome)
    return row.end(state, now, http_status=outcome.http_status, reason_code=code, reason=words)


def apply_each(rows: Sequence[LedgerRow], outcome: WriteOutcome, now: datetime) -> tuple[LedgerRow, ...]:
    """Move rows that share one answer."""
    return tuple(apply_outcome(row, outcome, now) for row in rows)


def apply_together(rows: Sequence[LedgerRow], outcome: WriteOutcome, now: datetime) -> tuple[LedgerRow, ...]:
    """Move the rows of one transaction: per entry where the EHR answered the Bundle, else all alike.

    Raises: ValueError when the writer gave another number of entries than were sent.
    """
    if outcome.http_status != 200:
        return apply_each(rows, outcome, now)
    return tuple(apply_outcome(row, entry, now) for row, entry in zip(rows, outcome.entries, strict=True))


def refusal_words(outcome: WriteOutcome) -> str:
    """Say why the EHR refused, by status and the codes of its OperationOutcome: its texts may name a patient."""
    status = [] if outcome.http_status is None else [f"HTTP {outcome.http_status}"]
    codes = sorted({issue.code for issue in outcome.issues if issue.severity in {"fatal", "error"}})
    said = [*status, *codes] or [outcome.error_code or "no reason given"]
    return f"The EHR refused it ({', '.join(said)})."


def _put_back(row: LedgerRow, outcome: WriteOutcome, now: datetime) -> LedgerRow:
    if outcome.kind is OutcomeKind.NOT_SENT:
        pause = min(_FIRST_PAUSE * 2 ** min(row.attempt - 1, 10), _LONGEST_PAUSE)
        return row.postpone(RowState.PLANNED, now + pause, "not-sent", "The EHR could not be reached.")
    if outcome.kind is OutcomeKind.TOO_MANY_REQUESTS:
        pause = _TOO_MANY_PAUSE if outcome.retry_after is None else timedelta(seconds=outcome.retry_after)
        return row.postpone(RowState.PLANNED, now + pause, "too-many-requests", "The EHR asked us to send later.")
    return row.postpone(RowState.PLANNED, None, "unauthorized", "The access that the EHR gave had ended.")


def _ends(outcome: WriteOutcome) -> tuple[RowState, str, str]:
    match outcome.kind:
        case OutcomeKind.HELD:
            return RowState.HELD, "held", "The EHR has taken it and will decide on it later."
        case OutcomeKind.REFUSED:
            status = "" if outcome.http_status is None else f"-{outcome.http_status}"
            return RowState.REFUSED, f"ehr-refused{status}", refusal_words(outcome)
        case OutcomeKind.CONFLICT:
            # A conflict of a conditional create is looked up like any other unknown, then decided.
            return RowState.UNKNOWN, "conflict", "The EHR says that it may have it already."
        case _:
            return RowState.UNKNOWN, "no-clear-answer", "The EHR gave no clear answer."
