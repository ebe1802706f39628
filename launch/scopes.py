"""SMART scopes: read v1 and v2, compute what to ask, compare with what was given (SMART App Launch 2.2, "Scopes").

Grammar of v2: `(patient|user|system)/(Type|*).` then letters of `cruds` in that order, then `?param=value&…`.
v1: `.read` = rs, `.write` = cud, `.*` = cruds. Whatever an EHR answers, both are understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import parse_qsl

from launch.urls import is_resource_type

Level = Literal["patient", "user", "system"]
_RESOURCE_SCOPE = re.compile(r"(patient|user|system)/([A-Za-z]+|\*)\.([a-z]+|\*)(?:\?(.+))?")
_V2_LETTERS = re.compile(r"c?r?u?d?s?")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_V1_OF_LETTER = {"r": "read", "s": "read", "c": "write", "u": "write", "d": "write"}


class Feature(StrEnum):
    """What a site has switched on, as far as it needs access."""

    BASE = "base"
    ROLES = "roles"
    CONDITIONS = "conditions"
    MEDICATIONS = "medications"
    DOCUMENTS = "documents"
    ONLINE_ACCESS = "online-access"
    WRITE_OBSERVATIONS = "write-observations"
    UPDATE_OBSERVATIONS = "update-observations"
    WRITE_RESPONSES = "write-responses"
    UPDATE_RESPONSES = "update-responses"
    WRITE_NOTES = "write-notes"
    UPDATE_NOTES = "update-notes"
    WRITE_PROVENANCE = "write-provenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceScope:
    """One scope on resources. `letters` is part of `cruds` in that order; `query` restricts it."""

    level: Level
    resource_type: str
    letters: str
    query: tuple[tuple[str, str], ...] = ()

    def covers(self, resource_type: str, letter: str, where: Mapping[str, str]) -> bool:
        """Whether this scope allows `letter` on a resource of this type that has the search values `where`."""
        return (
            self.resource_type in ("*", resource_type)
            and letter in self.letters
            and all(where.get(name) == value for name, value in self.query)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """The scopes of a token. `text` is the answer of the EHR as received, `others` all that are not on resources."""

    text: str
    resources: tuple[ResourceScope, ...]
    others: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Scopes:
        """Read a space-separated list. A scope that cannot be read grants nothing and is kept among `others`."""
        resources: list[ResourceScope] = []
        others: set[str] = set()
        for part in text.split():
            scope = parse_resource_scope(part)
            if scope is None:
                others.add(part)
            else:
                resources.append(scope)
        return cls(text=text, resources=tuple(resources), others=frozenset(others))

    def allows(
        self, resource_type: str, letter: str, *, level: Level | None = None, where: Mapping[str, str] | None = None
    ) -> bool:
        """Whether the token allows one interaction (`c`, `r`, `u`, `d` or `s`) on a type.

        `level` None accepts `patient/` and `user/`. A scope restricted by a query counts only where `where` (search
        parameter → value of the resource in hand, e.g. category → system|code) meets it.
        """
        levels = ("patient", "user") if level is None else (level,)
        return any(
            scope.level in levels and scope.covers(resource_type, letter, where or {}) for scope in self.resources
        )

    def __contains__(self, scope: str) -> bool:
        return scope in self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedScope:
    """One scope to ask for (v2 spelling), why, and whether the app cannot work without it."""

    scope: str
    reason: str
    needed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingScopes:
    """What was asked for and not given. `needed` is an error, `optional` a smaller app."""

    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def parse_resource_scope(text: str) -> ResourceScope | None:
    """Read one scope on resources in either spelling; None for any other or for one that breaks the grammar."""
    match = _RESOURCE_SCOPE.fullmatch(text)
    if match is None:
        return None
    level, resource_type, access, query = match.groups()
    if resource_type != "*" and not is_resource_type(resource_type):
        return None
    letters = _V1.get(access, access)
    if access not in _V1 and _V2_LETTERS.fullmatch(access) is None:
        return None
    try:
        pairs = parse_qsl(query or "", keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        return None
    return ResourceScope(level=_level(level), resource_type=resource_type, letters=letters, query=tuple(pairs))


def _level(text: str) -> Level:
    return "patient" if text == "patient" else "user" if text == "user" else "system"


_IDENTITY = (
    RequestedScope(scope="openid", reason="to know who signs"),
    RequestedScope(scope="fhirUser", reason="to know who signs, as a record of the EHR"),
)
_BY_FEATURE: dict[Feature, tuple[RequestedScope, ...]] = {
    Feature.BASE: (
        RequestedScope(scope="patient/Patient.r", reason="name, birth date and number on every page", needed=True),
        RequestedScope(scope="patient/Encounter.rs", reason="the visit that a result belongs to"),
        RequestedScope(scope="patient/Observation.rs", reason="earlier results, to show change"),
        RequestedScope(scope="patient/QuestionnaireResponse.rs", reason="earlier answers, to show change"),
        RequestedScope(scope="user/Practitioner.r", reason="the name of the person who signs"),
    ),
    Feature.ROLES: (
        RequestedScope(scope="user/PractitionerRole.rs", reason="the rights of the site depend on the role"),
    ),
    Feature.CONDITIONS: (RequestedScope(scope="patient/Condition.rs", reason="problems, shown beside a result"),),
    Feature.MEDICATIONS: (
        RequestedScope(scope="patient/MedicationRequest.rs", reason="medicines, shown beside a result"),
    ),
    Feature.DOCUMENTS: (
        RequestedScope(scope="patient/DocumentReference.rs", reason="to find a note again after an unclear answer"),
    ),
    Feature.ONLINE_ACCESS: (RequestedScope(scope="online_access", reason="access tokens of this EHR are short-lived"),),
    Feature.WRITE_OBSERVATIONS: (RequestedScope(scope="patient/Observation.c", reason="to write signed scores"),),
    Feature.UPDATE_OBSERVATIONS: (RequestedScope(scope="patient/Observation.u", reason="to correct signed scores"),),
    Feature.WRITE_RESPONSES: (
        RequestedScope(scope="patient/QuestionnaireResponse.c", reason="to write signed answers"),
    ),
    Feature.UPDATE_RESPONSES: (
        RequestedScope(scope="patient/QuestionnaireResponse.u", reason="to correct signed answers"),
    ),
    Feature.WRITE_NOTES: (RequestedScope(scope="patient/DocumentReference.c", reason="to write the signed note"),),
    Feature.UPDATE_NOTES: (RequestedScope(scope="patient/DocumentReference.u", reason="to correct the signed note"),),
    Feature.WRITE_PROVENANCE: (RequestedScope(scope="patient/Provenance.c", reason="to write who signed what"),),
}


def compute_scopes(
    features: Iterable[Feature],
    *,
    standalone: bool = False,
    capabilities: Iterable[str] = (),
    extra: Iterable[str] = (),
) -> tuple[RequestedScope, ...]:
    """Return what to ask for, each with its reason, in v2 spelling and a fixed order. Never `offline_access`.

    `capabilities`: those of the SMART configuration; `launch/encounter` is asked only where it can be answered.
    `extra`: further scopes from the EHR's entry. Raises ValueError for `offline_access` among them.
    """
    wanted = frozenset(features) | {Feature.BASE}
    if standalone:
        launch = [RequestedScope(scope="launch/patient", reason="to let the EHR ask which patient", needed=False)]
        if "context-standalone-encounter" in capabilities:
            launch.append(RequestedScope(scope="launch/encounter", reason="to let the EHR ask which visit"))
    else:
        launch = [RequestedScope(scope="launch", reason="to receive the open patient and visit")]
    asked = [*launch, *_IDENTITY]
    asked += [scope for feature in Feature if feature in wanted for scope in _BY_FEATURE[feature]]
    asked += [RequestedScope(scope=scope, reason="set for this EHR") for scope in extra]
    if any(scope.scope == "offline_access" for scope in asked):
        raise ValueError("offline_access is never asked for: the app is used in one visit")
    unique = {scope.scope: scope for scope in reversed(asked)}
    return tuple(scope for scope in {item.scope: unique[item.scope] for item in asked}.values())


def spell_scopes(asked: Iterable[RequestedScope], *, version: Literal["v1", "v2"]) -> str:
    """Return the value of the `scope` parameter. In v1, `.rs` becomes `.read` and any of `.cud` becomes `.write`."""
    spelled: dict[str, None] = {}
    for item in asked:
        scope = parse_resource_scope(item.scope)
        if scope is None or version == "v2":
            spelled[item.scope] = None
            continue
        for letter in scope.letters:
            spelled[f"{scope.level}/{scope.resource_type}.{_V1_OF_LETTER[letter]}"] = None
    return " ".join(spelled)


def compare_scopes(asked: Iterable[RequestedScope], granted: Scopes) -> MissingScopes:
    """Return what was asked and not granted; a wider grant (wildcard, v1, `user/` for `patient/`) covers.

    Only access to resources is compared: servers need not repeat `launch`, `openid` or `online_access` in their answer.
    """
    needed: list[str] = []
    optional: list[str] = []
    for item in asked:
        scope = parse_resource_scope(item.scope)
        if scope is None:
            continue
        where = dict(scope.query)
        level: Level | None = "user" if scope.level == "user" else None
        if not all(granted.allows(scope.resource_type, letter, level=level, where=where) for letter in scope.letters):
            (needed if item.needed else optional).append(item.scope)
    return MissingScopes(needed=tuple(needed), optional=tuple(optional))
