"""What one item takes as its answer: read from what a page sends, held to the item's limits, and said in words.

Source: http://hl7.org/fhir/R4/questionnaire.html (maxLength, repeats, answerOption) and its extensions minValue and
maxValue. A page sends one text per item: the option's code, `true` or `false`, a number, a number and a unit's code,
a FHIR date, dateTime or time, or words; words that an open choice offers no option for come after `other:`. Several
answers to one item stand one a line.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from fhir_mappings.answer_value import AnswerValue, Quantity, find_order, parse_value, say_value
from fhir_mappings.element import Element
from fhir_mappings.errors import MappingError, UnfitAnswer, UnknownOption
from fhir_mappings.questionnaire import Item
from fhir_mappings.r4 import Coding, PartialDateTime, as_number

OTHER: Final = "other:"
LONGEST_TEXT: Final = 8_000
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,9})?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parse_answer_text(item: Item, text: str) -> tuple[AnswerValue, ...]:
    """Read an item's answer from a page's text. Raises: UnknownOption; UnfitAnswer naming the item."""
    if item.is_single_choice:
        return (item.get_option(text).coding,)
    if len(text) > LONGEST_TEXT or _CONTROL.search(text):
        raise UnfitAnswer(item.link_id, f"longer than {LONGEST_TEXT} characters, or with control characters")
    lines = [line.strip() for line in text.splitlines()] if item.repeats else [text.strip()]
    values = tuple(_parse_one(item, line) for line in dict.fromkeys(lines) if line)
    if not values:
        raise UnfitAnswer(item.link_id, "empty")
    check_values(item, values)
    return values


def check_values(item: Item, values: Sequence[AnswerValue]) -> None:
    """Hold an answer to the item's limits, as far as the two can be compared. Raises: UnfitAnswer, UnknownOption."""
    if len(values) > 1 and not item.repeats:
        raise UnfitAnswer(item.link_id, "takes one answer")
    for value in values:
        if isinstance(value, Coding) and item.options:
            item.get_option(value.code, value.system)
        if isinstance(value, str) and item.max_length is not None and len(value) > item.max_length:
            raise UnfitAnswer(item.link_id, f"longer than {item.max_length} characters")
        if item.min_value is not None and find_order(value, item.min_value) == -1:
            raise UnfitAnswer(item.link_id, f"below {say_value(item.min_value)}")
        if item.max_value is not None and find_order(value, item.max_value) == 1:
            raise UnfitAnswer(item.link_id, f"above {say_value(item.max_value)}")


def format_answer_text(item: Item, values: Sequence[AnswerValue]) -> str:
    """Give the text that a page would send for this answer: the inverse of `parse_answer_text`."""
    return "\n".join(_format_one(item, value) for value in values)


def say_values(item: Item, values: Sequence[AnswerValue]) -> str:
    """Say an answer in the instrument's own words, with its weight where it has one."""
    return ", ".join(_say_one(item, value) for value in values)


def _parse_one(item: Item, text: str) -> AnswerValue:
    match item.type:
        case "choice" | "open-choice":
            return _parse_choice(item, text)
        case "boolean":
            return _parse_boolean(item, text)
        case "integer" | "decimal":
            return _read(item, {f"value{item.type.capitalize()}": _parse_number(item, text)})
        case "quantity":
            return _parse_quantity(item, text)
        case "time" | "date" | "dateTime":
            full = f"{text}:00" if item.type == "time" and text.count(":") == 1 else text
            return _read(item, {f"value{item.type[0].upper()}{item.type[1:]}": full})
    return text


def _parse_choice(item: Item, text: str) -> Coding | str:
    words = text.removeprefix(OTHER)
    if item.type == "open-choice" and words != text and words.strip():
        return words.strip()
    return item.get_option(text).coding


def _parse_boolean(item: Item, text: str) -> bool:
    if text not in ("true", "false"):
        raise UnfitAnswer(item.link_id, "neither true nor false")
    return text == "true"


def _read(item: Item, value: dict[str, object]) -> AnswerValue:
    try:
        return parse_value(Element(value, item.link_id), item.type)
    except MappingError as error:
        raise UnfitAnswer(item.link_id, error.problem) from error


def _parse_number(item: Item, text: str) -> int | Decimal:
    if not _NUMBER.fullmatch(text):
        raise UnfitAnswer(item.link_id, "not a number")
    return as_number(Decimal(text))


def _parse_quantity(item: Item, text: str) -> Quantity:
    number, _, code = text.partition(" ")
    unit = next((unit for unit in item.units if not code or unit.code == code), None)
    if unit is None and (code or item.units):
        raise UnfitAnswer(item.link_id, "not one of its units")
    value = _parse_number(item, number)
    if unit is None:
        return Quantity(value=value)
    return Quantity(value=value, unit=unit.display or unit.code, system=unit.system, code=unit.code)


def _format_one(item: Item, value: AnswerValue) -> str:
    match value:
        case Coding():
            return value.code
        case bool():
            return "true" if value else "false"
        case Quantity():
            return f"{value.value} {value.code}" if value.code else str(value.value)
        case PartialDateTime():
            return value.text
        case str() if item.type == "open-choice":
            return OTHER + value
        case _:
            return str(value)


def _say_one(item: Item, value: AnswerValue) -> str:
    if not isinstance(value, Coding):
        return say_value(value)
    try:
        option = item.get_option(value.code, value.system)
    except UnknownOption:
        return say_value(value)
    return option.text if option.weight is None else f"{option.text} ({option.weight})"
