"""Reading FHIR with the token of one launch (FHIR R4 http "read", "search"; SMART App Launch 2.2, "Access FHIR API").

A reader is made from an ActiveLaunch and from nothing else. It follows a Bundle's `next` only inside the FHIR base
URL, so that no link can carry the token to another host. What one screen needs is read in one parallel wave.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from launch.ehr import Ehr
from launch.errors import DeadlineExceeded, Issue, LaunchError, MalformedResource
from launch.fhir_exchange import build_headers, check_status, parse_fhir_body, parse_issues
from launch.session import ActiveLaunch
from launch.transport import READ_LIMITS, Limits, Transport
from launch.urls import is_below, is_fhir_id, is_resource_type, resolve_url


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirResource:
    """A resource of the EHR. `resource`: its JSON, for reading only; `body`: the bytes received, None in a Bundle."""

    resource_type: str
    id: str
    version_id: str | None
    resource: Mapping[str, Any] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found, each resource once, in the EHR's order.

    `complete` False: more may exist. `reason` then says why in one word: `next-refused`, `page-limit`, `page-repeated`,
    `malformed-entry`. `issues` come from OperationOutcomes that the EHR put among the matches.
    """

    resources: tuple[FhirResource, ...]
    complete: bool
    reason: str | None = None
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One read, for read_together."""

    resource_type: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search, for read_together. `params`: (name, value) pairs in order."""

    resource_type: str
    params: tuple[tuple[str, str], ...]
    max_pages: int = 10


