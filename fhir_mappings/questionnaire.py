"""The items of a Questionnaire: what is asked, the options with their weights, and when an item is enabled.

Sources: http://hl7.org/fhir/R4/questionnaire.html; its extensions minValue, maxValue, unit, unitOption and hidden;
itemWeight and calculatedExpression of SDC 4.0 (http://hl7.org/fhir/uv/sdc/).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from fhir_mappings.answer_value import SUFFIXES, AnswerValue, parse_value
from fhir_mappings.element import Element
from fhir_mappings.errors import UnknownOption
from fhir_mappings.r4 import Coding
from fhir_mappings.systems import (
    CALCULATED_EXPRESSION,
    EXT_APPLIES_TO,
    EXT_EQUIVALENT_ANSWER,
    EXT_ITEM_LABEL,
    EXT_SCORE_DEFINITION,
    HIDDEN,
    ITEM_WEIGHT,
    MAX_VALUE,
    MIN_VALUE,
    ORDINAL_VALUE,
    UNIT,
    UNIT_OPTION,
)

SILENT_TYPES: Final = frozenset({"group", "display"})
CHOICE_TYPES: Final = frozenset({"choice", "open-choice"})
# Types that can be answered more than once here, one answer a line or a box to tick each.
REPEATABLE_TYPES: Final = CHOICE_TYPES | {"integer", "decimal", "string", "date", "dateTime", "time"}
ORDERED_TYPES: Final = frozenset({"integer", "decimal", "date", "dateTime", "time", "quantity"})


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
    """Questionnaire.item.enableWhen.operator."""

    EXISTS = "exists"
    EQUAL = "="
    NOT_EQUAL = "!="
    GREATER = ">"
    LESS = "<"
    AT_LEAST = ">="
    AT_MOST = "<="


ORDERING: Final = frozenset({Operator.GREATER, Operator.LESS, Operator.AT_LEAST, Operator.AT_MOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableWhen:
    """One condition on another item's answer; for `exists` the answer is a boolean."""

    link_id: str
    operator: Operator
    answer: AnswerValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The conditions of one group or item, of which all or any must hold."""

    conditions: tuple[EnableWhen, ...]
    any: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of an instrument, in print order, however deep its groups are.

    `number` is the printed number ("9"), "" where none is printed; `text` the wording, or the short label where the
    wording is not shipped. `scored`: counts in some score. `risk`: a risk rule looks at it. `required`: a
    result without it is incomplete; that holds for scored and risk items though the Questionnaire requires no answer,
    for whoever is asked may decline, and a completed response must stay valid.
    `may_decline`: "prefer not to answer" is offered, and recorded as asked-declined.
    `applies_to`: the R4 administrative gender to whom alone it need apply; others may leave it out.
    `parents` are the linkIds of the groups and items that hold it, outermost first, `gates` their conditions, and
    `headings` the group titles and display texts that stand right before it. `initial` is what it starts with: the
    answer itself where the item is `hidden` or `read_only`. `units` are those that a quantity can be given in.
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
    applies_to: str | None = None
    enable_when: tuple[EnableWhen, ...] = ()
    enable_any: bool = True
    gates: tuple[Gate, ...] = ()
    parents: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    repeats: bool = False
    max_length: int | None = None
    min_value: AnswerValue | None = None
    max_value: AnswerValue | None = None
    read_only: bool = False
    hidden: bool = False
    initial: tuple[AnswerValue, ...] = ()
    units: tuple[Coding, ...] = ()
    by_code: Mapping[str, Option] = field(repr=False)

    @property
    def is_single_choice(self) -> bool:
        """Whether its answer is one coded option: the only kind that sums of weights are made of."""
        return self.type == "choice" and not self.repeats

    @property
    def is_given(self) -> bool:
        """Whether somebody answers it; else its answer is its initial value."""
        return not (self.hidden or self.read_only)

    @property
    def weights(self) -> tuple[int | Decimal, ...]:
        """What its options add to a score, those that have a weight."""
        return tuple(option.weight for option in self.options if option.weight is not None)

    def may_be_left_by(self, gender: str | None) -> bool:
        """Tell whether it need not apply to a patient of this R4 administrative gender; of one not known it must."""
        return {self.applies_to, gender} == {"male", "female"}

    def get_option(self, code: str, system: str | None = None) -> Option:
        """Give the option of that code (and system, where told), following equivalents. Raises: UnknownOption."""
        option = self.by_code.get(code)
        if option is not None:
            for coding in (option.coding, *option.equivalents):
                if coding.code == code and system in (None, coding.system):
                    return option
        raise UnknownOption(self.link_id, "no such option")


def walk_items(questionnaire: Element) -> Iterator[tuple[Element, tuple[Element, ...]]]:
    """Give every item of a Questionnaire in print order, each with the items that hold it, outermost first."""
    stack: list[tuple[Element, tuple[Element, ...]]] = [(questionnaire, ())]
    while stack:
        item, holders = stack.pop()
        if item is not questionnaire:
            yield item, holders
            holders = (*holders, item)
        stack += [(child, holders) for child in reversed(list(item.children("item")))]


def is_calculated(element: Element) -> bool:
    """Tell whether an item's answer is worked out from the others and never asked for."""
    return (
        element.find_extension(EXT_SCORE_DEFINITION) is not None
        or element.find_extension(CALCULATED_EXPRESSION) is not None
    )


