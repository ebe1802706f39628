"""The personas shipped, read from personas/NAME.toml: a file states only departures from a server that takes all.

Every setting is a table of `value`, `source` and `confidence`, every rule has the last two beside it; an unknown key,
type, interaction or value refuses to load.
Interactions are those of http://hl7.org/fhir/R4/valueset-type-restful-interaction.html.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

from sandbox_ehr.errors import InvalidPersona
from sandbox_ehr.persona import (
    INTERACTIONS,
    Confidence,
    CreateBody,
    Interaction,
    LocationStyle,
    Origin,
    Persona,
    Rule,
    ScopeSpelling,
    UnknownParameters,
)
from sandbox_ehr.search_parameters import RESOURCE_TYPES, SEARCH_PARAMETERS

__all__ = ["INTERACTIONS", "Interaction", "Persona", "list_personas", "load_persona", "parse_persona"]

PERSONAS_DIRECTORY = Path(__file__).parent / "personas"

_FHIR_KEYS: Mapping[str, type] = {
    "transaction": bool,
    "batch": bool,
    "conditional_create": bool,
    "location": str,
    "etag": bool,
    "create_body": str,
    "honors_prefer": bool,
    "update_creates": bool,
    "update_needs_if_match": bool,
    "stale_version_status": int,
    "invalid_status": int,
    "unknown_parameters": str,
    "post_search_ignores_query": bool,
    "empty_bodies": list,
    "outcome_system": str,
    "page_size": int,
    "largest_page": int,
}
_AUTHORIZATION_KEYS: Mapping[str, type] = {
    "scope_spelling": str,
    "scopes_supported": list,
    "capabilities_missing": list,
    "token_lifetime_seconds": int,
    "refresh_tokens": bool,
}
_CHOICES: Mapping[str, tuple[object, ...]] = {
    "location": get_args(LocationStyle),
    "create_body": get_args(CreateBody),
    "scope_spelling": get_args(ScopeSpelling),
    "unknown_parameters": get_args(UnknownParameters),
    "stale_version_status": (409, 412),
    "invalid_status": (400, 422),
    "confidence": get_args(Confidence),
}
_LISTS: Mapping[str, tuple[Callable[[list[Any]], object], type]] = {
    "empty_bodies": (frozenset, int),
    "scopes_supported": (tuple, str),
    "capabilities_missing": (frozenset, str),
}
_RULE_KEYS: Mapping[str, type] = {
    "type": str,
    "on": list,
    "requires": str,
    "text": str,
    "status": int,
    "issue": str,
    "code": str,
    "element": str,
    "source": str,
    "confidence": str,
}
_PER_TYPE = ("interactions", "search", "search_needs", "discards", "first_only")


def list_personas() -> list[str]:
    """Give the names of the personas shipped, in alphabetical order."""
    return sorted(path.stem for path in PERSONAS_DIRECTORY.glob("*.toml"))


@cache
def load_persona(name: str) -> Persona:
    """Load a shipped persona by name. Raises: InvalidPersona for an unknown name or a faulty file."""
    if name not in list_personas():
        raise InvalidPersona(f"No persona of that name; there are {', '.join(list_personas())}")
    return parse_persona(name, (PERSONAS_DIRECTORY / f"{name}.toml").read_text(encoding="utf-8"))


def parse_persona(name: str, text: str) -> Persona:
    """Parse a persona file.

    `title`; tables `fhir` and `authorization` of settings; tables per resource type `interactions` (`default` for the
    types not named), `search`, `search_needs`, `discards`, `first_only`; array of tables `rules`.

    Raises: InvalidPersona, naming the key at fault.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InvalidPersona(f"{name}: not TOML") from exc
    tables: dict[str, type] = {
        "title": str,
        "fhir": dict,
        "authorization": dict,
        "rules": list,
        **dict.fromkeys(_PER_TYPE, dict),
    }
    top = _check_keys(name, document, tables)
    origins: dict[str, Origin] = {}
    settings: dict[str, Any] = {}
    for table, keys in (("fhir", _FHIR_KEYS), ("authorization", _AUTHORIZATION_KEYS)):
        for key, entry in top.get(table, {}).items():
            if key not in keys:
                raise InvalidPersona(f"{name}: {table}: unknown key {key}")
            origins[key], value = _parse_setting(f"{name}: {table}: {key}", entry)
            settings[key] = _check_value(f"{name}: {table}", key, value, keys[key])
    for table in _PER_TYPE:
        lists: dict[str, frozenset[str]] = {}
        for key, entry in top.get(table, {}).items():
            where = f"{name}: {table}: {key}"
            origins[f"{table}.{key}"], value = _parse_setting(where, entry)
            lists[key] = _check_list(where, value)
            _check_per_type(where, table, key, lists[key])
        if table in top:
            settings[table] = _complete_interactions(lists) if table == "interactions" else lists
    rules = tuple(_parse_rule(f"{name}: rules", entry) for entry in top.get("rules", ()))
    return Persona(name=name, title=str(top.get("title", name)), rules=rules, origins=origins, **settings)


