"""Earlier results of this patient, from the app and from the chart, with trend and change: a URL of its own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fhir_mappings.change import Point, Source, measure_change
from fhir_mappings.instrument import Instrument, ScoreDefinition
from smart_app.access import permitted
from smart_app.model.screening import Screening
from smart_app.screening.answers import score_screening
from smart_app.screening.context import get_chart, get_history
from smart_app.screening.frame import build_frame
from smart_app.screening.review_material import COUNTED
from smart_app.screening.score_view import BADGES, build_band, place
from smart_app.screening.series import build_administration, find_points, find_written
from smart_app.screening.views import BandMark, EarlierResult, HistoryView, ResultRow, TrendPoint
from smart_app.screening.wording import say_figure, say_partial, say_points, say_screen, say_signed
from smart_app.services import Acting, Services

_MOST_POINTS = 24


def view_history(app: Services, who: Acting) -> HistoryView:
    """Show earlier results; what the chart did not give is said, never left out in silence.

    Raises: LaunchIdle, LaunchOver, LaunchError for the patient.
    """
    with permitted(app, who):
        chart = get_chart(app, who)
        history = get_history(app, who)
        with app.units.read() as unit:
            signed = unit.screenings.for_patient(who.patient, COUNTED)
            written = find_written(unit, signed)
            open_results = {alert.screening_id for alert in unit.alerts.open_for_patient(who.patient)}
    rows: list[ResultRow] = []
    results: list[tuple[Point, EarlierResult]] = []
    for instrument in app.library:
        own = [screening for screening in signed if screening.instrument_id == instrument.id]
        ordered = find_points(app, instrument, chart.patient, earlier=own, chart=history, written=written)
        by_time = _ids_by_time(app, own)
        results += [(point, _build_earlier(app, who, instrument, point, by_time)) for point in ordered]
        row = _build_row(app, who, instrument, ordered, own, open_results=open_results)
        if row is not None:
            rows.append(row)
    results.sort(key=lambda pair: pair[0].at.earliest, reverse=True)
    return HistoryView(
        frame=build_frame(app, who, chart),
        rows=tuple(rows),
        results=tuple(result for _, result in results),
        notices=history.notices,
    )


def _ids_by_time(app: Services, own: Sequence[Screening]) -> dict[str, UUID]:
    return {build_administration(screening, app.rules.zone).answered_at: screening.id for screening in own}


def _build_earlier(
    app: Services, who: Acting, instrument: Instrument, point: Point, by_time: dict[str, UUID]
) -> EarlierResult:
    definition = instrument.get_score(point.score_id)
    band = definition.find_band(point.value)
    return EarlierResult(
        short_name=instrument.short_name,
        when=say_partial(point.at, who.now, app.rules.zone),
        value=f"{say_points(point.value)} of {say_points(definition.range[1])}",
        band="" if band is None else band.chart_label.capitalize(),
        origin="this app" if point.source is Source.APP else "the chart",
        screening_id=by_time.get(point.at.text) if point.source is Source.APP else None,
    )


def _build_row(
    app: Services,
    who: Acting,
    instrument: Instrument,
    points: Sequence[Point],
    own: Sequence[Screening],
    *,
    open_results: set[UUID],
) -> ResultRow | None:
    incomplete = _newer_incomplete(app, who, instrument, own, points)
    if incomplete is not None:
        return incomplete
    definition = instrument.scores[0]
    series = [point for point in points if point.score_id == definition.id]
    if not series:
        return None
    newest = series[-1]
    screening_id = _ids_by_time(app, own).get(newest.at.text) if newest.source is Source.APP else None
    report = measure_change(definition, series, newest, alert_open=screening_id in open_results)
    change = report.since_last
    band = definition.find_band(newest.value)
    cutoff = definition.cutoff
    screen = ""
    if cutoff is not None:
        side = "positive" if newest.value >= cutoff.at_least else "negative"
        screen = f"Screens {side}: cut-off {say_points(cutoff.at_least)}"
    said = "first result"
    if change is not None:
        said = f"{say_signed(change.delta)} since {say_partial(change.baseline.at, who.now, app.rules.zone)}"
    return ResultRow(
        instrument_id=instrument.id,
        short_name=instrument.short_name,
        when=say_partial(newest.at, who.now, app.rules.zone)
        + ("" if newest.source is Source.APP else ", from the chart"),
        value=say_points(newest.value),
        of=say_points(definition.range[1]),
        band=None if band is None else BandMark(label=band.chart_label.capitalize(), level=band.level),
        screen=screen,
        badge=None if change is None or change.badge is None else BADGES[change.badge],
        change=said,
        screening_id=screening_id,
        trend=_build_trend(app, who, definition, series),
    )


def _newer_incomplete(
    app: Services, who: Acting, instrument: Instrument, own: Sequence[Screening], points: Sequence[Point]
) -> ResultRow | None:
    """Give the row of a signed result without a score that is newer than every score: it is not hidden."""
    newest = max(own, key=lambda screening: screening.started_at, default=None)
    if newest is None or newest.purged_at is not None:
        return None
    score = score_screening(app, instrument, newest, None, handed_in=True).scores[0]
    at = build_administration(newest, app.rules.zone).when
    if score.value is not None or any(point.at.earliest > at.earliest for point in points):
        return None
    return ResultRow(
        instrument_id=instrument.id,
        short_name=instrument.short_name,
        when=say_partial(at, who.now, app.rules.zone),
        value=None,
        of=say_points(score.range[1]),
        band=build_band(score),
        screen=say_screen(score) or f"Score {say_figure(score)}",
        badge=None,
        change="not known",
        screening_id=newest.id,
        trend=_build_trend(app, who, instrument.scores[0], points),
    )


def _build_trend(
    app: Services, who: Acting, definition: ScoreDefinition, series: Sequence[Point]
) -> tuple[TrendPoint, ...]:
    shown = [point for point in series if point.score_id == definition.id][-_MOST_POINTS:]
    if not shown:
        return ()
    first, last = shown[0].at.earliest, shown[-1].at.earliest
    span = (last - first).total_seconds() or 1.0
    return tuple(
        TrendPoint(
            x=round(2 + 96 * (point.at.earliest - first).total_seconds() / span, 2),
            y=round(100 - place(point.value, definition), 2),
            words=f"{say_partial(point.at, who.now, app.rules.zone)}: {say_points(point.value)}",
        )
        for point in shown
    )
