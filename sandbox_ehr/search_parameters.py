"""The search parameters of the store's resource types, from HL7's definitions (definitions/search_parameters.json).

Source: http://hl7.org/fhir/R4/searchparameter-registry.html, http://hl7.org/fhir/R4/compartmentdefinition-patient.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DEFINITIONS_DIRECTORY = Path(__file__).parent / "definitions"

SearchType = Literal["token", "date", "string", "reference", "uri", "quantity", "number"]

_STEP = re.compile(r"where\((\w+)='([^']*)'\)|where\(resolve\(\) is (\w+)\)|(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPath:
    """Where a parameter's values stand.

    steps: `name`, `("system", "email")` to filter, `("", "Patient")` for `resolve() is`.
    """

    steps: tuple[str | tuple[str, str], ...]
    datatype: str

    def find_values(self, resource: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the values, lists flattened, in document order."""
        values: list[Any] = [resource]
        for step in self.steps:
            values = list(_follow(values, step))
        return iter(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParameter:
    """One search parameter of one resource type. targets: resource types that a reference may point at."""

    code: str
    type: SearchType
    definition: str
    paths: tuple[SearchPath, ...]
    targets: tuple[str, ...] = ()


def _follow(values: list[Any], step: str | tuple[str, str]) -> Iterator[Any]:
    for value in values:
        if not isinstance(value, Mapping):
            continue
        if isinstance(step, str):
            found = value.get(step)
            listed = found if isinstance(found, list) else (found,)
            yield from (item for item in listed if item is not None)
        elif step[0]:
            if value.get(step[0]) == step[1]:
                yield value
        elif is_reference_to(value, step[1]):
            yield value


def is_reference_to(reference: Mapping[str, Any], resource_type: str) -> bool:
    """Tell whether a Reference points at the type, by its address or by its `type`."""
    address = reference.get("reference")
    if isinstance(address, str) and f"/{address}".partition("/_history/")[0].split("/")[-2] == resource_type:
        return True
    return reference.get("type") == resource_type


def _parse_path(expression: str, datatype: str) -> SearchPath:
    steps: list[str | tuple[str, str]] = []
    for key, value, target, name in _STEP.findall(expression):
        steps.append(name or (("", target) if target else (key, value)))
    return SearchPath(steps=tuple(steps), datatype=datatype)


def _load() -> tuple[dict[str, dict[str, SearchParameter]], frozenset[str]]:
    document = json.loads((DEFINITIONS_DIRECTORY / "search_parameters.json").read_text(encoding="utf-8"))
    compartment = json.loads((DEFINITIONS_DIRECTORY / "patient_compartment.json").read_text(encoding="utf-8"))
    common = {
        code: SearchParameter(
            code=code,
            type=kind,
            definition=f"http://hl7.org/fhir/SearchParameter/Resource-{code[1:]}",
            paths=(_parse_path(path, datatype),),
        )
        for code, kind, path, datatype in _COMMON
    }
    parameters = {
        resource_type: common
        | {
            code: SearchParameter(
                code=code,
                type=row["type"],
                definition=row["definition"],
                paths=tuple(_parse_path(*pair) for pair in row["paths"]),
                targets=tuple(row["targets"]),
            )
            for code, row in rows.items()
        }
        for resource_type, rows in document.items()
    }
    return parameters, frozenset(compartment)


_COMMON: tuple[tuple[str, SearchType, str, str], ...] = (
    ("_id", "token", "id", "id"),
    ("_lastUpdated", "date", "meta.lastUpdated", "instant"),
    ("_tag", "token", "meta.tag", "Coding"),
    ("_security", "token", "meta.security", "Coding"),
    ("_profile", "uri", "meta.profile", "canonical"),
)
SEARCH_PARAMETERS, PATIENT_COMPARTMENT = _load()
"""Type → code → parameter; the types that are always about a patient."""
RESOURCE_TYPES = tuple(SEARCH_PARAMETERS)
