"""One screening as a result: answers, score, who and how, alerts, change; what note, page and chart are made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from fhir_mappings.administration import SELF_ENTERED, Administration, Informant, Mode, Party
from fhir_mappings.change import ChangeReport, Point, Source, measure_change
from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import parse_partial_date_time
from fhir_mappings.result import AlertSummary, ScreeningResult, Subject
from fhir_mappings.scores import ScoreReport
from smart_app.chart import Chart, ChartHistory
from smart_app.model.alert import ActionKind, Alert, Assessment
from smart_app.model.identity import PatientIdentity, User
from smart_app.model.screening import Screening
from smart_app.screening.alert_view import DONE, describe_assessment, say_state_for_note
from smart_app.screening.answers import current_answers, score_screening
from smart_app.screening.wording import say_answer, say_stamp
from smart_app.services import Acting, Services

_STAFF = frozenset({"Practitioner", "PractitionerRole"})


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
    administration = build_administration(screening, app.rules.zone)
    is_open = any(alert.is_open for alert in alerts)
    return ScreeningResult(
        instrument=instrument,
        answers=current_answers(instrument, screening),
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
        changes=_measure(instrument, report, administration, points, alert_open=is_open),
        comment=screening.comment or None,
    )


def build_administration(screening: Screening, zone: ZoneInfo) -> Administration:
    """Give who and how. ``answered_at`` is as entered, else when the form was handed in, in the site's zone."""
    giving = screening.giving
    mode = Mode(giving.mode)
    by = screening.answers[-1].saved_by if screening.answers else screening.started_by
    return Administration(
        informant=Informant(giving.informant),
        mode=mode,
        answered_at=giving.answered_at or _date_time(screening.completed_at or screening.updated_at, zone),
        language=giving.language,
        relationship=giving.relationship,
        # Who handed out a paper form is not known, only who entered it.
        administered_by=None if mode is Mode.PAPER else _party(screening.started_by),
        entered_by=None if mode in SELF_ENTERED else _party(by),
        interpreter=giving.interpreter,
    )


def find_points(
    app: Services,
    instrument: Instrument,
    patient: PatientIdentity,
    *,
    earlier: Iterable[Screening],
    chart: ChartHistory,
) -> tuple[Point, ...]:
    """Give the known scores of signed results of this app and of the chart; one event told by both folds later."""
    points = [
        point
        for screening in earlier
        if screening.instrument_id == instrument.id and screening.purged_at is None
        for point in _points_of(
            instrument,
            score_screening(app, instrument, screening, patient, handed_in=True),
            build_administration(screening, app.rules.zone),
        )
    ]
    return (*points, *chart.points.get(instrument.id, ()))


def _points_of(instrument: Instrument, report: ScoreReport, administration: Administration) -> list[Point]:
    at = parse_partial_date_time(administration.answered_at, "answered_at")
    return [
        Point(
            score_id=score.id,
            at=at,
            value=score.value,
            source=Source.APP,
            informant=administration.informant,
            edition=instrument.edition,
            status="final",
        )
        for score in report.scores
        if score.value is not None
    ]


def _measure(
    instrument: Instrument,
    report: ScoreReport,
    administration: Administration,
    points: Iterable[Point],
    *,
    alert_open: bool,
) -> tuple[ChangeReport, ...]:
    known = tuple(points)
    reports = [
        measure_change(instrument.get_score(current.score_id), known, current, alert_open=alert_open)
        for current in _points_of(instrument, report, administration)
    ]
    return tuple(change for change in reports if change.since_last is not None)


def _summarise(app: Services, instrument: Instrument, screening: Screening, alert: Alert) -> AlertSummary:
    return AlertSummary(
        link_id=alert.link_id,
        state=say_state_for_note(app, alert),
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


def _party(user: User) -> Party:
    return Party(reference=user.fhir_user if user.resource_type in _STAFF else None, display=user.name)


def _date_time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")
