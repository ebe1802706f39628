"""The ledger: claimed by lease, fenced by attempt number (design section 6, "Claim").

A claim is one ``UPDATE … RETURNING``. On PostgreSQL its sub-select skips rows that another claimer has locked; SQLite
has one writer at a time and needs no such lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, Update, and_, or_, select, update

from smart_app.model.identity import PatientKey
from smart_app.model.ledger import ENDED, LedgerRow, RowState
from smart_app.storage.cipher import Cipher, SealedField
from smart_app.storage.errors import LostClaim, UnknownRow
from smart_app.storage.repository import Repository, is_patient
from smart_app.storage.tables import approvals
from smart_app.storage.tables import ledger_rows as table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    resource: str = field(repr=False)
    content_hash: str


_SIGNED = SealedField(kind="ledger-row", column="sealed", adapter=TypeAdapter(_Signed))
_REASON = SealedField(kind="ledger-row", column="sealed_reason", adapter=TypeAdapter(str))
_CLAIMABLE = (RowState.PLANNED, RowState.WAITING)


class Ledger(Repository):
    """Ledger rows by id, approval and patient."""

    def add_all(self, rows: Iterable[LedgerRow]) -> None:
        """Keep the rows of a new approval. Raises AlreadyExists for a doubled key."""
        for row in rows:
            signed = _Signed(resource=row.resource, content_hash=row.content_hash)
            fixed = {
                "id": row.id,
                "approval_id": row.approval_id,
                "ordinal": row.ordinal,
                "key": row.key,
                "kind": row.kind,
                "resource_type": row.resource_type,
                "full_url": row.full_url,
                "identifier_value": row.identifier_value,
                "depends_on": json.dumps(row.depends_on),
                "sealed": _SIGNED.seal(self._cipher, row.id, signed),
            }
            self._insert(table, {**fixed, **self._progress(row)})

    def get(self, row_id: UUID) -> LedgerRow:
        """Give one row. Raises UnknownRow."""
        found = self._all(table.c.id == row_id)
        if not found:
            raise UnknownRow(field="row_id")
        return found[0]

    def rows_of(self, approval_id: UUID) -> tuple[LedgerRow, ...]:
        """Give the rows of an approval in write order."""
        return self._all(table.c.approval_id == approval_id)

    def save(self, row: LedgerRow, *, expected_attempt: int) -> LedgerRow:
        """Record how a row stands, if its attempt is still the expected one; what was signed is never rewritten.

        Raises LostClaim: another attempt has the row, and nothing was changed. An ended row is never changed either,
        but for the id of one that was written without.
        """
        open_still: ColumnElement[bool] = table.c.state.not_in(ENDED)
        if row.state is RowState.WRITTEN:
            # An EHR may not tell the id when it writes; a later look-up adds it, once.
            open_still = or_(open_still, and_(table.c.state == RowState.WRITTEN, table.c.resource_id.is_(None)))
        mine = and_(table.c.id == row.id, table.c.attempt == expected_attempt, open_still)
        done = self._connection.execute(update(table).where(mine).values(self._progress(row)))
        if done.rowcount != 1:
            raise LostClaim("the row was claimed by another attempt, or has ended", field="attempt")
        return row

    def claim_next(self, now: datetime, lease_until: datetime, *, approval_id: UUID | None = None) -> LedgerRow | None:
        """Lease the first row that may be sent and give it, None when there is none.

        Rows of an approval that waits for its co-signature are passed over. Of many claimers exactly one gets a row.
        """
        where = [_claimable(now)] if approval_id is None else [_claimable(now), table.c.approval_id == approval_id]
        first = (
            select(table.c.id)
            .join(approvals, approvals.c.id == table.c.approval_id)
            .where(*where)
            .order_by(approvals.c.signed_at, table.c.approval_id, table.c.ordinal)
            .limit(1)
            .with_for_update(skip_locked=True, of=table)
            .scalar_subquery()
        )
        row = self._connection.execute(_lease(lease_until).where(table.c.id == first).returning(*table.c)).mappings()
        found = row.one_or_none()
        return None if found is None else self._row(found)

    def claim_all(self, approval_id: UUID, now: datetime, lease_until: datetime) -> tuple[LedgerRow, ...]:
        """Lease all rows of an approval that have not ended, for one transaction Bundle; none when one cannot be."""
        mine = table.c.approval_id == approval_id
        lock = select(table.c.id).where(mine, table.c.state.not_in(ENDED)).with_for_update()
        unended = self._connection.execute(lock).scalars().all()
        free = select(table.c.id).join(approvals, approvals.c.id == table.c.approval_id).where(mine, _claimable(now))
        if not unended or set(self._connection.execute(free).scalars()) != set(unended):
            return ()
        self._connection.execute(_lease(lease_until).where(table.c.id.in_(unended)))
        return self._all(table.c.id.in_(unended))

    def lapsed(self, now: datetime) -> tuple[LedgerRow, ...]:
        """Give the rows in ``sending`` whose lease has run out: they become unknown, never planned."""
        return self._all(table.c.state == RowState.SENDING, table.c.lease_until <= now)

    def unfinished_for_patient(self, key: PatientKey) -> tuple[LedgerRow, ...]:
        """Give a patient's rows that have not ended, in the order of signing."""
        return self._unfinished(is_patient(approvals, key))

    def unfinished(self, ehr_id: str, signed_before: datetime) -> tuple[LedgerRow, ...]:
        """Give the rows of one EHR that were signed before a time and have not ended: the site's list."""
        return self._unfinished(approvals.c.ehr_id == ehr_id, approvals.c.signed_at < signed_before)

    def find_written(self, key: PatientKey, resource_type: str) -> dict[tuple[UUID, str], str]:
        """Give (screening id, row's key) → the EHR's id of what a patient's chart has from here; decrypts nothing."""
        columns = (approvals.c.screening_id, table.c.key, table.c.resource_id)
        rows = self._connection.execute(
            select(*columns)
            .join(approvals, approvals.c.id == table.c.approval_id)
            .where(is_patient(approvals, key), table.c.resource_type == resource_type, table.c.resource_id.is_not(None))
        )
        return {(screening_id, name): resource_id for screening_id, name, resource_id in rows}

    def _unfinished(self, *where: ColumnElement[bool]) -> tuple[LedgerRow, ...]:
        rows = self._connection.execute(
            select(table)
            .join(approvals, approvals.c.id == table.c.approval_id)
            .where(*where, table.c.state.not_in(ENDED))
            .order_by(approvals.c.signed_at, table.c.approval_id, table.c.ordinal)
        ).mappings()
        return tuple(self._row(row) for row in rows)

    def _all(self, *where: ColumnElement[bool]) -> tuple[LedgerRow, ...]:
        in_order = select(table).where(*where).order_by(table.c.approval_id, table.c.ordinal)
        return tuple(self._row(row) for row in self._connection.execute(in_order).mappings())

    def _progress(self, row: LedgerRow) -> dict[str, Any]:
        return {
            "state": row.state,
            "reason_code": row.reason_code,
            "sealed_reason": _REASON.seal(self._cipher, row.id, row.reason),
            "attempt": row.attempt,
            "lease_until": row.lease_until,
            "not_before": row.not_before,
            "sent_at": row.sent_at,
            "ended_at": row.ended_at,
            "resource_id": row.resource_id,
            "version_id": row.version_id,
            "http_status": row.http_status,
            "looked_up_at": row.looked_up_at,
            "look_ups": row.look_ups,
        }

    def _row(self, row: RowMapping) -> LedgerRow:
        signed = _SIGNED.open(self._cipher, row["id"], row["sealed"])
        return LedgerRow(
            id=row["id"],
            approval_id=row["approval_id"],
            ordinal=row["ordinal"],
            key=row["key"],
            kind=row["kind"],
            resource_type=row["resource_type"],
            full_url=row["full_url"],
            identifier_value=row["identifier_value"],
            resource=signed.resource,
            content_hash=signed.content_hash,
            depends_on=tuple(json.loads(row["depends_on"])),
            state=RowState(row["state"]),
            reason_code=row["reason_code"],
            reason=_REASON.open(self._cipher, row["id"], row["sealed_reason"]),
            attempt=row["attempt"],
            lease_until=row["lease_until"],
            not_before=row["not_before"],
            sent_at=row["sent_at"],
            ended_at=row["ended_at"],
            resource_id=row["resource_id"],
            version_id=row["version_id"],
            http_status=row["http_status"],
            looked_up_at=row["looked_up_at"],
            look_ups=row["look_ups"],
        )


def erase_signed_resource(cipher: Cipher, row_id: UUID) -> bytes:
    """Give a row's sealed part without its resource and without the hash that could tell it."""
    return _SIGNED.seal(cipher, row_id, _Signed(resource="", content_hash=""))


def _claimable(now: datetime) -> ColumnElement[bool]:
    """Select by the rule of LedgerRow.claim, where the approval needs no further signature (join with approvals)."""
    return and_(
        table.c.state.in_(_CLAIMABLE),
        or_(table.c.lease_until.is_(None), table.c.lease_until <= now),
        or_(table.c.not_before.is_(None), table.c.not_before <= now),
        or_(approvals.c.awaiting.is_(None), approvals.c.co_signed_at.is_not(None)),
    )


def _lease(lease_until: datetime) -> Update:
    return update(table).values(state=RowState.PLANNED, attempt=table.c.attempt + 1, lease_until=lease_until)
