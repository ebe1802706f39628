"""Launch sessions: one per launch, with its tokens sealed (design section 7, "Sessions")."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, delete, or_, select, update

from smart_app.model.identity import PatientKey, User
from smart_app.model.launch_session import LaunchSession
from smart_app.storage.cipher import SealedField
from smart_app.storage.errors import UnknownSession
from smart_app.storage.repository import Repository, is_patient, patient_of, patient_values
from smart_app.storage.tables import launch_sessions as table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    user: User
    role_codes: tuple[str, ...]
    launch: str = field(repr=False)


_SECRETS = SealedField(kind="launch-session", column="sealed", adapter=TypeAdapter(_Secrets))


class Sessions(Repository):
    """Sessions by launch id."""

    def add(self, session: LaunchSession) -> None:
        """Keep a new session. Raises AlreadyExists."""
        self._insert(table, {"id": session.id, "version": session.version, **self._values(session)})

    def find(self, launch_id: str) -> LaunchSession | None:
        """Give the session, None when there is none."""
        row = self._connection.execute(select(table).where(table.c.id == launch_id)).mappings().one_or_none()
        return None if row is None else self._session(row)

    def get(self, launch_id: str) -> LaunchSession:
        """Give the session. Raises UnknownSession."""
        session = self.find(launch_id)
        if session is None:
            raise UnknownSession(field="launch_id")
        return session

    def save(self, session: LaunchSession) -> LaunchSession:
        """Save under the version that was read; give it with its new version. Raises StaleVersion."""
        version = self._update_version(table, table.c.id == session.id, session.version, self._values(session))
        return replace(session, version=version)

    def touch(self, launch_id: str, now: datetime) -> None:
        """Move the idle clock on without a new version: many requests of one launch may do so at once."""
        self._connection.execute(
            update(table).where(table.c.id == launch_id, table.c.last_seen_at < now).values(last_seen_at=now)
        )

    def lease_refresh(self, launch_id: str, now: datetime, until: datetime) -> bool:
        """Take the lease for refreshing the tokens; False while another process holds it."""
        free = or_(table.c.refresh_lease_until.is_(None), table.c.refresh_lease_until <= now)
        leased = self._connection.execute(
            update(table).where(table.c.id == launch_id, free).values(refresh_lease_until=until)
        )
        return leased.rowcount == 1

    def put_launch(self, launch_id: str, launch: str) -> LaunchSession:
        """Store an ActiveLaunch ("" once its tokens are gone) and end the refresh lease, whatever else has changed.

        A rotated refresh token that is not stored is lost, so this never fails for a version: it takes the newest.
        Raises UnknownSession.
        """
        row = (
            self._connection.execute(select(table).where(table.c.id == launch_id).with_for_update())
            .mappings()
            .one_or_none()
        )
        if row is None:
            raise UnknownSession(field="launch_id")
        secrets = _SECRETS.open(self._cipher, launch_id, row["sealed"])
        sealed = _SECRETS.seal(
            self._cipher,
            launch_id,
            _Secrets(user=secrets.user, role_codes=secrets.role_codes, launch=launch),
        )
        values = {"sealed": sealed, "has_tokens": bool(launch), "refresh_lease_until": None}
        self._update_version(table, table.c.id == launch_id, row["version"], values)
        return self.get(launch_id)

    def for_user(self, ehr_id: str, user: User) -> tuple[LaunchSession, ...]:
        """Give the sessions of one person at one EHR that have not ended, newest first."""
        return self._all(
            table.c.ehr_id == ehr_id,
            table.c.user_issuer == user.issuer,
            table.c.user_subject == user.subject,
            table.c.ended_at.is_(None),
        )

    def with_tokens(self, patient: PatientKey, user: User) -> tuple[LaunchSession, ...]:
        """Give the sessions, ended ones too, in which this person still holds tokens for this patient."""
        return self._all(
            is_patient(table, patient),
            table.c.user_issuer == user.issuer,
            table.c.user_subject == user.subject,
            table.c.has_tokens,
        )

    def ended_with_tokens(self, ended_before: datetime) -> tuple[LaunchSession, ...]:
        """Give the sessions that ended before a time and whose tokens are still to be revoked."""
        return self._all(table.c.ended_at < ended_before, table.c.has_tokens)

    def idle_with_tokens(self, seen_before: datetime) -> tuple[LaunchSession, ...]:
        """Give the sessions, not ended, that nobody has used since a time and whose tokens are still kept."""
        return self._all(table.c.ended_at.is_(None), table.c.last_seen_at < seen_before, table.c.has_tokens)

    def end_all_for_user(self, ehr_id: str, user: User, now: datetime) -> int:
        """End every open session of one person at one EHR; give their number."""
        mine = (table.c.ehr_id == ehr_id, table.c.user_issuer == user.issuer, table.c.user_subject == user.subject)
        ended = update(table).where(*mine, table.c.ended_at.is_(None))
        return self._connection.execute(ended.values(ended_at=now, version=table.c.version + 1)).rowcount

    def purge(self, started_before: datetime) -> int:
        """Delete sessions that began before a time and hold no tokens any more; give their number."""
        old = (table.c.started_at < started_before, table.c.has_tokens.is_(False))
        return self._connection.execute(delete(table).where(*old)).rowcount

    def _all(self, *where: ColumnElement[bool]) -> tuple[LaunchSession, ...]:
        rows = self._connection.execute(select(table).where(*where).order_by(table.c.started_at.desc())).mappings()
        return tuple(self._session(row) for row in rows)

    def _values(self, session: LaunchSession) -> dict[str, Any]:
        secrets = _Secrets(user=session.user, role_codes=session.role_codes, launch=session.launch)
        return {
            "secret_hash": session.secret_hash,
            **patient_values(session.patient),
            "user_issuer": session.user.issuer,
            "user_subject": session.user.subject,
            "encounter_id": session.encounter_id,
            "framed": session.framed,
            "started_at": session.started_at,
            "last_seen_at": session.last_seen_at,
            "ended_at": session.ended_at,
            "refresh_lease_until": session.refresh_lease_until,
            "has_tokens": bool(session.launch),
            "sealed": _SECRETS.seal(self._cipher, session.id, secrets),
        }

    def _session(self, row: RowMapping) -> LaunchSession:
        secrets = _SECRETS.open(self._cipher, row["id"], row["sealed"])
        return LaunchSession(
            id=row["id"],
            secret_hash=row["secret_hash"],
            ehr_id=row["ehr_id"],
            patient=patient_of(row),
            user=secrets.user,
            role_codes=secrets.role_codes,
            encounter_id=row["encounter_id"],
            launch=secrets.launch,
            framed=row["framed"],
            started_at=row["started_at"],
            last_seen_at=row["last_seen_at"],
            ended_at=row["ended_at"],
            refresh_lease_until=row["refresh_lease_until"],
            version=row["version"],
        )
