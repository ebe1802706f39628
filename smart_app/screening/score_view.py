"""Scores, their ruler, and change, as the review page shows them (charts: whole scores own one unit of the axis)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from fhir_mappings.answers import is_enabled
from fhir_mappings.change import Badge, Change, ChangeReport
from fhir_mappings.change_wording import NO_FIGURE, describe_figure, describe_judgement, describe_withheld
from fhir_mappings.instrument import Points, ScoreDefinition
from fhir_mappings.result import ScreeningResult
from fhir_mappings.score_definition import UNBOUNDED
from fhir_mappings.scores import Score
from fhir_mappings.wording import describe_action
from smart_app.screening.review_views import ChangeView, Ruler, RulerSegment, ScoreView
from smart_app.screening.views import BandMark
from smart_app.screening.wording import (
    say_count,
    say_figure,
    say_first,
    say_partial,
    say_points,
    say_screen,
    say_signed,
)

BADGES = {
    Badge.RELIABLE_IMPROVEMENT: "Reliable improvement",
    Badge.RESPONSE: "Response",
    Badge.REMISSION: "Remission",
    Badge.WORSENING: "Worsening",
    Badge.NO_RELIABLE_CHANGE: "No reliable change",
}


def build_scores(result: ScreeningResult, now: datetime, zone: ZoneInfo) -> tuple[ScoreView, ...]:
    """Build one view per score, with its change."""
    return tuple(
        replace(
            _build_score(definition, score, result),
            changes=tuple(
                view for one in result.changes if one.score_id == score.id for view in build_changes(one, now, zone)
            ),
        )
        for definition, score in zip(result.instrument.scores, result.report.scores, strict=True)
    )


def build_band(score: Score) -> BandMark | None:
    """Give the band's mark: "Moderate range", never the publisher's diagnosis word."""
    if score.band is None:
        return None
    return BandMark(label=say_first(score.band.chart_label), level=score.band.level)


def build_changes(report: ChangeReport, now: datetime, zone: ZoneInfo) -> tuple[ChangeView, ...]:
    """Give change since the last result and since the baseline, the baseline and its date beside the badge."""
    views = []
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
        words += f". {say_first(describe_withheld(change))}"
    if change.assumed_series:
        words += ". Who answered then, or which edition, is not recorded"
    return ChangeView(
        heading=f"{title}, {when} ({say_points(change.baseline.value)})",
        badge=change.badge,
        badge_label="" if change.badge is None else BADGES[change.badge],
        words=words + ".",
        figure=_say_figure(change),
        figures=tuple(say_first(describe_judgement(judgement)) for judgement in change.judgements),
    )


def _say_figure(change: Change) -> str:
    """Give figure and citation beside the badge; without a badge, that no reliable change is published."""
    if change.withheld:
        return ""
    if change.threshold is None:
        return f"Reliable change: {NO_FIGURE}"
    return f"{say_first(describe_figure(change.threshold))}; {change.threshold.citation}"


def place(value: Points, definition: ScoreDefinition) -> float:
    """Give the middle of a whole score's unit on the axis, per cent."""
    low, high = definition.range
    return round((float(value - low) + _HALF) / float(high - low + 1) * 100, 2)


_HALF = 0.5  # half a unit: limits lie half-way between whole scores


def _build_score(definition: ScoreDefinition, score: Score, result: ScreeningResult) -> ScoreView:
    items = [result.instrument.by_link_id[link_id] for link_id in definition.item_link_ids]
    count = sum(is_enabled(item, result.answers) for item in items)
    missing = sum(item.link_id in result.report.unanswered for item in items)
    completeness = f"All {say_count(count, 'item')} answered."
    if missing:
        completeness = f"{count - missing} of {say_count(count, 'item')} answered: incomplete."
    if count < len(items):
        completeness += f" {say_count(len(items) - count, 'item')} did not apply."
    if score.positive is False:
        completeness += " A negative screen is not a finding of low risk."
    return ScoreView(
        id=score.id,
        label=definition.label,
        value=None if score.value is None or score.is_level else say_points(score.value),
        of="" if score.is_level or score.range == UNBOUNDED else say_points(score.range[1]),
        is_level=score.is_level,
        figure=say_figure(score),
        band=build_band(score),
        unbanded=_say_no_band(definition, score),
        screen=say_screen(score),
        completeness=completeness,
        rule=score.missing_rule or "",
        action=describe_action(definition, score),
        ruler=_build_ruler(definition, score),
    )


def _say_no_band(definition: ScoreDefinition, score: Score) -> str:
    if score.band is not None:
        return ""
    if score.value is None:
        return say_figure(score)
    if not score.established:
        return "range not established at this age"
    return "range not known" if definition.bands else ""


def _build_ruler(definition: ScoreDefinition, score: Score) -> Ruler | None:
    if not definition.bands or not score.established or score.is_level:
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
        cutoff=None if cutoff is None else round(float(cutoff.points - low) / units * 100, 2),
        words=f"{say_figure(score)}. {say_screen(score)}".strip(),
    )
