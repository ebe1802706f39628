"""Where the charts are kept: the store of this EHR, or the server that it stands in front of."""

from __future__ import annotations

import json
from typing import Any, Protocol

from sandbox_ehr.fhir_request import Clock
from sandbox_ehr.search import Pairs, parse_search
from sandbox_ehr.store import FhirStore


class ChartSource(Protocol):
    """What launcher, pickers and ordered events need of the charts."""

    def find(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Give a current resource, or None."""

    def search(self, resource_type: str, *pairs: tuple[str, str]) -> list[dict[str, Any]]:
        """Give the resources that match search parameters."""

    def replace(self, resource: dict[str, Any]) -> None:
        """Keep a new version of a resource, under its own id."""


class StoredCharts:
    """The charts of the store."""

    def __init__(self, store: FhirStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def find(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Give a current resource, or None."""
        with self._store.reading() as session:
            stored = session.find(resource_type, resource_id)
        return None if stored is None or stored.deleted else dict(json.loads(stored.body))

    def search(self, resource_type: str, *pairs: tuple[str, str]) -> list[dict[str, Any]]:
        """Give the resources that match search parameters."""
        given: Pairs = pairs
        query = parse_search(resource_type, given, now=self._clock())
        with self._store.reading() as session:
            found = session.fetch(session.search(query))
        return [json.loads(stored.body) for stored in found]

    def replace(self, resource: dict[str, Any]) -> None:
        """Keep a new version of a resource, under its own id."""
        with self._store.writing() as session:
            session.save(resource, method="PUT", resource_id=resource["id"])
