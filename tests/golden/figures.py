"""Figures on change as the fact files publish them, and what each says of a difference; nothing imports the product."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_KINDS = {
    "minimal clinically important difference": "minimal-important-difference",
    "minimal clinically important difference (anchor based, UK primary care)": "minimal-important-difference",
    "minimal important difference": "minimal-important-difference",
    "clinically meaningful change": "minimal-important-difference",
    "response": "response",
    "improvement": "response",
    "remission": "remission",
    "reliable change": "reliable-change",
    "reliable change index": "reliable-change",
    "smallest detectable change": "reliable-change",
    "recovery (NHS Talking Therapies)": "recovery",
    "clinically significant change (original definition)": "clinically-significant-change",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """One figure; `kind` is what it was published for."""

    kind: str
    points: float | None = None
    percent: int | None = None
    score_below: int | None = None
    baseline_at_least: int | None = None

    def difference(self, baseline: int, current: int) -> str:
        """What it says of a difference either way: a share of the baseline where it has one, else points."""
        change = current - baseline
        if self.percent is not None and baseline:
            reached = abs(change) >= baseline * self.percent / 100
        elif self.points is not None:
            reached = abs(change) >= self.points
        else:
            return "no-figure"
        if change == 0 or not reached:
            return "not-reached"
        return "worse" if change > 0 else "better"

    def course(self, baseline: int, current: int, cutoff: int | None) -> str:
        """What it says of a course: only from a baseline at the cut-off and at its own limit."""
        if self.percent is None and self.score_below is None:
            return "no-figure"
        limits = [limit for limit in (cutoff, self.baseline_at_least) if limit is not None]
        if not limits or baseline < max(limits):
            return "low-baseline"
        fallen = self.percent is None or baseline - current >= baseline * self.percent / 100
        low = self.score_below is None or current < self.score_below
        return "better" if fallen and low else "not-reached"


def figures_of(facts: dict[str, Any]) -> tuple[PublishedFigure, ...]:
    """Give the confirmed figures that numbers state, in the order of the file."""
    return tuple(figure for fact in facts["change"] if fact["confirmed"] for figure in _figures(fact))


def _figures(fact: dict[str, Any]) -> Iterator[PublishedFigure]:
    numbers = {name: fact.get(name) for name in ("percent", "score_below")}
    if fact["kind"] not in _KINDS or not any(value is not None for value in (fact.get("points"), *numbers.values())):
        return
    kind = _KINDS[fact["kind"]]
    for points in points_of(fact, kind):
        yield PublishedFigure(kind=kind, points=points, **numbers, baseline_at_least=fact.get("baseline_at_least"))
        if "score_at_most" in fact:
            # A reliable change that also reaches a score is clinically significant; at most n is below n + 1.
            below = fact["score_at_most"] + 1
            yield PublishedFigure(kind="clinically-significant-change", points=points, score_below=below)


def points_of(fact: dict[str, Any], kind: str) -> tuple[float | None, ...]:
    """Give the points of a fact: where trials found different reliable changes, each is a figure of its own."""
    if kind == "reliable-change" and "points_max" in fact:
        return fact["points"], fact["points_max"]
    return (fact.get("points"),)
