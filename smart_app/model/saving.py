"""Decide what one incoming save does to an item: accepted, late, or a conflict between devices (safety rule 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from smart_app.model.identity import User
from smart_app.model.moves import IllegalMove
from smart_app.model.screening import Carried, SavedAnswer, SavedStatus, Screening, ScreeningState


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingAnswer:
    """One save as a page sends it.

    ``sequence`` counts what this page has sent, from 1; ``seen_version`` is the item's version the page last
    knew (0 = none). ``code`` is None unless ``status`` is answered. ``whole_form``: posted with all other items, not
    because it was just chosen; of two forms with one number the later to arrive is the newer. ``carried``: confirmed,
    not asked anew.
    """

    link_id: str
    status: SavedStatus
    code: str | None
    device: str
    sequence: int
    seen_version: int
    whole_form: bool = False
    carried: Carried | None = None


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

    Late: a newer save of the item, or a newer whole form with it, has come from this page: this one is ignored.
    Conflict: another page changed the item since this page last saw it; nothing is overwritten, both are shown.
    Unchanged: it says what stands. A page that chose it anew gets a version for it all the same, so that an older save
    of that page, arriving later, is known to be late; a whole form adds none, its number is remembered (``restated``).
    Raises: IllegalMove when the screening is no longer in progress.
    """
    if screening.state is not ScreeningState.IN_PROGRESS:
        raise IllegalMove(f"answers cannot be saved into a screening that is {screening.state}")
    standing = screening.current(incoming.link_id)
    newest = screening.newest_sequence(incoming.device, incoming.link_id)
    if newest > incoming.sequence or (newest == incoming.sequence and not incoming.whole_form):
        return SaveResult(kind=SaveKind.LATE, screening=screening, standing=standing)
    saved = SavedAnswer(
        link_id=incoming.link_id,
        version=(standing.version if standing else 0) + 1,
        device=incoming.device,
        sequence=incoming.sequence,
        status=incoming.status,
        code=incoming.code if incoming.status is SavedStatus.ANSWERED else None,
        saved_at=now,
        saved_by=user,
        carried=incoming.carried,
    )
    restated = incoming.status is SavedStatus.CLEARED if standing is None else saved.says_the_same_as(standing)
    if restated and incoming.whole_form:
        noted = screening.restate(incoming.link_id, incoming.device, incoming.sequence)
        return SaveResult(kind=SaveKind.UNCHANGED, screening=noted, standing=standing)
    if not restated and not knows_what_stands(screening, incoming.link_id, incoming.device, incoming.seen_version):
        return SaveResult(kind=SaveKind.CONFLICT, screening=screening, standing=standing)
    kind = SaveKind.UNCHANGED if restated else SaveKind.SAVED
    changed = replace(screening, answers=(*screening.answers, saved), updated_at=now)
    return SaveResult(kind=kind, screening=changed, standing=saved)


def knows_what_stands(screening: Screening, link_id: str, device: str, seen_version: int) -> bool:
    """Tell whether a page knows the answer that stands: it said the same since, or saw a version that says it."""
    standing = screening.current(link_id)
    if standing is None:
        return True
    for saved in reversed(screening.history(link_id)):
        if not saved.says_the_same_as(standing):
            return False
        if saved.device == device or saved.version <= seen_version:
            return True
    return False
