"""Rewriting the references inside a resource, http://hl7.org/fhir/R4/http.html#trules (replacing ids)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replace_references(value: Any, replace: Callable[[str], str]) -> Any:
    """Give a copy in which each `Reference.reference` went through `replace`; identifiers and other URIs stay."""
    if isinstance(value, dict):
        return {
            name: replace(child)
            if name == "reference" and isinstance(child, str)
            else replace_references(child, replace)
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [replace_references(item, replace) for item in value]
    return value


def make_relative(value: Any, fhir_base_url: str) -> Any:
    """Give a copy in which absolute references to this server are relative, as they are stored."""
    return replace_references(value, lambda reference: reference.removeprefix(f"{fhir_base_url}/"))
