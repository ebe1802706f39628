"""Change over time, never flattered: reliable change, response, remission and worsening, each with its citation.

A series is one score of one informant and one edition of the instrument. Response and remission need a baseline at or
above the cut-off; no favourable badge stands while the result has an open alert; only final, amended and corrected
results count. Higher is worse, as in every instrument shipped. Points throughout.
"""

from dataclasses import dataclass
from enum import StrEnum

from fhir_mappings.administration import Informant
from fhir_mappings.instrument import ChangeThreshold, Points
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
