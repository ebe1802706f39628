"""Questionnaires that an EHR has named and the app has fetched, as received: results answer just that wording."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from smart_app.storage.repository import Repository
from smart_app.storage.tables import ehr_questionnaires as table


class EhrQuestionnaires(Repository):
    """Bodies by the id that their content gives them; one that is here is never changed."""

    def find(self, questionnaire_id: str) -> bytes | None:
        """Give the body, None where there is none."""
        body: str | None = self._connection.execute(
            select(table.c.body).where(table.c.id == questionnaire_id)
        ).scalar_one_or_none()
        return None if body is None else body.encode()

    def keep(self, questionnaire_id: str, ehr_id: str, body: bytes, now: datetime) -> None:
        """Keep a body unless it is kept already. Raises AlreadyExists where another unit kept it just now."""
        if self.find(questionnaire_id) is None:
            values = {"id": questionnaire_id, "ehr_id": ehr_id, "fetched_at": now, "body": body.decode()}
            self._insert(table, values)
