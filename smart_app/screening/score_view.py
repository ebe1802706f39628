"""Scores, their ruler, and change, as the review page shows them (charts: whole scores own one unit of the axis)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from fhir_mappings.change import Badge, Change, ChangeReport
from fhir_mappings.instrument import Instrument, Points, ScoreDefinition
from fhir_mappings.scores import Score, ScoreReport
from smart_app.screening.review_views import ChangeView, Ruler, RulerSegment, ScoreView
from smart_app.screening.views import BandMark
from smart_app.screening.wording import say_count, say_figure, say_partial, say_points, say_screen, say_signed

BADGES = {
    Badge.RELIABLE_IMPROVEMENT: "Reliable improvement",
    Badge.RESPONSE: "Response",
    Badge.REMISSION: "Remission",
    Badge.WORSENING: "Worsening",
    Badge.NO_RELIABLE_CHANGE: "No reliable change",
}


def build_scores(instrument: Instrument, report: ScoreReport) -> tuple[ScoreView, ...]:
    """Build one view per score."""
    return tuple(
        _build_score(definition, score, report)
        for definition, score in zip(instrument.scores, report.scores, strict=True)
    )


def build_band(score: Score) -> BandMark | None:
    """Give the band's mark: "Moderate range", never the publisher's diagnosis word."""
    if score.band is None:
        return None
    label = score.band.chart_label
    return BandMark(label=label[:1].upper() + label[1:], level=score.band.level)


def build_changes(reports: tuple[ChangeReport, ...], now: datetime, zone: ZoneInfo) -> tuple[ChangeView, ...]:
    """Give change since the last result and since the baseline, the baseline and its date beside the badge."""
    views = []
    for report in reports:
        last, start = report.since_last, report.since_baseline
        if last is not None and (start is None or start.baseline != last.baseline):
            views.append(build_change("Since last time", last, now, zone))
        if start is not None:
            views.append(build_change("Since the first result on record", start, now, zone))
    return tuple(views)


def build_change(title: str, change: Change, now: datetime, zone: ZoneInfo) -> ChangeView:
    """Build one change. A favourable badge that is withheld says why (safety rule 14)."""
    when = say_partial(change.baseline.at, now, zone)
    words = f"{say_signed(change.delta)} points"
    if change.percent is not None:
        words += f", {say_signed(change.percent)} %"
    if change.withheld:
        words += ". No judgement while the alert is open"
    elif change.threshold is not None and change.threshold.points is not None:
        words += f"; reliable from {say_points(change.threshold.points)}"
    if change.assumed_series:
        words += ". Who answered then, or which edition, is not recorded"
    return ChangeView(
        heading=f"{title}, {when} ({say_points(change.baseline.value)})",
        badge=change.badge,
        badge_label="" if change.badge is None else BADGES[change.badge],
        words=words + ".",
        citation="" if change.threshold is None else change.threshold.citation,
    )


def place(value: Points, definition: ScoreDefinition) -> float:
    """Give the middle of a whole score's unit on the axis, per cent."""
    low, high = definition.range
    return round((float(value - low) + _HALF) / float(high - low + 1) * 100, 2)


_HALF = 0.5  # half a unit: limits lie half-way between whole scores


def _build_score(definition: ScoreDefinition, score: Score, report: ScoreReport) -> ScoreView:
    count = len(definition.item_link_ids)
    missing = sum(link_id in report.unanswered for link_id in definition.item_link_ids)
    completeness = f"All {say_count(count, 'item')} answered."
    if missing:
        completeness = f"{count - missing} of {say_count(count, 'item')} answered: incomplete."
    if score.positive is False:
        completeness += " A negative screen is not a finding of low risk."
    return ScoreView(
        id=score.id,
        label=definition.label,
        value=None if score.value is None else say_points(score.value),
        of=say_points(score.range[1]),
        figure=say_figure(score),
        band=build_band(score),
        screen=say_screen(score),
        completeness=completeness,
        rule=score.missing_rule or "",
        ruler=_build_ruler(definition, score),
    )


def _build_ruler(definition: ScoreDefinition, score: Score) -> Ruler | None:
    if not definition.bands or not score.established:
        return None
    low, high = definition.range
    units = float(high - low + 1)
    cutoff = score.cutoff
    return Ruler(
        segments=tuple(
            RulerSegment(
                label=band.chart_label,
                level=band.level,
                start=round(float(band.min - low) / units * 100, 2),
                width=round(float(band.max - band.min + 1) / units * 100, 2),
                holds_score=score.band == band,
            )
            for band in definition.bands
        ),
        low=place(score.bounds[0] if score.value is None else score.value, definition),
        high=place(score.bounds[1] if score.value is None else score.value, definition),
        cutoff=None if cutoff is None else round(float(cutoff.at_least - low) / units * 100, 2),
        words=f"{say_figure(score)}. {say_screen(score)}".strip(),
    )