def find_instruction(questionnaire: Element) -> Element | None:
    """Give the display item that introduces the form: the first one at the top."""
    return next((item for item in questionnaire.children("item") if item.string("type") == "display"), None)


def parse_items(questionnaire: Element, scored: frozenset[str], risk: frozenset[str]) -> tuple[Item, ...]:
    """Parse the answerable items, in print order; the caller says which are scored and which carry a risk rule.

    Display items and calculated items are left out. Raises: the element's error for an item type, an operator or an
    option that is not supported.
    """
    items = []
    headings: list[str] = []
    surroundings = _Surroundings(
        types={
            element.string("linkId"): element.string("type")
            for element, _ in walk_items(questionnaire)
            if not is_calculated(element)
        },
        value_sets={f"#{one.string('id')}": one for one in questionnaire.children("contained")},
    )
    instruction = find_instruction(questionnaire)
    for element, holders in walk_items(questionnaire):
        if is_calculated(element) or (instruction is not None and element.value is instruction.value):
            continue
        if element.string("type") in SILENT_TYPES:
            heading = element.find_string("text")
            headings += [] if heading is None or _is_hidden(element) else [heading]
            continue
        items.append(_Reader(element, holders, surroundings).read(scored, risk, tuple(headings)))
        headings.clear()
    return tuple(items)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What an item may point at: the types of what is not calculated by linkId, the contained resources by "#id"."""

    types: Mapping[str, str]
    value_sets: Mapping[str, Element]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one item: its element, what holds it, and what it may point at."""

    element: Element
    holders: tuple[Element, ...]
    surroundings: _Surroundings

    def read(self, scored: frozenset[str], risk: frozenset[str], headings: tuple[str, ...]) -> Item:
        element = self.element
        link_id = element.string("linkId")
        item_type = element.string("type")
        if item_type not in SUFFIXES:
            raise element.fault("type", "not a supported item type")
        repeats = element.boolean("repeats", default=False) and item_type in REPEATABLE_TYPES
        options = tuple(self._options()) if item_type in CHOICE_TYPES else ()
        by_code = {coding.code: option for option in options for coding in (option.coding, *option.equivalents)}
        fewest = 2 if item_type == "choice" else 0
        if len(options) < fewest or len(by_code) != sum(1 + len(option.equivalents) for option in options):
            raise element.fault("answerOption", "needs two options at least, each code once")
        if link_id in scored and (item_type != "choice" or repeats):
            raise element.fault("type", "only one choice can count in a score")
        if link_id in scored and any(option.weight is None for option in options):
            raise element.fault("answerOption", "every option of a scored item needs a weight")
        conditions, enable_any = self._gate(element)
        applies_to = element.find_extension(EXT_APPLIES_TO)
        return Item(
            link_id=link_id,
            # A risk item is named by its number wherever it is spoken of.
            number=element.string("prefix") if link_id in risk else element.find_string("prefix") or "",
            text=self._text(),
            type=item_type,
            coding=next((code.coding() for code in element.children("code")), None),
            options=options,
            required=link_id in scored or link_id in risk or element.boolean("required", default=False),
            scored=link_id in scored,
            risk=link_id in risk,
            applies_to=None if applies_to is None else applies_to.string("valueCode"),
            enable_when=conditions,
            enable_any=enable_any,
            gates=tuple(self._gates()),
            parents=tuple(holder.string("linkId") for holder in self.holders),
            headings=headings,
            repeats=repeats,
            max_length=element.find_integer("maxLength"),
            min_value=self._limit(MIN_VALUE, item_type),
            max_value=self._limit(MAX_VALUE, item_type),
            read_only=element.boolean("readOnly", default=False),
            hidden=any(_is_hidden(one) for one in (*self.holders, element)),
            initial=tuple(self._initial(item_type)),
            units=tuple(
                extension.child("valueCoding").coding()
                for url in (UNIT, UNIT_OPTION)
                for extension in element.extensions(url)
            )
            if item_type == "quantity"
            else (),
            by_code=by_code,
        )

    def _text(self) -> str:
        label = self.element.find_extension(EXT_ITEM_LABEL)
        if label is None or "text" in self.element.value:
            return self.element.string("text")
        return label.string("valueString")

    def _options(self) -> Iterator[Option]:
        named = self.element.find_string("answerValueSet")
        if named is None:
            yield from (parse_option(option) for option in self.element.children("answerOption"))
        elif named in self.surroundings.value_sets:
            yield from parse_value_set(self.surroundings.value_sets[named])
        else:
            raise self.element.fault("answerValueSet", "not a ValueSet that the Questionnaire contains")

    def _gates(self) -> Iterator[Gate]:
        for holder in self.holders:
            conditions, enable_any = self._gate(holder)
            if conditions:
                yield Gate(conditions=conditions, any=enable_any)
            if holder.string("type") not in SILENT_TYPES:
                # What follows from a question stands in a response inside that question's answer.
                answered = EnableWhen(link_id=holder.string("linkId"), operator=Operator.EXISTS, answer=True)
                yield Gate(conditions=(answered,), any=False)

    def _gate(self, element: Element) -> tuple[tuple[EnableWhen, ...], bool]:
        behavior = element.find_string("enableBehavior") or "all"
        if behavior not in ("any", "all"):
            raise element.fault("enableBehavior", "neither any nor all")
        return tuple(self._condition(condition) for condition in element.children("enableWhen")), behavior == "any"

    def _condition(self, element: Element) -> EnableWhen:
        word = element.string("operator")
        try:
            operator = Operator(word)
        except ValueError as error:
            raise element.fault("operator", "not supported") from error
        link_id = element.string("question")
        item_type = "boolean" if operator is Operator.EXISTS else self.surroundings.types.get(link_id)
        if item_type not in SUFFIXES:
            raise element.fault("question", "names no item that is answered")
        if operator in ORDERING and item_type not in ORDERED_TYPES:
            raise element.fault("operator", f"cannot order answers of type {item_type}")
        return EnableWhen(link_id=link_id, operator=operator, answer=parse_value(element, item_type, "answer"))

    def _limit(self, url: str, item_type: str) -> AnswerValue | None:
        extension = self.element.find_extension(url)
        return None if extension is None else parse_value(extension, item_type)

    def _initial(self, item_type: str) -> Iterator[AnswerValue]:
        for initial in self.element.children("initial"):
            yield parse_value(initial, item_type)
        for option in self.element.children("answerOption"):
            if option.boolean("initialSelected", default=False):
                yield parse_value(option, item_type)


