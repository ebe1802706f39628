"""Whether foreign resources lie within the granted scopes: they are laid into a scratch store, judged and taken out.

So a scope means the same before another server as over the store of this EHR, compartments and criteria included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from sandbox_ehr.access import Grant, Right
from sandbox_ehr.errors import Forbidden
from sandbox_ehr.fhir_request import Clock
from sandbox_ehr.search_index import parse_reference
from sandbox_ehr.search_parameters import RESOURCE_TYPES
from sandbox_ehr.store import FhirStore
from sandbox_ehr.store_session import StoredResource, StoreSession

Find = Callable[[str, str], Mapping[str, Any] | None]


class Judge:
    """Judges resources within one request. find: fetches what a Provenance points at."""

    def __init__(self, session: StoreSession, grant: Grant, find: Find) -> None:
        self._session = session
        self._grant = grant
        self._find = find

    def lay(self, resource: Mapping[str, Any]) -> StoredResource | None:
        """Lay a resource beside the others; None for what has no type of ours, or no shape that can be indexed."""
        resource_type = resource.get("resourceType")
        if resource_type not in RESOURCE_TYPES:
            return None
        if resource_type == "Provenance":
            self._lay_targets(resource)
        resource_id = resource.get("id")
        try:
            return self._session.save(
                dict(resource),
                method="PUT",
                resource_id=resource_id if isinstance(resource_id, str) else str(uuid4()),
            )
        except (ValueError, TypeError, AttributeError, KeyError):  # a lenient server keeps what is not FHIR
            return None

    def check(self, right: Right, resource: Mapping[str, Any]) -> None:
        """Raise Forbidden unless the resource is within reach."""
        resource_type = str(resource.get("resourceType"))
        condition = self._grant.condition(right, resource_type) if resource_type in RESOURCE_TYPES else None
        stored = self.lay(resource)
        if condition is None or stored is None or not self._session.satisfies(stored, condition):
            raise Forbidden(f"The granted scopes do not reach this {resource_type}")

    def reaches(self, right: Right, resource: Mapping[str, Any]) -> bool:
        """Tell whether the resource is within reach."""
        try:
            self.check(right, resource)
        except Forbidden:
            return False
        return True

    def _lay_targets(self, provenance: Mapping[str, Any]) -> None:
        targets = provenance.get("target", ())
        for target in targets if isinstance(targets, list) else ():
            reference = target.get("reference") if isinstance(target, dict) else None
            parsed = parse_reference(reference) if isinstance(reference, str) else None
            if parsed is None or parsed[0] in {"Provenance"} or self._session.exists(*parsed):
                continue
            found = self._find(*parsed)
            if found is not None:
                self.lay(found)


class ScratchReach:
    """The scratch store."""

    def __init__(self, clock: Clock) -> None:
        self._store = FhirStore(":memory:", clock=clock)

    @contextmanager
    def judging(self, grant: Grant, find: Find) -> Iterator[Judge]:
        """Judge by the grant; nothing stays when the block ends."""
        with suppress(_TakenOut), self._store.writing() as session:
            yield Judge(session, grant, find)
            raise _TakenOut

    def close(self) -> None:
        """Close the store."""
        self._store.close()


class _TakenOut(Exception):
    """No error: it rolls the scratch store back."""
