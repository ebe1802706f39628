"""The words for change over time: each kind of judgement with its published figure and citation, for note and page.

A figure that nobody has published is said to be none; a favorable judgement that is withheld says why.
"""

from typing import Final

from fhir_mappings.change import Change
from fhir_mappings.judgement import Judgement, Verdict
from fhir_mappings.score_definition import ChangeKind, ChangeThreshold
from fhir_mappings.wording import describe_day

_NAMES: Final = {
    ChangeKind.RELIABLE: "reliable change",
    ChangeKind.MINIMAL_IMPORTANT: "minimal important difference",
    ChangeKind.RESPONSE: "response",
    ChangeKind.REMISSION: "remission",
}
_VERDICTS: Final = {
    (ChangeKind.RELIABLE, Verdict.BETTER): "reliable improvement",
    (ChangeKind.RELIABLE, Verdict.WORSE): "reliable worsening",
    (ChangeKind.MINIMAL_IMPORTANT, Verdict.BETTER): "better by the minimal important difference",
    (ChangeKind.MINIMAL_IMPORTANT, Verdict.WORSE): "worse by the minimal important difference",
    (ChangeKind.MINIMAL_IMPORTANT, Verdict.NOT_REACHED): "below the minimal important difference",
    (ChangeKind.RESPONSE, Verdict.BETTER): "response",
    (ChangeKind.REMISSION, Verdict.BETTER): "remission",
}
NO_FIGURE: Final = "no published figure"


def describe_change(change: Change) -> str:
    """Say a difference, from when, and what published figures make of it: "-7 since 12 Jan 2026 (20), response (…)".

    What is not reached is told of single differences; response and remission only where they are.
    """
    sign = "+" if change.delta > 0 else ""
    line = f"{sign}{change.delta} since {describe_day(change.baseline.at)} ({change.baseline.value})"
    if change.withheld:
        return f"{line}, {describe_withheld(change)}"
    told = [describe_judgement(one) for one in _rank(change.judgements) if _is_told(one)]
    return ", ".join([line, *(told or [NO_FIGURE])])


def describe_withheld(change: Change) -> str:
    """Say why no favorable judgement is made."""
    return "no judgement of a prorated total" if change.prorated else "no judgement while an alert is open"


def describe_judgement(judgement: Judgement) -> str:
    """Say one judgement with figure and citation: "no reliable change (from 6 points; NHS manual)"."""
    name = _NAMES[judgement.kind]
    if judgement.threshold is None:
        return f"{name}: {NO_FIGURE}"
    figure = f"({describe_figure(judgement.threshold)}; {judgement.threshold.citation})"
    if judgement.verdict is Verdict.WITHHELD:
        return f"{name}: not judged {figure}"
    if judgement.verdict is Verdict.LOW_BASELINE:
        return f"{name}: does not apply, the baseline is below the cut-off {figure}"
    return f"{_VERDICTS.get((judgement.kind, judgement.verdict), f'no {name}')} {figure}"


def describe_figure(threshold: ChangeThreshold) -> str:
    """Say a published figure: "from 6 points", "50 % down", "below 5"; with the baseline from which it holds."""
    figure = ""
    if threshold.percent is not None:
        down = threshold.kind is not ChangeKind.MINIMAL_IMPORTANT
        figure = f"{threshold.percent} % {'down' if down else 'of the baseline'}"
    elif threshold.points is not None:
        figure = f"from {threshold.points} points"
    if threshold.score_below is not None:
        figure += f"{' and ' if figure else ''}below {threshold.score_below}"
    if threshold.baseline_at_least is not None:
        figure += f", from a baseline of {threshold.baseline_at_least} or more"
    return figure


_ORDER: Final = (ChangeKind.REMISSION, ChangeKind.RESPONSE, ChangeKind.RELIABLE, ChangeKind.MINIMAL_IMPORTANT)


def _rank(judgements: tuple[Judgement, ...]) -> list[Judgement]:
    return sorted(judgements, key=lambda one: _ORDER.index(one.kind))


def _is_told(judgement: Judgement) -> bool:
    if judgement.kind in (ChangeKind.RESPONSE, ChangeKind.REMISSION):
        return judgement.verdict is Verdict.BETTER
    return judgement.threshold is not None
