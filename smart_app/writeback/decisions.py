"""A person decides on what no look-up could settle: it is there, it is not there, or it is given up (section 6).

Each choice is of one attempt and checked against a search made now, so that a page that grew old decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from launch.fhir_reader import FhirResource
from smart_app.errors import AppError
from smart_app.model.approval import Approval
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.storage.errors import LostClaim
from smart_app.writeback.claims import Claims
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.look_up import Found, look_up_unknown, search_for

_GIVEN_UP = "Looked for in the chart by a person and not there; given up, to be copied by hand."
_SENT_AGAIN = "Looked for in the chart by a person and not there; it is sent again."


class Decision(StrEnum):
    """What a person may choose; stable, for the audit."""

    LOOK_UP = "look-up"
    THERE = "there"
    SEND_AGAIN = "send-again"
    GIVE_UP = "give-up"


class DecidedElsewhere(AppError):
    """The rows are no longer in doubt, or the chart shows something else than the page did."""

    code = "decided-elsewhere"
    title = "This has changed since the page was shown"
    remedy = "Nothing was done. Look at the page as it is now, then decide."
    http_status = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Rows that one request sent and whose outcome is unknown, and what the EHR shows of each now.

    ``found`` has None for a row that cannot be looked up here. ``partly_written``: another of the request is in the
    chart, so that these may still show.
    """

    rows: tuple[LedgerRow, ...]
    found: tuple[Found | None, ...]
    partly_written: bool

    @property
    def candidates(self) -> tuple[tuple[LedgerRow, FhirResource], ...]:
        """Each resource that may be a row's own."""
        pairs = zip(self.rows, self.found, strict=True)
        return tuple((row, match) for row, found in pairs if found is not None for match in found.matches)


def find_doubts(rows: Sequence[LedgerRow], approval: Approval, door: EhrDoor | None) -> tuple[Doubt, ...]:
    """Give what is in doubt, by request, in write order; without a door nothing can be looked up."""
    groups: dict[datetime | None, list[LedgerRow]] = {}
    written = {row.sent_at for row in rows if row.state is RowState.WRITTEN}
    for row in rows:
        if row.state is RowState.UNKNOWN:
            groups.setdefault(row.sent_at, []).append(row)
    return tuple(
        Doubt(
            rows=tuple(group),
            found=tuple(None if door is None else search_for(row, approval, door) for row in group),
            partly_written=sent_at in written,
        )
        for sent_at, group in groups.items()
    )


def decide(
    claims: Claims,
    approval: Approval,
    door: EhrDoor,
    row_id: str,
    decision: Decision,
    *,
    attempt: str,
    now: datetime,
    candidate: str = "",
) -> None:
    """Carry out a decision on the request that sent a row; ``candidate`` is the id that is ours (``THERE`` only).

    ``attempt`` is the one that the person saw: who looked in the chart before it was sent again saw nothing of that.
    Nothing is sent here. Raises: DecidedElsewhere, and nothing was changed.
    """
    doubts = find_doubts(claims.rows(), approval, door)
    doubt = next((one for one in doubts if any(_is_shown(row, row_id, attempt) for row in one.rows)), None)
    if doubt is None:
        raise DecidedElsewhere(field="row")
    try:
        claims.decide(_decided(doubt, row_id, decision, now, candidate), decision)
    except LostClaim as exc:
        raise DecidedElsewhere(field="row") from exc
    if decision is Decision.LOOK_UP:
        look_up_unknown(claims, approval, door)


def _is_shown(row: LedgerRow, row_id: str, attempt: str) -> bool:
    return (str(row.id), str(row.attempt)) == (row_id, attempt)


def _decided(doubt: Doubt, row_id: str, decision: Decision, now: datetime, candidate: str) -> list[LedgerRow]:
    if decision is Decision.LOOK_UP:
        return [replace(row, not_before=None) for row in doubt.rows]
    if decision is Decision.THERE:
        return [_there(doubt, row_id, candidate, now)]
    if doubt.candidates:
        # Something of it is in the chart: to call it absent would send it twice, or tell an untruth.
        raise DecidedElsewhere(field="candidate")
    if decision is Decision.SEND_AGAIN:
        if doubt.partly_written:
            raise DecidedElsewhere(field="decision")
        return [replace(row.prove_absent(now), reason_code="decided-absent", reason=_SENT_AGAIN) for row in doubt.rows]
    return [row.end(RowState.CANCELLED, now, reason_code="given-up", reason=_GIVEN_UP) for row in doubt.rows]


def _there(doubt: Doubt, row_id: str, candidate: str, now: datetime) -> LedgerRow:
    for row, match in doubt.candidates:
        if (str(row.id), match.id) == (row_id, candidate):
            return row.end(
                RowState.WRITTEN,
                now,
                resource_id=match.id,
                version_id=match.version_id,
                reason_code="decided-there",
                reason="",
            )
    raise DecidedElsewhere(field="candidate")
