"""Typed reading of a JSON object, one field at a time (RFC 8259).

Every answer of an EHR and every stored launch is read through here once, at the door. A missing or mistyped field
raises `InvalidField` with the field's name; the caller turns that into its own error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")


class InvalidField(ValueError):
    """One field is missing or of the wrong type. The content is never part of it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def parse_json_object(body: bytes | str) -> dict[str, Any]:
    """Read one JSON object; UTF-8, a byte-order mark allowed, no repeated names, no NaN. Raises InvalidField."""
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except InvalidField:
        raise
    except (ValueError, RecursionError) as exc:  # bad UTF-8, bad JSON, an integer of thousands of digits, deep nesting
        raise InvalidField("(body)", "is not JSON") from exc
    if not isinstance(parsed, dict):
        raise InvalidField("(body)", "is not a JSON object")
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise InvalidField("(body)", "repeats a name")
    return values


def _refuse_constant(_name: str) -> Any:
    raise InvalidField("(body)", "has a number that JSON does not know")


class Fields:
    """The fields of one object. `find_` gives None where the field is absent or null; the plain form insists."""

    __slots__ = ("_prefix", "_values")

    def __init__(self, values: object, *, prefix: str = "") -> None:
        if not isinstance(values, Mapping):
            raise InvalidField(prefix.rstrip(".") or "(body)", "is not an object")
        self._values: Mapping[str, Any] = values
        self._prefix = prefix

    def names(self) -> frozenset[str]:
        """All names present, also those whose value is null."""
        return frozenset(self._values)

    def find_string(self, name: str) -> str | None:
        """Return a string that may be empty, or None."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.fault(name, "is not a string")
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise self.fault(name, "has half a character")
        return value

    def find_text(self, name: str) -> str | None:
        """Return a non-empty string, or None."""
        value = self.find_string(name)
        if value == "":
            raise self.fault(name, "is empty")
        return value

    def text(self, name: str) -> str:
        """Return a non-empty string."""
        return self._insist(name, self.find_text)

    def find_flag(self, name: str) -> bool | None:
        """Return a JSON true or false (the string "true" is refused), or None."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.fault(name, "is not true or false")
        return value

    def flag(self, name: str) -> bool:
        """Return a JSON true or false."""
        return self._insist(name, self.find_flag)

    def find_number(self, name: str) -> float | None:
        """Return an integer or a fraction, or None."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(name, "is not a number")
        try:
            return float(value)
        except OverflowError as exc:
            raise self.fault(name, "is too large") from exc

    def number(self, name: str) -> float:
        """Return an integer or a fraction."""
        return self._insist(name, self.find_number)

    def find_texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of non-empty strings, or None."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.fault(name, "is not a list")
        try:
            return tuple(Fields({"": part}).text("") for part in value)
        except InvalidField as exc:
            raise self.fault(name, "is not a list of non-empty strings") from exc

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of non-empty strings."""
        return self._insist(name, self.find_texts)

    def find_text_or_texts(self, name: str) -> tuple[str, ...]:
        """Return a non-empty string, or a list of them; empty when absent (JWT `aud` is either, RFC 7519 4.1.3)."""
        if isinstance(self._values.get(name), list):
            return self.texts(name)
        value = self.find_text(name)
        return () if value is None else (value,)

    def find_moment(self, name: str) -> datetime | None:
        """Return an aware UTC datetime from ISO 8601, or None."""
        text = self.find_text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as exc:
            raise self.fault(name, "is not a date and time") from exc
        if moment.tzinfo is None:
            raise self.fault(name, "has no time zone")
        return moment.astimezone(UTC)

    def moment(self, name: str) -> datetime:
        """Return an aware UTC datetime."""
        return self._insist(name, self.find_moment)

    def find_object(self, name: str) -> Fields | None:
        """Return a nested object, or None."""
        value = self._values.get(name)
        return None if value is None else Fields(value, prefix=f"{self._prefix}{name}.")

    def object(self, name: str) -> Fields:
        """Return a nested object."""
        return self._insist(name, self.find_object)

    def objects(self, name: str) -> Iterator[Fields]:
        """Return the objects of a list; none when the field is absent."""
        value = self._values.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.fault(name, "is not a list")
        for index, part in enumerate(value):
            yield Fields(part, prefix=f"{self._prefix}{name}[{index}].")

    def fault(self, name: str, problem: str) -> InvalidField:
        """Return the error for one field of this object, with its full path."""
        return InvalidField(f"{self._prefix}{name}", problem)

    def _insist(self, name: str, find: Callable[[str], T | None]) -> T:
        value = find(name)
        if value is None:
            raise self.fault(name, "is missing")
        return value
