"""A Screening: one giving of one instrument to one patient, its answers and its states (design section 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from smart_app.model.identity import PatientIdentity, PatientKey, User
from smart_app.model.moves import IllegalMove, MissingField


class ScreeningState(StrEnum):
    """States of a screening; what was written is told by its ledger rows, never here."""

    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    IN_REVIEW = "in-review"
    SIGNED = "signed"
    CORRECTED = "corrected"
    RETRACTED = "retracted"
    STOPPED = "stopped"
    REJECTED = "rejected"


UNSIGNED = frozenset({ScreeningState.IN_PROGRESS, ScreeningState.COMPLETED, ScreeningState.IN_REVIEW})
REVIEWABLE = frozenset({ScreeningState.COMPLETED, ScreeningState.IN_REVIEW})


class SavedStatus(StrEnum):
    """What one save says: an answer, a refusal to answer, or that the answer was taken back."""

    ANSWERED = "answered"
    DECLINED = "declined"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Where an answer was carried from: the screening, its instrument's short name, and when it was given there."""

    screening_id: UUID
    short_name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAnswer:
    """One save of one item; saves are appended, never changed (safety rules 4 and 6).

    ``version`` counts the saves of this item from 1; ``device`` and ``sequence`` are the page's own: a random id of the
    open page and a counter of that page. ``code`` is the option's code, None unless answered. ``carried``: the same
    question was answered before, and the patient confirmed that answer.
    """

    link_id: str
    version: int
    device: str
    sequence: int
    status: SavedStatus
    code: str | None
    saved_at: datetime
    saved_by: User
    carried: Carried | None = None

    def says_the_same_as(self, other: SavedAnswer) -> bool:
        """Tell whether both say the same of the item, whoever said it and when."""
        return (self.status, self.code) == (other.status, other.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """A page's whole form said again what stood of an item: no new save, but older saves of that page are late."""

    link_id: str
    device: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """Who and how (design section 3): kept on each screening and written with it.

    ``answered_at`` is a FHIR dateTime with its own precision for answers given earlier (paper), None for "while typed".
    ``knowingly``: whoever started it knew that the instrument is not validated at the patient's age.
    """

    informant: str
    relationship: str | None
    mode: str
    administered_by: str
    language: str
    interpreter: bool = False
    answered_at: str | None = None
    knowingly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """One instrument given once. ``version`` is the optimistic lock; ``answers`` is the full history, oldest first.

    ``identity`` is the patient as the EHR showed them at the start: for the list of alerts, where no chart is open.
    ``purged_at``: when retention erased the answers, whose copy is in the chart; None while they are here.
    ``restated`` holds one entry per page and item, the newest.
    """

    id: UUID
    patient: PatientKey
    instrument_id: str
    canonical: str
    state: ScreeningState
    giving: Giving
    encounter_id: str | None
    started_by: User
    started_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    ended_reason: str | None = None
    comment: str = ""
    identity: PatientIdentity | None = None
    purged_at: datetime | None = None
    answers: tuple[SavedAnswer, ...] = ()
    restated: tuple[Restated, ...] = ()
    version: int = 1

    @property
    def gender(self) -> str | None:
        """The patient's R4 administrative gender as the EHR showed it at the start; None where it did not."""
        return None if self.identity is None else self.identity.gender

    def current(self, link_id: str) -> SavedAnswer | None:
        """Give the newest save of an item, None when there is none."""
        return next((saved for saved in reversed(self.answers) if saved.link_id == link_id), None)

    def current_answers(self) -> dict[str, SavedAnswer]:
        """Give the newest save of each item, without items whose answer was taken back."""
        newest = {saved.link_id: saved for saved in self.answers}
        return {key: saved for key, saved in newest.items() if saved.status is not SavedStatus.CLEARED}

    def history(self, link_id: str) -> tuple[SavedAnswer, ...]:
        """Give every save of an item, oldest first."""
        return tuple(saved for saved in self.answers if saved.link_id == link_id)

    def newest_sequence(self, device: str, link_id: str | None = None) -> int:
        """Give the highest number that has come from a page, of one item or of any; 0 when none has."""
        heard: tuple[SavedAnswer | Restated, ...] = (*self.answers, *self.restated)
        return max(
            (one.sequence for one in heard if one.device == device and link_id in {None, one.link_id}), default=0
        )

    def restate(self, link_id: str, device: str, sequence: int) -> Self:
        """Remember that a page's whole form said again what stands of an item."""
        if sequence <= self.newest_sequence(device, link_id):
            return self
        others = (one for one in self.restated if (one.link_id, one.device) != (link_id, device))
        newest = Restated(link_id=link_id, device=device, sequence=sequence)
        return replace(self, restated=(*others, newest))

    def told_history(self, link_id: str) -> tuple[SavedAnswer, ...]:
        """Give an item's saves as people are told them: each answer once, when it was first said, not each restating.

        Taking back what was never saved is left out.
        """
        told: list[SavedAnswer] = []
        for saved in self.history(link_id):
            if not told and saved.status is SavedStatus.CLEARED:
                continue
            if not told or not saved.says_the_same_as(told[-1]):
                told.append(saved)
        return tuple(told)

    def was_given_by(self, user: User) -> bool:
        """Tell whether this person started it or saved an answer into it."""
        return any(user.same_person(other) for other in (self.started_by, *(saved.saved_by for saved in self.answers)))

    def may_go_on(self, now: datetime, within: timedelta, informant: str) -> bool:
        """Tell whether the draft may be continued: in progress, young enough, same informant (design section 3)."""
        return (
            self.state is ScreeningState.IN_PROGRESS
            and now - self.started_at <= within
            and informant == self.giving.informant
        )

    def hand_in(self, now: datetime) -> Self:
        """Move a draft to completed; answers may be missing (an incomplete result can be signed as incomplete)."""
        self._need({ScreeningState.IN_PROGRESS})
        return replace(self, state=ScreeningState.COMPLETED, completed_at=now, updated_at=now)

    def take_up(self, now: datetime) -> Self:
        """Move a completed screening into review; one already there stays."""
        self._need(REVIEWABLE)
        return replace(self, state=ScreeningState.IN_REVIEW, updated_at=now)

    def reopen(self, now: datetime) -> Self:
        """Go back to the form from review, to change or add an answer; the history keeps what stood before."""
        self._need(REVIEWABLE)
        return replace(self, state=ScreeningState.IN_PROGRESS, completed_at=None, updated_at=now)

    def sign(self, now: datetime) -> Self:
        """Mark as signed; the approval and its ledger rows are saved in the same transaction."""
        self._need(REVIEWABLE)
        return replace(self, state=ScreeningState.SIGNED, updated_at=now)

    def stop(self, now: datetime, reason: str) -> Self:
        """End a draft that will not go on; its answers and alerts are kept."""
        self._need({ScreeningState.IN_PROGRESS})
        return self._end(ScreeningState.STOPPED, now, reason)

    def reject(self, now: datetime, reason: str) -> Self:
        """Refuse a result unsigned; its answers and alerts are kept, a reason is required."""
        self._need(REVIEWABLE)
        return self._end(ScreeningState.REJECTED, now, reason)

    def _end(self, state: ScreeningState, now: datetime, reason: str) -> Self:
        if not reason.strip():
            raise MissingField(field="reason")
        return replace(self, state=state, ended_reason=reason.strip(), updated_at=now)

    def _need(self, states: set[ScreeningState] | frozenset[ScreeningState]) -> None:
        if self.state not in states:
            raise IllegalMove(f"a screening that is {self.state} cannot do this")
