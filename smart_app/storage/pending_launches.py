"""Launches between the redirect to the EHR and the callback: found by the hash of ``state``, used once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter
from sqlalchemy import delete, select, update

from smart_app.storage.cipher import SealedField
from smart_app.storage.repository import Repository
from smart_app.storage.tables import pending_launches as table

_PENDING = SealedField(kind="pending-launch", column="sealed", adapter=TypeAdapter(str))


class PendingFate(StrEnum):
    """Why a pending launch cannot be taken."""

    UNKNOWN = "unknown"
    USED = "used"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenLaunch:
    """A pending launch that was taken just now, and can never be again."""

    pending_json: str = field(repr=False)
    binding_hash: str
    ehr_id: str
    iss: str
    framed: bool


class PendingLaunches(Repository):
    """Add one at ``/launch``, take it at ``/callback``."""

    def add(
        self,
        pending_json: str,
        *,
        state_hash: str,
        binding_hash: str,
        ehr_id: str,
        iss: str,
        framed: bool,
        created_at: datetime,
        expires_at: datetime,
    ) -> None:
        """Keep a PendingLaunch (sealed). ``binding_hash`` is of the secret in the browser's cookie."""
        values = {
            "state_hash": state_hash,
            "binding_hash": binding_hash,
            "ehr_id": ehr_id,
            "iss": iss,
            "framed": framed,
            "created_at": created_at,
            "expires_at": expires_at,
            "sealed": _PENDING.seal(self._cipher, state_hash, pending_json),
        }
        self._insert(table, values)

    def take(self, state_hash: str, now: datetime) -> TakenLaunch | PendingFate:
        """Use a pending launch up, or tell why that is not possible. Of two takers at once, one gets it."""
        row = (
            self._connection.execute(select(table).where(table.c.state_hash == state_hash).with_for_update())
            .mappings()
            .one_or_none()
        )
        if row is None:
            return PendingFate.UNKNOWN
        if row["used_at"] is not None:
            return PendingFate.USED
        if row["expires_at"] <= now:
            return PendingFate.EXPIRED
        # The mark stays until purge, so that a replay is told from a state that never was; the secrets go at once.
        self._connection.execute(update(table).where(table.c.state_hash == state_hash).values(used_at=now, sealed=b""))
        return TakenLaunch(
            pending_json=_PENDING.open(self._cipher, state_hash, row["sealed"]),
            binding_hash=row["binding_hash"],
            ehr_id=row["ehr_id"],
            iss=row["iss"],
            framed=row["framed"],
        )

    def purge(self, expired_before: datetime) -> int:
        """Delete those that ended before a time; give their number."""
        return self._connection.execute(delete(table).where(table.c.expires_at < expired_before)).rowcount
