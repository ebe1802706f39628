"""What an access token lets a client do, as SQL conditions: SMART App Launch 2.2 scopes and the patient compartment.

Source: http://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html; .read, .write and .* as in SMART
1.0.
A scope that cannot be understood grants nothing.
"""

# ruff: noqa: S608 - SQL is put together from our own fragments only; what a client sent travels as an argument

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import parse_qsl

from sandbox_ehr.errors import Forbidden, InvalidParameter
from sandbox_ehr.fhir_request import Access
from sandbox_ehr.search import Sql, parse_criterion
from sandbox_ehr.search_parameters import PATIENT_COMPARTMENT, SEARCH_PARAMETERS
from sandbox_ehr.store_session import StoredResource, StoreSession

Right = Literal["c", "r", "u", "d", "s"]
"""create; read, vread, history of an instance; update; delete; search and history of a type."""

_SCOPE = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>[A-Za-z]+|\*)\.(?P<rights>read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?(?P<query>.+))?"
)
_V1_RIGHTS = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One resource scope. type: a resource type or `*`. criteria: the search parameters that narrow it."""

    level: Literal["patient", "user", "system"]
    type: str
    rights: frozenset[Right]
    criteria: tuple[tuple[str, str], ...] = ()


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """Parse the resource scopes of a space-separated list; others (`openid`) and malformed ones are left out."""
    return tuple(_parse_scopes(text))


def _parse_scopes(text: str) -> Iterator[Scope]:
    for word in text.split():
        found = _SCOPE.fullmatch(word)
        if found is None or (found["query"] and found["rights"] in _V1_RIGHTS):
            continue
        try:
            criteria = parse_qsl(found["query"] or "", keep_blank_values=True, strict_parsing=bool(found["query"]))
        except ValueError:
            continue
        yield Scope(
            level=found["level"],  # type: ignore[arg-type]  # the pattern allows only these words
            type=found["type"],
            rights=frozenset(_V1_RIGHTS.get(found["rights"], found["rights"])),  # type: ignore[arg-type]  # likewise
            criteria=tuple(criteria),
        )


class Grant:
    """The rights of one request. now: for criteria with dates."""

    def __init__(self, access: Access, *, now: datetime) -> None:
        self._access = access
        self._scopes = parse_scopes(access.scope)
        self._now = now

    @property
    def holder(self) -> str:
        """Who may follow the paging links of a search: the same client with the same rights."""
        return f"{self._access.client_id} {self._access.patient} {self._access.scope}"

    @property
    def user(self) -> str | None:
        """The reference of the signed-in user."""
        return self._access.user

    def condition(self, right: Right, resource_type: str) -> Sql:
        """Give the condition on `v` that the resources within reach fulfil.

        Raises: Forbidden where no scope reaches the type.
        """
        alternatives = [
            alternative
            for scope in self._scopes
            if right in scope.rights and scope.type in {"*", resource_type}
            if (alternative := self._scope_condition(scope, right, resource_type)) is not None
        ]
        if not alternatives:
            raise Forbidden(f"No granted scope allows this interaction ({right}) on {resource_type}")
        if any(not alternative.text for alternative in alternatives):
            return Sql("1")
        return Sql(
            " OR ".join(f"({alternative.text})" for alternative in alternatives),
            tuple(arg for alternative in alternatives for arg in alternative.args),
        )

    def check(self, session: StoreSession, right: Right, stored: StoredResource) -> None:
        """Raise Forbidden unless the version is within reach."""
        if not session.satisfies(stored, self.condition(right, stored.type)):
            raise Forbidden(f"The granted scopes do not reach this {stored.type}")

    def _scope_condition(self, scope: Scope, right: Right, resource_type: str) -> Sql | None:
        """Give what one scope demands (no text: nothing), or None if it cannot be applied."""
        demands: list[Sql] = []
        if scope.level == "patient":
            if self._access.patient is None:
                return None
            compartment = build_compartment_condition(resource_type, self._access.patient)
            if compartment is None and right in {"c", "u", "d"}:
                return None  # what is about no patient is nothing that a patient's scope may change
            demands += [compartment] if compartment else []
        for name, value in scope.criteria:
            try:
                demands.append(parse_criterion(resource_type, name, value, now=self._now))
            except InvalidParameter:
                return None
        text = " AND ".join(f"({demand.text})" for demand in demands)
        return Sql(text, tuple(arg for demand in demands for arg in demand.args))


def build_compartment_condition(resource_type: str, patient: str) -> Sql | None:
    """Give the condition on `v` that keeps a type to one patient's compartment, or None for types about no patient.

    A Device or Task without a patient is nobody's, and open.
    """
    inside = Sql("v.key IN (SELECT c.version_key FROM compartment c WHERE c.patient = ?)", (patient,))
    if resource_type in PATIENT_COMPARTMENT:
        return inside
    if "patient" in SEARCH_PARAMETERS[resource_type]:
        return Sql(f"{inside.text} OR v.key NOT IN (SELECT c.version_key FROM compartment c)", inside.args)
    return None
