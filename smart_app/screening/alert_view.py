"""An alert as a page shows it: every answer of its item with time, every step with name and time (safety rule 4)."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_mappings.instrument import Instrument, RiskRule
from fhir_mappings.risk import RISK_NOT_KNOWN_LEVEL, find_action
from smart_app.model.alert import ActionKind, Alert, AlertAction, AlertState, Assessment, Disposition
from smart_app.model.rights import Right
from smart_app.model.screening import Screening, ScreeningState
from smart_app.screening.answers import get_instrument
from smart_app.screening.levels import say_level
from smart_app.screening.review_views import AlertStep, AlertView
from smart_app.screening.views import Choice
from smart_app.screening.wording import say_answer, say_first, say_moment, say_span, say_stamp
from smart_app.services import Acting, Services

DONE = {
    "assessed-in-person": "Assessed suicide risk in person",
    "further-instrument": "Gave a further instrument",
    "safety-plan": "Made or reviewed the safety plan",
    "crisis-contacts": "Gave crisis contacts",
    "emergency-care": "Arranged emergency care",
    "asked-again": "Asked again: says it was an error",
}
"""What can be ticked as done; none is ticked beforehand."""

DISPOSITIONS = {
    Disposition.HOME_WITH_PLAN: "Goes home with a plan",
    Disposition.FURTHER_ASSESSMENT: "Stays for further assessment",
    Disposition.EMERGENCY_CARE: "Goes to emergency care",
    Disposition.ADMITTED: "Is admitted",
    Disposition.OTHER: "Other, as the plan says",
    Disposition.LEFT: "Has left (stays open: outreach plan needed)",
    Disposition.DECLINED: "Declined assessment (stays open: outreach plan needed)",
    Disposition.NOT_REACHED: "Could not be reached (stays open: outreach plan needed)",
}
NOT_ASSESSED = {
    Disposition.LEFT: "Has left",
    Disposition.DECLINED: "Declined assessment",
    Disposition.NOT_REACHED: "Could not be reached",
}
"""How the dispositions that leave an alert open stand on record."""

_PAGES = {
    ScreeningState.IN_PROGRESS: "form",
    ScreeningState.COMPLETED: "review",
    ScreeningState.IN_REVIEW: "review",
    ScreeningState.SIGNED: "outcome",
}
NOTE_IS_SIGNED = (
    "The note is signed and says how the alert stood then. What you record now is kept in this app and does not enter "
    "the chart: write it there, too."
)
_STEPS = {
    ActionKind.NOTED: "Added",
    ActionKind.CLOSED: "Closed",
    ActionKind.HANDED_OVER: "Handed over",
    ActionKind.ACCEPTED: "Accepted",
    ActionKind.OUTREACH: "Not assessed; outreach planned",
    ActionKind.ASKED_AGAIN: "Asked again",
    ActionKind.ANSWER_KEPT: "Also answered, not saved because another answer was newer",
    ActionKind.REOPENED: "Opened again: a risk answer was given after it was closed",
}


def build_alert_view(app: Services, who: Acting, alert: Alert, screening: Screening) -> AlertView:
    """Build the card of one alert. ``who`` decides which forms are offered; each is checked again when it comes."""
    instrument = get_instrument(app.library, alert.instrument_id)
    item = instrument.get_item(alert.link_id)
    rule = next((rule for rule in instrument.risk_rules if rule.id == alert.rule_id), None)
    is_answer = alert.kind == "risk-answer"
    level = say_level(instrument, alert, lambda at: say_moment(at, who.now, app.rules.zone))
    return AlertView(
        alert_id=alert.id,
        screening_id=alert.screening_id,
        title=("Risk answer" if is_answer else "Risk not known")
        + (": action needed in this visit" if alert.is_open else ": action recorded"),
        item=f"Item {item.number}: {item.text}",
        answers=say_answers(app, who, instrument, alert, screening),
        rule=_say_rule(instrument, alert, rule),
        level=level,
        action=" ".join(_say_action(alert, screening, has_levels=bool(level))),
        state=alert.state,
        state_words=_say_state(app, who, alert),
        steps=tuple(_build_step(app, who, screening, action) for action in alert.actions),
        result_page=_PAGES.get(screening.state, ""),
        is_open=alert.is_open,
        blocks_signing=alert.blocks_signing,
        may_act=Right.ACT_ON_ALERT in who.rights,
        may_close=Right.CLOSE_ALERT in who.rights and alert.is_open,
        done=tuple(Choice(value=value, label=label) for value, label in DONE.items()),
        dispositions=tuple(Choice(value=value, label=label) for value, label in DISPOSITIONS.items()),
        answer_options=tuple(Choice(value=option.coding.code, label=option.text) for option in item.options),
    )


def _say_rule(instrument: Instrument, alert: Alert, rule: RiskRule | None) -> str:
    """Give the published rule in its own words, what is published to do at this level, and the source."""
    is_told = alert.kind == "risk-answer" or alert.level != RISK_NOT_KNOWN_LEVEL
    asked = "" if rule is None or not is_told else f" As published: {find_action(instrument, rule, alert.level)}."
    return f"Rule: {alert.reason}.{asked} Source: {alert.source}."


def _say_action(alert: Alert, screening: Screening, *, has_levels: bool) -> Iterator[str]:
    """Say what the clinician has to do: what the rule calls the answer, unless its level is told apart."""
    if alert.kind != "risk-answer":
        yield "Ask the question, or assess the risk in another way, in this visit."
    if alert.level != RISK_NOT_KNOWN_LEVEL and not has_levels:
        yield f"{say_first(alert.level)}."
    if screening.state is ScreeningState.SIGNED:
        yield NOTE_IS_SIGNED


def say_answers(
    app: Services, who: Acting, instrument: Instrument, alert: Alert, screening: Screening
) -> tuple[str, ...]:
    """Give every save of the alert's item, first to last, then the answers given when asked again."""
    item = instrument.get_item(alert.link_id)
    zone = app.rules.zone
    lines = [
        f"{say_answer(item, saved)}, {say_moment(saved.saved_at, who.now, zone)}, entered by {saved.saved_by.name}"
        for saved in screening.told_history(alert.link_id)
    ]
    lines += [
        f"Asked again {say_moment(action.at, who.now, zone)} by {action.by.name}: {action.text}"
        for action in alert.actions
        if action.kind is ActionKind.ASKED_AGAIN
    ]
    return tuple(lines) or ("Not answered",)


