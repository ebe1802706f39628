"""An instrument: one FHIR Bundle of Questionnaire, ObservationDefinitions and PlanDefinition, parsed once.

Sources: http://hl7.org/fhir/R4/bundle.html (collection); the Bundle's own rules in docs/instruments.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fhir_mappings.calculation import Underivable, build_expression, find_asked
from fhir_mappings.element import Element
from fhir_mappings.errors import MalformedInstrument, UnknownItem
from fhir_mappings.observation_definition import parse_scores
from fhir_mappings.questionnaire import EnableWhen, Item, Operator, Option, find_instruction, parse_items, walk_items
from fhir_mappings.r4 import Coding, Json, parse_json_strict
from fhir_mappings.risk_rule import Actions, NextInstrument, RiskRule, parse_actions
from fhir_mappings.score_definition import (
    Band,
    ChangeKind,
    ChangeThreshold,
    Cutoff,
    MissingRule,
    Points,
    ScoreDefinition,
    ScoreKind,
)
from fhir_mappings.systems import EXT_INSTRUMENT, EXT_NEEDS_TEXT

__all__ = [
    "Band",
    "ChangeKind",
    "ChangeThreshold",
    "Coding",
    "Cutoff",
    "EnableWhen",
    "Instrument",
    "Item",
    "MissingRule",
    "NextInstrument",
    "Operator",
    "Option",
    "Points",
    "RiskRule",
    "ScoreDefinition",
    "ScoreKind",
    "parse_instrument",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instrument:
    """A screening instrument. Identity is the object's own: parse a Bundle once and keep it.

    `id` is the Questionnaire's id ("phq-9"), `coding` its panel code, `age_range` the validated ages in years (None:
    open end), `interval_days` the re-screen interval (None: none published). `attribution` and `loinc_notice` are
    shown wherever the text is. `needs_text`: where to get the wording that is not shipped; until a site has supplied
    it, the instrument can't be given. `advice`: answers that call for something other than a risk alert.
    `has_plan` False: a bare Questionnaire, of which nobody says what its answers call for.
    """

    id: str
    url: str
    version: str
    title: str
    short_name: str
    language: str
    coding: Coding
    instruction: str
    recall_period: str
    items: tuple[Item, ...] = field(repr=False)
    scores: tuple[ScoreDefinition, ...] = field(repr=False)
    risk_rules: tuple[RiskRule, ...]
    next_instruments: tuple[NextInstrument, ...]
    interval_days: int | None
    age_range: tuple[int | None, int | None]
    attribution: str
    loinc_notice: str
    needs_text: str | None = None
    has_plan: bool = True
    advice: tuple[RiskRule, ...] = ()
    questionnaire: Json = field(repr=False)
    observation_definitions: tuple[Json, ...] = field(repr=False)
    plan_definition: Json = field(repr=False)
    bundle: Json = field(repr=False)
    by_link_id: dict[str, Item] = field(repr=False)
    required_items: tuple[Item, ...] = field(repr=False)

    @property
    def canonical(self) -> str:
        """`url|version`, as QuestionnaireResponse.questionnaire names it; the bare url where there is no version."""
        return f"{self.url}|{self.version}" if self.version else self.url

    @property
    def edition(self) -> str:
        """`url|major`: versions of one major number have the same wording, options and scoring."""
        return edition_of(self.canonical)

    @property
    def asks_about_suicide(self) -> bool:
        """Whether some item carries a risk rule; if not, pages and notes say so by `suicide_notice`."""
        return bool(self.risk_rules)

    @property
    def suicide_notice(self) -> str:
        """What pages and notes say of a form without risk rules, "" of one that has some."""
        if self.asks_about_suicide:
            return ""
        return (
            "Suicide not asked." if self.has_plan else "This form comes without risk rules: no answer raises an alert."
        )

    def fits_age(self, age: int | None) -> bool | None:
        """Tell whether the instrument is validated for an age in years; None where that depends on an unknown age."""
        low, high = self.age_range
        if age is None:
            return True if low is None and high is None else None
        return (low is None or age >= low) and (high is None or age <= high)

    def counts(self, link_id: str) -> bool:
        """Tell whether a score or level looks at the item, if only to tell whether one that counts is asked."""
        counted = {counting for score in self.scores for counting in score.item_link_ids}
        return link_id in find_asked(counted, self.by_link_id)

    def get_item(self, link_id: str) -> Item:
        """Give the item. Raises: UnknownItem."""
        try:
            return self.by_link_id[link_id]
        except KeyError as error:
            raise UnknownItem("item.linkId", "no such item in this instrument") from error

    def get_score(self, score_id: str) -> ScoreDefinition:
        """Give the score's definition. Raises: UnknownItem."""
        for score in self.scores:
            if score.id == score_id:
                return score
        raise UnknownItem("score", "no such score in this instrument")


