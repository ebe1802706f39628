"""A client of FhirApi without a web server in between, and the smallest valid resources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox_ehr.fhir_api import Access, FhirApi, FhirRequest, SmartEndpoints
from sandbox_ehr.personas import Persona, load_persona
from sandbox_ehr.store import FhirStore

BASE = "http://ehr.test/fhir"
ENDPOINTS = SmartEndpoints(
    authorize="http://ehr.test/authorize", token="http://ehr.test/token", revoke="http://ehr.test/revoke"
)
EVERYTHING = Access(scope="system/*.cruds", client_id="loader")
LOINC = "http://loinc.org"
SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category|survey"


class Clock:
    """Stands still until told to go on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **period: float) -> None:
        self.now += timedelta(**period)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def issue(self) -> dict[str, Any]:
        """The first issue of an OperationOutcome."""
        assert self.json["resourceType"] == "OperationOutcome"
        issue: dict[str, Any] = self.json["issue"][0]
        return issue

    @property
    def expressions(self) -> list[str]:
        return [path for issue in self.json["issue"] for path in issue.get("expression", [])]

    @property
    def ids(self) -> list[str]:
        """The ids of the matches of a searchset, in order."""
        entries = self.json.get("entry", [])
        return [entry["resource"]["id"] for entry in entries if entry["search"]["mode"] == "match"]

    def link(self, relation: str) -> str | None:
        return next((link["url"] for link in self.json["link"] if link["relation"] == relation), None)


class Ehr:
    """One persona over one store."""

    def __init__(self, store: FhirStore, clock: Clock, persona: Persona | None = None) -> None:
        self.store, self.clock = store, clock
        self.api = FhirApi(
            store=store,
            persona=persona or load_persona("open"),
            fhir_base_url=BASE,
            endpoints=ENDPOINTS,
            clock=clock,
        )

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        access: Access | None = EVERYTHING,
    ) -> Reply:
        sent = {"Content-Type": "application/fhir+json", **(headers or {})}
        request = FhirRequest(method=method, path=path, query=tuple(query), headers=sent, body=body)
        answer = self.api.handle(request, access)
        return Reply(answer.status, answer.headers, answer.body.decode())

    def get(self, path: str, *query: tuple[str, str], access: Access | None = EVERYTHING, **headers: str) -> Reply:
        return self.send("GET", path, query=query, access=access, headers=_headers(headers))

    def post(self, resource: Any, path: str | None = None, access: Access = EVERYTHING, **headers: str) -> Reply:
        where = resource["resourceType"] if path is None else path
        return self.send("POST", where, json.dumps(resource).encode(), access=access, headers=_headers(headers))

    def put(self, resource: Any, access: Access = EVERYTHING, **headers: str) -> Reply:
        where = f"{resource['resourceType']}/{resource['id']}"
        return self.send("PUT", where, json.dumps(resource).encode(), access=access, headers=_headers(headers))

    def delete(self, path: str, access: Access = EVERYTHING, **headers: str) -> Reply:
        return self.send("DELETE", path, access=access, headers=_headers(headers))

    def search(self, resource_type: str, *query: tuple[str, str], access: Access = EVERYTHING, **headers: str) -> Reply:
        reply = self.get(resource_type, *query, access=access, **headers)
        assert reply.status == 200, reply.text
        return reply

    def follow(self, url: str, access: Access = EVERYTHING) -> Reply:
        """Go where a paging link points."""
        parts = urlsplit(url)
        assert url.startswith(f"{BASE}?")
        return self.get("", *parse_qsl(parts.query), access=access)

    def count(self, resource_type: str) -> int:
        total: int = self.search(resource_type, ("_summary", "count")).json["total"]
        return total


def _headers(words: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in words.items()}


@contextmanager
def open_ehr(path: str | Path = ":memory:", persona: Persona | None = None) -> Iterator[Ehr]:
    """Give an EHR with two patients, `ada` and `bo`, each with an encounter, and a practitioner `dr`."""
    clock = Clock()
    with FhirStore(path, clock=clock) as store:
        for patient in ("ada", "bo"):
            store.put_raw({"resourceType": "Patient", "id": patient, "name": [{"family": patient.title()}]})
            store.put_raw(encounter(patient))
        store.put_raw({"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Doe"}]})
        yield Ehr(store, clock, persona)


def encounter(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": f"visit-{patient}",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def observation(patient: str = "ada", **elements: Any) -> dict[str, Any]:
    """The total of a PHQ-9, of category survey."""
    system, code = SURVEY.split("|")
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": system, "code": code}]}],
        "code": {"coding": [{"system": LOINC, "code": "44261-6"}]},
        "subject": {"reference": f"Patient/{patient}"},
        **elements,
    }


def response(patient: str = "ada", **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        **elements,
    }


def transaction(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def post_entry(resource: dict[str, Any], full_url: str | None = None, **request: str) -> dict[str, Any]:
    entry = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}
    return entry if full_url is None else {"fullUrl": full_url, **entry}
