"""A Questionnaire that is none of ours, made into an instrument: a site's own, or one that the EHR names.

Source: http://hl7.org/fhir/R4/questionnaire.html; scores only from SDC 4.0 calculatedExpression. A bare Questionnaire
publishes no bands, cut-offs or risk rules, so none are made up: its scores are numbers, nothing is positive or
negative. A site that wants more gives a Bundle as docs/instruments.md describes it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from fhir_mappings.calculation import Calculation, Underivable, build_expression, find_asked, find_calculation
from fhir_mappings.element import Element
from fhir_mappings.errors import Issue, MalformedInstrument, MappingError, Severity
from fhir_mappings.fhirpath_scoring import ExpressionPlan, plan_expressions
from fhir_mappings.instrument import Instrument, find_choices, parse_age_range, parse_instrument
from fhir_mappings.questionnaire import Item, find_instruction, is_calculated, parse_items, walk_items
from fhir_mappings.questionnaire_check import check_questionnaire
from fhir_mappings.r4 import Coding, Json, parse_json_strict
from fhir_mappings.score_definition import UNBOUNDED, ScoreDefinition, ScoreKind
from fhir_mappings.systems import CALCULATED_EXPRESSION, UNIT

_POINTS: Final = "{score}"


def parse_site_instrument(body: bytes, *, instrument_id: str | None = None) -> Instrument:
    """Check and parse an instrument Bundle, or a bare R4 Questionnaire; `instrument_id` replaces the latter's own id.

    Raises: MalformedJson; MalformedInstrument naming the first element that speaks against it.
    """
    value = parse_json_strict(body)
    for questionnaire in _find_questionnaires(value):
        for issue in check_questionnaire(questionnaire):
            if issue.severity is Severity.ERROR:
                raise MalformedInstrument(issue.expression, f"{issue.text} ({issue.code})")
    if value.get("resourceType") != "Questionnaire":
        return parse_instrument(body)
    return _build(Element(value, "Questionnaire", MalformedInstrument), instrument_id)


def check_site_instrument(body: bytes) -> tuple[Issue, ...]:
    """Give all that speaks against a Bundle or a bare Questionnaire, and what is not done that it may expect.

    What can't even be read is an Issue like the rest, under the code of its error. Raises nothing.
    """
    try:
        value = parse_json_strict(body)
    except MappingError as error:
        return (_refusal(error),)
    issues = [issue for questionnaire in _find_questionnaires(value) for issue in check_questionnaire(questionnaire)]
    if not any(issue.severity is Severity.ERROR for issue in issues):
        try:
            parse_site_instrument(body)
        except MappingError as error:
            issues.append(_refusal(error))
    return tuple(issues)


def _find_questionnaires(value: Json) -> Iterator[Json]:
    entries = value.get("entry")
    held = [
        entry.get("resource") for entry in (entries if isinstance(entries, list) else ()) if isinstance(entry, dict)
    ]
    for resource in (value, *held):
        if isinstance(resource, dict) and resource.get("resourceType") == "Questionnaire":
            yield resource


def _refusal(error: MappingError) -> Issue:
    return Issue(severity=Severity.ERROR, code=error.code, expression=error.expression, text=error.problem)


def _build(root: Element, instrument_id: str | None) -> Instrument:
    url = root.string("url")
    title = root.find_string("title") or root.string("name")
    items = {item.link_id: item for item in parse_items(root, scored=frozenset(), risk=frozenset())}
    scores = tuple(_parse_scores(root, url, items))
    counted = {link_id for score in scores for link_id in score.item_link_ids}
    asked = find_asked(counted, items)
    items = {
        link_id: replace(item, scored=link_id in counted, required=item.is_given if link_id in asked else item.required)
        for link_id, item in items.items()
    }
    if not scores:
        items |= {link_id: replace(items[link_id], required=True) for link_id in find_choices(items.values())}
    instruction = find_instruction(root)
    attribution, _, loinc_notice = (root.find_string("copyright") or "").partition("\n\n")
    coding = next((code.coding() for code in root.children("code")), None)
    plan = {"resourceType": "PlanDefinition", "status": "unknown"}
    return Instrument(
        id=instrument_id or root.find_string("id") or url.rstrip("/").rpartition("/")[2],
        url=url,
        version=root.find_string("version") or "",
        title=title,
        short_name=root.find_string("title") or title,
        language=root.string("language"),
        coding=coding or Coding(system=_local_system(url), code="panel", display=title),
        instruction="" if instruction is None else instruction.string("text"),
        recall_period="",
        items=tuple(items.values()),
        scores=scores,
        risk_rules=(),
        next_instruments=(),
        interval_days=None,
        age_range=parse_age_range(root),
        attribution=attribution,
        loinc_notice=loinc_notice,
        questionnaire=root.value,
        observation_definitions=(),
        plan_definition=plan,
        has_plan=False,
        bundle={"resourceType": "Bundle", "type": "collection", "entry": [{"resource": root.value}]},
        by_link_id=items,
        required_items=tuple(item for item in items.values() if item.required),
    )


def _parse_scores(root: Element, url: str, items: Mapping[str, Item]) -> Iterator[ScoreDefinition]:
    plan = plan_expressions(root)
    for element, _ in walk_items(root):
        if is_calculated(element) and element.string("type") in ("integer", "decimal"):
            yield _parse_score(element, url, items, plan)


def _parse_score(element: Element, url: str, items: Mapping[str, Item], plan: ExpressionPlan) -> ScoreDefinition:
    link_id = element.string("linkId")
    expression = element.extension(CALCULATED_EXPRESSION).child("valueExpression").string("expression")
    named = plan.names(expression)
    label = element.find_string("text") or link_id
    unit = element.find_extension(UNIT)
    definition = ScoreDefinition(
        id=link_id,
        coding=next(
            (code.coding() for code in element.children("code")),
            Coding(system=_local_system(url), code=link_id, display=label),
        ),
        unit=_POINTS if unit is None else unit.child("valueCoding").string("code"),
        link_id=link_id,
        label=label,
        item_link_ids=tuple(link_id for link_id in items if link_id in named),
        range=UNBOUNDED,
        bands=(),
        cutoffs=(),
        missing_rule=None,
        changes=(),
        kind=ScoreKind.EXPRESSION,
        expression=expression,
    )
    calculation = find_calculation(expression)
    return definition if calculation is None else _make_native(definition, calculation, items)


def _make_native(definition: ScoreDefinition, calculation: Calculation, items: Mapping[str, Item]) -> ScoreDefinition:
    """Add a score up natively where its expression says just that of items that can be: it then has bounds, too."""
    added = [items[link_id] for link_id in calculation.item_link_ids if link_id in items]
    if len(added) < len(calculation.item_link_ids) or not all(item.is_single_choice for item in added):
        return definition
    native = replace(
        definition,
        kind=calculation.kind,
        item_link_ids=calculation.item_link_ids,
        count_from=calculation.count_from,
        factor=calculation.factor,
    )
    if any(len(item.weights) < len(item.options) for item in added):
        return definition
    native = replace(native, range=native.find_span(item.weights for item in added))
    try:
        same = build_expression(native, items) == definition.expression
    except Underivable:
        same = False
    return native if same else definition


def _local_system(url: str) -> str:
    """Name the local code system of a Questionnaire's linkIds, for what its author gave no code."""
    return f"{url}/linkId"