def parse_value_set(value_set: Element) -> Iterator[Option]:
    """Parse the concepts that a ValueSet lists. Raises: the element's error for one that is not a plain list."""
    if value_set.string("resourceType") != "ValueSet":
        raise value_set.fault("resourceType", "not a ValueSet")
    expansion = value_set.find_child("expansion")
    if expansion is not None:
        listed = [(concept.string("system"), concept) for concept in expansion.children("contains")]
    else:
        listed = []
        for include in value_set.child("compose").children("include"):
            if include.value.keys() & {"filter", "valueSet"}:
                raise include.fault("", "not a plain list of concepts")
            listed += [(include.string("system"), concept) for concept in include.children("concept")]
    for system, concept in listed:
        code, display = concept.string("code"), concept.find_string("display")
        coding = Coding(system=system, code=code, display=display)
        yield Option(coding=coding, text=display or code, weight=find_weight(concept))


def parse_option(element: Element) -> Option:
    """Parse one answerOption, a Coding with or without weight. Raises: the element's error."""
    coding = element.child("valueCoding")
    return Option(
        coding=coding.coding(),
        text=coding.find_string("display") or coding.string("code"),
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


def _is_hidden(element: Element) -> bool:
    extension = element.find_extension(HIDDEN)
    return extension is not None and extension.boolean("valueBoolean")
