"""Risk alerts: they open, gain actions and close; nothing about them is ever taken away (safety rule 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, select

from smart_app.model.alert import Alert, AlertAction, AlertState, LevelReached
from smart_app.model.identity import PatientKey
from smart_app.storage.cipher import SealedField
from smart_app.storage.errors import HistoryLost, UnknownAlert
from smart_app.storage.repository import Repository, is_patient, patient_of, patient_values
from smart_app.storage.tables import alerts as table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    link_id: str
    kind: str
    level: str
    reason: str
    source: str
    opened_by_version: int
    actions: tuple[AlertAction, ...]
    rank: tuple[int, int, int] = (0, 0, 0)
    reached: tuple[LevelReached, ...] = ()


_SECRETS = SealedField(kind="alert", column="sealed", adapter=TypeAdapter(_Secrets))


class Alerts(Repository):
    """Alerts by id, screening and patient."""

    def add(self, alert: Alert) -> None:
        """Open an alert. Raises AlreadyExists when this screening has one of the same rule."""
        self._insert(table, {"id": alert.id, "version": alert.version, **self._values(alert)})

    def get(self, alert_id: UUID) -> Alert:
        """Give one. Raises UnknownAlert."""
        found = self._all(table.c.id == alert_id)
        if not found:
            raise UnknownAlert(field="alert_id")
        return found[0]

    def save(self, alert: Alert) -> Alert:
        """Save under the version that was read; give it with its new version.

        Raises: StaleVersion, UnknownAlert; HistoryLost when a stored action or level is missing or different.
        """
        stored = self.get(alert.id)
        if stored.version == alert.version and alert.actions[: len(stored.actions)] != stored.actions:
            raise HistoryLost("an action on an alert would be lost", field="actions")
        if stored.version == alert.version and alert.levels[: len(stored.levels)] != stored.levels:
            raise HistoryLost("a level that an alert told would be lost", field="reached")
        version = self._update_version(table, table.c.id == alert.id, alert.version, self._values(alert))
        return replace(alert, version=version)

    def for_screening(self, screening_id: UUID) -> tuple[Alert, ...]:
        """Give the alerts of one screening, open or closed, oldest first."""
        return self._all(table.c.screening_id == screening_id)

    def open_for_patient(self, key: PatientKey) -> tuple[Alert, ...]:
        """Give a patient's alerts that nobody has closed (handed over counts as open), oldest first."""
        return self._all(is_patient(table, key), table.c.state != AlertState.CLOSED)

    def all_open(self) -> tuple[Alert, ...]:
        """Give every alert that nobody has closed, oldest first."""
        return self._all(table.c.state != AlertState.CLOSED)

    def _all(self, *where: ColumnElement[bool]) -> tuple[Alert, ...]:
        rows = self._connection.execute(select(table).where(*where).order_by(table.c.opened_at, table.c.id)).mappings()
        return tuple(self._alert(row) for row in rows)

    def _values(self, alert: Alert) -> dict[str, Any]:
        secrets = _Secrets(
            link_id=alert.link_id,
            kind=alert.kind,
            level=alert.level,
            reason=alert.reason,
            source=alert.source,
            opened_by_version=alert.opened_by_version,
            actions=alert.actions,
            rank=alert.rank,
            reached=alert.reached,
        )
        return {
            "screening_id": alert.screening_id,
            **patient_values(alert.patient),
            "instrument_id": alert.instrument_id,
            "rule_id": alert.rule_id,
            "state": alert.state,
            "opened_at": alert.opened_at,
            "sealed": _SECRETS.seal(self._cipher, alert.id, secrets),
        }

    def _alert(self, row: RowMapping) -> Alert:
        secrets = _SECRETS.open(self._cipher, row["id"], row["sealed"])
        return Alert(
            id=row["id"],
            screening_id=row["screening_id"],
            patient=patient_of(row),
            instrument_id=row["instrument_id"],
            rule_id=row["rule_id"],
            link_id=secrets.link_id,
            kind=secrets.kind,
            level=secrets.level,
            reason=secrets.reason,
            source=secrets.source,
            opened_at=row["opened_at"],
            opened_by_version=secrets.opened_by_version,
            state=AlertState(row["state"]),
            actions=secrets.actions,
            version=row["version"],
            rank=secrets.rank,
            reached=secrets.reached,
        )
