"""The values that an answer can have, by item type: read, built, compared and said.

Source: http://hl7.org/fhir/R4/questionnaire.html (item types, answer[x]); FHIRPath 2.0 comparison: dates of different
precision that agree as far as both go can't be ordered, and quantities of different units neither.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Final

from fhir_mappings.element import Element
from fhir_mappings.r4 import Coding, Json, PartialDateTime, Precision, parse_partial_date_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number with its unit; `code` is the unit's in `system` (mostly UCUM), `unit` the words for it."""

    value: int | Decimal
    unit: str | None = None
    system: str | None = None
    code: str | None = None

    def same_unit(self, other: "Quantity") -> bool:
        """Tell whether both count the same thing: by code, else by word."""
        return (self.system, self.code or self.unit) == (other.system, other.code or other.unit)

    def to_json(self) -> Json:
        """Give the R4 Quantity."""
        parts = {"value": self.value, "unit": self.unit, "system": self.system, "code": self.code}
        return {name: value for name, value in parts.items() if value is not None}


AnswerValue = Coding | Quantity | PartialDateTime | time | bool | int | Decimal | str

# Questionnaire.item.type → the suffixes of answer[x], value[x] and initial.value[x] that it takes.
SUFFIXES: Final = {
    "boolean": ("Boolean",),
    "choice": ("Coding",),
    "open-choice": ("Coding", "String"),
    "integer": ("Integer",),
    "decimal": ("Decimal",),
    "string": ("String",),
    "text": ("String",),
    "date": ("Date",),
    "dateTime": ("DateTime",),
    "time": ("Time",),
    "quantity": ("Quantity",),
}
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
_LARGEST_INTEGER: Final = 2**31 - 1


def parse_value(element: Element, item_type: str, prefix: str = "value") -> AnswerValue:
    """Read value[x] (or, by prefix, answer[x]) as an item of that type takes it.

    Raises: the element's error for no value, or one of another type.
    """
    for suffix in SUFFIXES[item_type]:
        name = prefix + suffix
        if name in element.value:
            return _READERS[suffix](element, name)
    raise element.fault(f"{prefix}[x]", f"not what an item of type {item_type} takes")


def _read_integer(element: Element, name: str) -> int:
    value = element.integer(name)
    if abs(value) > _LARGEST_INTEGER:
        raise element.fault(name, "outside 32 bits")
    return value


def _read_date(element: Element, name: str) -> PartialDateTime:
    found = _read_date_time(element, name)
    if found.precision is Precision.SECOND:
        raise element.fault(name, "a date with a time")
    return found


def _read_date_time(element: Element, name: str) -> PartialDateTime:
    return parse_partial_date_time(element.string(name), f"{element.path}.{name}")


def _read_time(element: Element, name: str) -> time:
    text = element.string(name)
    if not _TIME.fullmatch(text):
        raise element.fault(name, "not a FHIR time")
    return time.fromisoformat(text)


def _read_quantity(element: Element, name: str) -> Quantity:
    child = element.child(name)
    if "comparator" in child.value:
        raise child.fault("comparator", "a number that is only bounded")
    unit, system, code = (child.find_string(part) for part in ("unit", "system", "code"))
    return Quantity(value=child.number("value"), unit=unit, system=system, code=code)


_READERS: Final[Mapping[str, Callable[[Element, str], AnswerValue]]] = {
    "Boolean": lambda element, name: element.boolean(name),
    "Coding": lambda element, name: element.child(name).coding(),
    "Integer": _read_integer,
    "Decimal": lambda element, name: element.number(name),
    "String": lambda element, name: element.string(name),
    "Date": _read_date,
    "DateTime": _read_date_time,
    "Time": _read_time,
    "Quantity": _read_quantity,
}


def build_value(value: AnswerValue, item_type: str, prefix: str = "value") -> Json:
    """Build value[x] of an answer to an item of that type."""
    match value:
        case Coding() | Quantity():
            return {prefix + type(value).__name__: value.to_json()}
        case PartialDateTime():
            return {f"{prefix}{'Date' if item_type == 'date' else 'DateTime'}": value.text}
        case time():
            return {f"{prefix}Time": value.isoformat()}
        case bool():
            return {f"{prefix}Boolean": value}
        case str():
            return {f"{prefix}String": value}
        case int() | Decimal():
            return {f"{prefix}{'Integer' if item_type == 'integer' else 'Decimal'}": value}


def is_equal(one: AnswerValue, other: AnswerValue) -> bool:
    """Tell whether two answers say the same, as enableWhen asks."""
    match one, other:
        case Coding(), Coding():
            return one.same_code(other)
        case (bool(), bool()) | (str(), str()):
            return one == other
    return find_order(one, other) == 0


def find_order(one: AnswerValue, other: AnswerValue) -> int | None:
    """Give -1, 0 or 1 as the first is less, equal or greater; None where they can't be ordered."""
    match one, other:
        case (bool(), _) | (_, bool()):
            return None
        case (int() | Decimal(), int() | Decimal()):
            return (one > other) - (one < other)
        case (time(), time()):
            return (one > other) - (one < other)
        case (Quantity(), Quantity()):
            return (one.value > other.value) - (one.value < other.value) if one.same_unit(other) else None
        case (PartialDateTime(), PartialDateTime()):
            return _order_dates(one, other)
    return None


def _order_dates(one: PartialDateTime, other: PartialDateTime) -> int | None:
    if one.precision is other.precision:
        return (one.earliest > other.earliest) - (one.earliest < other.earliest)
    shared = min(one.precision, other.precision)
    length = {Precision.YEAR: 4, Precision.MONTH: 7, Precision.DAY: 10}[shared]
    early, late = one.text[:length], other.text[:length]
    return None if early == late else (early > late) - (early < late)


def say_value(value: AnswerValue) -> str:
    """Say a value that is no option of its item."""
    match value:
        case Coding():
            return value.display or value.code
        case Quantity():
            unit = value.unit or value.code
            return f"{value.value} {unit}" if unit else str(value.value)
        case PartialDateTime():
            return value.text
        case time():
            return value.isoformat("minutes")
        case bool():
            return "Yes" if value else "No"
        case _:
            return str(value)
