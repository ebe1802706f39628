"""Hand in a form: the whole of it is posted, differences from what is saved are asked about (safety rule 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from fhir_mappings.answers import is_enabled
from fhir_mappings.instrument import Instrument, Item
from smart_app.access import LaunchIdle, event, get_screening, permitted
from smart_app.errors import AppError
from smart_app.model.audit import AuditAction
from smart_app.model.launch_session import SessionStanding
from smart_app.model.rights import Right
from smart_app.model.saving import IncomingAnswer, knows_what_stands
from smart_app.model.screening import REVIEWABLE, SavedAnswer, SavedStatus, Screening
from smart_app.screening.answers import enabled_answers, get_instrument
from smart_app.screening.forms import DECLINED, PostedForm
from smart_app.screening.opening import open_alerts, open_for_unsaved
from smart_app.screening.saving import apply_saves, find_refusal, get_own, on_what_stands, refuse, sort_incoming
from smart_app.screening.typed_answers import complete_text
from smart_app.screening.views import Difference, HandInResult, Missing
from smart_app.screening.wording import say_answer, say_moment, say_text
from smart_app.services import Acting, Services

if TYPE_CHECKING:
    from smart_app.model.alert import Alert
    from smart_app.storage.unit_of_work import Unit


def hand_in(app: Services, who: Acting, screening_id: UUID, posted: PostedForm) -> HandInResult:
    """Save what the form holds, then move the draft to completed unless something must be asked first.

    Asked about: items without answer (until ``accept_missing``), and answers that another page saved since this one
    saw them. A risk item declined or left blank opens "risk not known". The same form posted twice is handed in once.
    An idle session's answers are saved, and it is told to open the app again. A form that is over saves nothing; its
    risk answers are kept on their alerts, and RiskAnswerNotSaved says so.
    Raises: UnknownItem, UnknownOption (the rest is saved), IllegalMove, DraftTooOld, RiskAnswerNotSaved, LaunchIdle,
    NotThisPatient.
    """
    with permitted(app, who, Right.ENTER, even_idle=True):
        result, fault = on_what_stands(lambda: _hand_in(app, who, screening_id, posted))
        if fault is not None:
            raise fault
        if who.standing is not SessionStanding.LIVE and not result.handed_in:
            raise LaunchIdle
    return result


def _hand_in(
    app: Services, who: Acting, screening_id: UUID, posted: PostedForm
) -> tuple[HandInResult, AppError | None]:
    with app.units.write() as unit:
        if _is_handed_in_already(app, get_screening(unit, who, screening_id, lock=True), posted):
            return HandInResult(handed_in=True, missing=(), differences=(), alerts_opened=0), None
        screening = get_own(who, unit, screening_id)
        instrument = get_instrument(app.library, screening.instrument_id)
        codes = {
            link_id: complete_text(instrument, link_id, text, app.rules.zone) for link_id, text in posted.codes.items()
        }
        posted = replace(posted, codes=codes)
        over = find_refusal(app, screening, who.now)
        if over is not None:
            sent = [_incoming(screening, link_id, posted, 0) for link_id in posted.codes]
            good, _ = sort_incoming(instrument, sent)
            refusal = refuse(app, who, unit, instrument, screening, incoming=good, why=over)
            return HandInResult(handed_in=False, missing=(), differences=(), alerts_opened=0), refusal
        incoming, differing = compare_with_saved(instrument, screening, posted)
        good, fault = sort_incoming(instrument, incoming)
        screening, _, opened = apply_saves(app, who, unit, instrument, screening, incoming=good)
        opened += _open_for_differences(app, who, unit, screening, differing=differing, posted=posted)
        differences = tuple(_difference(app, who, screening, item, posted) for item in differing)
        missing = find_missing(instrument, screening)
        ready = not differences and (not missing or posted.accept_missing)
        ready = ready and fault is None and who.standing is SessionStanding.LIVE
        noted = _restate(screening, posted)
        if ready:
            screening = unit.screenings.save(noted.hand_in(who.now))
            unknown = open_alerts(app, who, unit, instrument, screening, changed=(), handed_in=True)
            opened += unknown
            for alert in unknown:
                unit.audit.append(event(who, AuditAction.ALERT_OPENED, alert.id, rule=alert.rule_id))
            unit.audit.append(event(who, AuditAction.SCREENING_HANDED_IN, screening.id, missing=len(missing)))
        elif noted is not screening:
            unit.screenings.save(noted)
        unit.commit()
    result = HandInResult(
        handed_in=ready,
        missing=() if ready or posted.accept_missing else missing,
        differences=differences,
        alerts_opened=len(opened),
    )
    return result, fault


def _open_for_differences(
    app: Services, who: Acting, unit: Unit, screening: Screening, *, differing: list[Item], posted: PostedForm
) -> tuple[Alert, ...]:
    """Open alerts for risk answers that wait for a decision: whichever is kept, they were given (safety rule 4)."""
    instrument = get_instrument(app.library, screening.instrument_id)
    opened: list[Alert] = []
    for item in differing:
        answer = _incoming(screening, item.link_id, posted, 0)
        opened += open_for_unsaved(app, who, unit, instrument, screening, answer=answer)
    for alert in opened:
        unit.audit.append(event(who, AuditAction.ALERT_OPENED, alert.id, rule=alert.rule_id))
    return tuple(opened)


def compare_with_saved(
    instrument: Instrument, screening: Screening, posted: PostedForm
) -> tuple[list[IncomingAnswer], list[Item]]:
    """Part the posted answers that may be saved from the items whose difference must be asked about.

    A blank where an answer is saved is always asked about: a page never takes an answer back by leaving it out.
    """
    incoming: list[IncomingAnswer] = []
    differing: list[Item] = []
    known = {item.link_id for item in instrument.items if item.is_given}
    for link_id in (*known, *(other for other in posted.codes if other not in known)):
        code = posted.codes.get(link_id, "")
        saved = screening.current(link_id)
        if code == saved_code(saved):
            continue
        version = 0 if saved is None else saved.version
        kept = posted.keep.get(link_id) if posted.keep_seen.get(link_id) == version else None
        if kept == "saved":
            continue
        current = knows_what_stands(screening, link_id, posted.device, posted.seen.get(link_id, 0))
        if link_id in known and kept != "posted" and (not code or not current):
            differing.append(instrument.by_link_id[link_id])
            continue
        incoming.append(_incoming(screening, link_id, posted, version))
    order = {item.link_id: place for place, item in enumerate(instrument.items)}
    incoming.sort(key=lambda answer: order.get(answer.link_id, len(order)))
    differing.sort(key=lambda item: order[item.link_id])
    return incoming, differing


def find_missing(instrument: Instrument, screening: Screening) -> tuple[Missing, ...]:
    """Give the items that are asked of this patient and have neither an answer nor a refusal."""
    answers = enabled_answers(instrument, screening)
    return tuple(
        Missing(link_id=item.link_id, number=item.number, text=item.text, risk=item.risk)
        for item in instrument.required_items
        if item.link_id not in answers and is_enabled(item, answers) and not item.may_be_left_by(screening.gender)
    )


def saved_code(saved: SavedAnswer | None) -> str:
    """Give a save as the form's radio group has it: the option's code, DECLINED, or "" for blank."""
    if saved is None or saved.status is SavedStatus.CLEARED:
        return ""
    return DECLINED if saved.status is SavedStatus.DECLINED else saved.code or ""


def _is_handed_in_already(app: Services, screening: Screening, posted: PostedForm) -> bool:
    if screening.state not in REVIEWABLE:
        return False
    return compare_with_saved(get_instrument(app.library, screening.instrument_id), screening, posted) == ([], [])


def _restate(screening: Screening, posted: PostedForm) -> Screening:
    """Remember the form's number for what it says and what stands, so that an older save of the page is late."""
    for link_id, code in posted.codes.items():
        if code == saved_code(screening.current(link_id)):
            screening = screening.restate(link_id, posted.device, posted.sequence)
    return screening


