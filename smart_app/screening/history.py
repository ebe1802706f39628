"""Earlier results of this patient, from the app and from the chart, with trend and change: a URL of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from fhir_mappings.age_fit import judge_value
from fhir_mappings.change import Point, Source, measure_change
from fhir_mappings.instrument import Instrument, ScoreDefinition
from fhir_mappings.r4 import PartialDateTime
from fhir_mappings.scores import PatientFacts, Score
from smart_app.access import permitted
from smart_app.chart import Chart
from smart_app.model.screening import Screening
from smart_app.screening.answers import score_screening
from smart_app.screening.context import get_chart, get_history
from smart_app.screening.frame import build_frame
from smart_app.screening.review_material import COUNTED
from smart_app.screening.score_view import BADGES, build_band, place
from smart_app.screening.series import build_administration, find_points, find_written
from smart_app.screening.views import EarlierResult, HistoryView, ResultRow, TrendPoint
from smart_app.screening.wording import (
    find_birth_day,
    say_figure,
    say_partial,
    say_points,
    say_screen,
    say_signed,
)
from smart_app.services import Acting, Services

_MOST_POINTS = 24
PRORATED = "prorated"


def view_history(app: Services, who: Acting) -> HistoryView:
    """Show earlier results; what the chart did not give is said, never left out in silence.

    Raises: LaunchIdle, LaunchOver, LaunchError for the patient.
    """
    with permitted(app, who):
        chart = get_chart(app, who)
        history = get_history(app, who)
        with app.units.read() as unit:
            signed = unit.screenings.for_patient(who.patient, COUNTED)
            written = find_written(unit, who.patient)
            open_results = {alert.screening_id for alert in unit.alerts.open_for_patient(who.patient)}
    rows: list[ResultRow] = []
    results: list[tuple[PartialDateTime, EarlierResult]] = []
    for instrument in app.library:
        own = tuple(screening for screening in signed if screening.instrument_id == instrument.id)
        given = _InstrumentHistory(
            app=app,
            who=who,
            chart=chart,
            instrument=instrument,
            own=own,
            points=find_points(app, instrument, chart.patient, earlier=own, chart=history, written=written),
            open_results=frozenset(open_results),
        )
        results += given.list_results()
        rows += given.build_rows()
    results.sort(key=lambda pair: pair[0].earliest, reverse=True)
    return HistoryView(
        frame=build_frame(app, who, chart),
        rows=tuple(rows),
        results=tuple(result for _, result in results),
        notices=history.notices,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _InstrumentHistory:
    """The results of one instrument: own signed ones, and the known scores of these and of the chart, oldest first."""

    app: Services
    who: Acting
    chart: Chart
    instrument: Instrument
    own: tuple[Screening, ...]
    points: tuple[Point, ...]
    open_results: frozenset[UUID]

    def list_results(self) -> list[tuple[PartialDateTime, EarlierResult]]:
        """Give every known score for the table, subscales by their own names."""
        return [(point.at, self._build_result(point)) for point in self.points]

    def build_rows(self) -> list[ResultRow]:
        """Give a row per score that has a result; a newer one without score comes first and is not hidden."""
        rows = []
        for definition in self.instrument.scores:
            series = [point for point in self.points if point.score_id == definition.id]
            row = self._build_row_without_score(definition, series) or self._build_row(definition, series)
            if row is not None:
                rows.append(row)
        return rows

    def _build_result(self, point: Point) -> EarlierResult:
        definition = self.instrument.get_score(point.score_id)
        score = self._judge(definition, point)
        band = build_band(score)
        figure = "" if definition.levels else say_figure(score)
        return EarlierResult(
            short_name=self._name(definition),
            when=self._say_when(point.at),
            value=f"{figure}, {PRORATED}" if point.prorated else figure,
            band="" if band is None else band.label,
            origin="this app" if point.source is Source.APP else "the chart",
            screening_id=self._find_screening(point),
        )

    def _build_row(self, definition: ScoreDefinition, series: Sequence[Point]) -> ResultRow | None:
        if not series:
            return None
        newest = series[-1]
        score = self._judge(definition, newest)
        row = ResultRow(
            instrument_id=self.instrument.id,
            short_name=self._name(definition),
            when=self._say_when(newest.at) + ("" if newest.source is Source.APP else ", from the chart"),
            value=say_points(newest.value),
            of=say_points(definition.range[1]),
            band=build_band(score),
            screen=say_screen(score),
            mark=PRORATED if newest.prorated else "",
            badge=None,
            change="first result" if len(series) == 1 else "",
            screening_id=self._find_screening(newest),
            trend=self._build_trend(definition, series),
        )
        if definition.levels:
            return replace(row, value=None, of="", trend=(), change="")
        figures = definition if score.established else replace(definition, changes=())
        is_open = any(screening.id in self.open_results for screening in self._given_at(newest))
        change = measure_change(figures, series, newest, alert_open=is_open).since_last
        if change is None:
            return row
        return replace(
            row,
            badge=None if change.badge is None else BADGES[change.badge],
            change=f"{say_signed(change.delta)} since {self._say_when(change.baseline.at)}",
        )

    def _build_row_without_score(self, definition: ScoreDefinition, series: Sequence[Point]) -> ResultRow | None:
        """Give the row of a signed result without this score that is newer than every one that has it."""
        newest = max(self.own, key=lambda screening: screening.started_at, default=None)
        if newest is None or newest.purged_at is not None:
            return None
        report = score_screening(self.app, self.instrument, newest, self.chart.patient, handed_in=True)
        score = next(one for one in report.scores if one.id == definition.id)
        at = build_administration(newest, self.app.rules.zone).when
        if score.value is not None or any(point.at.earliest > at.earliest for point in series):
            return None
        return ResultRow(
            instrument_id=self.instrument.id,
            short_name=self._name(definition),
            when=self._say_when(at),
            value=None,
            of="" if definition.levels else say_points(score.range[1]),
            band=build_band(score),
            screen=say_screen(score) or f"Score {say_figure(score)}",
            mark="",
            badge=None,
            change="not known",
            screening_id=newest.id,
            trend=() if definition.levels else self._build_trend(definition, series),
        )

    def _judge(self, definition: ScoreDefinition, point: Point) -> Score:
        """Judge a value at the patient's age of that time."""
        patient = self.chart.patient
        facts = PatientFacts(
            gender=patient.gender, birth_date=find_birth_day(patient.birth_date), on=point.at.earliest.date()
        )
        return judge_value(self.instrument, definition, point.value, facts, prorated=point.prorated)

    def _given_at(self, point: Point) -> list[Screening]:
        """Give this app's results of the same time, whichever copy of them the point is."""
        zone = self.app.rules.zone
        return [one for one in self.own if build_administration(one, zone).when.earliest == point.at.earliest]

    def _find_screening(self, point: Point) -> UUID | None:
        if point.source is not Source.APP:
            return None
        return next((screening.id for screening in self._given_at(point)), None)

    def _name(self, definition: ScoreDefinition) -> str:
        if definition is self.instrument.scores[0]:
            return self.instrument.short_name
        return f"{self.instrument.short_name}, {definition.label}"

    def _say_when(self, at: PartialDateTime) -> str:
        return say_partial(at, self.who.now, self.app.rules.zone)

    def _build_trend(self, definition: ScoreDefinition, series: Sequence[Point]) -> tuple[TrendPoint, ...]:
        shown = series[-_MOST_POINTS:]
        if not shown:
            return ()
        first, last = shown[0].at.earliest, shown[-1].at.earliest
        span = (last - first).total_seconds() or 1.0
        return tuple(
            TrendPoint(
                x=round(2 + 96 * (point.at.earliest - first).total_seconds() / span, 2),
                y=round(100 - place(point.value, definition), 2),
                words=f"{self._say_when(point.at)}: {say_points(point.value)}",
            )
            for point in shown
        )