def say_state_for_note(app: Services, alert: Alert) -> str:
    """Give the alert's state as the note has it: closed and assessed by whom and when, pending with whom, or open."""
    zone = app.rules.zone
    taken = alert.hand_over
    if alert.state is AlertState.CLOSED:
        closing = next(action for action in reversed(alert.actions) if action.kind is ActionKind.CLOSED)
        words = f"closed by {closing.by.name}, {say_stamp(closing.at, zone)}"
        done = closing.assessment
        if done is None or (done.assessor, done.assessed_at) == (closing.by.name, closing.at):
            return words
        return f"{words}; assessed by {' '.join(done.assessor.split())}, {say_stamp(done.assessed_at, zone)}"
    if alert.state is AlertState.HANDED_OVER and taken is not None:
        return f"open: assessment pending, with {taken.to_name}, accepted {say_stamp(taken.at, zone)}"
    last = next((action for action in reversed(alert.actions) if action.kind is ActionKind.OUTREACH), None)
    if last is not None and last.assessment is not None:
        return f"open, not assessed: {NOT_ASSESSED[last.assessment.disposition].lower()}, {say_stamp(last.at, zone)}"
    return "open, not assessed"


def _say_state(app: Services, who: Acting, alert: Alert) -> str:
    since = f"Open for {say_span(alert.opened_at, who.now)}"
    taken = alert.hand_over
    if alert.state is AlertState.CLOSED:
        last = alert.actions[-1]
        return f"Closed {say_moment(last.at, who.now, app.rules.zone)}"
    if alert.state is AlertState.HANDED_OVER and taken is not None:
        when = say_moment(taken.at, who.now, app.rules.zone)
        return f"{since}; assessment pending, with {taken.to_name}, accepted {when}"
    return f"{since}, {'no action recorded' if not alert.actions else 'not closed'}"


def describe_assessment(assessment: Assessment) -> Iterator[str]:
    """Give the clinician's own words, line by line, as page and note have them; nothing where nothing was said."""
    if assessment.risk_level:
        yield f"Risk level, in the clinician's words: {assessment.risk_level}"
    if assessment.reasons:
        yield f"Why: {assessment.reasons}"
    if assessment.plan:
        yield f"Plan: {assessment.plan}"
    yield NOT_ASSESSED.get(assessment.disposition) or DISPOSITIONS[assessment.disposition]
    if assessment.outreach_plan:
        yield f"Outreach: {assessment.outreach_plan}"


def _build_step(app: Services, who: Acting, screening: Screening, action: AlertAction) -> AlertStep:
    lines = [action.text] if action.text else []
    assessment = action.assessment
    if assessment is not None:
        at = say_moment(assessment.assessed_at, who.now, app.rules.zone)
        if action.kind is ActionKind.CLOSED:
            lines.append(f"Assessed by {assessment.assessor}, {at}")
        lines += [*(DONE[done] for done in assessment.done), *describe_assessment(assessment)]
        # Signing is the last change of a screening: what came after it cannot be in the note.
        is_late = screening.state is ScreeningState.SIGNED and action.at > screening.updated_at
        enters = assessment.into_note and not is_late
        lines.append(
            "Goes into the note"
            if enters
            else "Not in the note, which was signed before"
            if is_late
            else "Not put into the note"
        )
    title = _STEPS[action.kind]
    if action.kind is ActionKind.HANDED_OVER:
        title = f"Handed over to {action.to_name}"
    elif action.kind is ActionKind.ACCEPTED:
        title = f"Accepted by {action.to_name}"
    when = f"{say_moment(action.at, who.now, app.rules.zone)}, recorded by {action.by.name}"
    return AlertStep(title=title, when=when, lines=tuple(lines))
