"""Parse score definitions out of a Questionnaire's score items and the ObservationDefinitions they name.

Sources: http://hl7.org/fhir/R4/observationdefinition.html; SDC 4.0 calculatedExpression. R4's ObservationDefinition
has no url: the score item names it by identifier, in an extension of ours.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, TypeVar

from fhir_mappings.element import Element
from fhir_mappings.score_definition import (
    Band,
    ChangeKind,
    ChangeThreshold,
    Cutoff,
    Formula,
    MissingRule,
    Points,
    ScoreDefinition,
)
from fhir_mappings.systems import (
    CALCULATED_EXPRESSION,
    EXT_CHANGE_THRESHOLD,
    EXT_CUT_OFF,
    EXT_MISSING_ITEM_RULE,
    EXT_SCORE_DEFINITION,
    EXT_SEVERITY_BAND,
    SCORE_IDENTIFIER,
    SCORE_INTERVAL,
    UNIT,
)

# The one expression that is added up natively: the sum of the weights, empty unless every item is answered.
_SUM: Final = re.compile(
    r"iif\(%resource\.item\.where\(linkId in \((?P<items>[^()]*)\)\)\.answer\.count\(\) = (?P<count>[0-9]+), "
    r"%resource\.item\.where\(linkId in \((?P=items)\)\)\.answer\.value\.weight\(\)\.sum\(\), \{\}\)"
)
_LINK_ID: Final = re.compile(r"'([^']+)'")


def parse_scores(questionnaire: Element, definitions: Iterable[Element]) -> tuple[ScoreDefinition, ...]:
    """Parse one ScoreDefinition per score item of the Questionnaire.

    Raises: the element's error for a score item without its definition, a definition without score item, or an
    expression that is not the sum of item weights.
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
    bands = tuple(_band(interval) for interval in intervals if _context(interval) == "severity-band")
    if bands and not _cover(bands, span):
        raise definition.fault("qualifiedInterval", "bands leave a gap or overlap")
    unit = item.extension(UNIT).child("valueCoding").string("code")
    return ScoreDefinition(
        id=score_id,
        coding=coding,
        unit=unit,
        link_id=item.string("linkId"),
        label=item.string("text"),
        item_link_ids=_summed_items(item),
        range=span,
        bands=bands,
        cutoffs=tuple(_cutoff(interval, span) for interval in intervals if _context(interval) == "cut-off"),
        missing_rule=_missing_rule(definition.find_extension(EXT_MISSING_ITEM_RULE)),
        changes=tuple(_change(extension) for extension in definition.extensions(EXT_CHANGE_THRESHOLD)),
    )


def _summed_items(item: Element) -> tuple[str, ...]:
    expression = item.extension(CALCULATED_EXPRESSION).child("valueExpression").string("expression")
    match = _SUM.fullmatch(expression)
    link_ids = tuple(_LINK_ID.findall(match["items"])) if match else ()
    if not match or int(match["count"]) != len(link_ids) or len(set(link_ids)) != len(link_ids) or not link_ids:
        raise item.fault("extension(calculatedExpression)", "not the guarded sum of item weights")
    return link_ids


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
    at_least = interval.child("range").child("low").number("value")
    if not span[0] < at_least <= span[1]:
        raise interval.fault("range.low", "outside the score's range")
    age = interval.find_child("age")
    bounds = [None if age is None else age.find_child(end) for end in ("low", "high")]
    age_min, age_max = (None if bound is None else bound.integer("value") for bound in bounds)
    return Cutoff(
        at_least=at_least,
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
