"""A score's definition as an ObservationDefinition: range, bands, cut-offs, missing-item rule, change thresholds.

Sources: http://hl7.org/fhir/R4/observationdefinition.html (qualifiedInterval); what it has no place for are our own
extensions (docs/instruments.md). Points throughout; intervals include both ends.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from fhir_mappings.errors import UnknownFigure
from fhir_mappings.r4 import Coding

Points = int | Decimal


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
    """A published screening cut-off: positive at `at_least` points or more.

    `default` marks the one that decides; others are for reading or for a site to choose. `gender` (R4
    administrative-gender) and ages in years bound the population it was published for.
    """

    at_least: Points
    meaning: str
    source: str
    default: bool
    gender: str | None = None
    age_min: int | None = None
    age_max: int | None = None


class Formula(StrEnum):
    """How a missing-item rule fills in what is missing."""

    MEAN_OF_ANSWERED = "mean-of-answered"


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreDefinition:
    """One score of an instrument: which items it adds up, and what is published about the sum."""

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

    @property
    def cutoff(self) -> Cutoff | None:
        """The cut-off that decides for everybody, if there is exactly one."""
        deciding = [cutoff for cutoff in self.cutoffs if cutoff.default]
        return deciding[0] if len(deciding) == 1 else None

    def find_band(self, value: Points) -> Band | None:
        """Give the published range that holds the value."""
        return next((band for band in self.bands if band.min <= value <= band.max), None)

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
