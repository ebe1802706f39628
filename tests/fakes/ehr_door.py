"""An EHR in memory behind an EhrDoor: the truth stands in its store and request log, never in our ledger.

It does what an EHR does on each POST, in order, as the test scripts it; without a script it takes everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from enum import StrEnum
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

from fhir_mappings.bundle import find_references
from fhir_mappings.r4 import format_json
from fhir_mappings.systems import RESULT_IDENTIFIER
from fhir_mappings.write_shape import ResourceKind
from launch.capabilities import Capabilities, ResourceCapability
from launch.ehr_profile import get_ehr_profile
from launch.errors import Issue, LaunchError, NotFound, ReadTimeout, Unauthorized
from launch.fhir_reader import FhirResource, Read, Search, SearchResult
from launch.fhir_writer import OutcomeKind, WriteOutcome
from launch.scopes import Scopes
from smart_app.model.identity import PatientKey, User
from smart_app.writeback.door import EhrDoor

BASE = "https://ehr.example/fhir"
PATIENT = PatientKey(ehr_id="clinic", tenant="", patient_id="rosa")
CLINICIAN = User(issuer="https://ehr.example", subject="s-1", fhir_user="Practitioner/miriam", name="Miriam Okafor, MD")
WRITTEN_TYPES = tuple(dict.fromkeys(kind.resource_type for kind in ResourceKind))


class Killed(BaseException):
    """The process died here: nothing of ours runs afterwards."""


class Act(StrEnum):
    """What the EHR, the network or a power cut does on one POST."""

    TAKE = "take"
    TAKE_WITHOUT_ID = "take-without-id"
    HOLD = "hold"
    REFUSE = "refuse"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    TOO_MANY = "too-many"
    CONFLICT = "conflict"
    LOSE_REQUEST = "lose-request"
    LOSE_ANSWER = "lose-answer"
    KILL_BEFORE_FIRST_BYTE = "kill-before-first-byte"
    KILL_AFTER_FIRST_BYTE = "kill-after-first-byte"
    KILL_AFTER_COMMIT = "kill-after-commit"


class FakeChart:
    """The chart of one EHR. ``stored``: what it holds; ``posts``: every POST whose first byte left, in order."""

    def __init__(self) -> None:
        self.patient: dict[str, Any] = {
            "resourceType": "Patient",
            "id": "rosa",
            "identifier": [{"system": "urn:mrn", "value": "00482913", "type": {"coding": [{"code": "MR"}]}}],
            "name": [{"family": "Delgado-Quinn", "given": ["Rosa"]}],
            "birthDate": "1986-03-14",
            "gender": "female",
        }
        self.encounter: dict[str, Any] = {
            "resourceType": "Encounter",
            "id": "visit",
            "status": "in-progress",
            "subject": {"reference": "Patient/rosa"},
        }
        self._numbers = count(1)
        self.stored: list[dict[str, Any]] = []
        self.posts: list[dict[str, Any]] = []
        self.conditions: list[str | None] = []
        self.script: list[Act] = []
        self.read_errors: list[LaunchError] = []
        self.hidden_from_search = False
        self.searches = 0
        self.before_post: Callable[[], None] = lambda: None

    def found(self, resource_type: str) -> list[dict[str, Any]]:
        return [resource for resource in self.stored if resource["resourceType"] == resource_type]

    def copies(self) -> dict[str, int]:
        """Copies of each of our identifiers that the chart holds."""
        counts: dict[str, int] = {}
        for resource in self.stored:
            for mark in _marks(resource):
                counts[mark] = counts.get(mark, 0) + 1
        return counts

    # What a FhirReader does ---------------------------------------------------------------------------------------

    def read_together(
        self, wanted: Mapping[str, Read | Search]
    ) -> dict[str, FhirResource | SearchResult | LaunchError]:
        if self.read_errors:
            error = self.read_errors.pop(0)
            return dict.fromkeys(wanted, error)
        return {name: self._read(item) for name, item in wanted.items() if isinstance(item, Read)}

    def _read(self, item: Read) -> FhirResource | LaunchError:
        for resource in (self.patient, self.encounter):
            if (resource.get("resourceType"), resource.get("id")) == (item.resource_type, item.id):
                return FhirResource(
                    resource_type=item.resource_type, id=item.id, version_id="1", resource=deepcopy(resource)
                )
        return NotFound()

    def search(self, resource_type: str, params: Iterable[tuple[str, str]]) -> SearchResult:
        self.searches += 1
        if self.read_errors:
            raise self.read_errors.pop(0)
        wanted = {value.partition("|")[2] for _, value in params}
        matches = [] if self.hidden_from_search else [r for r in self.found(resource_type) if _marks(r) & wanted]
        return SearchResult(
            resources=tuple(
                FhirResource(resource_type=resource_type, id=match["id"], version_id="1", resource=match)
                for match in matches
            ),
            complete=True,
        )

    # What a FhirWriter does ---------------------------------------------------------------------------------------

    def create(
        self,
        resource: Mapping[str, Any],
        *,
        if_none_exist: str | None = None,
        deadline: float,
        before_first_byte: Callable[[], None],
    ) -> WriteOutcome:
        entry = {"resource": resource, "request": {"ifNoneExist": if_none_exist}}
        outcome = self._post([entry], before_first_byte, posted=dict(resource))
        return outcome.entries[0] if outcome.entries else outcome

    def transaction(
        self, bundle: Mapping[str, Any], *, deadline: float, before_first_byte: Callable[[], None]
    ) -> WriteOutcome:
        outcome = self._post(bundle["entry"], before_first_byte, posted=dict(bundle))
        if outcome.kind is OutcomeKind.CREATED:
            return WriteOutcome(kind=OutcomeKind.CREATED, http_status=200, entries=outcome.entries)
        return outcome

    def _post(
        self, entries: list[dict[str, Any]], before_first_byte: Callable[[], None], *, posted: dict[str, Any]
    ) -> WriteOutcome:
        act = self.script.pop(0) if self.script else Act.TAKE
        self.before_post()
        if act is Act.UNREACHABLE:
            return WriteOutcome(kind=OutcomeKind.NOT_SENT, error_code="unreachable")
        if act is Act.KILL_BEFORE_FIRST_BYTE:
            raise Killed
        before_first_byte()
        format_json(posted)
        self.posts.append(deepcopy(posted))
        if act is Act.KILL_AFTER_FIRST_BYTE:
            raise Killed
        if act in _ANSWERS:
            return _ANSWERS[act]
        kept = self._keep(entries)
        if act is Act.KILL_AFTER_COMMIT:
            raise Killed
        if act is Act.LOSE_ANSWER:
            return WriteOutcome(kind=OutcomeKind.UNKNOWN, error_code="read-timeout")
        if act is Act.TAKE_WITHOUT_ID:
            kept = tuple(WriteOutcome(kind=outcome.kind, http_status=201) for outcome in kept)
        return WriteOutcome(kind=OutcomeKind.CREATED, http_status=201, entries=kept)

    def _keep(self, entries: list[dict[str, Any]]) -> tuple[WriteOutcome, ...]:
        outcomes: list[WriteOutcome] = []
        ids: dict[str, str] = {}
        kept: list[dict[str, Any]] = []
        for entry in entries:
            condition = entry["request"].get("ifNoneExist")
            self.conditions.append(condition)
            standing = self._find(entry["resource"]["resourceType"], condition)
            kind = OutcomeKind.CREATED if standing is None else OutcomeKind.EXISTED
            if standing is None:
                standing = {**deepcopy(dict(entry["resource"])), "id": f"id-{next(self._numbers)}"}
                self.stored.append(standing)
                kept.append(standing)
            if "fullUrl" in entry:
                ids[entry["fullUrl"]] = f"{standing['resourceType']}/{standing['id']}"
            outcomes.append(WriteOutcome(kind=kind, http_status=201, resource_id=standing["id"], version_id="1"))
        for resource in kept:
            _resolve(resource, ids)
            assert not any(reference.startswith("urn:") for reference in find_references(resource))
        return tuple(outcomes)

    def _find(self, resource_type: str, condition: str | None) -> dict[str, Any] | None:
        if condition is None:
            return None
        wanted = {value.partition("|")[2] for _, value in parse_qsl(condition)}
        return next((resource for resource in self.found(resource_type) if _marks(resource) & wanted), None)


_ANSWERS = {
    Act.HOLD: WriteOutcome(kind=OutcomeKind.HELD, http_status=202),
    Act.REFUSE: WriteOutcome(
        kind=OutcomeKind.REFUSED,
        http_status=422,
        issues=(Issue(severity="error", code="business-rule", text="Rosa Delgado-Quinn has no such code"),),
    ),
    Act.UNAUTHORIZED: WriteOutcome(kind=OutcomeKind.UNAUTHORIZED, http_status=401),
    Act.TOO_MANY: WriteOutcome(kind=OutcomeKind.TOO_MANY_REQUESTS, http_status=429, retry_after=120.0),
    Act.CONFLICT: WriteOutcome(kind=OutcomeKind.CONFLICT, http_status=412),
    Act.LOSE_REQUEST: WriteOutcome(kind=OutcomeKind.UNKNOWN, error_code="connection-reset"),
}


def _marks(resource: Mapping[str, Any]) -> set[str]:
    identifiers = resource.get("identifier", [])
    marks = [*(identifiers if isinstance(identifiers, list) else [identifiers])]
    marks += resource.get("meta", {}).get("tag", [])
    return {mark.get("value") or mark.get("code") for mark in marks if mark.get("system") == RESULT_IDENTIFIER}


def _resolve(value: Any, ids: Mapping[str, str]) -> None:
    if isinstance(value, dict):
        if value.get("reference") in ids:
            value["reference"] = ids[value["reference"]]
        for child in value.values():
            _resolve(child, ids)
    elif isinstance(value, list):
        for child in value:
            _resolve(child, ids)


def capabilities(
    *,
    transaction: bool = False,
    conditional: bool = False,
    types: Iterable[str] = WRITTEN_TYPES,
    searchable: bool = True,
) -> Capabilities:
    """A CapabilityStatement that lets these types be created, and found by our identifier."""
    interactions = frozenset({"create", "read", "search-type"} if searchable else {"create", "read"})
    return Capabilities(
        fhir_version="4.0.1",
        software="fake",
        resources={
            name: ResourceCapability(
                interactions=interactions,
                search_params=frozenset({"identifier", "_tag"}),
                conditional_create=conditional,
            )
            for name in types
        },
        system_interactions=frozenset({"transaction"} if transaction else ()),
    )


def open_fake_door(chart: FakeChart, **changes: Any) -> EhrDoor:
    """A door of the signing clinician's launch, single creates, no proof of absence unless the test says so."""
    values: dict[str, Any] = {
        "launch_id": "launch-1",
        "fhir_base_url": BASE,
        "patient": PATIENT,
        "user": CLINICIAN,
        "profile": get_ehr_profile("generic"),
        "scopes": Scopes.parse("patient/*.cruds"),
        "capabilities": capabilities(),
        "reader": chart,
        "writer": chart,
        "refresh": lambda: None,
    }
    return EhrDoor(**{**values, **changes})


def unauthorized() -> LaunchError:
    return Unauthorized(status=401)


def timed_out() -> LaunchError:
    return ReadTimeout("took too long", sent=True)
