"""Parse score definitions out of a Questionnaire's score items and the ObservationDefinitions they name.

Sources: http://hl7.org/fhir/R4/observationdefinition.html; SDC 4.0 calculatedExpression. R4's ObservationDefinition
has no url: the score item names it by identifier, in an extension of ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from fhir_mappings.calculation import find_calculation, find_named_items
from fhir_mappings.element import Element
from fhir_mappings.level_rule import Level, find_level, parse_open_levels
from fhir_mappings.score_definition import (
    Band,
    ChangeKind,
    ChangeThreshold,
    Cutoff,
    Formula,
    MissingRule,
    Points,
    ScoreDefinition,
    ScoreKind,
)
from fhir_mappings.systems import (
    CALCULATED_EXPRESSION,
    EXT_CHANGE_THRESHOLD,
    EXT_CUT_OFF,
    EXT_MISSING_ITEM_RULE,
    EXT_SCORE_DEFINITION,
    EXT_SCORE_DIRECTION,
    EXT_SEVERITY_BAND,
    SCORE_IDENTIFIER,
    SCORE_INTERVAL,
    UNIT,
)


def parse_scores(questionnaire: Element, definitions: Iterable[Element]) -> tuple[ScoreDefinition, ...]:
    """Parse one ScoreDefinition per score item of the Questionnaire.

    Raises: the element's error for a score item without its definition or a definition without score item.
    """
    by_identifier = {}
    for definition in definitions:
        identifier = _identifier(definition)
        if identifier in by_identifier:
            raise definition.fault("identifier", "stands twice")
        by_identifier[identifier] = definition
    scores = []
    for item in questionnaire.children("item"):
        link = item.find_extension(EXT_SCORE_DEFINITION)
        if link is None:
            continue
        identifier = link.child("valueReference").child("identifier").string("value")
        if identifier not in by_identifier:
            raise item.fault("extension(score-definition)", "names no ObservationDefinition of this Bundle")
        scores.append(_parse_score(item, by_identifier.pop(identifier), identifier))
    for definition in by_identifier.values():
        raise definition.fault("identifier", "no score item names it")
    return tuple(scores)


def _identifier(definition: Element) -> str:
    for identifier in definition.children("identifier"):
        if identifier.string("system") == SCORE_IDENTIFIER:
            return identifier.string("value")
    raise definition.fault("identifier", "missing")


def _parse_score(item: Element, definition: Element, score_id: str) -> ScoreDefinition:
    coding = item.first_coding("code")
    if not coding.same_code(definition.child("code").first_coding("coding")):
        raise definition.fault("code", "differs from the score item's code")
    intervals = list(definition.children("qualifiedInterval"))
    span = _range(_only(definition, [interval for interval in intervals if interval.string("category") == "absolute"]))
    banded = [interval for interval in intervals if _context(interval) == "severity-band"]
    bands = tuple(_band(interval) for interval in banded)
    if bands and not _cover(bands, span):
        raise definition.fault("qualifiedInterval", "bands leave a gap or overlap")
    levels = tuple(
        level
        for band, interval in zip(bands, banded, strict=True)
        if (level := find_level(interval, int(band.min), band.label)) is not None
    )
    if levels and [(level.rank, bool(level.alternatives)) for level in levels] != [
        (rank, rank > 0) for rank in range(len(bands))
    ]:
        raise definition.fault("qualifiedInterval", "levels are ranked from 0, and each but the lowest has its rule")
    unit = item.find_extension(UNIT)
    if unit is None and not levels:
        raise item.fault("extension(questionnaire-unit)", "missing")
    cutoffs = tuple(_cutoff(interval, span) for interval in intervals if _context(interval) == "cut-off")
    direction = definition.find_extension(EXT_SCORE_DIRECTION)
    made = _made(item, levels)
    return ScoreDefinition(
        id=score_id,
        coding=coding,
        unit="" if unit is None else unit.child("valueCoding").string("code"),
        link_id=item.string("linkId"),
        label=item.string("text"),
        item_link_ids=made.item_link_ids,
        range=span,
        bands=bands,
        cutoffs=cutoffs,
        missing_rule=_missing_rule(definition.find_extension(EXT_MISSING_ITEM_RULE)),
        changes=tuple(_change(extension) for extension in definition.extensions(EXT_CHANGE_THRESHOLD)),
        kind=made.kind,
        expression=made.expression,
        count_from=made.count_from,
        factor=made.factor,
        levels=levels,
        open_levels=parse_open_levels(definition),
        higher_is_better=direction is not None and direction.string("valueCode") == "higher-is-better",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """How the score comes about, as its expression says; for a level as its rules do."""

    kind: ScoreKind
    expression: str
    item_link_ids: tuple[str, ...]
    count_from: int | None = None
    factor: int = 1


def _made(item: Element, levels: tuple[Level, ...]) -> _Made:
    expression = item.extension(CALCULATED_EXPRESSION).child("valueExpression").string("expression")
    if levels:
        named = (one for level in levels for condition in level.conditions for one in condition.link_ids)
        return _Made(kind=ScoreKind.LEVEL, expression=expression, item_link_ids=tuple(dict.fromkeys(named)))
    calculation = find_calculation(expression)
    if calculation is None:
        return _Made(kind=ScoreKind.EXPRESSION, expression=expression, item_link_ids=find_named_items(expression))
    if len(set(calculation.item_link_ids)) != len(calculation.item_link_ids):
        raise item.fault("extension(calculatedExpression)", "adds up an item twice")
    return _Made(
        kind=calculation.kind,
        expression=expression,
        item_link_ids=calculation.item_link_ids,
        count_from=calculation.count_from,
        factor=calculation.factor,
    )


def _only(definition: Element, found: list[Element]) -> Element:
    if len(found) != 1:
        raise definition.fault("qualifiedInterval", "needs exactly one absolute interval")
    return found[0]


def _context(interval: Element) -> str | None:
    context = interval.find_child("context")
    if context is None:
        return None
    return next(
        (coding.string("code") for coding in context.children("coding") if coding.string("system") == SCORE_INTERVAL),
        None,
    )


def _range(interval: Element) -> tuple[Points, Points]:
    span = interval.child("range")
    low, high = span.child("low").number("value"), span.child("high").number("value")
    if low > high:
        raise interval.fault("range", "low above high")
    return low, high


def _cover(bands: tuple[Band, ...], span: tuple[Points, Points]) -> bool:
    """Tell whether bands in rising order cover the range without gap, in whole points."""
    edges_meet = all(upper.min == lower.max + 1 for lower, upper in pairwise(bands))
    return edges_meet and bands[0].min == span[0] and bands[-1].max == span[1]


def _band(interval: Element) -> Band:
    details = interval.extension(EXT_SEVERITY_BAND)
    low, high = _range(interval)
    return Band(
        label=details.extension("label").string("valueString"),
        chart_label=interval.child("context").string("text"),
        min=low,
        max=high,
        level=details.extension("level").integer("valueInteger"),
    )


def _cutoff(interval: Element, span: tuple[Points, Points]) -> Cutoff:
    details = interval.extension(EXT_CUT_OFF)
    limits = interval.child("range")
    low, high = limits.find_child("low"), limits.find_child("high")
    if (low is None) is (high is None):
        raise interval.fault("range", "a cut-off has one end")
    limit = (high if low is None else low) or limits
    points = limit.number("value")
    # A cut-off that everybody meets, or nobody, tells nothing.
    if not (span[0] <= points < span[1] if low is None else span[0] < points <= span[1]):
        raise limit.fault("value", "outside the score's range")
    age = interval.find_child("age")
    bounds = [None if age is None else age.find_child(end) for end in ("low", "high")]
    age_min, age_max = (None if bound is None else bound.integer("value") for bound in bounds)
    return Cutoff(
        points=points,
        or_fewer=low is None,
        meaning=details.extension("meaning").string("valueString"),
        source=details.extension("source").string("valueString"),
        default=details.extension("default").boolean("valueBoolean"),
        gender=interval.find_string("gender"),
        age_min=age_min,
        age_max=age_max,
    )


def _missing_rule(extension: Element | None) -> MissingRule | None:
    if extension is None:
        return None
    return MissingRule(
        owner=extension.extension("owner").string("valueString"),
        is_author=extension.extension("authorsOwn").boolean("valueBoolean"),
        max_missing=extension.extension("maxMissing").integer("valueInteger"),
        formula=_word(Formula, extension.extension("formula")),
        source=extension.extension("source").string("valueString"),
    )


def _change(extension: Element) -> ChangeThreshold:
    def number(url: str) -> Points | None:
        found = extension.find_extension(url)
        return None if found is None else found.number("valueDecimal")

    percent = extension.find_extension("percent")
    return ChangeThreshold(
        id=extension.extension("id").string("valueString"),
        kind=_word(ChangeKind, extension.extension("kind")),
        citation=extension.extension("citation").string("valueString"),
        source=extension.extension("source").string("valueString"),
        default=extension.extension("default").boolean("valueBoolean"),
        points=number("points"),
        percent=None if percent is None else percent.integer("valueInteger"),
        score_below=number("scoreBelow"),
        baseline_at_least=number("baselineAtLeast"),
    )


_Word = TypeVar("_Word", Formula, ChangeKind)


def _word(vocabulary: type[_Word], extension: Element) -> _Word:
    try:
        return vocabulary(extension.string("valueCode"))
    except ValueError as error:
        raise extension.fault("valueCode", "not a known code") from error
