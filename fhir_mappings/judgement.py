"""Judge the difference of two scores by each kind of published figure, or say that none is published.

Sources: the ChangeThresholds of the instrument's ObservationDefinition, each with its citation. Points throughout.
Never flattered (safety rule 14): response and remission need a baseline that screens positive, and nothing favorable
is said while it must be withheld.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from fhir_mappings.score_definition import ChangeKind, ChangeThreshold, Points, ScoreDefinition


class Verdict(StrEnum):
    """What a published figure says of a difference."""

    BETTER = "better"
    WORSE = "worse"
    NOT_REACHED = "not-reached"
    LOW_BASELINE = "low-baseline"
    WITHHELD = "withheld"
    NO_FIGURE = "no-figure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One kind of change, the figure in use (None: none is published, or none that numbers state) and its verdict.

    LOW_BASELINE: the baseline does not screen positive, so the figure does not apply. WITHHELD: it would be BETTER, and
    that is not said now.
    """

    kind: ChangeKind
    verdict: Verdict
    threshold: ChangeThreshold | None


_OF_A_DIFFERENCE: Final = (ChangeKind.RELIABLE, ChangeKind.MINIMAL_IMPORTANT)
_OF_A_COURSE: Final = (ChangeKind.RESPONSE, ChangeKind.REMISSION)


def judge_change(
    definition: ScoreDefinition, baseline: Points, current: Points, *, whole: bool, withhold: bool
) -> tuple[Judgement, ...]:
    """Give one Judgement per kind: reliable change, minimal important difference, with `whole` response and remission.

    `whole`: since the baseline of a series. `withhold`: BETTER becomes WITHHELD.
    """
    kinds = (*_OF_A_DIFFERENCE, *_OF_A_COURSE) if whole else _OF_A_DIFFERENCE
    judged = (_judge(definition, kind, baseline, current) for kind in kinds)
    return tuple(
        replace(one, verdict=Verdict.WITHHELD) if withhold and one.verdict is Verdict.BETTER else one for one in judged
    )


def _judge(definition: ScoreDefinition, kind: ChangeKind, baseline: Points, current: Points) -> Judgement:
    threshold = definition.find_change(kind)
    verdict = Verdict.NO_FIGURE
    if threshold is not None and kind in _OF_A_DIFFERENCE:
        worse: Points = current - baseline
        if definition.higher_is_better:
            worse = -worse
        verdict = _judge_difference(threshold, baseline, worse)
    elif threshold is not None:
        verdict = _judge_course(definition, threshold, baseline, current)
    return Judgement(kind=kind, verdict=verdict, threshold=None if verdict is Verdict.NO_FIGURE else threshold)


def _judge_difference(threshold: ChangeThreshold, baseline: Points, worse: Points) -> Verdict:
    """Judge a change to the worse by so many points, below 0 to the better.

    A figure relative to the baseline is read so; its points are an example at one severity.
    """
    distance = worse if worse > 0 else -worse
    if threshold.percent is not None and baseline:
        reached = distance * 100 >= threshold.percent * baseline
    elif threshold.points is not None:
        reached = distance >= threshold.points
    else:
        return Verdict.NO_FIGURE
    if not reached or not worse:
        return Verdict.NOT_REACHED
    return Verdict.WORSE if worse > 0 else Verdict.BETTER


def _judge_course(
    definition: ScoreDefinition, threshold: ChangeThreshold, baseline: Points, current: Points
) -> Verdict:
    """Judge response (a fall in per cent) or remission (a score reached), only from a baseline that counts.

    Both are published for scores of which more is worse; for others no figure is told.
    """
    if definition.higher_is_better or (threshold.percent is None and threshold.score_below is None):
        return Verdict.NO_FIGURE
    if not _counts_as_baseline(definition, threshold, baseline):
        return Verdict.LOW_BASELINE
    fallen = threshold.percent is None or (baseline - current) * 100 >= threshold.percent * baseline
    low = threshold.score_below is None or current < threshold.score_below
    return Verdict.BETTER if fallen and low else Verdict.NOT_REACHED


def _counts_as_baseline(definition: ScoreDefinition, threshold: ChangeThreshold, baseline: Points) -> bool:
    """Tell whether the baseline is at or above the cut-off and the figure's own limit; without either, none counts."""
    cutoff, limit = definition.cutoff, threshold.baseline_at_least
    if cutoff is None and limit is None:
        return False
    return (cutoff is None or cutoff.is_met(baseline)) and (limit is None or baseline >= limit)
