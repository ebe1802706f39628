"""The patient's overview: what is unfinished and what is due; earlier results have their own URL (history.py)."""

from __future__ import annotations

from fhir_mappings.change import Point
from fhir_mappings.instrument import Instrument
from smart_app.access import permitted
from smart_app.model.approval import Approval
from smart_app.model.identity import PatientIdentity
from smart_app.model.ledger import ENDED, LedgerRow, RowState
from smart_app.model.rights import Right
from smart_app.model.screening import UNSIGNED, Screening, ScreeningState
from smart_app.practice.due import Due, LastResult, find_due
from smart_app.screening.answers import score_screening
from smart_app.screening.context import get_chart
from smart_app.screening.drafts import stop_old_drafts
from smart_app.screening.follow_up import end_sentence, find_open_calls
from smart_app.screening.form_words import say_progress
from smart_app.screening.frame import build_frame
from smart_app.screening.review_material import COUNTED
from smart_app.screening.signing import is_supervisor
from smart_app.screening.starting import say_told_beforehand
from smart_app.screening.tokens import missing_scopes
from smart_app.screening.views import DueItem, HomeView, WorkItem
from smart_app.screening.wording import say_count, say_day, say_moment
from smart_app.services import Acting, Services

_KEYS = 6
"""So many instruments have a number key; the page folds away what has none, unless it is due."""


def view_home(app: Services, who: Acting) -> HomeView:
    """Show the overview. Waits for the patient only. Raises: LaunchIdle, LaunchOver, LaunchError, MalformedPatient."""
    with permitted(app, who):
        stop_old_drafts(app, who)
        chart = get_chart(app, who)
        with app.units.read() as unit:
            screenings = unit.screenings.for_patient(who.patient)
            approvals = unit.approvals.for_patient(who.patient)
            rows = {approval.id: unit.ledger.rows_of(approval.id) for approval in approvals}
            blocking = {
                screening.id
                for screening in screenings
                if screening.state in UNSIGNED
                and any(alert.blocks_signing for alert in unit.alerts.for_screening(screening.id))
            }
    by_id = {screening.id: screening for screening in screenings}
    waiting = [screening for screening in screenings if screening.state in UNSIGNED]
    waiting.sort(key=lambda screening: (screening.id not in blocking, screening.state is ScreeningState.IN_PROGRESS))
    unfinished = [_unsigned_item(app, who, screening, blocked=screening.id in blocking) for screening in waiting]
    unfinished += [
        item
        for approval in approvals
        if (item := _signed_item(app, who, by_id.get(approval.screening_id), approval, rows[approval.id]))
    ]
    return HomeView(
        frame=build_frame(app, who, chart, notice=_say_missing_access(who)),
        unfinished=tuple(unfinished),
        due=_build_due(app, who, screenings, chart.patient),
        told_beforehand=say_told_beforehand(app, who, chart),
    )


def _say_missing_access(who: Acting) -> str:
    """Say what the EHR did not grant: a smaller app, never a silent one."""
    missing = missing_scopes(who)
    if not missing:
        return ""
    return (
        f"The EHR gave this launch less access than the app asked for ({', '.join(missing)}). "
        "What cannot be read or written because of it is said where it matters."
    )


def _unsigned_item(app: Services, who: Acting, screening: Screening, *, blocked: bool) -> WorkItem:
    instrument = app.library.find(screening.instrument_id)
    name = screening.instrument_id if instrument is None else instrument.short_name
    zone = app.rules.zone
    if screening.state is ScreeningState.IN_PROGRESS:
        progress = "" if instrument is None else say_progress(instrument, screening)["progress"]
        saved = say_moment(screening.updated_at, who.now, zone)
        return WorkItem(
            screening_id=screening.id,
            kind="draft",
            title=f"{name}, {progress}",
            detail=f"Draft, saved {saved}; started by {screening.started_by.name}",
            action=f"Continue {name}",
        )
    done = say_moment(screening.completed_at or screening.updated_at, who.now, zone)
    detail = "Not signed, not in the chart"
    if blocked:
        detail += "; waits for the risk action"
    action = f"Review and sign {name}" if Right.SIGN in who.rights else f"Review {name}"
    return WorkItem(
        screening_id=screening.id, kind="review", title=f"{name}, completed {done}", detail=detail, action=action
    )


