"""Batch and transaction, http://hl7.org/fhir/R4/http.html#transaction.

A transaction is whole or not at all: ids are chosen first, references between entries replaced, then DELETE, POST,
PUT, GET are done in
one database transaction, and all references checked at the end. The entries of a batch stand each for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from sandbox_ehr.errors import FhirRefusal, Malformed, NotFound, NotSupported
from sandbox_ehr.fhir_json import dump_json
from sandbox_ehr.interactions import Answer, Interactions
from sandbox_ehr.outcome import Issue, build_outcome
from sandbox_ehr.references import replace_references
from sandbox_ehr.searchset import build_etag, build_status
from sandbox_ehr.store_session import StoredResource, format_instant
from sandbox_ehr.validation import ReferenceAt, check_references

_METHODS = ("DELETE", "POST", "PUT", "GET")
_REQUEST_KEYS = {"method", "url", "ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince", "id", "extension"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a batch or transaction. path: split at `/`."""

    position: int
    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    full_url: str | None
    resource: Mapping[str, Any] | None
    if_none_exist: str | None
    if_match: str | None
    if_none_match: str | None

    @property
    def expression(self) -> str:
        """The FHIRPath of the entry."""
        return f"Bundle.entry[{self.position}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """A response Bundle as JSON text, and the versions written."""

    body: str
    written: tuple[StoredResource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """What a transaction settles first: position → match or new id of each POST, fullUrl → relative reference."""

    existing: dict[int, StoredResource] = field(default_factory=dict)
    new_ids: dict[int, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)


Open = Callable[[list[ReferenceAt] | None], AbstractContextManager[Interactions]]
"""Opens a writing session: given a list, references are collected there instead of being checked at once."""


def parse_entries(bundle: Mapping[str, Any], fhir_base_url: str) -> list[Entry]:
    """Parse the entries of a batch or transaction. Raises: Malformed, naming the element."""
    listed = bundle.get("entry", [])
    if not isinstance(listed, list):
        raise Malformed("entry is not a list", expression="Bundle.entry")
    return [_parse_entry(position, entry, fhir_base_url) for position, entry in enumerate(listed)]


def process_transaction(entries: Sequence[Entry], open_session: Open, *, representation: bool) -> Processed:
    """Do all entries or none. Raises: the first refusal, its issues placed at the entry."""
    _check_identities(entries)
    unchecked: list[ReferenceAt] = []
    answers: dict[int, Answer] = {}
    with open_session(unchecked) as interactions:
        choice = _choose(entries, interactions)
        for entry in sorted(entries, key=_order):
            before = len(unchecked)
            with _Placed(entry):
                answers[entry.position] = _perform_chosen(entry, interactions, choice)
            unchecked[before:] = [
                ReferenceAt(f"{entry.expression}.resource.{path.partition('.')[2]}", text)
                for path, text in unchecked[before:]
            ]
        check_references(interactions.session, unchecked)
    return _build_response(
        "transaction-response", [answers[entry.position] for entry in entries], entries, representation
    )


def process_batch(entries: Sequence[Entry], open_session: Open, *, representation: bool) -> Processed:
    """Do each entry by itself; a refusal becomes the outcome of that entry."""
    answers: list[Answer | FhirRefusal] = []
    for entry in entries:
        try:
            with open_session(None) as interactions:
                answers.append(_perform(entry, interactions))
        except FhirRefusal as refusal:
            answers.append(refusal)
    return _build_response("batch-response", answers, entries, representation)


def _parse_entry(position: int, entry: Any, fhir_base_url: str) -> Entry:
    place = f"Bundle.entry[{position}]"
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("url"), str) or set(request) - _REQUEST_KEYS:
        raise Malformed("The entry has no request with method and url", expression=f"{place}.request")
    method = request.get("method")
    if method not in _METHODS:
        raise Malformed("The method is none of GET, POST, PUT, DELETE", expression=f"{place}.request.method")
    if method in {"POST", "PUT"} and not isinstance(entry.get("resource"), dict):
        raise Malformed("The entry has no resource", expression=f"{place}.resource")
    for name in ("fullUrl", "ifNoneExist", "ifMatch", "ifNoneMatch"):
        if not isinstance({**request, "fullUrl": entry.get("fullUrl")}.get(name, ""), str | None):
            raise Malformed("Not a string", expression=f"{place}.{name}")
    path, _, query = request["url"].removeprefix(f"{fhir_base_url}/").partition("?")
    return Entry(
        position=position,
        method=method,
        path=tuple(unquote(part) for part in path.split("/")),
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        full_url=entry.get("fullUrl"),
        resource=entry.get("resource"),
        if_none_exist=request.get("ifNoneExist"),
        if_match=request.get("ifMatch"),
        if_none_match=request.get("ifNoneMatch"),
    )


def _check_identities(entries: Sequence[Entry]) -> None:
    """Raise Malformed where two entries are about the same resource, http://hl7.org/fhir/R4/http.html#trules."""
    seen: set[tuple[str, object]] = set()
    for entry in entries:
        identities: list[tuple[str, object]] = [("fullUrl", entry.full_url)] if entry.full_url else []
        if entry.method in {"PUT", "DELETE"}:
            identities.append(("url", entry.path))
        if entry.if_none_exist:
            identities.append(("ifNoneExist", (entry.path, entry.if_none_exist)))
        for identity in identities:
            if identity in seen:
                raise Malformed(f"Two entries have the same {identity[0]}", expression=entry.expression)
            seen.add(identity)


