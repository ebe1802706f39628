"""A typed look into JSON from outside: every access names its path, and a wrong type is an error, never a guess."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from fhir_mappings.errors import MalformedResource, MappingError
from fhir_mappings.r4 import Coding, Json, as_number

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON object and where it stands; `error` is the exception class that this document's faults raise."""

    value: Json
    path: str
    error: type[MappingError] = MalformedResource

    def fault(self, name: str, problem: str) -> MappingError:
        """Make the exception for a fault of a child element."""
        return self.error(f"{self.path}.{name}" if name else self.path, problem)

    def find_string(self, name: str) -> str | None:
        """Give a string, None if absent."""
        value = self.value.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self.fault(name, "not a non-empty string")
        return value

    def string(self, name: str) -> str:
        """Give a string that must be there."""
        return self._there(name, self.find_string(name))

    def find_number(self, name: str) -> int | Decimal | None:
        """Give a JSON number, whole ones as int, None if absent."""
        value = self.value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self.fault(name, "not a number")
        return as_number(value)

    def number(self, name: str) -> int | Decimal:
        """Give a number that must be there."""
        value: int | Decimal | None = self.find_number(name)
        if value is None:
            raise self.fault(name, "missing")
        return value

    def find_integer(self, name: str) -> int | None:
        """Give a whole number, None if absent."""
        value = self.find_number(name)
        if isinstance(value, Decimal):
            raise self.fault(name, "not a whole number")
        return value

    def integer(self, name: str) -> int:
        """Give a whole number that must be there."""
        return self._there(name, self.find_integer(name))

    def boolean(self, name: str, *, default: bool | None = None) -> bool:
        """Give a boolean; absent is the default, or a fault where there is none."""
        value = self.value.get(name, default)
        if not isinstance(value, bool):
            raise self.fault(name, "not a boolean")
        return value

    def find_child(self, name: str) -> "Element | None":
        """Give an object, None if absent."""
        value = self.value.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.fault(name, "not an object")
        return Element(value, f"{self.path}.{name}", self.error)

    def child(self, name: str) -> "Element":
        """Give an object that must be there."""
        return self._there(name, self.find_child(name))

    def children(self, name: str) -> "Iterator[Element]":
        """Give the objects of a list; absent is none."""
        value = self.value.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.fault(name, "not a list")
        for index, entry in enumerate(value):
            if not isinstance(entry, dict):
                raise self.fault(f"{name}[{index}]", "not an object")
            yield Element(entry, f"{self.path}.{name}[{index}]", self.error)

    def extensions(self, url: str) -> "Iterator[Element]":
        """Give the extensions of one url."""
        return (extension for extension in self.children("extension") if extension.value.get("url") == url)

    def find_extension(self, url: str) -> "Element | None":
        """Give the only extension of a url, None if absent; two are a fault."""
        found = list(self.extensions(url))
        if len(found) > 1:
            raise self.fault("extension", "stands twice")
        return found[0] if found else None

    def extension(self, url: str) -> "Element":
        """Give the only extension of a url, which must be there."""
        found = self.find_extension(url)
        if found is None:
            raise self.fault(f"extension({url.rpartition('/')[2]})", "missing")
        return found

    def coding(self) -> Coding:
        """Read this object as a Coding with system and code."""
        return Coding(system=self.string("system"), code=self.string("code"), display=self.find_string("display"))

    def first_coding(self, name: str) -> Coding:
        """Read the first Coding of a list that must not be empty."""
        for coding in self.children(name):
            return coding.coding()
        raise self.fault(name, "missing")

    def _there(self, name: str, value: _Value | None) -> _Value:
        if value is None:
            raise self.fault(name, "missing")
        return value
