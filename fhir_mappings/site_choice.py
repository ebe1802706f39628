"""An instrument as a site uses it: which of several published cut-offs and figures of change decide.

Both must be published in the instrument's ObservationDefinitions; a site adds none of its own. The default and its
competitors stand in docs/instruments.md. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fhir_mappings.errors import UnknownFigure
from fhir_mappings.instrument import Instrument
from fhir_mappings.score_definition import ChangeKind, Cutoff, Points, ScoreDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteChoice:
    """What a site has chosen. `cutoffs`: score id → points; `figures`: score id → kind → ChangeThreshold.id."""

    cutoffs: Mapping[str, Points] = field(default_factory=dict)
    figures: Mapping[str, Mapping[ChangeKind, str]] = field(default_factory=dict)


def apply_choice(instrument: Instrument, choice: SiteChoice) -> Instrument:
    """Give the instrument with the site's cut-offs and figures in use; itself where none is about its scores.

    A next instrument that is called for at the default cut-off is called for at the chosen one.
    Raises: UnknownFigure for a cut-off or figure that is not published for that score.
    """
    own = {score.id for score in instrument.scores}
    if not own & {*choice.cutoffs, *choice.figures}:
        return instrument
    scores, moved = [], {}
    for score in instrument.scores:
        chosen = score
        for kind, figure in choice.figures.get(score.id, {}).items():
            chosen = _choose_figure(chosen, kind, figure)
        points = choice.cutoffs.get(score.id)
        if points is not None:
            chosen, former = choose_cutoff(chosen, points)
            moved[score.link_id, former] = points
        scores.append(chosen)
    return replace(
        instrument,
        scores=tuple(scores),
        next_instruments=tuple(
            replace(follow, at_least=points, reason=f"{follow.reason} (at this site from {points})")
            if (points := moved.get((follow.link_id, follow.at_least))) is not None
            else follow
            for follow in instrument.next_instruments
        ),
    )


def choose_cutoff(definition: ScoreDefinition, points: Points) -> tuple[ScoreDefinition, Points]:
    """Give the definition with another published cut-off deciding, and the points of the one that it replaces.

    Only one of the same population takes the place of a default. Raises: UnknownFigure where there is none such.
    """
    for wanted in definition.cutoffs:
        if wanted.points != points:
            continue
        for former in definition.cutoffs:
            if former.default and _population(former) == _population(wanted):
                return replace(definition, cutoffs=_exchange(definition, former, wanted)), former.points
    raise UnknownFigure(f"{definition.id}.cutoffs", "no such published cut-off for the same people")


def _exchange(definition: ScoreDefinition, former: Cutoff, wanted: Cutoff) -> tuple[Cutoff, ...]:
    return tuple(
        replace(cutoff, default=cutoff is wanted) if cutoff in (former, wanted) else cutoff
        for cutoff in definition.cutoffs
    )


def _population(cutoff: Cutoff) -> tuple[object, ...]:
    return cutoff.gender, cutoff.age_min, cutoff.age_max


def _choose_figure(definition: ScoreDefinition, kind: ChangeKind, figure_id: str) -> ScoreDefinition:
    """Put a figure in use for a kind; for reliable change also one in points published as minimal important difference.

    PHQ-9: 6 points are called reliable (NHS), 5 points are two standard errors of measurement, published as the
    minimal difference (Loewe 2004); sites use either. What it was published as stays beside it.
    """
    figure = next((change for change in definition.changes if change.id == figure_id), None)
    if (
        figure is None
        or figure.kind is kind
        or (kind, figure.kind) != (ChangeKind.RELIABLE, ChangeKind.MINIMAL_IMPORTANT)
        or figure.points is None
        or figure.percent is not None
    ):
        return definition.choose_change(kind, figure_id)
    used = replace(
        figure, kind=kind, default=True, citation=f"{figure.citation}, published as the minimal important difference"
    )
    others = [replace(change, default=False) if change.kind is kind else change for change in definition.changes]
    return replace(definition, changes=(*others, used))
