"""Personas: how one EHR departs from the full R4 API, read from personas/NAME.toml.

A file states only departures from `open`; an unknown key, type, interaction or value refuses to load.
Interactions are those of http://hl7.org/fhir/R4/valueset-type-restful-interaction.html.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from sandbox_ehr.errors import InvalidParameter, InvalidPersona
from sandbox_ehr.search import parse_criterion
from sandbox_ehr.search_parameters import RESOURCE_TYPES

PERSONAS_DIRECTORY = Path(__file__).parent / "personas"

Interaction = Literal["read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type"]
INTERACTIONS: frozenset[Interaction] = frozenset(get_args(Interaction))
LocationStyle = Literal["absolute", "relative", "none"]
CreateBody = Literal["representation", "empty"]
ScopeSpelling = Literal["v1", "v2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rule by which this EHR refuses a valid resource.

    unless: `parameter=value` in search terms; a resource that matches it is let through.
    """

    type: str
    interaction: Literal["create", "update"]
    text: str
    unless: tuple[str, str] | None = None
    status: int = 422
    issue: str = "business-rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One EHR's behavior; the defaults are those of a server that takes everything.

    interactions: per resource type, what is offered. location: form of the `Location` header after a write.
    create_body: what a create answers where the client states no `Prefer`. page_size, largest_page: entries.
    scope_spelling, token_lifetime_seconds, refresh_tokens: for the authorization server.
    """

    name: str
    title: str
    interactions: Mapping[str, frozenset[Interaction]] = field(
        default_factory=lambda: dict.fromkeys(RESOURCE_TYPES, INTERACTIONS)
    )
    transaction: bool = True
    batch: bool = True
    conditional_create: bool = True
    location: LocationStyle = "absolute"
    etag: bool = True
    create_body: CreateBody = "representation"
    page_size: int = 50
    largest_page: int = 200
    refusals: tuple[Refusal, ...] = ()
    scope_spelling: ScopeSpelling = "v2"
    token_lifetime_seconds: int = 3600
    refresh_tokens: bool = True

    def offers(self, interaction: Interaction, resource_type: str) -> bool:
        """Tell whether this EHR has the interaction on the type."""
        return interaction in self.interactions.get(resource_type, frozenset())


_CHOICES: dict[str, tuple[str, ...]] = {
    "location": get_args(LocationStyle),
    "create_body": get_args(CreateBody),
    "scope_spelling": get_args(ScopeSpelling),
}
_FHIR_KEYS = {"transaction": bool, "batch": bool, "conditional_create": bool, "location": str, "etag": bool}
_FHIR_KEYS |= {"create_body": str, "page_size": int, "largest_page": int}
_AUTHORIZATION_KEYS = {"scope_spelling": str, "token_lifetime_seconds": int, "refresh_tokens": bool}
_REFUSAL_KEYS = {"type": str, "interaction": str, "text": str, "unless": str, "status": int, "issue": str}


def list_personas() -> list[str]:
    """Give the names of the personas shipped, in alphabetical order."""
    return sorted(path.stem for path in PERSONAS_DIRECTORY.glob("*.toml"))


def load_persona(name: str) -> Persona:
    """Load a shipped persona by name. Raises: InvalidPersona for an unknown name or a faulty file."""
    if name not in list_personas():
        raise InvalidPersona(f"No persona of that name; there are {', '.join(list_personas())}")
    return parse_persona(name, (PERSONAS_DIRECTORY / f"{name}.toml").read_text(encoding="utf-8"))


def parse_persona(name: str, text: str) -> Persona:
    """Parse a persona file: `title`, tables `fhir`, `interactions`, `authorization`, array of tables `refusals`.

    Raises: InvalidPersona, naming the key at fault.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InvalidPersona(f"{name}: not TOML") from exc
    tables = {"title": str, "fhir": dict, "interactions": dict, "authorization": dict, "refusals": list}
    top = _check_keys(name, document, tables)
    settings = _check_keys(f"{name}: fhir", top.get("fhir", {}), _FHIR_KEYS)
    settings |= _check_keys(f"{name}: authorization", top.get("authorization", {}), _AUTHORIZATION_KEYS)
    if "interactions" in top:
        settings["interactions"] = _parse_interactions(name, top["interactions"])
    refusals = tuple(_parse_refusal(name, entry) for entry in top.get("refusals", ()))
    return Persona(name=name, title=str(top.get("title", name)), refusals=refusals, **settings)


def _check_keys(where: str, table: Any, keys: Mapping[str, type]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise InvalidPersona(f"{where}: not a table")
    for key, value in table.items():
        if key not in keys:
            raise InvalidPersona(f"{where}: unknown key {key}")
        if type(value) is not keys[key]:
            raise InvalidPersona(f"{where}: {key} is not of type {keys[key].__name__}")
        if key in _CHOICES and value not in _CHOICES[key]:
            raise InvalidPersona(f"{where}: {key} is none of {', '.join(_CHOICES[key])}")
    return dict(table)


def _parse_interactions(name: str, table: Mapping[str, Any]) -> dict[str, frozenset[Interaction]]:
    """Read type → list of interactions; `default` stands for every type not named."""
    if unknown := set(table) - {*RESOURCE_TYPES, "default"}:
        raise InvalidPersona(f"{name}: interactions: unknown type {min(unknown)}")
    parsed = {}
    for key, listed in table.items():
        if not isinstance(listed, list) or not set(listed) <= INTERACTIONS:
            raise InvalidPersona(f"{name}: interactions: {key} lists an unknown interaction")
        parsed[key] = frozenset(listed)
    default = parsed.pop("default", INTERACTIONS)
    return {resource_type: parsed.get(resource_type, default) for resource_type in RESOURCE_TYPES}


def _parse_refusal(name: str, entry: Any) -> Refusal:
    where = f"{name}: refusals"
    checked = _check_keys(where, entry, _REFUSAL_KEYS)
    if missing := {"type", "interaction", "text"} - set(checked):
        raise InvalidPersona(f"{where}: {min(missing)} is missing")
    if checked["type"] not in RESOURCE_TYPES or checked["interaction"] not in {"create", "update"}:
        raise InvalidPersona(f"{where}: unknown type or interaction")
    if "unless" in checked:
        parameter, equals, value = checked["unless"].partition("=")
        if not equals:
            raise InvalidPersona(f"{where}: unless is not parameter=value")
        checked["unless"] = (parameter, value)
        try:
            parse_criterion(checked["type"], parameter, value, now=datetime(2000, 1, 1, tzinfo=UTC))
        except InvalidParameter as exc:
            raise InvalidPersona(f"{where}: unless is no search criterion of {checked['type']}") from exc
    return Refusal(**checked)
