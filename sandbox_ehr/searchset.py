"""Bundles of type searchset and history, http://hl7.org/fhir/R4/bundle.html.

Stored resources go in as the text they were received as: nothing is parsed to be listed, and no decimal loses a digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlencode

from sandbox_ehr.fhir_json import dump_json
from sandbox_ehr.store_session import StoredResource, format_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a result.

    total: of all pages. offset: of this page's first match. next_token: None on the last page.
    """

    total: int
    self_url: str
    offset: int = 0
    count: int = 0
    next_token: str | None = None


def build_searchset(
    page: Page,
    matches: Sequence[StoredResource],
    included: Sequence[StoredResource],
    fhir_base_url: str,
    outcome: Mapping[str, object] | None = None,
) -> str:
    """Give the JSON text of a searchset: matches, then included resources, then warnings."""
    entries = [_search_entry(stored, "match", fhir_base_url) for stored in matches]
    entries += [_search_entry(stored, "include", fhir_base_url) for stored in included]
    if outcome:
        entries.append(f'{{"resource":{dump_json(outcome)},"search":{{"mode":"outcome"}}}}')
    return _build_bundle("searchset", page, entries, fhir_base_url)


def build_history(page: Page, versions: Iterable[StoredResource], fhir_base_url: str) -> str:
    """Give the JSON text of a history Bundle, a deletion as an entry without resource."""
    return _build_bundle("history", page, [_history_entry(stored, fhir_base_url) for stored in versions], fhir_base_url)


def build_etag(stored: StoredResource) -> str:
    """Give the weak ETag of a version."""
    return f'W/"{stored.version}"'


def build_status(status: int) -> str:
    """Give `201 Created` for 201, as Bundle.entry.response.status wants it."""
    return f"{status} {HTTPStatus(status).phrase}"


def _build_bundle(kind: Literal["searchset", "history"], page: Page, entries: Sequence[str], fhir_base_url: str) -> str:
    links = [{"relation": "self", "url": page.self_url}]
    if page.next_token:
        query = {"_getpages": page.next_token, "_getpagesoffset": page.offset + page.count, "_count": page.count}
        links.append({"relation": "next", "url": f"{fhir_base_url}?{urlencode(query)}"})
    head = dump_json({"resourceType": "Bundle", "type": kind, "total": page.total, "link": links})
    return f'{head[:-1]},"entry":[{",".join(entries)}]}}' if entries else head


def _search_entry(stored: StoredResource, mode: str, fhir_base_url: str) -> str:
    return f'{{"fullUrl":"{fhir_base_url}/{stored.reference}","resource":{stored.body},"search":{{"mode":"{mode}"}}}}'


def _history_entry(stored: StoredResource, fhir_base_url: str) -> str:
    created = stored.method == "POST" or (stored.method == "PUT" and stored.version == 1)
    about = dump_json(
        {
            "request": {"method": stored.method, "url": stored.type if stored.method == "POST" else stored.reference},
            "response": {
                "status": build_status(201 if created else 204 if stored.deleted else 200),
                "etag": build_etag(stored),
                "lastModified": format_instant(stored.last_updated),
            },
        }
    )
    resource = "" if stored.deleted else f'"resource":{stored.body},'
    return f'{{"fullUrl":"{fhir_base_url}/{stored.reference}",{resource}{about[1:]}'