def edition_of(canonical: str) -> str:
    """Give `url|major` of a canonical `url|version`; a canonical without version is its own edition."""
    url, _, version = canonical.partition("|")
    return f"{url}|{version.split('.', 1)[0]}" if version else url


def parse_instrument(body: bytes) -> Instrument:
    """Parse an instrument Bundle.

    Raises: MalformedJson; MalformedInstrument naming the element that breaks the rules.
    """
    bundle = Element(parse_json_strict(body), "Bundle", MalformedInstrument)
    if bundle.string("resourceType") != "Bundle" or bundle.string("type") != "collection":
        raise bundle.fault("type", "not a collection Bundle")
    questionnaire = _only(bundle, "Questionnaire")
    plan = _only(bundle, "PlanDefinition")
    definitions = _resources(bundle, "ObservationDefinition")
    scores = parse_scores(questionnaire, definitions)
    actions = parse_actions(plan)
    items = _required(
        parse_items(
            questionnaire,
            scored=frozenset(link_id for score in scores if score.adds_weights for link_id in score.item_link_ids),
            risk=frozenset(rule.link_id for rule in actions.risk_rules),
        ),
        scores,
    )
    by_link_id = {item.link_id: item for item in items}
    scores = tuple(_named(score, by_link_id) for score in scores)
    _check_scores(questionnaire, by_link_id, scores)
    _check_actions(plan, by_link_id, scores, actions)
    needs_text = questionnaire.find_extension(EXT_NEEDS_TEXT)
    details = questionnaire.extension(EXT_INSTRUMENT)
    attribution, _, loinc_notice = questionnaire.string("copyright").partition("\n\n")
    if not loinc_notice and b'"http://loinc.org"' in body:
        raise questionnaire.fault("copyright", "needs attribution and LOINC notice, with an empty line between")
    return Instrument(
        id=questionnaire.string("id"),
        url=questionnaire.string("url"),
        version=questionnaire.string("version"),
        title=questionnaire.string("title"),
        short_name=details.extension("shortName").string("valueString"),
        language=questionnaire.string("language"),
        coding=questionnaire.first_coding("code"),
        instruction=_instruction(questionnaire, needed=needs_text is None),
        recall_period=details.extension("recallPeriod").string("valueString"),
        items=items,
        scores=scores,
        risk_rules=actions.risk_rules,
        advice=actions.advice,
        next_instruments=actions.next_instruments,
        interval_days=actions.interval_days,
        age_range=parse_age_range(questionnaire),
        attribution=attribution,
        loinc_notice=loinc_notice,
        needs_text=None if needs_text is None else needs_text.string("valueString"),
        questionnaire=questionnaire.value,
        observation_definitions=tuple(definition.value for definition in definitions),
        plan_definition=plan.value,
        bundle=bundle.value,
        by_link_id=by_link_id,
        required_items=tuple(item for item in items if item.required),
    )


def _resources(bundle: Element, resource_type: str) -> list[Element]:
    resources = (entry.child("resource") for entry in bundle.children("entry"))
    return [
        Element(resource.value, resource_type, MalformedInstrument)
        for resource in resources
        if resource.string("resourceType") == resource_type
    ]


def _only(bundle: Element, resource_type: str) -> Element:
    found = _resources(bundle, resource_type)
    if len(found) != 1:
        raise bundle.fault("entry", f"needs exactly one {resource_type}")
    return found[0]


def _check_scores(questionnaire: Element, by_link_id: dict[str, Item], scores: tuple[ScoreDefinition, ...]) -> None:
    """Check that linkIds are unique and that scores name items that exist and span their range."""
    stated = [element.string("linkId") for element, _ in walk_items(questionnaire)]
    if len(set(stated)) != len(stated):
        raise questionnaire.fault("item.linkId", "stands twice")
    for score in scores:
        fault = _find_score_fault(score, by_link_id)
        if fault:
            raise questionnaire.fault(f"item({score.link_id})", fault)


