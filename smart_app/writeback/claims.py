"""Lease rows, commit ``sending``, record results: every step of a row in a transaction of its own (design: "Claim").

A lease that runs out on ``planned`` may be claimed again; one that runs out in ``sending`` becomes ``unknown``, never
``planned``. The attempt number fences our row, not the EHR. No network call inside a unit of work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from smart_app.model.approval import Approval
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.identity import User
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.model.moves import IllegalMove
from smart_app.storage.errors import LostClaim
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.order import find_ready, settle_dependants

if TYPE_CHECKING:
    from smart_app.storage.unit_of_work import Unit

POST_SECONDS = 30.0
"""How long a write may take altogether, in seconds; a lease outlives it or nothing is sent."""

LEASE = timedelta(minutes=2)


class Claims:
    """The rows of one approval, for one sender. Each method is one transaction, audited in it."""

    def __init__(
        self,
        units: Units,
        approval: Approval,
        *,
        user: User | None,
        launch_id: str | None,
        clock: Callable[[], datetime],
        correlation_id: str | None = None,
    ) -> None:
        self._units = units
        self._approval = approval
        self._user = user
        self._launch_id = launch_id
        self._clock = clock
        self._correlation_id = correlation_id

    def now(self) -> datetime:
        """Tell the time by the clock that every step is recorded by."""
        return self._clock()

    def rows(self) -> tuple[LedgerRow, ...]:
        """Give all rows as they stand, in write order."""
        with self._units.read() as unit:
            return unit.ledger.rows_of(self._approval.id)

    def lapse(self) -> tuple[LedgerRow, ...]:
        """Turn what was being sent when its sender vanished into unknown."""
        now = self._clock()
        with self._units.write() as unit:
            lapsed = [
                unit.ledger.save(row.lapse(now), expected_attempt=row.attempt)
                for row in unit.ledger.rows_of(self._approval.id)
                if row.state is RowState.SENDING and row.lease_until is not None and row.lease_until <= now
            ]
            self._audit_results(unit, lapsed, now)
            if lapsed:
                unit.commit()
        return tuple(lapsed)

    def claim_ready(self, passed_over: Collection[UUID]) -> LedgerRow | None:
        """Lease the first row whose references are all known; None when there is none now.

        Rows whose references will never be known are cancelled on the way.
        """
        now = self._clock()
        with self._units.write() as unit:
            rows = unit.ledger.rows_of(self._approval.id)
            settled = settle_dependants(rows, now)
            for row in settled:
                unit.ledger.save(row, expected_attempt=row.attempt)
            self._audit_results(unit, settled, now)
            newest = {row.id: row for row in (*rows, *settled)}
            ready = find_ready([newest[row.id] for row in rows], now, passed_over)
            if ready is not None:
                ready = unit.ledger.save(ready.claim(now, now + LEASE), expected_attempt=ready.attempt)
            if ready is not None or settled:
                unit.commit()
            return ready

    def claim_together(self) -> tuple[LedgerRow, ...]:
        """Lease every row that has not ended, for one transaction Bundle; none when one of them cannot be leased."""
        now = self._clock()
        with self._units.write() as unit:
            rows = unit.ledger.claim_all(self._approval.id, now, now + LEASE)
            if rows:
                unit.commit()
            return rows

    def start_sending(self, rows: Sequence[LedgerRow]) -> tuple[LedgerRow, ...]:
        """Commit ``sending``: called directly before the first byte.

        Raises: IllegalMove when the lease would end before the request does, LostClaim when another has the row. In
        both cases nothing may be sent.
        """
        now = self._clock()
        ends = now + timedelta(seconds=POST_SECONDS)
        if any(row.lease_until is None or row.lease_until <= ends for row in rows):
            raise IllegalMove("the lease would end before the request does")
        with self._units.write() as unit:
            for row in rows:
                # The fence is the attempt; that the row is still planned is read under the same lock.
                if unit.ledger.get(row.id).state is not RowState.PLANNED:
                    raise LostClaim(field="state")
            sending = tuple(unit.ledger.save(row.start_sending(now), expected_attempt=row.attempt) for row in rows)
            for row in sending:
                unit.audit.append(self._event(AuditAction.ROW_SENDING, row, now))
            unit.commit()
        return sending

    def record(self, rows: Sequence[LedgerRow]) -> None:
        """Record where rows stand now. A claim that was lost meanwhile is audited with what the EHR answered."""
        now = self._clock()
        try:
            with self._units.write() as unit:
                for row in rows:
                    unit.ledger.save(row, expected_attempt=row.attempt)
                self._audit_results(unit, rows, now)
                unit.commit()
        except LostClaim as exc:
            with self._units.write() as unit:
                self._audit_results(unit, rows, now, outcome=exc.code)
                unit.commit()

    def decide(self, rows: Sequence[LedgerRow], decision: str) -> None:
        """Record what a person decided on unknown rows, each with its audit event, in one transaction.

        Raises: LostClaim when one of them is unknown no more: nothing was changed.
        """
        now = self._clock()
        with self._units.write() as unit:
            for row in rows:
                if unit.ledger.get(row.id).state is not RowState.UNKNOWN:
                    raise LostClaim(field="state")
                unit.ledger.save(row, expected_attempt=row.attempt)
                unit.audit.append(self._event(AuditAction.ROW_DECIDED, row, now, outcome=decision))
            unit.commit()

    def release(self, rows: Sequence[LedgerRow], state: RowState, reason_code: str, reason: str) -> None:
        """Give leased rows back unsent: ``planned`` to go on at once, ``waiting`` for what ``reason`` names."""
        now = self._clock()
        with self._units.write() as unit:
            for row in rows:
                back = row.postpone(state, None, reason_code, reason)
                unit.ledger.save(back, expected_attempt=row.attempt)
                unit.audit.append(self._event(AuditAction.ROW_STOPPED, back, now, outcome=reason_code))
            unit.commit()

    def hold_back(self, reason_code: str, reason: str) -> None:
        """Let every unsent row that nobody holds wait, and say why: the page shows it. One line in the audit."""
        now = self._clock()
        with self._units.write() as unit:
            free = [
                row
                for row in unit.ledger.rows_of(self._approval.id)
                if row.state in {RowState.PLANNED, RowState.WAITING}
                and (row.lease_until is None or row.lease_until <= now)
            ]
            for row in free:
                waiting = row.postpone(RowState.WAITING, row.not_before, reason_code, reason)
                unit.ledger.save(waiting, expected_attempt=row.attempt)
            unit.audit.append(self._stop_event(reason_code, now, rows=len(free)))
            unit.commit()

    def refuse(self, reason_code: str) -> None:
        """Audit that a launch was refused this approval; its rows stay as they are."""
        with self._units.write() as unit:
            unit.audit.append(self._stop_event(reason_code, self._clock(), rows=0))
            unit.commit()

    def _stop_event(self, reason_code: str, now: datetime, *, rows: int) -> AuditEvent:
        return AuditEvent(
            action=AuditAction.ROW_STOPPED,
            at=now,
            outcome=reason_code,
            user=self._user,
            patient=self._approval.patient,
            launch_id=self._launch_id,
            entity=f"approval/{self._approval.id}",
            correlation_id=self._correlation_id,
            detail={"rows": rows},
        )

    def _audit_results(
        self, unit: Unit, rows: Sequence[LedgerRow], now: datetime, *, outcome: str | None = None
    ) -> None:
        for row in rows:
            unit.audit.append(self._event(AuditAction.ROW_RESULT, row, now, outcome=outcome or row.state.value))

    def _event(self, action: AuditAction, row: LedgerRow, now: datetime, *, outcome: str = "success") -> AuditEvent:
        return AuditEvent(
            action=action,
            at=now,
            outcome=outcome,
            user=self._user,
            patient=self._approval.patient,
            launch_id=self._launch_id,
            entity=f"approval/{self._approval.id}",
            correlation_id=self._correlation_id,
            detail={
                "row": str(row.id),
                "key": row.key,
                "state": row.state.value,
                "attempt": row.attempt,
                "reason_code": row.reason_code,
                "http_status": row.http_status,
                "resource": f"{row.resource_type}/{row.resource_id}" if row.resource_id else None,
            },
        )
