"""What scoring gives: scores with bounds, band and screen result, and the report that the command line prints."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from fhir_mappings.errors import Issue
from fhir_mappings.instrument import Band, Coding, Cutoff, Points
from fhir_mappings.risk import RiskFlag


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFacts:
    """What a cut-off can depend on: R4 administrative gender, birth date, and the day of the answers."""

    gender: str | None = None
    birth_date: date | None = None
    on: date | None = None

    @property
    def age(self) -> int | None:
        """Age in whole years on that day, None where it can't be told."""
        if self.birth_date is None or self.on is None:
            return None
        born, on = self.birth_date, self.on
        return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One score. `value` and `positive` are None where not known: never a zero, never a negative.

    `bounds` is the lowest and highest possible value, both equal to `value` when complete. `missing_rule` names the
    rule by which a prorated value came about, and is shown wherever the value is. `cutoffs` are those that decide:
    several where the sex or age that they depend on is not known. `is_level`: the value is the rank of a published
    level, and is spoken of by its band alone. `established` False: band and usual
    cut-off do not hold at the patient's age and are left out (age_fit.py). `unasked`: linkIds of items that were not
    asked and yet have a risk answer, so that what the others make is not the result.
    """

    id: str
    coding: Coding
    value: Points | None
    range: tuple[Points, Points]
    bounds: tuple[Points, Points]
    band: Band | None
    positive: bool | None
    cutoffs: tuple[Cutoff, ...]
    missing_rule: str | None = None
    established: bool = True
    is_level: bool = False
    unasked: tuple[str, ...] = ()

    @property
    def cutoff(self) -> Cutoff | None:
        """The cut-off that decides: of several the one that is hardest to meet, None where there is none."""
        return max(self.cutoffs, key=lambda one: -one.points if one.or_fewer else one.points, default=None)

    def to_json(self) -> dict[str, Any]:
        """Give the object that stands in `scores` of the command line's output."""
        band = self.band
        return {
            "id": self.id,
            "code": self.coding.to_json(),
            "value": _plain(self.value),
            "range": [_plain(bound) for bound in self.range],
            "bounds": [_plain(bound) for bound in self.bounds],
            "band": band and {"label": band.chart_label, "min": _plain(band.min), "max": _plain(band.max)},
            "positive": self.positive,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReport:
    """All scores of one response. `unanswered` lists required items without answer, declined ones too.

    `complete`: all that was asked is answered, and no risk was told where nothing was asked.
    """

    instrument_id: str
    canonical: str
    complete: bool
    scores: tuple[Score, ...]
    alerts: tuple[RiskFlag, ...]
    unanswered: tuple[str, ...]

    def to_json(self, issues: tuple[Issue, ...] = ()) -> dict[str, Any]:
        """Give the object that `smart-screening score` prints."""
        return {
            "instrument": self.instrument_id,
            "canonical": self.canonical,
            "complete": self.complete,
            "scores": [score.to_json() for score in self.scores],
            "alerts": [
                {"id": flag.rule_id, "linkId": flag.link_id, "level": flag.level, "reason": flag.reason}
                for flag in self.alerts
            ],
            "unanswered": list(self.unanswered),
            "issues": [issue.to_json() for issue in issues],
        }


def _plain(value: Points | None) -> int | float | None:
    """Give a JSON number; null for what is not known, a bound too."""
    if isinstance(value, Decimal):
        return float(value) if value.is_finite() else None
    return value