def _signed_item(
    app: Services, who: Acting, screening: Screening | None, approval: Approval, rows: tuple[LedgerRow, ...]
) -> WorkItem | None:
    """Give the item of a signature that is not at its end: a second one is awaited, or rows are not written."""
    instrument = None if screening is None else app.library.find(screening.instrument_id)
    name = "A result" if instrument is None else instrument.short_name
    when = say_moment(approval.signed_at, who.now, app.rules.zone)
    title = f"{name}, signed {when} by {approval.signer.name}"
    if approval.waits:
        mine = Right.CO_SIGN in who.rights and is_supervisor(who, approval)
        signature = "your signature" if mine else f"the signature of {approval.awaiting_name or 'the supervisor'}"
        return WorkItem(
            screening_id=approval.screening_id,
            kind="co-sign",
            title=title,
            detail=f"Waits for {signature}; nothing is sent before",
            action=f"Read and co-sign {name}" if mine else f"See {name}",
        )
    left = [row for row in rows if row.state not in ENDED]
    refused = [row for row in rows if row.state is RowState.REFUSED]
    if not left and not refused:
        return None
    unknown = sum(row.state is RowState.UNKNOWN for row in left)
    details = [f"{say_count(len(left) - unknown, 'item')} not sent yet"] if len(left) > unknown else []
    details += [f"{say_count(unknown, 'item')} not known yet"] if unknown else []
    details += [f"{say_count(len(refused), 'item')} refused"] if refused else []
    return WorkItem(
        screening_id=approval.screening_id,
        kind="unwritten" if left else "refused",
        title=title,
        detail=", ".join(details),
        action=f"See outcome of {name}",
    )


def _build_due(
    app: Services, who: Acting, screenings: tuple[Screening, ...], patient: PatientIdentity
) -> tuple[DueItem, ...]:
    today = who.now.astimezone(app.rules.zone).date()
    history = app.charts.find_history(who.session.id, who.now)
    signed = [screening for screening in screenings if screening.state in COUNTED]
    last: dict[str, LastResult] = {}
    for instrument in app.library:
        points = () if history is None else history.points.get(instrument.id, ())
        newest = _find_last(app, instrument, signed, points)
        if newest is not None:
            last[instrument.id] = newest
    calls = [call for screening in screenings for call in find_open_calls(app, screening, patient, screenings)]
    dues = find_due(app.library, last, calls, today=today)
    return tuple(
        DueItem(
            instrument_id=due.instrument.id,
            short_name=due.instrument.short_name,
            title=due.instrument.title,
            due=due.due,
            reason=_say_reason(due),
            source="" if due.called_for is None else due.called_for.source,
            suicide_notice=due.instrument.suicide_notice,
            key=str(number) if number <= _KEYS else "",
        )
        for number, due in enumerate(dues, start=1)
    )


def _find_last(
    app: Services, instrument: Instrument, signed: list[Screening], points: tuple[Point, ...]
) -> LastResult | None:
    found = [LastResult(on=point.at.earliest.date(), complete=True) for point in points]
    for screening in signed:
        if screening.instrument_id == instrument.id:
            at = (screening.completed_at or screening.updated_at).astimezone(app.rules.zone).date()
            complete = screening.purged_at is not None
            complete = complete or score_screening(app, instrument, screening, None, handed_in=True).complete
            found.append(LastResult(on=at, complete=complete))
    return max(found, key=lambda result: (result.on, result.complete), default=None)


def _say_reason(due: Due) -> str:
    if due.called_for is not None:
        return end_sentence(due.called_for.reason)
    if due.last is None:
        return "No signed result in this app yet."
    last = f"Last on {say_day(due.last.on)}"
    if not due.last.complete:
        return f"{last}, incomplete: no score."
    if due.days_over is None:
        return f"{last}."
    if due.days_over > 0:
        return f"{last}, {say_count(due.days_over, 'day')} overdue."
    return f"{last}, due today." if due.days_over == 0 else f"{last}; due in {say_count(-due.days_over, 'day')}."
