"""Save answers as they are given: each on disk before the page says so, alerts in the same commit (rules 4 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from fhir_mappings.errors import MappingError
from fhir_mappings.errors import UnfitAnswer as Unfit
from fhir_mappings.instrument import Instrument
from fhir_mappings.item_answer import parse_answer_text
from smart_app.access import NotThisPatient, event, get_screening, permitted
from smart_app.errors import AppError
from smart_app.model.alert import Alert
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.launch_session import SessionStanding
from smart_app.model.moves import IllegalMove
from smart_app.model.rights import Right
from smart_app.model.saving import IncomingAnswer, SaveKind, save_answer
from smart_app.model.screening import SavedStatus, Screening, ScreeningState
from smart_app.screening.answers import get_instrument
from smart_app.screening.drafts import is_too_old
from smart_app.screening.errors import DraftTooOld, RiskAnswerNotSaved, UnfitAnswer, UnknownItem, UnknownOption
from smart_app.screening.form_words import find_not_asked, say_progress, say_risk_notice, say_saved, say_total
from smart_app.screening.opening import keep_on_alerts, open_alerts, open_for_unsaved
from smart_app.screening.typed_answers import complete_saves
from smart_app.screening.views import SavedView, SaveReport
from smart_app.services import Acting, Services
from smart_app.storage.errors import AlreadyExists, StaleVersion

if TYPE_CHECKING:
    from smart_app.storage.unit_of_work import Unit


_MOST_TRIES = 4
_Moved = TypeVar("_Moved")


def save_answers(app: Services, who: Acting, screening_id: UUID, incoming: Sequence[IncomingAnswer]) -> SaveReport:
    """Save a batch. What is valid is saved even when another of the batch is not; then the fault is raised.

    A form that is over saves nothing; its risk answers are kept on their alerts, and RiskAnswerNotSaved says so.
    Raises: UnknownItem, UnknownOption, UnfitAnswer (naming the linkId), IllegalMove, DraftTooOld, RiskAnswerNotSaved,
    StaleVersion, NotThisPatient.
    """
    with permitted(app, who, Right.ENTER, even_idle=True):
        instrument, screening, saves, opened, fault = on_what_stands(lambda: _save(app, who, screening_id, incoming))
    if fault is not None:
        raise fault
    risky = {alert.link_id for alert in opened}
    if who.standing is not SessionStanding.LIVE:
        return _for_idle(saves)
    return SaveReport(
        saves=tuple(_with_alert(view, alert=view.link_id in risky) for view in saves),
        risk_notice=say_risk_notice(instrument, opened),
        not_asked=find_not_asked(instrument, screening),
        total=say_total(app, instrument, screening),
        **say_progress(instrument, screening),
    )


def _save(
    app: Services, who: Acting, screening_id: UUID, incoming: Sequence[IncomingAnswer]
) -> tuple[Instrument, Screening, tuple[SavedView, ...], tuple[Alert, ...], AppError | None]:
    with app.units.write() as unit:
        screening = get_own(who, unit, screening_id)
        instrument = get_instrument(app.library, screening.instrument_id)
        good, fault = sort_incoming(instrument, complete_saves(instrument, incoming, app.rules.zone))
        over = find_refusal(app, screening, who.now)
        if over is not None:
            return instrument, screening, (), (), refuse(app, who, unit, instrument, screening, incoming=good, why=over)
        screening, saves, opened = apply_saves(app, who, unit, instrument, screening, incoming=good)
        unit.commit()
    return instrument, screening, saves, opened, fault


def on_what_stands(move: Callable[[], _Moved]) -> _Moved:
    """Run one unit of work, and again where another change of the same form was faster: it decides on what stands then.

    Saves wait for each other; but on PostgreSQL a form can be stopped or reopened beside them.
    Raises: StaleVersion or AlreadyExists when others were faster each time, and what ``move`` raises.
    """
    for _ in range(_MOST_TRIES - 1):
        with suppress(StaleVersion, AlreadyExists):
            return move()
    return move()


def get_own(who: Acting, unit: Unit, screening_id: UUID) -> Screening:
    """Give a screening that this session may answer; an idle one only the form that its user works on.

    It is locked: the questions of a page are saved side by side. Raises: NotThisPatient.
    """
    screening = get_screening(unit, who, screening_id, lock=True)
    if who.standing is not SessionStanding.LIVE and not screening.was_given_by(who.user):
        raise NotThisPatient
    return screening


def find_refusal(app: Services, screening: Screening, now: datetime) -> IllegalMove | DraftTooOld | None:
    """Give why a form takes no more answers, None while it does."""
    if screening.state is not ScreeningState.IN_PROGRESS:
        return IllegalMove(f"a screening that is {screening.state} takes no answers")
    return DraftTooOld() if is_too_old(app, screening, now) else None


def refuse(
    app: Services,
    who: Acting,
    unit: Unit,
    instrument: Instrument,
    screening: Screening,
    *,
    incoming: Sequence[IncomingAnswer],
    why: IllegalMove | DraftTooOld,
) -> AppError:
    """Keep the risk answers sent to a form that is over on their alerts, commit, and give the refusal (rule 4).

    An idle session is not told that there was one.
    """
    risky = keep_on_alerts(app, who, unit, instrument, screening, incoming=incoming)
    unit.commit()
    return RiskAnswerNotSaved() if risky and who.standing is SessionStanding.LIVE else why


def sort_incoming(
    instrument: Instrument, incoming: Sequence[IncomingAnswer]
) -> tuple[list[IncomingAnswer], AppError | None]:
    """Part the saves that fit the instrument from the first one that does not."""
    good: list[IncomingAnswer] = []
    fault: AppError | None = None
    for answer in incoming:
        item = instrument.by_link_id.get(answer.link_id)
        if item is None or not item.is_given:
            fault = fault or UnknownItem(field=_safe_field(answer.link_id))
            continue
        if answer.status is SavedStatus.ANSWERED:
            try:
                parse_answer_text(item, answer.code or "")
            except Unfit:
                fault = fault or UnfitAnswer(field=item.link_id)
                continue
            except MappingError:
                fault = fault or UnknownOption(field=item.link_id)
                continue
        elif answer.status is SavedStatus.DECLINED and not item.may_decline:
            fault = fault or UnknownOption(field=item.link_id)
            continue
        good.append(answer)
    return good, fault


def apply_saves(
    app: Services,
    who: Acting,
    unit: Unit,
    instrument: Instrument,
    screening: Screening,
    *,
    incoming: Sequence[IncomingAnswer],
) -> tuple[Screening, tuple[SavedView, ...], tuple[Alert, ...]]:
    """Apply saves to a draft within the caller's unit of work, which then commits; alerts and audit are in it."""
    views: list[SavedView] = []
    events: list[AuditEvent] = []
    changed: list[str] = []
    noted = False
    opened: tuple[Alert, ...] = ()
    for answer in incoming:
        result = save_answer(screening, answer, now=who.now, user=who.user)
        grown = len(result.screening.answers) > len(screening.answers)
        noted = noted or result.screening is not screening
        screening = result.screening
        standing = result.standing
        views.append(
            SavedView(
                link_id=answer.link_id,
                kind=result.kind,
                code="" if standing is None else standing.code or standing.status,
                version=0 if standing is None else standing.version,
                words=say_saved(standing, who.now, app.rules.zone),
                alert=False,
            )
        )
        if result.kind is SaveKind.SAVED:
            changed.append(answer.link_id)
        if grown:
            version = 0 if standing is None else standing.version
            events.append(event(who, AuditAction.ANSWER_SAVED, screening.id, link_id=answer.link_id, version=version))
        elif result.kind is SaveKind.CONFLICT:
            events.append(
                event(who, AuditAction.ANSWER_CONFLICT, screening.id, outcome="conflict", link_id=answer.link_id)
            )
        if result.kind in {SaveKind.CONFLICT, SaveKind.LATE}:
            opened += open_for_unsaved(app, who, unit, instrument, screening, answer=answer)
    if noted:
        screening = unit.screenings.save(screening)
        opened += open_alerts(app, who, unit, instrument, screening, changed=changed, handed_in=False)
    events += [event(who, AuditAction.ALERT_OPENED, alert.id, rule=alert.rule_id) for alert in opened]
    for happened in events:
        unit.audit.append(happened)
    return screening, tuple(views), opened


def _for_idle(saves: Sequence[SavedView]) -> SaveReport:
    """Say only that it was saved: an idle session shows nothing, least of all what another page has saved."""
    return SaveReport(
        saves=tuple(replace(view, code="") for view in saves),
        answered=0,
        count=0,
        progress="",
        total="",
        risk_notice="",
        not_asked=(),
    )


def _with_alert(view: SavedView, *, alert: bool) -> SavedView:
    return replace(view, alert=True) if alert else view


def _safe_field(link_id: str) -> str:
    """Name a foreign linkId only if it looks like one: what a page sends is not echoed otherwise."""
    plain = link_id.replace("-", "").replace("/", "").replace(".", "")
    return link_id if plain.isalnum() and plain.isascii() and len(link_id) <= 64 else "linkId"
