"""Change over time, never flattered: reliable change, response, remission and worsening, each with its citation.

A series is one score of one informant and one edition of the instrument. Response and remission need a baseline at or
above the cut-off; no favourable badge stands while the result has an open alert; only final, amended and corrected
results count. Higher is worse, as in every instrument shipped. Points throughout.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fhir_mappings.administration import Informant
from fhir_mappings.instrument import ChangeKind, ChangeThreshold, Points, ScoreDefinition
from fhir_mappings.r4 import PartialDateTime

COUNTED_STATUSES = frozenset({"final", "amended", "corrected"})


class Source(StrEnum):
    """Where a point comes from."""

    APP = "app"
    CHART = "chart"


class Badge(StrEnum):
    """The judgement beside a difference."""

    RELIABLE_IMPROVEMENT = "reliable-improvement"
    RESPONSE = "response"
    REMISSION = "remission"
    WORSENING = "worsening"
    NO_RELIABLE_CHANGE = "no-reliable-change"


FAVORABLE = frozenset({Badge.RELIABLE_IMPROVEMENT, Badge.RESPONSE, Badge.REMISSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One known score at one time.

    `score_id` is the ScoreDefinition's; `informant` and `edition` (Instrument.edition) are None where the source does
    not tell; `status` is FHIR's; `reference` is the chart's Observation ("Observation/3") where there is one.
    """

    score_id: str
    at: PartialDateTime
    value: Points
    source: Source
    informant: Informant | None
    edition: str | None
    status: str
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The difference from one earlier point: `delta` in points (below 0 is better), `percent` of that point.

    `badge` None: no published figure, or withheld (`withheld`: an alert is open). `threshold` is the figure that gave
    the badge. `assumed_series`: informant or edition of the earlier point is not recorded.
    """

    baseline: Point
    delta: Points
    percent: int | None
    badge: Badge | None
    threshold: ChangeThreshold | None
    withheld: bool = False
    assumed_series: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """A score's change since the last point and since the baseline of its series; None where there is none."""

    score_id: str
    current: Point
    since_last: Change | None
    since_baseline: Change | None


def measure_change(
    definition: ScoreDefinition,
    points: Iterable[Point],
    current: Point,
    *,
    alert_open: bool,
    baseline: Point | None = None,
) -> ChangeReport:
    """Measure the change of one score up to `current`.

    `points` may hold other scores, informants and editions: they are left out, and so are points at or after `current`
    and those whose status does not count. `baseline`: the one a clinician set, left out likewise where it does not
    belong to the series; without one, the earliest of the series.
    """
    series = sorted(
        (point for point in fold_points(points) if _precedes(point, current)), key=lambda point: point.at.earliest
    )
    start = baseline or (series[0] if series else None)
    if start is not None and not _precedes(start, current):
        start = None
    return ChangeReport(
        score_id=definition.id,
        current=current,
        since_last=_change(definition, series[-1], current, alert_open=alert_open) if series else None,
        since_baseline=_change(definition, start, current, alert_open=alert_open, whole=True) if start else None,
    )


def fold_points(points: Iterable[Point]) -> tuple[Point, ...]:
    """Fold points of the same event into one, only if they are identical in time, value, informant and edition.

    Our own copy and the chart's are the same event where what both tell agrees; ours is kept, it tells more.
    """
    folded: dict[object, Point] = {}
    for point in points:
        key = (point.score_id, point.at.earliest, point.at.precision, point.value)
        known = folded.get(key)
        if known is None:
            folded[key] = point
        elif not (_agree(known.informant, point.informant) and _agree(known.edition, point.edition)):
            folded[(*key, point.informant, point.edition)] = point
        elif known.source is Source.CHART and point.source is Source.APP:
            folded[key] = point
    return tuple(folded.values())


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _precedes(point: Point, current: Point) -> bool:
    """Tell whether a point is earlier in the series of `current`; an unrecorded informant counts as the patient."""
    informant = point.informant or Informant.PATIENT
    return (
        point.at.earliest < current.at.earliest
        and point.score_id == current.score_id
        and point.status in COUNTED_STATUSES
        and informant == (current.informant or Informant.PATIENT)
        and _agree(point.edition, current.edition)
    )


def _change(
    definition: ScoreDefinition, baseline: Point, current: Point, *, alert_open: bool, whole: bool = False
) -> Change:
    """Judge one difference; `whole`: since the baseline, where response and remission are judged too."""
    delta = current.value - baseline.value
    judged = _judge_course(definition, baseline, current) if whole else None
    badge, threshold = judged or _judge_difference(definition, delta)
    withheld = alert_open and badge in FAVORABLE
    return Change(
        baseline=baseline,
        delta=delta,
        percent=round(delta * 100 / baseline.value) if baseline.value else None,
        badge=None if withheld else badge,
        threshold=None if withheld else threshold,
        withheld=withheld,
        assumed_series=baseline.informant is None or baseline.edition is None,
    )


def _judge_course(definition: ScoreDefinition, baseline: Point, current: Point) -> tuple[Badge, ChangeThreshold] | None:
    """Give remission or response, whichever is reached first in that order; both only from a baseline that counts."""
    remission = definition.find_change(ChangeKind.REMISSION)
    if (
        remission is not None
        and remission.score_below is not None
        and _counts_as_baseline(definition, remission, baseline)
        and current.value < remission.score_below
    ):
        return Badge.REMISSION, remission
    response = definition.find_change(ChangeKind.RESPONSE)
    if (
        response is not None
        and response.percent is not None
        and _counts_as_baseline(definition, response, baseline)
        and (baseline.value - current.value) * 100 >= response.percent * baseline.value
    ):
        return Badge.RESPONSE, response
    return None


def _counts_as_baseline(definition: ScoreDefinition, threshold: ChangeThreshold, baseline: Point) -> bool:
    """Tell whether the baseline is at or above the cut-off and the figure's own limit; without either, none counts."""
    cutoff = definition.cutoff
    limits = [
        limit
        for limit in (threshold.baseline_at_least, None if cutoff is None else cutoff.at_least)
        if limit is not None
    ]
    return bool(limits) and baseline.value >= max(limits)


def _judge_difference(definition: ScoreDefinition, delta: Points) -> tuple[Badge | None, ChangeThreshold | None]:
    reliable = definition.find_change(ChangeKind.RELIABLE)
    if reliable is None or reliable.points is None:
        return None, None
    if delta >= reliable.points:
        return Badge.WORSENING, reliable
    if -delta >= reliable.points:
        return Badge.RELIABLE_IMPROVEMENT, reliable
    return Badge.NO_RELIABLE_CHANGE, reliable