def _choose(entries: Sequence[Entry], interactions: Interactions) -> _Choice:
    """Find the matches of conditional creates and choose an id for every other POST, before anything is written."""
    choice = _Choice()
    for entry in entries:
        target = "/".join(entry.path[:2])
        if entry.method == "POST":
            with _Placed(entry):
                existing = _find_existing(entry, interactions)
            if existing:
                choice.existing[entry.position] = existing
                target = existing.reference
            else:
                choice.new_ids[entry.position] = str(uuid4())
                target = f"{entry.path[0]}/{choice.new_ids[entry.position]}"
        if entry.full_url and entry.method in {"POST", "PUT"}:
            choice.addresses[entry.full_url] = target
    return choice


def _find_existing(entry: Entry, interactions: Interactions) -> StoredResource | None:
    if entry.if_none_exist is None:
        return None
    interactions.check_offer("create", entry.path[0], "c")
    return interactions.find_existing(entry.path[0], entry.if_none_exist)


def _order(entry: Entry) -> tuple[bool, bool, int, int]:
    """Sort by method; reads last, and Provenance last of the writes, since its compartment is that of its targets."""
    return entry.method == "GET", entry.path[0] == "Provenance", _METHODS.index(entry.method), entry.position


def _perform_chosen(entry: Entry, interactions: Interactions, choice: _Choice) -> Answer:
    if entry.position in choice.existing:
        return interactions.answer_existing(choice.existing[entry.position])
    resource = replace_references(entry.resource, lambda text: choice.addresses.get(text, text))
    unconditional = replace(entry, resource=resource, if_none_exist=None)
    return _perform(unconditional, interactions, choice.new_ids.get(entry.position))


def _perform(entry: Entry, interactions: Interactions, new_id: str | None = None) -> Answer:
    resource = entry.resource
    match entry.method, entry.path:
        case "POST", (resource_type,) if resource is not None:
            return interactions.create(resource, resource_type, if_none_exist=entry.if_none_exist, new_id=new_id)
        case "PUT", (resource_type, resource_id) if resource is not None:
            return interactions.update(resource, resource_type, resource_id, if_match=entry.if_match)
        case "DELETE", (resource_type, resource_id):
            return interactions.delete(resource_type, resource_id, if_match=entry.if_match)
        case "GET", (resource_type, resource_id):
            return interactions.read(resource_type, resource_id, if_none_match=entry.if_none_match)
        case "GET", (resource_type, resource_id, "_history", version):
            return interactions.vread(resource_type, resource_id, version)
        case "GET", (resource_type,):
            return interactions.search(resource_type, entry.query)
        case "GET", _:
            raise NotFound("There is nothing at the url of the entry")
        case _:
            raise NotSupported("The entry has no interaction of this server")


class _Placed:
    """Puts the entry before the expressions of a refusal that passes through."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, FhirRefusal):
            place = self._entry.expression
            error.issues = tuple(replace(issue, expression=_below(place, issue)) for issue in error.issues)


def _below(place: str, issue: Issue) -> tuple[str, ...]:
    """`Observation.status` → `Bundle.entry[2].resource.status`."""
    return tuple(f"{place}.resource.{path.partition('.')[2] or path}" for path in issue.expression) or (place,)


def _build_response(
    kind: str, answers: Sequence[Answer | FhirRefusal], entries: Sequence[Entry], representation: bool
) -> Processed:
    parts = []
    for entry, answer in zip(entries, answers, strict=True):
        if isinstance(answer, FhirRefusal):
            outcome = dump_json(build_outcome(answer.issues))
            parts.append(f'{{"response":{{"status":"{build_status(answer.status)}","outcome":{outcome}}}}}')
            continue
        response = {"status": build_status(answer.status)}
        if answer.stored:
            if entry.method in {"POST", "PUT"}:
                response["location"] = f"{answer.stored.reference}/_history/{answer.stored.version}"
            response["etag"] = build_etag(answer.stored)
            response["lastModified"] = format_instant(answer.stored.last_updated)
        shown = answer.body and (representation or entry.method == "GET")
        resource = f'"resource":{answer.body},' if shown else ""
        parts.append(f'{{{resource}"response":{dump_json(response)}}}')
    body = f'{{"resourceType":"Bundle","type":"{kind}","entry":[{",".join(parts)}]}}'
    if not parts:
        body = f'{{"resourceType":"Bundle","type":"{kind}"}}'
    written = [answer.stored for answer in answers if isinstance(answer, Answer) and answer.written and answer.stored]
    return Processed(body=body, written=tuple(written))