class FhirReader:
    """Reads of one launch. Thread-safe. Methods raise TransportError, and FhirError by the status of the answer."""

    def __init__(
        self,
        active: ActiveLaunch,
        ehr: Ehr,
        transport: Transport,
        *,
        request_id: Callable[[], str] = lambda: str(uuid4()),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raise ValueError when launch, EHR and transport are not of the same EHR."""
        if not active.ehr_id == ehr.id == transport.ehr.id:
            raise ValueError("launch, EHR and transport belong to different EHRs")
        self._active = active
        self._ehr = ehr
        self._transport = transport
        self._request_id = request_id
        self._monotonic = monotonic
        self._base = active.fhir_base_url.rstrip("/")

    def read(self, resource_type: str, id: str, *, deadline: float = READ_LIMITS.seconds) -> FhirResource:  # noqa: A002 - FHIR's word
        """Read one resource; the answer must have the type and id asked for. Raises MalformedResource, NotFhirJson."""
        if not is_resource_type(resource_type) or not is_fhir_id(id):
            raise ValueError("not a resource type and id")
        body, values = self._get(f"{self._base}/{resource_type}/{id}", deadline)
        found = self._parse_resource(values, body=body)
        if (found.resource_type, found.id) != (resource_type, id):
            field = "resourceType" if found.resource_type != resource_type else "id"
            raise MalformedResource("is not the one asked for", ehr_id=self._ehr.id, field=field)
        return found

    def search(
        self,
        resource_type: str,
        params: Iterable[tuple[str, str]],
        *,
        max_pages: int = 10,
        deadline: float = READ_LIMITS.seconds,
    ) -> SearchResult:
        """Search one type and read up to `max_pages` pages within `deadline` seconds altogether."""
        if not is_resource_type(resource_type):
            raise ValueError("not a resource type")
        end = self._monotonic() + deadline
        query = urlencode(list(params))
        url = f"{self._base}/{resource_type}" + (f"?{query}" if query else "")
        found: dict[tuple[str, str], FhirResource] = {}
        issues: list[Issue] = []
        reason: str | None = None
        seen = {url}
        for page in range(1, max_pages + 1):
            _, bundle = self._get(url, end - self._monotonic())
            malformed = self._collect(bundle, found, issues)
            reason = reason or ("malformed-entry" if malformed else None)
            next_url = self._find_next(bundle)
            if next_url is None:
                return _result(found, issues, reason)
            if not is_below(self._base, next_url):
                return _result(found, issues, "next-refused")
            if next_url in seen:
                return _result(found, issues, "page-repeated")
            if page < max_pages:
                seen.add(next_url)
                url = next_url
        return _result(found, issues, "page-limit")

    def read_together(
        self, wanted: Mapping[str, Read | Search], *, deadline: float = READ_LIMITS.seconds
    ) -> dict[str, FhirResource | SearchResult | LaunchError]:
        """Send all at once and return what each gave: a result, or its LaunchError instead of an exception.

        What has not answered after `deadline` seconds is DeadlineExceeded.
        """
        end = self._monotonic() + deadline
        results: dict[str, FhirResource | SearchResult | LaunchError] = {}
        futures = {name: self._transport.read_aside(partial(self._fetch, item, end)) for name, item in wanted.items()}
        for name, future in futures.items():
            try:
                results[name] = future.result(timeout=max(0.0, end - self._monotonic()))
            except FutureTimeout:
                # Not begun: it never will. Begun: it ends by the deadline of its own exchange.
                future.cancel()
                results[name] = DeadlineExceeded(ehr_id=self._ehr.id, field=name)
            except LaunchError as exc:
                results[name] = exc
        return results

    def _fetch(self, item: Read | Search, end: float) -> FhirResource | SearchResult:
        seconds = end - self._monotonic()
        if isinstance(item, Read):
            return self.read(item.resource_type, item.id, deadline=seconds)
        return self.search(item.resource_type, item.params, max_pages=item.max_pages, deadline=seconds)

    def _get(self, url: str, seconds: float) -> tuple[bytes, dict[str, Any]]:
        if seconds <= 0:
            raise DeadlineExceeded(ehr_id=self._ehr.id)
        response = self._transport.get(
            url,
            headers=build_headers(self._active, self._request_id()),
            limits=Limits(seconds=seconds, max_bytes=READ_LIMITS.max_bytes),
        )
        check_status(response, ehr=self._ehr)
        return response.body, parse_fhir_body(response, ehr=self._ehr)

    def _parse_resource(self, values: Mapping[str, Any], *, body: bytes | None) -> FhirResource:
        resource_type, resource_id = values.get("resourceType"), values.get("id")
        if not isinstance(resource_type, str) or not is_resource_type(resource_type):
            raise MalformedResource("is missing or mistyped", ehr_id=self._ehr.id, field="resourceType")
        if not isinstance(resource_id, str) or not is_fhir_id(resource_id):
            raise MalformedResource("is missing or mistyped", ehr_id=self._ehr.id, field="id")
        meta = values.get("meta", {})
        if not isinstance(meta, dict):
            raise MalformedResource("is not an object", ehr_id=self._ehr.id, field="meta")
        version_id = meta.get("versionId")
        if version_id is not None and not isinstance(version_id, str):
            raise MalformedResource("is not a string", ehr_id=self._ehr.id, field="meta.versionId")
        return FhirResource(
            resource_type=resource_type, id=resource_id, version_id=version_id, resource=values, body=body
        )

    def _collect(
        self, bundle: Mapping[str, Any], found: dict[tuple[str, str], FhirResource], issues: list[Issue]
    ) -> bool:
        """Add matches and issues of a page; tell whether an entry could not be read. Some EHRs repeat rows."""
        if bundle.get("resourceType") != "Bundle":
            raise MalformedResource("is not Bundle", ehr_id=self._ehr.id, field="resourceType")
        entries = bundle.get("entry", [])
        if not isinstance(entries, list):
            raise MalformedResource("is not a list", ehr_id=self._ehr.id, field="entry")
        malformed = False
        for entry in entries:
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(resource, dict):
                malformed = True
                continue
            if resource.get("resourceType") == "OperationOutcome":
                issues.extend(parse_issues(resource))
                continue
            try:
                parsed = self._parse_resource(resource, body=None)
            except MalformedResource:
                malformed = True
                continue
            found.setdefault((parsed.resource_type, parsed.id), parsed)
        return malformed

    def _find_next(self, bundle: Mapping[str, Any]) -> str | None:
        links = bundle.get("link", [])
        if not isinstance(links, list):
            raise MalformedResource("is not a list", ehr_id=self._ehr.id, field="link")
        for link in links:
            if isinstance(link, dict) and link.get("relation") == "next":
                url = link.get("url")
                if not isinstance(url, str):
                    raise MalformedResource("is missing", ehr_id=self._ehr.id, field="link.url")
                return resolve_url(self._base, url)
        return None


def _result(found: Mapping[tuple[str, str], FhirResource], issues: Iterable[Issue], reason: str | None) -> SearchResult:
    return SearchResult(resources=tuple(found.values()), complete=reason is None, reason=reason, issues=tuple(issues))
