"""The draft of a screening's note."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import select

from smart_app.model.identity import User
from smart_app.model.note import NoteDraft
from smart_app.storage.cipher import SealedField
from smart_app.storage.errors import AlreadyExists, StaleVersion
from smart_app.storage.repository import Repository
from smart_app.storage.tables import note_drafts as table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    text: str
    edited: bool
    updated_by: User


_SECRETS = SealedField(kind="note-draft", column="sealed", adapter=TypeAdapter(_Secrets))
UNSAVED_VERSION = 1


class Notes(Repository):
    """One draft per screening."""

    def find(self, screening_id: UUID) -> NoteDraft | None:
        """Give the draft, None when none was saved."""
        row = (
            self._connection.execute(select(table).where(table.c.screening_id == screening_id)).mappings().one_or_none()
        )
        if row is None:
            return None
        secrets = _SECRETS.open(self._cipher, screening_id, row["sealed"])
        return NoteDraft(
            screening_id=screening_id,
            text=secrets.text,
            edited=secrets.edited,
            updated_by=secrets.updated_by,
            updated_at=row["updated_at"],
            version=row["version"],
        )

    def put(self, draft: NoteDraft) -> NoteDraft:
        """Save a draft as its next version and give it so: version 1 was never saved, the first save makes it 2.

        Raises StaleVersion when another save came between, also between two first ones.
        """
        secrets = _Secrets(text=draft.text, edited=draft.edited, updated_by=draft.updated_by)
        values = {
            "updated_at": draft.updated_at,
            "sealed": _SECRETS.seal(self._cipher, draft.screening_id, secrets),
        }
        if draft.version > UNSAVED_VERSION:
            key = table.c.screening_id == draft.screening_id
            return replace(draft, version=self._update_version(table, key, draft.version, values))
        try:
            self._insert(table, {"screening_id": draft.screening_id, "version": UNSAVED_VERSION + 1, **values})
        except AlreadyExists as exc:
            raise StaleVersion("somebody saved a note of this screening first") from exc
        return replace(draft, version=UNSAVED_VERSION + 1)
