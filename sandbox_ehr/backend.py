"""The FHIR server behind this EHR's launcher and authorization, reached by HTTP: any open R4 server by its base URL.

Source: http://hl7.org/fhir/R4/http.html. No authorization is sent: what may pass is decided before (backend_api.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from sandbox_ehr.errors import BackendFailed, BackendTimedOut, InvalidBackend
from sandbox_ehr.fhir_json import dump_json
from sandbox_ehr.search import Pairs

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
"""Longest silence of the back end within one answer."""
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes."""
_PAGE = 200
_JSON = "application/fhir+json"
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendAnswer:
    """What the back end answered. headers: looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def find_json(self) -> dict[str, Any] | None:
        """Give the JSON object in the body with every digit of its decimals, or None where there is none."""
        if "json" not in self.headers.get("Content-Type", ""):
            return None
        try:
            document = json.loads(self.body, parse_float=Decimal)
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    def find_bundle(self) -> dict[str, Any] | None:
        """Give the Bundle in the body, or None. Raises BackendFailed for one whose links or entries are no objects."""
        bundle = self.find_json()
        if bundle is None or bundle.get("resourceType") != "Bundle":
            return None
        entries = bundle.get("entry", [])
        if not (_are_objects(bundle.get("link", [])) and _are_objects(entries)) or not all(
            isinstance(entry.get(part, {}), dict) for entry in entries for part in ("resource", "search", "response")
        ):
            raise BackendFailed("The FHIR server behind this one answered with a malformed Bundle")
        return bundle


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


class Backend:
    """One FHIR server. read_seconds: see READ_SECONDS. Raises InvalidBackend for an address that is none."""

    def __init__(self, fhir_base_url: str, *, read_seconds: float = READ_SECONDS) -> None:
        parts = urlsplit(fhir_base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise InvalidBackend("The back end is no http(s) address of a FHIR base")
        self.fhir_base_url = fhir_base_url.rstrip("/")
        self._timeouts = (CONNECT_SECONDS, read_seconds)

    def send(
        self, method: str, path: str, *, query: Pairs = (), headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> BackendAnswer:
        """Send one request below the base; path as FhirRequest has it.

        Raises: BackendTimedOut; BackendFailed where it cannot be reached, redirects or answers without end.
        """
        url = "/".join(part for part in (self.fhir_base_url, quote(path)) if part)
        if query:
            url = f"{url}?{urlencode(query)}"
        try:
            with requests.Session() as session:
                session.trust_env = False
                with session.request(
                    method,
                    url,
                    headers={"Accept": _JSON, **(headers or {})},
                    data=body or None,
                    timeout=self._timeouts,
                    allow_redirects=False,
                    stream=True,
                ) as http_response:
                    return _read(http_response)
        except requests.Timeout as exc:
            raise BackendTimedOut("The FHIR server behind this one did not answer in time") from exc
        except requests.RequestException as exc:
            raise BackendFailed("The FHIR server behind this one cannot be reached") from exc

    def find(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Give a current resource, or None. Raises as `send`, and BackendFailed for an answer that is neither."""
        answer = self.send("GET", f"{resource_type}/{resource_id}")
        if answer.status in {404, 410}:
            return None
        return self._get_json(answer)

    def search(self, resource_type: str, *pairs: tuple[str, str]) -> list[dict[str, Any]]:
        """Give the first resources that match search parameters. Raises as `find`."""
        answer = self.send("GET", resource_type, query=(*pairs, ("_count", str(_PAGE))))
        self._get_json(answer)
        found = (entry.get("resource", {}) for entry in (answer.find_bundle() or {}).get("entry", ()))
        return [resource for resource in found if resource.get("resourceType") == resource_type]

    def replace(self, resource: dict[str, Any]) -> None:
        """Keep a new version of a resource, under its own id. Raises as `find`."""
        path = f"{resource['resourceType']}/{resource['id']}"
        answer = self.send("PUT", path, headers={"Content-Type": _JSON}, body=dump_json(resource).encode())
        if answer.status not in {200, 201}:
            raise BackendFailed(f"The FHIR server behind this one refused {path} ({answer.status})")

    @staticmethod
    def _get_json(answer: BackendAnswer) -> dict[str, Any]:
        document = answer.find_json()
        if answer.status != 200 or document is None:
            raise BackendFailed(f"The FHIR server behind this one answered {answer.status}")
        return document


def _read(http_response: requests.Response) -> BackendAnswer:
    if 300 <= http_response.status_code < 400 and http_response.status_code != 304:
        raise BackendFailed("The FHIR server behind this one redirects")
    body = b""
    for chunk in http_response.iter_content(_CHUNK):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise BackendFailed("The FHIR server behind this one answers without end")
    return BackendAnswer(
        status=http_response.status_code, headers=CaseInsensitiveDict(http_response.headers), body=body
    )
