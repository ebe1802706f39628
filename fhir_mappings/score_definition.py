"""A score's definition as an ObservationDefinition: range, bands, cut-offs, missing-item rule, change thresholds.

Sources: http://hl7.org/fhir/R4/observationdefinition.html (qualifiedInterval); what it has no place for are our own
extensions (docs/instruments.md). Points throughout; intervals include both ends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from fhir_mappings.errors import UnknownFigure
from fhir_mappings.level_rule import Level, OpenLevel
from fhir_mappings.r4 import Coding

Points = int | Decimal
UNBOUNDED: Final = (Decimal("-Infinity"), Decimal("Infinity"))
"""The range of a score of which none is published, and the bounds of one that nothing is known of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A published severity range.

    `label` is the publisher's word ("Moderate depression"), for the definition only; `chart_label` is what pages,
    notes and the chart say ("moderate range"), for a score is not a diagnosis. `level` runs from 1 to 5.
    """

    label: str
    chart_label: str
    min: Points
    max: Points
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """A published screening cut-off: positive at so many `points` or more.

    `or_fewer`: higher is better, and it is positive at so many or fewer. `default` marks the one that decides;
    others are for reading or for a site to choose. `gender` (R4 administrative-gender) and ages in years bound the
    population it was published for.
    """

    points: Points
    meaning: str
    source: str
    default: bool
    gender: str | None = None
    age_min: int | None = None
    age_max: int | None = None
    or_fewer: bool = False

    def is_met(self, value: Points) -> bool:
        """Tell whether the value screens positive."""
        return value <= self.points if self.or_fewer else value >= self.points


class Formula(StrEnum):
    """How a missing-item rule fills in what is missing."""

    MEAN_OF_ANSWERED = "mean-of-answered"
    BLANK_COUNTS_ZERO = "blank-counts-zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRule:
    """What to do with up to `max_missing` unanswered items; off unless it is the author's own or a site says so."""

    owner: str
    is_author: bool
    max_missing: int
    formula: Formula
    source: str


class ChangeKind(StrEnum):
    """What a published figure on change speaks about."""

    MINIMAL_IMPORTANT = "minimal-important-difference"
    RELIABLE = "reliable-change"
    RESPONSE = "response"
    REMISSION = "remission"
    RECOVERY = "recovery"
    CLINICALLY_SIGNIFICANT = "clinically-significant-change"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeThreshold:
    """One published figure on change over time, with the paper that published it.

    `points`: a difference. `percent`: a fall relative to the baseline. `score_below`: the score reached.
    `baseline_at_least`: it holds only from that baseline on. `default`: the one used unless a site chooses another.
    """

    id: str
    kind: ChangeKind
    citation: str
    source: str
    default: bool
    points: Decimal | int | None = None
    percent: int | None = None
    score_below: Points | None = None
    baseline_at_least: Points | None = None


class ScoreKind(StrEnum):
    """How a score comes about: weights added up, items counted, a level, or any other FHIRPath expression."""

    SUM = "sum"
    COUNT = "count"
    LEVEL = "level"
    EXPRESSION = "expression"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreDefinition:
    """One score of an instrument: how it is made from which items, and what is published about it.

    `expression` is its FHIRPath. A count takes items of weight `count_from` or more. `factor` multiplies the sum. A
    level's value is its rank, `levels` in rising order; a band stands for each.
    """

    id: str
    coding: Coding
    unit: str
    link_id: str
    label: str
    item_link_ids: tuple[str, ...]
    range: tuple[Points, Points]
    bands: tuple[Band, ...]
    cutoffs: tuple[Cutoff, ...]
    missing_rule: MissingRule | None
    changes: tuple[ChangeThreshold, ...]
    kind: ScoreKind = ScoreKind.SUM
    expression: str = field(default="", repr=False)
    count_from: Points | None = None
    factor: int = 1
    levels: tuple[Level, ...] = ()
    open_levels: tuple[OpenLevel, ...] = ()
    higher_is_better: bool = False

    @property
    def adds_weights(self) -> bool:
        """Whether it is a sum or a count, so that every answer to its items needs a weight."""
        return self.kind in (ScoreKind.SUM, ScoreKind.COUNT)

    @property
    def is_bounded(self) -> bool:
        """Whether its range is known."""
        return self.range != UNBOUNDED

    @property
    def cutoff(self) -> Cutoff | None:
        """The cut-off that decides for everybody, if there is exactly one."""
        deciding = [cutoff for cutoff in self.cutoffs if cutoff.default]
        return deciding[0] if len(deciding) == 1 else None

    def get_points(self, weight: Points) -> Points:
        """Give what an answer of this weight adds to the value of a sum or a count."""
        if self.count_from is not None:
            return int(weight >= self.count_from)
        return weight * self.factor

    def find_span(self, weights: Iterable[Sequence[Points]]) -> tuple[Points, Points]:
        """Give the least and the greatest value that a sum or a count can have; `weights` are those of each item."""
        points = [[self.get_points(weight) for weight in each] for each in weights]
        return sum(min(each) for each in points), sum(max(each) for each in points)

    def find_band(self, value: Points) -> Band | None:
        """Give the published range that holds the value."""
        return next((band for band in self.bands if band.min <= value <= band.max), None)

    def find_partial_band(self, bounds: tuple[Points, Points]) -> Band | None:
        """Say of a level between two ranks what is sure: what is stated for it, or "at least"; None of the lowest."""
        low, high = bounds
        stated = self.find_open_level(bounds)
        if stated is not None:
            return Band(label=stated.label, chart_label=stated.label, min=low, max=high, level=self.bands[-1].level)
        least = self.find_band(low)
        if least is None or low == self.range[0]:
            return None
        return Band(
            label=say_at_least(least.label),
            chart_label=say_at_least(least.chart_label),
            min=low,
            max=high,
            level=least.level,
        )

    def find_open_level(self, bounds: tuple[Points, Points]) -> OpenLevel | None:
        """Give how to speak of a level that is only known to lie within these ranks, where something is stated."""
        return next((level for level in self.open_levels if (level.low, level.high) == bounds), None)

    def find_change(self, kind: ChangeKind) -> ChangeThreshold | None:
        """Give the figure in use for a kind of change, None where none is published."""
        return next((change for change in self.changes if change.kind is kind and change.default), None)

    def choose_change(self, kind: ChangeKind, threshold_id: str) -> "ScoreDefinition":
        """Give the definition with another published figure in use. Raises: UnknownFigure if it has no such figure."""
        if not any(change.kind is kind and change.id == threshold_id for change in self.changes):
            raise UnknownFigure(f"{self.id}.changes", "no such published figure")
        return replace(
            self,
            changes=tuple(
                replace(change, default=change.id == threshold_id) if change.kind is kind else change
                for change in self.changes
            ),
        )


def say_at_least(label: str) -> str:
    """Say that a level is the least that there can be."""
    return f"at least {label}, incomplete"
