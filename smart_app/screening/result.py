"""One screening as a result: answers, score, who and how, alerts, change; what note, page and chart are made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fhir_mappings.answers import keep_enabled
from fhir_mappings.change import Point
from fhir_mappings.instrument import Instrument
from fhir_mappings.result import AlertSummary, ScreeningResult, Subject
from smart_app.chart import Chart
from smart_app.model.alert import ActionKind, Alert, Assessment
from smart_app.model.screening import Screening
from smart_app.screening.alert_view import DONE, describe_assessment, say_state_for_note
from smart_app.screening.answers import current_answers, score_screening
from smart_app.screening.levels import say_level
from smart_app.screening.series import build_administration, measure_changes
from smart_app.screening.wording import say_answer, say_stamp
from smart_app.services import Acting, Services


def build_result(
    app: Services,
    who: Acting,
    instrument: Instrument,
    screening: Screening,
    *,
    chart: Chart,
    alerts: Sequence[Alert],
    points: Iterable[Point],
) -> ScreeningResult:
    """Put the result together. ``points`` are the earlier scores of this instrument, of the app and of the chart."""
    encounter_id = who.session.encounter_id or None
    report = score_screening(app, instrument, screening, chart.patient, handed_in=True)
    language = dict(app.rules.languages).get(screening.giving.language, "")
    administration = replace(build_administration(screening, app.rules.zone), language_name=language)
    answers = current_answers(instrument, screening, app.rules.zone)
    enabled = keep_enabled(instrument.items, answers)
    is_open = any(alert.is_open for alert in alerts)
    return ScreeningResult(
        instrument=instrument,
        answers=enabled,
        unasked={link_id: answer for link_id, answer in answers.items() if link_id not in enabled},
        report=report,
        administration=administration,
        patient=Subject(
            reference=f"Patient/{chart.patient.patient_id}",
            display=chart.patient.name,
            birth_date=chart.patient.birth_date,
        ),
        encounter=encounter_id and f"Encounter/{encounter_id}",
        answered_encounter=(
            f"Encounter/{screening.encounter_id}"
            if screening.encounter_id is not None and screening.encounter_id != encounter_id
            else None
        ),
        alerts=tuple(_summarise(app, instrument, screening, alert) for alert in alerts),
        changes=measure_changes(instrument, report, administration, points, alert_open=is_open),
        comment=screening.comment or None,
    )


def _summarise(app: Services, instrument: Instrument, screening: Screening, alert: Alert) -> AlertSummary:
    return AlertSummary(
        link_id=alert.link_id,
        state=say_state_for_note(app, alert),
        level=say_level(instrument, alert, lambda at: say_stamp(at, app.rules.zone)),
        previous_answer=_say_other_answers(app, instrument, screening, alert),
        details=tuple(line for action in alert.actions for line in _details(action.assessment)),
    )


def _say_other_answers(app: Services, instrument: Instrument, screening: Screening, alert: Alert) -> str | None:
    """Give the answers that stood before, and those given when asked again, each with its time (safety rule 4)."""
    item = instrument.get_item(alert.link_id)
    zone = app.rules.zone
    said = [
        f"Before in this form: {say_answer(item, saved)}, {say_stamp(saved.saved_at, zone)}"
        for saved in screening.told_history(alert.link_id)[:-1]
    ]
    for action in alert.actions:
        if action.kind is ActionKind.ASKED_AGAIN:
            answer = next((o.text for o in item.options if action.text.startswith(f"{o.text}: ")), "another answer")
            said.append(f"Asked again {say_stamp(action.at, zone)} by {action.by.name}: {answer}")
        elif action.kind is ActionKind.ANSWER_KEPT:
            said.append(f"Also answered on another page, {say_stamp(action.at, zone)}: {action.text}")
    return "; ".join(said) or None


def _details(assessment: Assessment | None) -> list[str]:
    """Give the clinician's own words of one assessment, only if ticked for the note (safety rule 13)."""
    if assessment is None or not assessment.into_note:
        return []
    done = "Done: " + "; ".join(DONE[done] for done in assessment.done) if assessment.done else ""
    lines = [done, *describe_assessment(assessment)]
    return [" ".join(line.split()) for line in lines if line]
