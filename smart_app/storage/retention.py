"""What is kept how long (design: "Retention"). Open alerts and unwritten results never go by themselves.

Of a signed screening, answers, note and signed resources go: after 90 days where the chart holds its response or its
total, after seven years where the chart holds only the note, for there the trend lives here alone. States, times,
alerts, ids at the EHR and audit stay. A legal hold on the patient stops it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, not_, or_, select, update

from smart_app.model.alert import AlertState
from smart_app.model.identity import PatientKey
from smart_app.model.ledger import ENDED, RowState
from smart_app.model.screening import ScreeningState
from smart_app.storage.approvals import erase_approval_texts
from smart_app.storage.ledger import erase_signed_resource
from smart_app.storage.repository import Repository, is_patient, patient_values
from smart_app.storage.tables import (
    alerts,
    approvals,
    ledger_rows,
    legal_holds,
    note_drafts,
    saved_answers,
    screenings,
)

_SIGNED = (ScreeningState.SIGNED, ScreeningState.CORRECTED, ScreeningState.RETRACTED)
_STRUCTURED = ("questionnaire-response", "observation-total")
_NOTE = ("document-reference",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """How long the answers of a signed screening stay, by what the chart holds of it."""

    structured: timedelta
    note_only: timedelta


class Retention(Repository):
    """Erase what is due; place and release legal holds."""

    def due(self, now: datetime, rules: RetentionRules, *, only: UUID | None = None) -> tuple[UUID, ...]:
        """Give the screenings whose answers are to be erased, oldest first; ``only``: this one, if it is due."""
        structured = and_(_is_written(_STRUCTURED), screenings.c.updated_at <= now - rules.structured)
        note_only = and_(_is_written(_NOTE), screenings.c.updated_at <= now - rules.note_only)
        found = (
            select(screenings.c.id)
            .where(
                screenings.c.purged_at.is_(None),
                screenings.c.state.in_(_SIGNED),
                or_(structured, note_only),
                not_(_has_row(ledger_rows.c.state.not_in(ENDED))),
                not_(exists().where(alerts.c.screening_id == screenings.c.id, alerts.c.state != AlertState.CLOSED)),
                not_(exists().where(*_same_patient_as_screening())),
            )
            .order_by(screenings.c.updated_at, screenings.c.id)
        )
        if only is not None:
            found = found.where(screenings.c.id == only)
        return tuple(self._connection.execute(found).scalars())

    def erase(self, screening_id: UUID, now: datetime) -> None:
        """Erase answers, note and signed resources of one screening; that it took place stays known."""
        for table in (saved_answers, note_drafts):
            self._connection.execute(delete(table).where(table.c.screening_id == screening_id))
        mine = select(approvals.c.id, approvals.c.sealed).where(approvals.c.screening_id == screening_id)
        for approval_id, sealed in self._connection.execute(mine).all():
            blank = erase_approval_texts(self._cipher, approval_id, sealed)
            self._connection.execute(update(approvals).where(approvals.c.id == approval_id).values(sealed=blank))
            rows = select(ledger_rows.c.id).where(ledger_rows.c.approval_id == approval_id)
            for row_id in self._connection.execute(rows).scalars().all():
                blank = erase_signed_resource(self._cipher, row_id)
                self._connection.execute(update(ledger_rows).where(ledger_rows.c.id == row_id).values(sealed=blank))
        self._connection.execute(update(screenings).where(screenings.c.id == screening_id).values(purged_at=now))

    def place_hold(self, key: PatientKey, now: datetime) -> None:
        """Put a patient's records under legal hold. Raises AlreadyExists."""
        self._insert(legal_holds, {**patient_values(key), "placed_at": now})

    def release_hold(self, key: PatientKey) -> bool:
        """End a legal hold; False when there was none."""
        return self._connection.execute(delete(legal_holds).where(is_patient(legal_holds, key))).rowcount == 1


def _has_row(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    joined = and_(ledger_rows.c.approval_id == approvals.c.id, approvals.c.screening_id == screenings.c.id)
    return exists().where(joined, condition)


def _is_written(kinds: tuple[str, ...]) -> ColumnElement[bool]:
    return _has_row(and_(ledger_rows.c.kind.in_(kinds), ledger_rows.c.state == RowState.WRITTEN))


def _same_patient_as_screening() -> tuple[ColumnElement[bool], ...]:
    return tuple(legal_holds.c[name] == screenings.c[name] for name in ("ehr_id", "tenant", "patient_id"))
