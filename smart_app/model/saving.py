"""Decide what one incoming save does to an item: accepted, late, or a conflict between devices (safety rule 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from smart_app.model.identity import User
from smart_app.model.moves import IllegalMove
from smart_app.model.screening import SavedAnswer, SavedStatus, Screening, ScreeningState


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingAnswer:
    """One save as a page sends it.

    ``sequence`` counts this page's saves of this item from 1; ``seen_version`` is the item's version the page last
    knew (0 = none). ``code`` is None unless ``status`` is answered.
    """

    link_id: str
    status: SavedStatus
    code: str | None
    device: str
    sequence: int
    seen_version: int


class SaveKind(StrEnum):
    """What became of a save."""

    SAVED = "saved"
    UNCHANGED = "unchanged"
    LATE = "late"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveResult:
    """The decision, the screening after it, and the item's save that now stands (None: nothing stands)."""

    kind: SaveKind
    screening: Screening
    standing: SavedAnswer | None


def save_answer(screening: Screening, incoming: IncomingAnswer, *, now: datetime, user: User) -> SaveResult:
    """Apply one save.

    Late: this page has already sent a newer save of the item, so the older one, arriving now, is ignored.
    Conflict: another page saved the item since this page last saw it; nothing is overwritten, both are shown.
    Raises: IllegalMove when the screening is no longer in progress.
    """
    if screening.state is not ScreeningState.IN_PROGRESS:
        raise IllegalMove(f"answers cannot be saved into a screening that is {screening.state}")
    standing = screening.current(incoming.link_id)
    same_page = [s for s in screening.history(incoming.link_id) if s.device == incoming.device]
    if same_page and same_page[-1].sequence >= incoming.sequence:
        return SaveResult(kind=SaveKind.LATE, screening=screening, standing=standing)
    if standing is None and incoming.status is SavedStatus.CLEARED:
        return SaveResult(kind=SaveKind.UNCHANGED, screening=screening, standing=None)
    if standing is not None:
        if (standing.status, standing.code) == (incoming.status, incoming.code):
            return SaveResult(kind=SaveKind.UNCHANGED, screening=screening, standing=standing)
        if standing.device != incoming.device and standing.version > incoming.seen_version:
            return SaveResult(kind=SaveKind.CONFLICT, screening=screening, standing=standing)
    saved = SavedAnswer(
        link_id=incoming.link_id,
        version=(standing.version if standing else 0) + 1,
        device=incoming.device,
        sequence=incoming.sequence,
        status=incoming.status,
        code=incoming.code if incoming.status is SavedStatus.ANSWERED else None,
        saved_at=now,
        saved_by=user,
    )
    changed = replace(screening, answers=(*screening.answers, saved), updated_at=now)
    return SaveResult(kind=SaveKind.SAVED, screening=changed, standing=saved)