def _check_keys(where: str, table: Any, keys: Mapping[str, type]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise InvalidPersona(f"{where}: not a table")
    for key, value in table.items():
        if key not in keys:
            raise InvalidPersona(f"{where}: unknown key {key}")
        _check_value(where, key, value, keys[key])
    return dict(table)


def _check_value(where: str, key: str, value: Any, expected: type) -> Any:
    kind: type = type(value)
    if kind is not expected:
        raise InvalidPersona(f"{where}: {key} is not of type {expected.__name__}")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise InvalidPersona(f"{where}: {key} is none of {', '.join(map(str, _CHOICES[key]))}")
    if key in _LISTS:
        make, of = _LISTS[key]
        if not all(type(item) is of for item in value):
            raise InvalidPersona(f"{where}: {key} lists something else than {of.__name__}")
        return make(value)
    return value


def _parse_setting(where: str, entry: Any) -> tuple[Origin, Any]:
    if not isinstance(entry, dict) or entry.keys() != {"value", "source", "confidence"}:
        raise InvalidPersona(f"{where}: not a table of value, source and confidence")
    return _parse_origin(where, entry), entry["value"]


def _parse_origin(where: str, entry: Mapping[str, Any]) -> Origin:
    source = _check_value(where, "source", entry["source"], str)
    if not source.strip():
        raise InvalidPersona(f"{where}: source says nothing")
    return Origin(source=source, confidence=_check_value(where, "confidence", entry["confidence"], str))


def _check_list(where: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidPersona(f"{where}: not a list of strings")
    return frozenset(value)


def _check_per_type(where: str, table: str, key: str, listed: frozenset[str]) -> None:
    if key not in RESOURCE_TYPES and (table, key) != ("interactions", "default"):
        raise InvalidPersona(f"{where}: unknown type")
    if table == "interactions" and not listed <= INTERACTIONS:
        raise InvalidPersona(f"{where}: lists an unknown interaction")
    if table.startswith("search") and not listed <= SEARCH_PARAMETERS[key].keys():
        raise InvalidPersona(f"{where}: lists an unknown search parameter")
    if table in {"discards", "first_only"} and listed & {"resourceType", "id", "meta"}:
        raise InvalidPersona(f"{where}: resourceType, id and meta are always kept")


def _complete_interactions(lists: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    default = lists.get("default", INTERACTIONS)
    return {resource_type: lists.get(resource_type, default) for resource_type in RESOURCE_TYPES}


def _parse_rule(where: str, entry: Any) -> Rule:
    checked = _check_keys(where, entry, _RULE_KEYS)
    if missing := {"type", "on", "requires", "text", "source", "confidence"} - checked.keys():
        raise InvalidPersona(f"{where}: {min(missing)} is missing")
    origin = _parse_origin(where, checked)
    del checked["source"], checked["confidence"]
    checked["on"] = tuple(checked["on"])
    if checked["type"] not in RESOURCE_TYPES or not checked["on"] or not set(checked["on"]) <= {"create", "update"}:
        raise InvalidPersona(f"{where}: unknown type or interaction")
    rule = Rule(origin=origin, **checked)
    rule.check_expression()
    return rule
