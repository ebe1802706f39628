"""Earlier scores in the chart, whoever wrote them: Observations matched by score code, values and units checked.

Source: http://hl7.org/fhir/R4/observation.html; US Core 6.1 screening guidance (a total is an integer or a Quantity in
`{score}`). What can't be trusted is left out with an Issue: a wrong unit, a comparator, a text value, a value outside
the score's range. Cancelled, preliminary and entered-in-error results don't count.
"""

from collections.abc import Iterable
from typing import Final

from fhir_mappings.administration import PROXY_WORDS, Informant
from fhir_mappings.change import COUNTED_STATUSES, Point, Source, fold_points
from fhir_mappings.element import Element
from fhir_mappings.errors import Issue, MalformedResource, Mapped, Severity
from fhir_mappings.instrument import Instrument, Points, ScoreDefinition
from fhir_mappings.r4 import Json, PartialDateTime, Precision, parse_partial_date_time
from fhir_mappings.systems import EXT_ADMINISTRATION, RESULT_IDENTIFIER, UCUM

# UCUM spells a bare number of points as an annotation or as 1; both mean the same.
_UNITS: Final = frozenset({"{score}", "{points}", "{#}", "1"})
_WORDS: Final = frozenset({"score", "{score}", "point", "points", "{points}", "1"})


def parse_score_observations(observations: Iterable[Json], instrument: Instrument) -> Mapped[tuple[Point, ...]]:
    """Read the points of this instrument's scores, oldest first.

    Observations of other codes are passed over in silence. One Issue each for a result that has one of our codes and
    can't be used, and one for two results of the same time that differ (both are kept).
    """
    points: list[Point] = []
    issues: list[Issue] = []
    for index, observation in enumerate(observations):
        element = Element(observation, f"Observation[{index}]")
        try:
            definition = _find_definition(element, instrument)
            point = None if definition is None else _read_point(element, definition)
        except MalformedResource as error:
            issues.append(_issue("malformed-result", error.expression, f"Left out of the series: {error.problem}."))
            continue
        if point is not None:
            points.append(point)
    folded = sorted(fold_points(points), key=lambda point: point.at.earliest)
    issues += _conflicts(folded)
    return Mapped(value=tuple(folded), issues=tuple(issues))


def _issue(code: str, expression: str, text: str) -> Issue:
    return Issue(severity=Severity.WARNING, code=code, expression=expression, text=text)


def _find_definition(observation: Element, instrument: Instrument) -> ScoreDefinition | None:
    code = observation.find_child("code")
    if code is None:
        return None
    stated = {(coding.value.get("system"), coding.value.get("code")) for coding in code.children("coding")}
    for definition in instrument.scores:
        if (definition.coding.system, definition.coding.code) in stated:
            return definition
    return None


def _read_point(observation: Element, definition: ScoreDefinition) -> Point | None:
    status = observation.string("status")
    if status not in COUNTED_STATUSES:
        return None
    value = _read_level(observation, definition) if definition.levels else _read_value(observation, definition)
    if value is None:
        return None
    identifier = observation.find_string("id")
    return Point(
        score_id=definition.id,
        at=_read_time(observation),
        value=value,
        source=Source.CHART,
        informant=_read_informant(observation),
        edition=None,
        status=status,
        reference=None if identifier is None else f"Observation/{identifier}",
        prorated=_is_prorated(observation),
    )


def _read_value(observation: Element, definition: ScoreDefinition) -> Points | None:
    """Give the value in points, None where the result has none (dataAbsentReason)."""
    value: Points | None = observation.find_integer("valueInteger")
    quantity = observation.find_child("valueQuantity")
    if quantity is not None:
        _check_unit(quantity)
        value = quantity.number("value")
    if value is None:
        if observation.find_child("dataAbsentReason") is not None or not _has_value(observation):
            return None
        raise observation.fault("value[x]", "neither a quantity nor an integer")
    low, high = definition.range
    if not low <= value <= high:
        raise observation.fault("value[x]", "outside the score's range")
    return value


def _read_level(observation: Element, definition: ScoreDefinition) -> Points | None:
    """Give the rank of the level that a coded result names, None where it has no value."""
    concept = observation.find_child("valueCodeableConcept")
    if concept is None:
        if not _has_value(observation):
            return None
        raise observation.fault("value[x]", "not a coded level")
    stated = {(coding.find_string("system"), coding.find_string("code")) for coding in concept.children("coding")}
    for level in definition.levels:
        if (level.coding.system, level.coding.code) in stated:
            return level.rank
    raise concept.fault("coding", "not one of the score's levels")


def _has_value(observation: Element) -> bool:
    return any(name.startswith("value") for name in observation.value)


def _check_unit(quantity: Element) -> None:
    if quantity.find_string("comparator") is not None:
        raise quantity.fault("comparator", "a bound, not a value")
    code, unit = quantity.find_string("code"), quantity.find_string("unit")
    if code is not None:
        if quantity.find_string("system") != UCUM or code not in _UNITS:
            raise quantity.fault("code", "not points")
    elif unit is not None and unit.strip().lower() not in _WORDS:
        raise quantity.fault("unit", "not points")


def _read_time(observation: Element) -> PartialDateTime:
    text = observation.find_string("effectiveDateTime") or observation.find_string("effectiveInstant")
    name = "effectiveDateTime"
    if text is None:
        period = observation.child("effectivePeriod")
        text, name = period.string("start"), "effectivePeriod.start"
    at = parse_partial_date_time(text, f"{observation.path}.{name}")
    if at.precision < Precision.DAY:
        raise observation.fault(name, "not known to the day")
    return at


def _read_informant(observation: Element) -> Informant | None:
    """Tell patient, assisted and proxy by our own extension, else by who performed it; staff alone leaves it open."""
    details = observation.find_extension(EXT_ADMINISTRATION)
    if details is not None:
        stated = details.extension("informant").string("valueCode")
        if stated not in set(Informant):
            raise details.fault("extension(informant)", "not a known code")
        return Informant(stated)
    performers = [
        (one.find_string("reference"), one.find_string("display")) for one in observation.children("performer")
    ]
    types = {reference.split("/")[-2] for reference, _ in performers if reference is not None and "/" in reference}
    unlisted = any(reference is None and (display or "").endswith(PROXY_WORDS) for reference, display in performers)
    if "RelatedPerson" in types or unlisted:
        return Informant.PROXY
    return Informant.PATIENT if "Patient" in types else None


def _is_prorated(observation: Element) -> bool:
    """Tell whether missing items were filled in: in what this app wrote, a method always says so."""
    method = observation.find_child("method")
    if method is None:
        return False
    ours = any(one.find_string("system") == RESULT_IDENTIFIER for one in observation.children("identifier"))
    return ours or "prorat" in (method.find_string("text") or "").lower()


def _conflicts(points: list[Point]) -> list[Issue]:
    seen: set[tuple[str, object]] = set()
    issues = []
    for point in points:
        key = (point.score_id, point.at.earliest)
        if key in seen:
            text = "Two results of the same time differ; both are kept."
            issues.append(_issue("results-differ", point.reference or "Observation", text))
        seen.add(key)
    return issues
