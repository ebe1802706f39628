"""One persona: how one EHR departs from the full R4 API of http://hl7.org/fhir/R4/http.html, as values.

Read from files by personas.py; every departure carries the source it was taken from and how sure that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, cast, get_args

from sandbox_ehr.errors import InvalidPersona
from sandbox_ehr.outcome import Issue
from sandbox_ehr.search_parameters import RESOURCE_TYPES

Interaction = Literal["read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type"]
INTERACTIONS: frozenset[Interaction] = frozenset(get_args(Interaction))
Confidence = Literal["source", "third-party", "recalled", "inferred", "tested"]
"""Read at the source or in a third party's capture, recalled, inferred from either, or seen in a test."""
LocationStyle = Literal["absolute", "absolute-unversioned", "relative", "none"]
CreateBody = Literal["representation", "empty"]
ScopeSpelling = Literal["v1", "v2"]
UnknownParameters = Literal["refuse", "ignore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a departure comes from, and how sure it is."""

    source: str
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What this EHR demands of a valid resource that is created or updated.

    requires: FHIRPath that must be true of it; `%user` is the reference of the signed-in user, empty where the token
    names none. status, issue, text: of the refusal; code: the EHR's own, in `outcome_system`. element: the FHIRPath
    named in the refusal.
    """

    type: str
    on: tuple[Literal["create", "update"], ...]
    requires: str
    text: str
    origin: Origin
    status: int = 422
    issue: str = "business-rule"
    code: str = ""
    element: str = ""

    def holds(self, resource: Mapping[str, Any], *, user: str | None) -> bool:
        """Tell whether the resource keeps the rule."""
        return bool(_compile(self.requires)(resource, {"user": user or ""}) == [True])

    def check_expression(self) -> None:
        """Raise InvalidPersona unless the expression can be evaluated."""
        try:
            self.holds({"resourceType": self.type}, user=None)
        except Exception as exc:  # fhirpathpy raises Exception itself
            raise InvalidPersona(f"rules: requires of a rule on {self.type} is no FHIRPath expression") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One EHR's behavior; the defaults are those of a server that takes everything.

    interactions: per resource type, what is offered. search: per type, the parameters there are, where not all;
    search_needs: per type, parameters of which a search must have one. discards, first_only: per type, the elements of
    which nothing, or only the first repetition, is kept. location: form of the `Location` header after a write.
    create_body: what a write answers where the client states no `Prefer`, or where honors_prefer is false.
    update_creates: whether PUT may create. stale_version_status: of an update whose `If-Match` is old.
    invalid_status: of a resource that is no valid R4. empty_bodies: statuses answered without a body.
    outcome_system: code system of the EHR's own error codes. page_size, largest_page: entries.
    scope_spelling, scopes_supported (all, where empty), capabilities_missing, token_lifetime_seconds, refresh_tokens:
    for the authorization server. origins: setting → where it comes from.
    """

    name: str
    title: str
    interactions: Mapping[str, frozenset[Interaction]] = field(
        default_factory=lambda: dict.fromkeys(RESOURCE_TYPES, INTERACTIONS)
    )
    search: Mapping[str, frozenset[str]] = field(default_factory=dict)
    search_needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    discards: Mapping[str, frozenset[str]] = field(default_factory=dict)
    first_only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    transaction: bool = True
    batch: bool = True
    conditional_create: bool = True
    location: LocationStyle = "absolute"
    etag: bool = True
    create_body: CreateBody = "representation"
    honors_prefer: bool = True
    update_creates: bool = True
    update_needs_if_match: bool = False
    stale_version_status: int = 412
    invalid_status: int = 422
    unknown_parameters: UnknownParameters = "refuse"
    post_search_ignores_query: bool = False
    empty_bodies: frozenset[int] = frozenset()
    outcome_system: str = ""
    page_size: int = 50
    largest_page: int = 200
    rules: tuple[Rule, ...] = ()
    scope_spelling: ScopeSpelling = "v2"
    scopes_supported: tuple[str, ...] = ()
    capabilities_missing: frozenset[str] = frozenset()
    token_lifetime_seconds: int = 3600
    refresh_tokens: bool = True
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False)

    def offers(self, interaction: Interaction, resource_type: str) -> bool:
        """Tell whether this EHR has the interaction on the type."""
        return interaction in self.interactions.get(resource_type, frozenset())

    def has_parameter(self, resource_type: str, name: str) -> bool:
        """Tell whether this EHR searches the type by the parameter."""
        return resource_type not in self.search or name in self.search[resource_type]

    def keep(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Give what this EHR keeps of a resource."""
        resource_type = resource["resourceType"]
        discarded = self.discards.get(resource_type, frozenset())
        first_only = self.first_only.get(resource_type, frozenset())
        return {
            name: value[:1] if name in first_only else value
            for name, value in resource.items()
            if name.removeprefix("_") not in discarded
        }

    def find_broken_rule(
        self, resource: Mapping[str, Any], interaction: Interaction, *, user: str | None
    ) -> tuple[Rule, Issue] | None:
        """Give the first rule that a resource breaks, with the issue that says so, or None."""
        for rule in self.rules:
            if rule.type != resource["resourceType"] or interaction not in rule.on:
                continue
            if not rule.holds(resource, user=user):
                coding = (self.outcome_system, rule.code) if rule.code else None
                places = (rule.element,) if rule.element else ()
                return rule, Issue(code=rule.issue, text=rule.text, expression=places, coding=coding)
        return None

    def list_origins(self) -> Iterator[tuple[str, Origin]]:
        """Give every departure, settings first, with its origin."""
        yield from self.origins.items()
        for rule in self.rules:
            yield f"rules: {rule.text}", rule.origin


@cache
def _compile(expression: str) -> Any:
    # Imported here: reading its grammar costs a third of a second, and most personas have no rule.
    import fhirpathpy  # noqa: PLC0415
    from fhirpathpy.models import models  # noqa: PLC0415

    return cast(Any, fhirpathpy).compile(expression, models["r4"])