def _incoming(screening: Screening, link_id: str, posted: PostedForm, version: int) -> IncomingAnswer:
    code = posted.codes.get(link_id, "")
    status = SavedStatus.ANSWERED
    if code in ("", DECLINED):
        status = SavedStatus.DECLINED if code else SavedStatus.CLEARED
    return IncomingAnswer(
        link_id=link_id,
        status=status,
        code=code if status is SavedStatus.ANSWERED else None,
        device=posted.device,
        sequence=max(posted.sequence, screening.newest_sequence(posted.device, link_id) + 1),
        seen_version=version,
    )


def _difference(app: Services, who: Acting, screening: Screening, item: Item, posted: PostedForm) -> Difference:
    saved = screening.current(item.link_id)
    code = posted.codes.get(item.link_id, "")
    by = ""
    if saved is not None:
        by = f", saved {say_moment(saved.saved_at, who.now, app.rules.zone)} by {saved.saved_by.name}"
    return Difference(
        link_id=item.link_id,
        number=item.number,
        text=item.text,
        posted_code=code,
        posted=_say_posted(item, code),
        saved_code=saved_code(saved),
        saved=say_answer(item, saved) + by,
        saved_version=0 if saved is None else saved.version,
    )


def _say_posted(item: Item, code: str) -> str:
    if not code:
        return "Not answered"
    if code == DECLINED:
        return "Declined to answer"
    return say_text(item, code)
