"""The page of what is in doubt: what happened, what was looked for and found, what a person may choose (section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from launch.errors import LaunchError
from smart_app.access import NotThisPatient, event, get_screening, permitted
from smart_app.model.approval import Approval
from smart_app.model.audit import AuditAction
from smart_app.model.rights import NotAllowed, Right
from smart_app.screening.answers import get_instrument
from smart_app.screening.context import get_chart
from smart_app.screening.errors import InvalidField, LaunchOver
from smart_app.screening.frame import build_frame
from smart_app.screening.tokens import door_for
from smart_app.screening.views import Frame
from smart_app.screening.wording import say_count, say_moment
from smart_app.services import Acting, Services
from smart_app.writeback.claims import Claims
from smart_app.writeback.decisions import Decision, Doubt, decide, find_doubts
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.outcome import describe_rows
from smart_app.writeback.writer import write_approval


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A resource in the chart that may be ours: its reference there, and the row that it may be."""

    row_id: UUID
    attempt: int
    what: str
    reference: str
    resource_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtView:
    """One request of unknown outcome: what it sent, what happened, what was looked for, what the EHR shows now.

    ``send_stop``: why it cannot be sent again, "" where it can.
    """

    row_id: UUID
    attempt: int
    title: str
    what: tuple[str, ...]
    happened: str
    looked_for: str
    found: str
    candidates: tuple[Candidate, ...]
    send_stop: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedView:
    """All of one signature that is in doubt. ``may_decide``: the user may sign here."""

    frame: Frame
    screening_id: UUID
    heading: str
    reference_code: str
    doubts: tuple[DoubtView, ...]
    may_decide: bool
    notice: str


def view_unfinished(app: Services, who: Acting, screening_id: UUID) -> UnfinishedView:
    """Look in the chart now and show it. Raises: NotThisPatient."""
    with permitted(app, who):
        with app.units.write() as unit:
            screening = get_screening(unit, who, screening_id)
            approval = unit.approvals.find_for_screening(screening_id)
            if approval is None:
                raise NotThisPatient
            rows = unit.ledger.rows_of(approval.id)
            unit.audit.append(event(who, AuditAction.SCREENING_VIEWED, screening_id, approval=str(approval.id)))
            unit.commit()
        chart = get_chart(app, who)
        door = _find_door(app, who)
    instrument = get_instrument(app.library, screening.instrument_id)
    doubts = find_doubts(rows, approval, door)
    names = {row.id: describe_rows([row], instrument)[0].what for doubt in doubts for row in doubt.rows}
    return UnfinishedView(
        frame=build_frame(app, who, chart),
        screening_id=screening_id,
        heading=f"{instrument.short_name}: {say_count(len(names), 'item') if names else 'nothing'} in doubt",
        reference_code=approval.reference_code,
        doubts=tuple(_view_doubt(app, who, approval, doubt, names) for doubt in doubts),
        may_decide=_may_decide(who),
        notice="" if door is not None else "The EHR gives this launch no access now: nothing can be looked up.",
    )


def decide_unfinished(
    app: Services,
    who: Acting,
    screening_id: UUID,
    row_id: str,
    chosen: str,
    *,
    attempt: str,
    candidate: str = "",
    looked: bool,
) -> None:
    """Carry out a person's choice; what is to be sent again goes at once. ``looked``: they say that it is not there.

    ``attempt``: of the row, as the page showed it.
    Raises: NotAllowed (no right to sign, or sending what another signed), InvalidField, DecidedElsewhere, LaunchOver,
    NotThisPatient.
    """
    with permitted(app, who):
        with app.units.read() as unit:
            screening = get_screening(unit, who, screening_id)
            approval = unit.approvals.find_for_screening(screening.id)
        if approval is None:
            raise NotThisPatient
        if chosen not in set(Decision):
            raise InvalidField(field="decision")
        decision = Decision(chosen)
        may_send = approval.is_signed_by(who.user)
        if not _may_decide(who) or (decision is Decision.SEND_AGAIN and not may_send):
            raise NotAllowed(field=Right.SIGN.value)
        if decision in {Decision.SEND_AGAIN, Decision.GIVE_UP} and not looked:
            raise InvalidField(field="looked")
        door = door_for(app, who.session.id)
    claims = Claims(
        app.units,
        approval,
        user=who.user,
        launch_id=who.session.id,
        clock=app.clock,
        correlation_id=who.correlation_id,
    )
    decide(claims, approval, door, row_id, decision, attempt=attempt, now=who.now, candidate=candidate)
    if may_send:
        write_approval(app.units, approval.id, door, clock=app.clock, correlation_id=who.correlation_id)


def _may_decide(who: Acting) -> bool:
    return bool(who.rights.keys() & {Right.SIGN, Right.CO_SIGN})


def _find_door(app: Services, who: Acting) -> EhrDoor | None:
    try:
        return door_for(app, who.session.id)
    except (LaunchOver, LaunchError):
        return None


def _view_doubt(app: Services, who: Acting, approval: Approval, doubt: Doubt, names: Mapping[UUID, str]) -> DoubtView:
    first, zone = doubt.rows[0], app.rules.zone
    sent = "" if first.sent_at is None else f" {say_moment(first.sent_at, who.now, zone)}"
    answer = "no clear answer came back" if first.http_status is None else f"the answer was HTTP {first.http_status}"
    looked = "Nothing yet."
    if first.looked_up_at is not None:
        looked = f"All that a search can find, last {say_moment(first.looked_up_at, who.now, zone)}."
    return DoubtView(
        row_id=first.id,
        attempt=first.attempt,
        title=names[first.id] if len(doubt.rows) == 1 else f"{len(doubt.rows)} items, sent together",
        what=tuple(dict.fromkeys(names[row.id] for row in doubt.rows)),
        happened=f"Sent{sent}; {answer}.",
        looked_for=looked,
        found=_say_found(doubt),
        candidates=tuple(
            Candidate(
                row_id=row.id,
                attempt=row.attempt,
                what=names[row.id],
                reference=f"{match.resource_type}/{match.id}",
                resource_id=match.id,
            )
            for row, match in doubt.candidates
        ),
        send_stop=_say_send_stop(doubt, is_signer=approval.is_signed_by(who.user)),
    )


def _say_send_stop(doubt: Doubt, *, is_signer: bool) -> str:
    if doubt.partly_written:
        return "What was sent with it is in the chart, so that this may still show: it cannot be sent again."
    return "" if is_signer else "Only the person who signed can have it sent again."


def _say_found(doubt: Doubt) -> str:
    if doubt.candidates:
        return f"The EHR shows {len(doubt.candidates)} now."
    asked = [found for found in doubt.found if found is not None]
    if not asked:
        return "Here we cannot look: only a look at the chart can tell."
    if not all(found.complete for found in asked):
        return "The EHR did not answer the search, or not in full."
    blind = len(doubt.found) - len(asked)
    words = "The EHR shows none now. That alone proves nothing: it may show it later."
    return f"{words} {say_count(blind, 'item')} cannot be looked up here." if blind else words
