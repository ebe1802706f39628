"""The series of a patient's scores: own signed results and the chart's, each told once, and change along them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from fhir_mappings.administration import SELF_ENTERED, Administration, Informant, Mode, Party
from fhir_mappings.change import ChangeReport, Point, Source, fold_points, measure_change
from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import parse_partial_date_time
from fhir_mappings.score_definition import ScoreKind
from fhir_mappings.scores import ScoreReport
from smart_app.chart import ChartHistory
from smart_app.model.identity import PatientIdentity, PatientKey, User
from smart_app.model.screening import Screening
from smart_app.screening.answers import score_screening
from smart_app.services import Services

if TYPE_CHECKING:
    from smart_app.storage.unit_of_work import Unit

Written = Mapping[tuple[UUID, str], str]
"""(screening id, score's linkId) → "Observation/3": where the chart has what this app wrote."""

_STAFF = frozenset({"Practitioner", "PractitionerRole"})
_OBSERVATION = "observation:"


def find_written(unit: Unit, patient: PatientKey) -> Written:
    """Give where the chart has the Observations of signed screenings, as far as the EHR told it."""
    rows = unit.ledger.find_written(patient, "Observation")
    return {
        (screening_id, key.removeprefix(_OBSERVATION)): f"Observation/{resource_id}"
        for (screening_id, key), resource_id in rows.items()
    }


def find_points(
    app: Services,
    instrument: Instrument,
    patient: PatientIdentity,
    *,
    earlier: Iterable[Screening],
    chart: ChartHistory,
    written: Written,
) -> tuple[Point, ...]:
    """Give the known scores of signed results of this app and of the chart, oldest first, each event once.

    What this app wrote for another instrument (a PHQ-4 holds a PHQ-2 total) stands under that one only.
    """
    points = [
        point
        for screening in earlier
        if screening.instrument_id == instrument.id and screening.purged_at is None
        for point in _points_of(
            instrument,
            score_screening(app, instrument, screening, patient, handed_in=True),
            build_administration(screening, app.rules.zone),
            {link_id: reference for (owner, link_id), reference in written.items() if owner == screening.id},
        )
    ]
    own, ours = {point.reference for point in points}, set(written.values())
    others = [point for point in chart.points.get(instrument.id, ()) if point.reference not in ours - own]
    folded = fold_points((*points, *others))
    return tuple(sorted(folded, key=lambda point: point.at.earliest))


def measure_changes(
    instrument: Instrument,
    report: ScoreReport,
    administration: Administration,
    points: Iterable[Point],
    *,
    alert_open: bool,
) -> tuple[ChangeReport, ...]:
    """Measure every known score of a result against earlier ones; scores without an earlier one are left out."""
    known = tuple(points)
    established = {score.id for score in report.scores if score.established}
    reports = []
    for current in _points_of(instrument, report, administration, {}):
        definition = instrument.get_score(current.score_id)
        if definition.kind is ScoreKind.LEVEL:
            continue  # its ranks are no points
        if current.score_id not in established:
            definition = replace(definition, changes=())  # published for other ages
        reports.append(measure_change(definition, known, current, alert_open=alert_open))
    return tuple(change for change in reports if change.since_last is not None)


def _points_of(
    instrument: Instrument, report: ScoreReport, administration: Administration, references: Mapping[str, str]
) -> list[Point]:
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
            reference=references.get(instrument.get_score(score.id).link_id),
            prorated=score.missing_rule is not None,
        )
        for score in report.scores
        if score.value is not None
    ]


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
        knowingly_by=_party(screening.started_by) if giving.knowingly else None,
    )


def _party(user: User) -> Party:
    return Party(reference=user.fhir_user if user.resource_type in _STAFF else None, display=user.name)


def _date_time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")
