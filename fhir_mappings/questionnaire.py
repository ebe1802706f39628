"""The items of a Questionnaire: what is asked, the options with their weights, and when an item is enabled.

Sources: http://hl7.org/fhir/R4/questionnaire.html; itemWeight and calculatedExpression of SDC 4.0
(http://hl7.org/fhir/uv/sdc/).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from fhir_mappings.element import Element
from fhir_mappings.errors import UnknownOption
from fhir_mappings.r4 import Coding
from fhir_mappings.systems import EXT_EQUIVALENT_ANSWER, EXT_SCORE_DEFINITION, ITEM_WEIGHT, ORDINAL_VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One answer that an item offers.

    `weight` is what it adds to a score, in points; None where it has none. `equivalents` are other codes that stand
    for this answer in foreign data (LOINC binds GAD-7 item 2 to "More days than not").
    """

    coding: Coding
    text: str
    weight: int | Decimal | None
    equivalents: tuple[Coding, ...] = ()


class Operator(StrEnum):
    """Questionnaire.item.enableWhen.operator, as far as choice items need it."""

    EXISTS = "exists"
    EQUAL = "="
    NOT_EQUAL = "!="


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableWhen:
    """One condition on another item's answer: a code, or for `exists` a boolean."""

    link_id: str
    operator: Operator
    answer: Coding | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of an instrument, in print order.

    `number` is the printed number ("9"). `scored`: counts in some score. `risk`: a risk rule looks at it. `required`: a
    result without it is incomplete; that holds for scored and risk items though the Questionnaire requires no answer,
    for whoever is asked may decline, and a completed response must stay valid.
    `may_decline`: "prefer not to answer" is offered, and recorded as asked-declined.
    """

    link_id: str
    number: str
    text: str
    type: str
    coding: Coding | None
    options: tuple[Option, ...]
    required: bool
    scored: bool
    risk: bool
    may_decline: bool = True
    enable_when: tuple[EnableWhen, ...] = ()
    enable_any: bool = True
    by_code: Mapping[str, Option] = field(repr=False)

    def get_option(self, code: str, system: str | None = None) -> Option:
        """Give the option of that code (and system, where told), following equivalents. Raises: UnknownOption."""
        option = self.by_code.get(code)
        if option is not None:
            for coding in (option.coding, *option.equivalents):
                if coding.code == code and system in (None, coding.system):
                    return option
        raise UnknownOption(self.link_id, "no such option")


def parse_items(questionnaire: Element, scored: frozenset[str], risk: frozenset[str]) -> tuple[Item, ...]:
    """Parse the answerable items, in print order; the caller says which are scored and which carry a risk rule.

    Display items and score items (they have our score-definition extension) are left out. Raises: the element's error
    for an item type, an operator or an option that is not supported.
    """
    return tuple(
        _parse_item(element, scored, risk)
        for element in questionnaire.children("item")
        if element.string("type") != "display" and element.find_extension(EXT_SCORE_DEFINITION) is None
    )


def _parse_item(element: Element, scored: frozenset[str], risk: frozenset[str]) -> Item:
    link_id = element.string("linkId")
    item_type = element.string("type")
    if item_type != "choice":
        raise element.fault("type", "only choice items are supported")
    options = tuple(_parse_option(option) for option in element.children("answerOption"))
    by_code = {coding.code: option for option in options for coding in (option.coding, *option.equivalents)}
    if len(options) < 2 or len(by_code) != sum(1 + len(option.equivalents) for option in options):
        raise element.fault("answerOption", "needs two options at least, each code once")
    if link_id in scored and any(option.weight is None for option in options):
        raise element.fault("answerOption", "every option of a scored item needs a weight")
    behavior = element.find_string("enableBehavior") or "all"
    if behavior not in ("any", "all"):
        raise element.fault("enableBehavior", "neither any nor all")
    return Item(
        link_id=link_id,
        number=element.string("prefix"),
        text=element.string("text"),
        type=item_type,
        coding=next((code.coding() for code in element.children("code")), None),
        options=options,
        required=link_id in scored or link_id in risk or element.boolean("required", default=False),
        scored=link_id in scored,
        risk=link_id in risk,
        enable_when=tuple(_parse_enable_when(condition) for condition in element.children("enableWhen")),
        enable_any=behavior == "any",
        by_code=by_code,
    )


def _parse_option(element: Element) -> Option:
    coding = element.child("valueCoding")
    return Option(
        coding=coding.coding(),
        text=coding.string("display"),
        weight=find_weight(element, coding),
        equivalents=tuple(
            extension.child("valueCoding").coding() for extension in element.extensions(EXT_EQUIVALENT_ANSWER)
        ),
    )


def find_weight(*elements: Element) -> int | Decimal | None:
    """Give the weight that itemWeight and ordinalValue extensions state; where several do, they must agree."""
    stated = [
        extension.number("valueDecimal")
        for element in elements
        for url in (ITEM_WEIGHT, ORDINAL_VALUE)
        for extension in element.extensions(url)
    ]
    if any(weight != stated[0] for weight in stated):
        raise elements[0].fault("extension(itemWeight)", "weights that differ")
    return stated[0] if stated else None


def _parse_enable_when(element: Element) -> EnableWhen:
    word = element.string("operator")
    try:
        operator = Operator(word)
    except ValueError as error:
        raise element.fault("operator", "not supported") from error
    answer: Coding | bool = (
        element.boolean("answerBoolean") if operator is Operator.EXISTS else element.child("answerCoding").coding()
    )
    return EnableWhen(link_id=element.string("question"), operator=operator, answer=answer)
