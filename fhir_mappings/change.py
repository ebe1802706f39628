"""Change over time, never flattered: the series of a score, its points, and what changed since which of them.

A series is one score of one informant and one edition of the instrument; only final, amended and corrected results
count (safety rule 14). What a difference means is judged by published figures (judgement.py): a favorable badge never
stands while the result has an open alert, nor beside a prorated total. Points throughout.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fhir_mappings.administration import Informant
from fhir_mappings.judgement import Judgement, Verdict, judge_change
from fhir_mappings.r4 import PartialDateTime
from fhir_mappings.score_definition import ChangeKind, ChangeThreshold, Points, ScoreDefinition

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One known score at one time.

    `score_id` is the ScoreDefinition's; `informant` and `edition` (Instrument.edition) are None where the source does
    not tell; `status` is FHIR's; `reference` is the chart's Observation ("Observation/3") where there is one.
    `prorated`: filled in by a missing-item rule.
    """

    score_id: str
    at: PartialDateTime
    value: Points
    source: Source
    informant: Informant | None
    edition: str | None
    status: str
    reference: str | None = None
    prorated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The difference from one earlier point: `delta` in points, `percent` of that point.

    `judgements`: what each kind of published figure says. `badge`: the one that counts most, None where no reliable
    change is published or it is withheld; `threshold` is the figure that gave it. `withheld`: a favorable judgement is
    not made, for an alert is open or a total is `prorated`. `assumed_series`: informant or edition of the earlier
    point is not recorded.
    """

    baseline: Point
    delta: Points
    percent: int | None
    judgements: tuple[Judgement, ...]
    badge: Badge | None
    threshold: ChangeThreshold | None
    withheld: bool = False
    prorated: bool = False
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
    """Fold points of the same event into one, only if they are identical in value, and in either reference or time.

    The chart's copy of what this app wrote has the reference that our point has; other copies are the same event where
    time, informant and edition agree as far as both tell them. Ours is kept, it tells more.
    """
    points = tuple(points)
    written = {(point.reference, point.score_id, point.value) for point in points if point.source is Source.APP}
    folded: dict[object, Point] = {}
    for point in points:
        if (
            point.source is Source.CHART
            and point.reference is not None
            and (point.reference, point.score_id, point.value) in written
        ):
            continue
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
    prorated = current.prorated or baseline.prorated
    judgements = judge_change(definition, baseline.value, current.value, whole=whole, withhold=alert_open or prorated)
    badge, threshold = _choose_badge(judgements)
    return Change(
        baseline=baseline,
        delta=delta,
        percent=round(delta * 100 / baseline.value) if baseline.value else None,
        judgements=judgements,
        badge=badge,
        threshold=threshold,
        withheld=any(one.verdict is Verdict.WITHHELD for one in judgements),
        prorated=prorated,
        assumed_series=baseline.informant is None or baseline.edition is None,
    )


_BADGES: Final = {
    (ChangeKind.REMISSION, Verdict.BETTER): Badge.REMISSION,
    (ChangeKind.RESPONSE, Verdict.BETTER): Badge.RESPONSE,
    (ChangeKind.RELIABLE, Verdict.BETTER): Badge.RELIABLE_IMPROVEMENT,
    (ChangeKind.RELIABLE, Verdict.WORSE): Badge.WORSENING,
    (ChangeKind.RELIABLE, Verdict.NOT_REACHED): Badge.NO_RELIABLE_CHANGE,
}
"""In the order in which they count. A minimal important difference gives none: it is smaller than chance may be."""


def _choose_badge(judgements: tuple[Judgement, ...]) -> tuple[Badge | None, ChangeThreshold | None]:
    """Give the badge that counts most; none at all where a favorable judgement is withheld, not the next one down."""
    judged = {(one.kind, one.verdict): one for one in judgements}
    if any(one.verdict is Verdict.WITHHELD for one in judgements):
        return None, None
    found = next((pair for pair in _BADGES if pair in judged), None)
    return (None, None) if found is None else (_BADGES[found], judged[found].threshold)