def _find_score_fault(score: ScoreDefinition, by_link_id: dict[str, Item]) -> str:
    """Say what is wrong with a score against the items it is made from, "" where nothing is."""
    if score.kind is ScoreKind.EXPRESSION:
        return ""
    if not by_link_id.keys() >= set(score.item_link_ids):
        return "is made from an item that does not exist"
    items = [by_link_id[link_id] for link_id in score.item_link_ids]
    if score.kind is ScoreKind.LEVEL:
        for condition in (one for level in score.levels for one in level.conditions):
            if any(not {*condition.codes} & by_link_id[one].by_code.keys() for one in condition.link_ids):
                return "asks for a code that is no answer"
    elif score.range != score.find_span(item.weights for item in items):
        return "option weights do not span the score's range"
    try:
        expected = build_expression(score, by_link_id)
    except Underivable as error:
        return f"cannot be told natively: {error}"
    return "" if score.expression == expected else f"its expression should be {expected}"


def _check_actions(
    plan: Element, by_link_id: dict[str, Item], scores: tuple[ScoreDefinition, ...], actions: Actions
) -> None:
    """Check that each rule can fire: its item exists, has a weight on every option, or the codes it names."""
    rules = actions.risk_rules + actions.advice
    if len({rule.id for rule in rules}) != len(rules):
        raise plan.fault("action.id", "stands twice")
    for rule in rules:
        item = by_link_id.get(rule.link_id)
        if item is None:
            raise plan.fault(f"action({rule.id})", "names an item that does not exist")
        if rule.at_least is not None and not any(weight >= rule.at_least for weight in item.weights):
            raise plan.fault(f"action({rule.id})", "asks for a weight that no answer has")
        if rule.at_least is not None and len(item.weights) != len(item.options):
            raise plan.fault(f"action({rule.id})", "asks for a weight where an answer has none")
        if not {option.coding.code for option in item.options} >= set(rule.codes):
            raise plan.fault(f"action({rule.id})", "names a code that is no answer")
        if rule.level_of is not None and not any(score.id == rule.level_of and score.levels for score in scores):
            raise plan.fault(f"action({rule.id})", "names a level that does not exist")
    known = by_link_id.keys() | {score.link_id for score in scores}
    if not known >= {follow.link_id for follow in actions.next_instruments}:
        raise plan.fault("action", "names an item or score that does not exist")


def _named(score: ScoreDefinition, by_link_id: dict[str, Item]) -> ScoreDefinition:
    """Tell items from the other words that an expression has in quotes."""
    if score.kind is not ScoreKind.EXPRESSION:
        return score
    return replace(score, item_link_ids=tuple(word for word in score.item_link_ids if word in by_link_id))


def _required(items: tuple[Item, ...], scores: tuple[ScoreDefinition, ...]) -> tuple[Item, ...]:
    """Mark as required what a score cannot do without: its items, and those that decide whether they are asked."""
    by_link_id = {item.link_id: item for item in items}
    asked = {
        link_id
        for score in scores
        if score.kind is not ScoreKind.EXPRESSION
        for link_id in find_asked(score.item_link_ids, by_link_id)
    }
    if not scores:
        asked = find_choices(items)
    return tuple(replace(item, required=item.required or item.link_id in asked) for item in items)


def find_choices(items: Iterable[Item]) -> set[str]:
    """Give the linkIds of the choices that somebody is asked for: a form without scores is incomplete without them."""
    return {item.link_id for item in items if item.options and item.is_given}


def _instruction(questionnaire: Element, *, needed: bool) -> str:
    item = find_instruction(questionnaire)
    text = None if item is None else item.find_string("text")
    if needed and text is None:
        raise questionnaire.fault("item", "needs a display item with the instruction")
    return text or ""


def parse_age_range(questionnaire: Element) -> tuple[int | None, int | None]:
    """Parse the validated ages of Questionnaire.useContext, in years; None is an open end."""
    for context in questionnaire.children("useContext"):
        if context.child("code").string("code") == "age":
            span = context.child("valueRange")
            low, high = (span.find_child(end) for end in ("low", "high"))
            return None if low is None else low.integer("value"), None if high is None else high.integer("value")
    return None, None
