"""The use cases of the note: save the clinician's text, go back to the assembled one."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from smart_app.access import event, get_screening, permitted
from smart_app.model.audit import AuditAction
from smart_app.model.moves import IllegalMove, MissingField
from smart_app.model.note import NoteDraft
from smart_app.model.rights import Right
from smart_app.model.screening import REVIEWABLE
from smart_app.services import Acting, Services
from smart_app.storage.errors import StaleVersion

LONGEST_NOTE = 50_000


class NoteTooLong(MissingField):
    """The text is longer than any EHR takes."""

    code = "note-too-long"
    title = "The note is too long"
    remedy = "Shorten it, then save it again. What you typed is kept in the form."


def save_note(app: Services, who: Acting, screening_id: UUID, text: str, version: int) -> None:
    """Save the text. ``version`` is the one that the page showed, 0 for a note that was never edited.

    Raises: StaleVersion when another page saved it since, MissingField for an empty text, IllegalMove after signing.
    """
    _save(app, who, screening_id, text, version, edited=True)


def renew_note(app: Services, who: Acting, screening_id: UUID, version: int) -> None:
    """Drop the edits: the note is what the app assembles again. Raises as save_note."""
    _save(app, who, screening_id, "", version, edited=False)


def _save(app: Services, who: Acting, screening_id: UUID, text: str, version: int, *, edited: bool) -> None:
    with permitted(app, who, Right.ENTER):
        if edited and not text.strip():
            raise MissingField(field="text")
        if len(text) > LONGEST_NOTE:
            raise NoteTooLong(field="text")
        with app.units.write() as unit:
            screening = get_screening(unit, who, screening_id)
            if screening.state not in REVIEWABLE:
                raise IllegalMove(f"the note of a screening that is {screening.state} cannot be changed")
            standing = unit.notes.find(screening_id)
            if (standing.version if standing else 0) != version:
                raise StaleVersion(field="note")
            draft = standing or NoteDraft(
                screening_id=screening_id, text="", edited=False, updated_by=who.user, updated_at=who.now
            )
            saved = unit.notes.put(replace(draft.edit(text, who.user, who.now), edited=edited))
            unit.audit.append(event(who, AuditAction.NOTE_SAVED, screening_id, version=saved.version, edited=edited))
            unit.commit()
