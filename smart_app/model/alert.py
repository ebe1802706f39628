"""A risk alert, and the only ways it can be closed or handed over (safety rule 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from smart_app.model.identity import PatientKey, User
from smart_app.model.moves import IllegalMove, MissingField


class AlertState(StrEnum):
    """Open until a clinician closes it; handed over is still open, with a named person."""

    OPEN = "open"
    HANDED_OVER = "handed-over"
    CLOSED = "closed"


class ActionKind(StrEnum):
    """What someone recorded on an alert; actions are appended, never changed."""

    NOTED = "noted"
    CLOSED = "closed"
    HANDED_OVER = "handed-over"
    ACCEPTED = "accepted"
    OUTREACH = "outreach"
    ASKED_AGAIN = "asked-again"
    REOPENED = "reopened"
    ANSWER_KEPT = "answer-kept"


class Disposition(StrEnum):
    """Where the patient goes now. The last three need an outreach plan and keep the alert open."""

    HOME_WITH_PLAN = "home-with-plan"
    FURTHER_ASSESSMENT = "further-assessment"
    EMERGENCY_CARE = "emergency-care"
    ADMITTED = "admitted"
    OTHER = "other"
    LEFT = "left"
    DECLINED = "declined"
    NOT_REACHED = "not-reached"


STAYS_OPEN = frozenset({Disposition.LEFT, Disposition.DECLINED, Disposition.NOT_REACHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What closing needs: who assessed, when, the clinician's own level and reasons, plan and disposition.

    Nothing is proposed by the app. Who left, declined or was not reached was not assessed: that needs a plan to reach
    them, and no level that nobody could judge. ``done`` are the ticked actions; ``into_note`` puts the words into the
    note.
    """

    assessor: str
    assessed_at: datetime
    risk_level: str
    reasons: str
    plan: str
    disposition: Disposition
    outreach_plan: str = ""
    done: tuple[str, ...] = ()
    into_note: bool = False

    def check(self) -> None:
        """Raise MissingField for the first thing that is missing."""
        assessed = ("assessor", "risk_level", "reasons", "plan")
        for field in ("assessor", "outreach_plan") if self.disposition in STAYS_OPEN else assessed:
            if not getattr(self, field).strip():
                raise MissingField(field=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAction:
    """One recorded step, with whose name and when. ``text`` is free text of the person (encrypted at rest)."""

    kind: ActionKind
    by: User
    at: datetime
    text: str = ""
    assessment: Assessment | None = None
    to_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReached:
    """A published level that an alert told, and since when."""

    level: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A risk answer, or a risk item that stayed unanswered, waiting for a clinician.

    ``level`` is the highest that it ever told: ``rank`` orders levels, and ``reached`` holds all of them with their
    times, once there was more than one. ``opened_by_version`` is the version of the item's save that opened it (0:
    opened at hand-in because nothing stood).
    """

    id: UUID
    screening_id: UUID
    patient: PatientKey
    instrument_id: str
    rule_id: str
    link_id: str
    kind: str
    level: str
    reason: str
    source: str
    opened_at: datetime
    opened_by_version: int
    state: AlertState = AlertState.OPEN
    actions: tuple[AlertAction, ...] = ()
    version: int = 1
    rank: tuple[int, int, int] = (0, 0, 0)
    reached: tuple[LevelReached, ...] = ()

    @property
    def levels(self) -> tuple[LevelReached, ...]:
        """The levels that it told, rising; the last one stands."""
        return self.reached or (LevelReached(level=self.level, at=self.opened_at),)

    @property
    def blocks_signing(self) -> bool:
        """True while nobody has closed it and no named person has accepted it (safety rule 4)."""
        return self.state is AlertState.OPEN

    @property
    def is_open(self) -> bool:
        """True until closed: handed over counts as open."""
        return self.state is not AlertState.CLOSED

    @property
    def hand_over(self) -> AlertAction | None:
        """The newest accepted hand-over, None without one."""
        return next((a for a in reversed(self.actions) if a.kind is ActionKind.ACCEPTED), None)

    def close(self, by: User, at: datetime, assessment: Assessment) -> Self:
        """Record an assessment. It closes the alert unless the patient left, declined or was not reached.

        Raises: MissingField naming what is missing, IllegalMove when already closed or assessed in the future.
        """
        self._need_open()
        assessment.check()
        if assessment.assessed_at > at:
            raise MissingField("an assessment cannot lie in the future", field="assessed_at")
        if assessment.disposition in STAYS_OPEN:
            action = AlertAction(kind=ActionKind.OUTREACH, by=by, at=at, assessment=assessment)
            return replace(self, actions=(*self.actions, action))
        action = AlertAction(kind=ActionKind.CLOSED, by=by, at=at, assessment=assessment)
        return replace(self, state=AlertState.CLOSED, actions=(*self.actions, action))

    def hand_over_to(self, by: User, at: datetime, *, name: str, accepted_at: datetime, text: str = "") -> Self:
        """Record that a named person accepted the assessment at a time: "pending, with NAME, accepted TIME"."""
        self._need_open()
        if not name.strip():
            raise MissingField(field="to_name")
        if accepted_at > at:
            raise MissingField("an acceptance cannot lie in the future", field="accepted_at")
        given = AlertAction(kind=ActionKind.HANDED_OVER, by=by, at=at, text=text, to_name=name.strip())
        taken = AlertAction(kind=ActionKind.ACCEPTED, by=by, at=accepted_at, to_name=name.strip())
        return replace(self, state=AlertState.HANDED_OVER, actions=(*self.actions, given, taken))

    def ask_again(self, by: User, at: datetime, *, answer: str, reason: str) -> Self:
        """Put a second answer beside the first ("answered in error"): never closes, keeps both (safety rule 4)."""
        self._need_open()
        if not answer.strip():
            raise MissingField(field="answer")
        if not reason.strip():
            raise MissingField(field="reason")
        action = AlertAction(kind=ActionKind.ASKED_AGAIN, by=by, at=at, text=f"{answer.strip()}: {reason.strip()}")
        return replace(self, actions=(*self.actions, action))

    def keep_answer(self, by: User, at: datetime, answer: str) -> Self:
        """Keep an answer of the item that was given and not saved: late, or in conflict with another page's."""
        action = AlertAction(kind=ActionKind.ANSWER_KEPT, by=by, at=at, text=answer)
        return replace(self, actions=(*self.actions, action))

    def reopen(self, by: User, at: datetime) -> Self:
        """Open a closed alert again, because the item was given a risk answer after it was closed."""
        if self.state is not AlertState.CLOSED:
            raise IllegalMove("the alert is open")
        action = AlertAction(kind=ActionKind.REOPENED, by=by, at=at)
        return replace(self, state=AlertState.OPEN, actions=(*self.actions, action))

    def raise_level(
        self, at: datetime, *, kind: str, level: str, reason: str, source: str, rank: tuple[int, int, int]
    ) -> Self:
        """Tell a higher level, open or closed; never a lower one. The same alert comes back where it is none."""
        if rank <= self.rank or level == self.level:
            return self
        reached = (*self.levels, LevelReached(level=level, at=at))
        return replace(self, kind=kind, level=level, reason=reason, source=source, rank=rank, reached=reached)

    def add(self, by: User, at: datetime, text: str) -> Self:
        """Add words to an alert, open or closed; nothing is ever taken away."""
        if not text.strip():
            raise MissingField(field="text")
        return replace(self, actions=(*self.actions, AlertAction(kind=ActionKind.NOTED, by=by, at=at, text=text)))

    def _need_open(self) -> None:
        if self.state is AlertState.CLOSED:
            raise IllegalMove("the alert is closed")
