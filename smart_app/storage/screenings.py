"""Screenings and every save of every answer; answers are only ever added (safety rules 4 and 6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, func, select

from smart_app.model.identity import PatientIdentity, PatientKey, User
from smart_app.model.screening import (
    UNSIGNED,
    Carried,
    Giving,
    Restated,
    SavedAnswer,
    SavedStatus,
    Screening,
    ScreeningState,
)
from smart_app.storage.cipher import SealedField
from smart_app.storage.errors import HistoryLost, UnknownScreening
from smart_app.storage.repository import Repository, is_patient, patient_of, patient_values
from smart_app.storage.tables import saved_answers, screenings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    giving: Giving
    started_by: User
    ended_reason: str | None
    comment: str
    identity: PatientIdentity | None = None
    restated: tuple[Restated, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _AnswerSecrets:
    device: str
    sequence: int
    status: SavedStatus
    code: str | None
    saved_by: User
    carried: Carried | None = None


_SECRETS = SealedField(kind="screening", column="sealed", adapter=TypeAdapter(_Secrets))
_ANSWER_SECRETS = SealedField(kind="saved-answer", column="sealed", adapter=TypeAdapter(_AnswerSecrets))


class Screenings(Repository):
    """Screenings by id and by patient."""

    def add(self, screening: Screening) -> None:
        """Keep a new screening with the answers it has. Raises AlreadyExists."""
        own = {"id": screening.id, "version": screening.version, **self._values(screening)}
        self._insert(screenings, own)
        self._add_answers(screening, 0)

    def get(self, screening_id: UUID, *, lock: bool = False) -> Screening:
        """Give one with its full history of answers. Raises UnknownScreening.

        ``lock``: for whoever will save it, so that others who will wait their turn (SQLite has one writer anyway).
        """
        found = self._all(screenings.c.id == screening_id, lock=lock)
        if not found:
            raise UnknownScreening(field="screening_id")
        return found[0]

    def save(self, screening: Screening) -> Screening:
        """Save under the version that was read, add the new answers; give it with its new version.

        Raises: StaleVersion; HistoryLost when the value has fewer answers than are stored.
        """
        values = self._values(screening)
        version = self._update_version(screenings, screenings.c.id == screening.id, screening.version, values)
        stored = self._connection.execute(
            select(func.count()).select_from(saved_answers).where(saved_answers.c.screening_id == screening.id)
        ).scalar_one()
        if stored > len(screening.answers):
            raise HistoryLost("a screening was saved with fewer answers than it has", field="answers")
        self._add_answers(screening, stored)
        return replace(screening, version=version)

    def for_patient(self, key: PatientKey, states: Collection[ScreeningState] | None = None) -> tuple[Screening, ...]:
        """Give a patient's screenings, newest first, whoever gave them and in whichever launch."""
        where = [is_patient(screenings, key)]
        if states is not None:
            where.append(screenings.c.state.in_(states))
        return self._all(*where)

    def unsigned(self, ehr_ids: Iterable[str]) -> tuple[Screening, ...]:
        """Give all that wait for a signature or are in progress at these EHRs, newest first."""
        return self._all(screenings.c.ehr_id.in_(tuple(ehr_ids)), screenings.c.state.in_(UNSIGNED))

    def _all(self, *where: ColumnElement[bool], lock: bool = False) -> tuple[Screening, ...]:
        find = select(screenings).where(*where).order_by(screenings.c.started_at.desc(), screenings.c.id)
        rows = self._connection.execute(find.with_for_update() if lock else find).mappings().all()
        answers = self._answers([row["id"] for row in rows])
        return tuple(self._screening(row, tuple(answers.get(row["id"], ()))) for row in rows)

    def _answers(self, ids: list[UUID]) -> dict[UUID, list[SavedAnswer]]:
        if not ids:
            return {}
        rows = self._connection.execute(
            select(saved_answers)
            .where(saved_answers.c.screening_id.in_(ids))
            .order_by(saved_answers.c.screening_id, saved_answers.c.ordinal)
        ).mappings()
        answers: dict[UUID, list[SavedAnswer]] = {}
        for row in rows:
            secrets = _ANSWER_SECRETS.open(self._cipher, answer_id(row["screening_id"], row["ordinal"]), row["sealed"])
            saved = SavedAnswer(
                link_id=row["link_id"],
                version=row["version"],
                device=secrets.device,
                sequence=secrets.sequence,
                status=secrets.status,
                code=secrets.code,
                saved_at=row["saved_at"],
                saved_by=secrets.saved_by,
                carried=secrets.carried,
            )
            answers.setdefault(row["screening_id"], []).append(saved)
        return answers

    def _add_answers(self, screening: Screening, first: int) -> None:
        for ordinal, saved in enumerate(screening.answers[first:], start=first):
            secrets = _AnswerSecrets(
                device=saved.device,
                sequence=saved.sequence,
                status=saved.status,
                code=saved.code,
                saved_by=saved.saved_by,
                carried=saved.carried,
            )
            values = {
                "screening_id": screening.id,
                "ordinal": ordinal,
                "link_id": saved.link_id,
                "version": saved.version,
                "saved_at": saved.saved_at,
                "sealed": _ANSWER_SECRETS.seal(self._cipher, answer_id(screening.id, ordinal), secrets),
            }
            self._insert(saved_answers, values)

    def _values(self, screening: Screening) -> dict[str, Any]:
        secrets = _Secrets(
            giving=screening.giving,
            started_by=screening.started_by,
            ended_reason=screening.ended_reason,
            comment=screening.comment,
            identity=screening.identity,
            restated=screening.restated,
        )
        return {
            **patient_values(screening.patient),
            "instrument_id": screening.instrument_id,
            "canonical": screening.canonical,
            "state": screening.state,
            "encounter_id": screening.encounter_id,
            "started_at": screening.started_at,
            "updated_at": screening.updated_at,
            "completed_at": screening.completed_at,
            "sealed": _SECRETS.seal(self._cipher, screening.id, secrets),
        }

    def _screening(self, row: RowMapping, answers: tuple[SavedAnswer, ...]) -> Screening:
        secrets = _SECRETS.open(self._cipher, row["id"], row["sealed"])
        return Screening(
            id=row["id"],
            patient=patient_of(row),
            instrument_id=row["instrument_id"],
            canonical=row["canonical"],
            state=ScreeningState(row["state"]),
            giving=secrets.giving,
            encounter_id=row["encounter_id"],
            started_by=secrets.started_by,
            started_at=row["started_at"],
            updated_at=row["updated_at"],
            completed_at=row["completed_at"],
            ended_reason=secrets.ended_reason,
            comment=secrets.comment,
            identity=secrets.identity,
            purged_at=row["purged_at"],
            answers=answers,
            restated=secrets.restated,
            version=row["version"],
        )


def answer_id(screening_id: UUID, ordinal: int) -> str:
    """Give the id under which one saved answer is sealed."""
    return f"{screening_id}/{ordinal}"
