"""FHIR R4 JSON at the door: strict parsing, partial dates, and small builders of data types.

Sources: http://hl7.org/fhir/R4/json.html, http://hl7.org/fhir/R4/datatypes.html. Resources are plain JSON values
(`Json`); numbers with a fraction are `Decimal`, so that their precision survives.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from itertools import accumulate
from typing import Any, Final

from fhir_mappings.errors import InexactNumber, MalformedJson, MalformedResource

Json = dict[str, Any]

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_DEPTH: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """A code with its system; `display` is for people and never compared."""

    system: str
    code: str
    display: str | None = None

    def same_code(self, other: "Coding") -> bool:
        """Tell whether both name the same concept."""
        return self.code == other.code and self.system == other.system

    def to_json(self) -> Json:
        """Give the R4 Coding."""
        coding = {"system": self.system, "code": self.code}
        return coding if self.display is None else {**coding, "display": self.display}


def parse_json_strict(body: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Json:
    """Parse one JSON object of bounded size and depth, refusing doubled keys, NaN and anything but UTF-8.

    Raises: MalformedJson.
    """
    if len(body) > max_bytes:
        raise MalformedJson("$", f"longer than {max_bytes} bytes")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        # `from None`: the decoder's errors carry the whole document, which must not travel.
        raise MalformedJson("$", "not UTF-8") from None
    if _depth(text) > max_depth:
        raise MalformedJson("$", f"nested deeper than {max_depth} levels")
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique_pairs)
    except ValueError:
        raise MalformedJson("$", "not well-formed JSON") from None
    if not isinstance(value, dict):
        raise MalformedJson("$", "not a JSON object")
    if r"\ud" in text.lower():
        _check_surrogates(value)
    return value


# Everything but brackets that nest: strings whole, so that a bracket inside one does not count. The closing quote is
# optional, else a string that never ends would be tried anew from each of its quotes.
_NO_BRACKETS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[^\[\]{}"]+', re.DOTALL)


def _depth(text: str) -> int:
    """Give how deep the brackets of a document nest, before the decoder recurses into it."""
    steps = (1 if bracket in "{[" else -1 for bracket in _NO_BRACKETS.sub("", text))
    return max(accumulate(steps), default=0)


def _check_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise MalformedJson("$", "half a surrogate pair") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _unique_pairs(pairs: list[tuple[str, Any]]) -> Json:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedJson("$", "an object holds the same key twice")
    return value


def format_json(value: Any, *, sort_keys: bool = False) -> str:
    """Give the compact JSON text of a value, with decimals as written: the inverse of `parse_json_strict`.

    Raises: InexactNumber for a float, which no longer has the document's digits.
    """
    if isinstance(value, dict):
        names = sorted(value) if sort_keys else value
        return "{" + ",".join(f"{_quote(name)}:{format_json(value[name], sort_keys=sort_keys)}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(format_json(child, sort_keys=sort_keys) for child in value) + "]"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, Decimal):
        return str(value)
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    raise InexactNumber("json", "a value that JSON keeps no exact text of")


def _quote(text: str) -> str:
    # str() first: the members of a StrEnum are written as their value.
    return json.dumps(str(text), ensure_ascii=False)


class Precision(IntEnum):
    """How precisely a FHIR dateTime is given."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    SECOND = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialDateTime:
    """A FHIR date, dateTime or instant as received, and the earliest moment it can mean (UTC; for ordering)."""

    text: str
    precision: Precision
    earliest: datetime


# http://hl7.org/fhir/R4/datatypes.html#dateTime, with seconds optional as some servers send "2026-11-23T10:38Z"
_DATE_TIME: Final = re.compile(
    r"(?P<year>[0-9]{4})(-(?P<month>0[1-9]|1[0-2])(-(?P<day>0[1-9]|[12][0-9]|3[01])"
    r"(?P<time>T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00)))?)?)?"
)


def parse_partial_date_time(text: object, expression: str) -> PartialDateTime:
    """Read a FHIR date, dateTime or instant and keep its precision.

    A date without time counts from midnight UTC. Raises: MalformedResource.
    """
    match = _DATE_TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None or not isinstance(text, str):
        raise MalformedResource(expression, "not a FHIR dateTime")
    try:
        if match["time"]:
            seconds = re.sub(r"\.([0-9]{1,6})[0-9]*", lambda found: "." + found[1].ljust(6, "0"), text)
            return PartialDateTime(
                text=text, precision=Precision.SECOND, earliest=datetime.fromisoformat(seconds).astimezone(UTC)
            )
        earliest = datetime(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1), tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedResource(expression, "not a date of the calendar") from error
    precision = Precision.DAY if match["day"] else Precision.MONTH if match["month"] else Precision.YEAR
    return PartialDateTime(text=text, precision=precision, earliest=earliest)


def format_instant(moment: datetime) -> str:
    """Give an aware datetime as a FHIR instant in UTC, to the second."""
    if moment.tzinfo is None:
        raise MalformedResource("instant", "a time without time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_concept(*codings: Coding, text: str | None = None) -> Json:
    """Build a CodeableConcept."""
    concept: Json = {"coding": [coding.to_json() for coding in codings]} if codings else {}
    if text is not None:
        concept["text"] = text
    return concept


def build_reference(reference: str | None, display: str | None = None) -> Json:
    """Build a Reference by literal reference, name, or both."""
    return {key: value for key, value in (("reference", reference), ("display", display)) if value is not None}


def as_number(value: int | Decimal) -> int | Decimal:
    """Give a whole Decimal as int, so that 3 and 3.0 are one weight and print alike."""
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
