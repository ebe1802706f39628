"""A ledger row: one resource on its way to the EHR, at most once (design section 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self, TypedDict, Unpack
from uuid import UUID

from smart_app.model.moves import IllegalMove


class RowState(StrEnum):
    """Where a resource stands. Only ``written`` means that the EHR has it."""

    PLANNED = "planned"
    SENDING = "sending"
    WAITING = "waiting"
    WRITTEN = "written"
    HELD = "held"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_SUPPORTED = "not-supported"
    CANCELLED = "cancelled"


ENDED = frozenset({RowState.WRITTEN, RowState.HELD, RowState.REFUSED, RowState.NOT_SUPPORTED, RowState.CANCELLED})
_SENT = frozenset({RowState.SENDING, RowState.UNKNOWN})
_BY_ANSWER = frozenset({RowState.WRITTEN, RowState.HELD, RowState.REFUSED, RowState.UNKNOWN})


class Found(TypedDict, total=False):
    """What is learnt as a row ends: from the EHR's answer, or from what was looked up."""

    resource_id: str | None
    version_id: str | None
    http_status: int | None
    reason_code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One resource of one approval.

    ``key`` names it within the approval (``observation:phq9-1``); ``depends_on`` are keys whose EHR ids it needs. A row
    of what is not sent has no content and may stand for several resources of a kind: ``observation-item:9``.
    ``resource`` is the signed JSON text with urn:uuid references; ``content_hash`` its own hash. ``attempt`` fences
    our row: a result is recorded only by the attempt that claimed it. ``lease_until`` bounds a claim.
    """

    id: UUID
    approval_id: UUID
    ordinal: int
    key: str
    kind: str
    resource_type: str
    full_url: str
    identifier_value: str
    resource: str
    content_hash: str
    depends_on: tuple[str, ...]
    state: RowState
    reason_code: str = ""
    reason: str = ""
    attempt: int = 0
    lease_until: datetime | None = None
    not_before: datetime | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    resource_id: str | None = None
    version_id: str | None = None
    http_status: int | None = None
    looked_up_at: datetime | None = None
    look_ups: int = 0

    @property
    def count(self) -> int:
        """Number of resources that the row stands for."""
        number = self.key.rpartition(":")[2]
        return int(number) if not self.full_url and number.isdecimal() else 1

    def claim(self, now: datetime, lease_until: datetime) -> Self:
        """Lease a planned or waiting row; a lease that has run out on ``planned`` may be claimed again."""
        free = self.lease_until is None or self.lease_until <= now
        due = self.not_before is None or self.not_before <= now
        if self.state not in {RowState.PLANNED, RowState.WAITING} or not free or not due:
            raise IllegalMove(f"a row that is {self.state} cannot be claimed")
        return replace(self, state=RowState.PLANNED, attempt=self.attempt + 1, lease_until=lease_until)

    def start_sending(self, now: datetime) -> Self:
        """Commit ``sending`` directly before the first byte; the caller saw that the lease outlives the POST."""
        if self.state is not RowState.PLANNED or self.lease_until is None or self.lease_until <= now:
            raise IllegalMove("only a leased planned row can be sent")
        return replace(self, state=RowState.SENDING, sent_at=now)

    def lapse(self, now: datetime) -> Self:
        """Turn an expired ``sending`` into ``unknown``, never ``planned``: the EHR may have it."""
        if self.state is not RowState.SENDING or self.lease_until is None or self.lease_until > now:
            raise IllegalMove("the lease has not run out")
        return replace(self, state=RowState.UNKNOWN, lease_until=None, reason_code="lease-lapsed")

    def end(self, state: RowState, now: datetime, **found: Unpack[Found]) -> Self:
        """Record where the row ends, or that its end is unknown; ``found``: what was learnt.

        What only an EHR's answer can tell needs a byte that has left: the row is being sent, or unknown.
        """
        if self.state in ENDED:
            raise IllegalMove(f"a row that is {self.state} has ended")
        if state not in {*ENDED, RowState.UNKNOWN}:
            raise IllegalMove(f"{state} is not an end")
        if state in _BY_ANSWER and self.state not in _SENT:
            raise IllegalMove(f"a row that is {self.state} was not sent: it cannot be {state}")
        return replace(self, state=state, lease_until=None, ended_at=now if state in ENDED else None, **found)

    def postpone(self, state: RowState, not_before: datetime | None, reason_code: str, reason: str = "") -> Self:
        """Put a row back that was surely not written: planned (later) or waiting (for a token or a dependency)."""
        if state not in {RowState.PLANNED, RowState.WAITING}:
            raise IllegalMove(f"{state} is not a state to wait in")
        if self.state not in {RowState.PLANNED, RowState.WAITING, RowState.SENDING}:
            raise IllegalMove(f"a row that is {self.state} cannot be put back")
        return replace(
            self, state=state, lease_until=None, not_before=not_before, reason_code=reason_code, reason=reason
        )

    def identify(self, resource_id: str, version_id: str | None) -> Self:
        """Add the id of a written resource whose EHR gave none in its answer."""
        if self.state is not RowState.WRITTEN or self.resource_id is not None:
            raise IllegalMove("only a written row without id can be given one")
        return replace(self, resource_id=resource_id, version_id=version_id, reason_code="", reason="")

    def look_up(
        self, now: datetime, *, reason_code: str, reason: str, not_before: datetime | None = None, counts: bool = True
    ) -> Self:
        """Record a look-up that did not settle an unknown row; ``not_before`` is when the next one is due.

        ``counts``: it was a complete search that found nothing, so that it can be one of the two that prove absence.
        """
        if self.state is not RowState.UNKNOWN:
            raise IllegalMove("only an unknown row is looked up")
        return replace(
            self,
            look_ups=self.look_ups + counts,
            looked_up_at=now,
            not_before=not_before,
            reason_code=reason_code,
            reason=reason,
        )

    def prove_absent(self, now: datetime) -> Self:
        """Put an unknown row back to planned: it has been proven that the EHR does not have it (design section 6)."""
        if self.state is not RowState.UNKNOWN:
            raise IllegalMove("only an unknown row can be proven absent")
        return replace(
            self,
            state=RowState.PLANNED,
            lease_until=None,
            not_before=None,
            reason_code="proven-absent",
            reason="The EHR does not have it; it is sent again.",
            look_ups=0,
            looked_up_at=now,
            sent_at=None,
        )
