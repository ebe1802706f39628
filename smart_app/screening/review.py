"""The review page: score, change, alerts, answers notable first, note and plan, with what still blocks signing."""

from __future__ import annotations

from uuid import UUID

from fhir_mappings.administration import Administration
from fhir_mappings.instrument import Item, Points
from fhir_mappings.risk import find_advice
from fhir_mappings.wording import describe_advice, describe_age_fit
from smart_app.access import event, get_screening, permitted
from smart_app.model.audit import AuditAction
from smart_app.model.screening import SavedAnswer, SavedStatus, ScreeningState
from smart_app.screening.alert_view import build_alert_view
from smart_app.screening.encounters import build_options, may_choose_visit, say_encounter_notice
from smart_app.screening.follow_up import find_next
from smart_app.screening.form import licence_of
from smart_app.screening.form_words import say_giving
from smart_app.screening.frame import build_frame
from smart_app.screening.plan_view import build_plans
from smart_app.screening.review_material import Material, gather
from smart_app.screening.review_views import AnswerRow, NoteView, ReviewView
from smart_app.screening.score_view import build_scores
from smart_app.screening.sign_panel import build_sign
from smart_app.screening.wording import (
    find_age,
    say_answer,
    say_carried,
    say_moment,
    say_partial,
    say_points,
    say_signed,
)
from smart_app.services import Acting, Services


def view_review(app: Services, who: Acting, screening_id: UUID) -> ReviewView:
    """Take a completed result into review and show it. Raises: IllegalMove for any other state, NotThisPatient."""
    with permitted(app, who):
        with app.units.write() as unit:
            screening = get_screening(unit, who, screening_id)
            if screening.state is not ScreeningState.IN_REVIEW:
                screening = unit.screenings.save(screening.take_up(who.now))
            unit.audit.append(event(who, AuditAction.SCREENING_VIEWED, screening_id))
            unit.commit()
        return build_review(app, who, gather(app, who, screening))


def build_review(app: Services, who: Acting, material: Material) -> ReviewView:
    """Build the page."""
    screening, instrument, zone = material.screening, material.instrument, app.rules.zone
    frame = build_frame(app, who, material.chart, notice=" ".join(_notices(material)))
    giving = say_giving(screening.giving, dict(app.rules.languages))
    return ReviewView(
        frame=frame,
        screening_id=screening.id,
        instrument_id=instrument.id,
        title=f"Review and sign: {instrument.short_name}",
        subtitle=f"{giving}, {_say_when(app, who, material.result.administration)}. Nothing is in the chart yet.",
        scores=build_scores(material.result, who.now, zone),
        advice=tuple(describe_advice(rule) for rule in find_advice(instrument, material.result.answers)),
        next_instruments=find_next(app, screening, material.chart.patient, material.others),
        change_notices=material.history.notices,
        alerts=tuple(build_alert_view(app, who, alert, screening) for alert in material.alerts),
        suicide_notice=instrument.suicide_notice,
        answers=_build_answers(app, who, material),
        comment=screening.comment,
        note=build_note(app, who, material),
        plans=build_plans(app, who, material),
        encounters=build_options(app, who) if may_choose_visit(app, who, material.chart) else (),
        encounter=frame.banner.visit,
        encounter_notice=say_encounter_notice(who, screening),
        sign=build_sign(app, who, material),
        licence=licence_of(instrument),
    )


def _notices(material: Material) -> list[str]:
    """Give what must be known before any number is read: whose answers they are, and whether the ranges hold."""
    answered_on = material.result.administration.when.earliest.date()
    age = find_age(material.chart.patient.birth_date, answered_on)
    return [words for words in (_say_other_identity(material), describe_age_fit(material.instrument, age)) if words]


def _say_other_identity(material: Material) -> str:
    """Say when name or birth date were others at the time of the answers: the chart may have been another's."""
    then, now = material.screening.identity, material.chart.patient
    if then is None or (then.name, then.birth_date) == (now.name, now.birth_date):
        return ""
    return (
        "When these answers were given, the EHR showed another name or birth date for this record. "
        "Make sure that they are this patient's before you sign."
    )


def build_note(app: Services, who: Acting, material: Material) -> NoteView:
    """Build the note editor."""
    draft, note = material.draft, material.note
    saved = "Made from the result; not edited"
    if draft is not None and note.edited:
        saved = f"Saved {say_moment(draft.updated_at, who.now, app.rules.zone)} by {draft.updated_by.name}"
    return NoteView(text=note.text, edited=note.edited, version=note.version, saved=saved, problems=note.problems)


def _say_when(app: Services, who: Acting, administration: Administration) -> str:
    return say_partial(administration.when, who.now, app.rules.zone)


def _build_answers(app: Services, who: Acting, material: Material) -> tuple[AnswerRow, ...]:
    """Give risk items that are flagged or were, then other notable ones, then the rest in printed order."""
    rows = [_build_row(app, who, material, item) for item in material.instrument.items if item.is_given]
    return tuple(sorted(rows, key=lambda row: (not row.risk, not row.notable)))


def _flagged(material: Material) -> set[str]:
    """Give the risk items that call for action, and those that did before their answer was changed (rule 4)."""
    flags = {flag.link_id for flag in material.result.report.alerts}
    return flags | {alert.link_id for alert in material.alerts}


def _build_row(app: Services, who: Acting, material: Material, item: Item) -> AnswerRow:
    saved = material.screening.current(item.link_id)
    points = _points(item, saved)
    before = None if material.previous is None else _points(item, material.previous.current(item.link_id))
    direction = change = ""
    if points is not None and before is not None:
        direction = "up" if points > before else "down" if points < before else "same"
        change = say_signed(points - before)
    return AnswerRow(
        link_id=item.link_id,
        number=item.number,
        text=item.text,
        points="" if points is None or not item.scored else say_points(points),
        answer=_say_chosen(item, saved),
        status="blank" if saved is None or saved.status is SavedStatus.CLEARED else saved.status,
        notable=_is_notable(material, item, points),
        risk=item.link_id in _flagged(material),
        scored=material.instrument.counts(item.link_id),
        direction=direction,
        change=change,
        earlier=(
            *(
                f"Before: {say_answer(item, earlier)}, {say_moment(earlier.saved_at, who.now, app.rules.zone)}"
                for earlier in material.screening.told_history(item.link_id)[:-1]
            ),
            *_say_origin(app, saved),
        ),
    )


def _say_origin(app: Services, saved: SavedAnswer | None) -> tuple[str, ...]:
    if saved is None or saved.carried is None:
        return ()
    return (f"Carried from {say_carried(saved.carried, app.rules.zone)}; confirmed by the patient",)


def _say_chosen(item: Item, saved: SavedAnswer | None) -> str:
    option = None if saved is None or saved.status is not SavedStatus.ANSWERED else item.by_code.get(saved.code or "")
    return say_answer(item, saved) if option is None else option.text


def _points(item: Item, saved: SavedAnswer | None) -> Points | None:
    if saved is None or saved.status is not SavedStatus.ANSWERED or saved.code is None:
        return None
    option = item.by_code.get(saved.code)
    return None if option is None else option.weight


def _is_notable(material: Material, item: Item, points: Points | None) -> bool:
    """Tell whether it stands first: a risk answer or unanswered risk item, or the highest answer of a scored item."""
    if item.link_id in _flagged(material):
        return True
    weights = [option.weight for option in item.options if option.weight is not None]
    return item.scored and points is not None and bool(weights) and points == max(weights)
