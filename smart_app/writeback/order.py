"""Which row may go next: the ids of what it refers to must be known (design: "Order without transactions"). Pure.

QuestionnaireResponse, items, totals, panel (``hasMember``), DocumentReference, Provenance: the order of the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from smart_app.model.ledger import ENDED, LedgerRow, RowState

_SENDABLE = frozenset({RowState.PLANNED, RowState.WAITING})
_NEVER = frozenset({RowState.REFUSED, RowState.NOT_SUPPORTED, RowState.CANCELLED})


def known_ids(rows: Sequence[LedgerRow]) -> dict[str, str]:
    """Give ``urn:uuid:…`` → ``Type/id`` for every row that is in the chart under a known id."""
    return {
        row.full_url: f"{row.resource_type}/{row.resource_id}"
        for row in rows
        if row.state is RowState.WRITTEN and row.resource_id is not None
    }


def find_ready(rows: Sequence[LedgerRow], now: datetime, passed_over: Collection[UUID] = ()) -> LedgerRow | None:
    """Give the first row that may be claimed and whose references are all known."""
    written = {row.key for row in rows if row.state is RowState.WRITTEN and row.resource_id is not None}
    for row in rows:
        free = row.lease_until is None or row.lease_until <= now
        due = row.not_before is None or row.not_before <= now
        if row.state in _SENDABLE and free and due and row.id not in passed_over and written.issuperset(row.depends_on):
            return row
    return None


def settle_dependants(rows: Sequence[LedgerRow], now: datetime) -> tuple[LedgerRow, ...]:
    """Give the rows that change because of what they refer to: cancelled when it will never be there, else waiting.

    What was signed refers to it; without it, it would be another resource and needs another signature.
    """
    by_key = {row.key: row for row in rows}
    changed: list[LedgerRow] = []
    for row in rows:
        needs = [by_key[key] for key in row.depends_on if key in by_key]
        if row.state not in _SENDABLE or row.lease_until is not None:
            continue
        if any(need.state in _NEVER for need in needs):
            reason = "It refers to something that the EHR did not take. Signed anew, it can be written without that."
            moved = row.end(RowState.CANCELLED, now, reason_code="dependency-not-written", reason=reason)
        elif row.state is RowState.PLANNED and any(_is_in_doubt(need) for need in needs):
            reason = "It refers to something of which the EHR has not yet told that it has it."
            moved = row.postpone(RowState.WAITING, None, "dependency-not-known", reason)
        else:
            continue
        by_key[row.key] = moved
        changed.append(moved)
    return tuple(changed)


def left(rows: Sequence[LedgerRow]) -> tuple[LedgerRow, ...]:
    """Give the rows that have not ended."""
    return tuple(row for row in rows if row.state not in ENDED)


def _is_in_doubt(row: LedgerRow) -> bool:
    without_id = row.state is RowState.WRITTEN and row.resource_id is None
    return without_id or row.state in {RowState.UNKNOWN, RowState.HELD}
