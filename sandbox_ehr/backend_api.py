"""The FHIR API in front of another R4 server: the granted scopes decide what passes, then the server answers.

Same shape as FhirApi. Requests go on as they came; of the answers, what lies beyond the scopes is left out, and
addresses become those of this EHR. Judged first and sent then, so a change in between can slip through: this is test
equipment.
Source: http://hl7.org/fhir/R4/http.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sandbox_ehr.access import Grant, Right
from sandbox_ehr.backend import Backend, BackendAnswer
from sandbox_ehr.backend_reach import Judge, ScratchReach
from sandbox_ehr.backend_rewriting import Rewriting
from sandbox_ehr.bundle import Entry, parse_entries
from sandbox_ehr.errors import FhirRefusal, Forbidden, LoginRequired, Malformed, NotFound, NotSupported
from sandbox_ehr.fhir_json import dump_json, parse_json
from sandbox_ehr.fhir_request import Access, Clock, FhirHttpResponse, FhirRequest
from sandbox_ehr.outcome import build_outcome
from sandbox_ehr.references import replace_references
from sandbox_ehr.request_log import RequestLog
from sandbox_ehr.search_parameters import RESOURCE_TYPES

_PASSED_ON = ("Content-Type", "Accept", "Prefer", "If-Match", "If-None-Match", "If-None-Exist", "If-Modified-Since")
_SEGMENT = re.compile(r"(?!\.+$)[A-Za-z0-9.-]{1,64}|_history|_search")
"""Of a path: a type, an id or version, or one of two words; neither an operation nor a way up."""
_VERSION = re.compile(r"(?P<reference>[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})(/_history/(?P<version>[A-Za-z0-9.-]+))?$")


class BackendApi:
    """Answers FHIR requests from the back end. fhir_base_url: of this EHR, without a trailing slash."""

    def __init__(
        self, backend: Backend, *, reach: ScratchReach, log: RequestLog, fhir_base_url: str, clock: Clock
    ) -> None:
        self._backend = backend
        self._reach = reach
        self._log = log
        self._base = fhir_base_url
        self._clock = clock
        self._rewriting = Rewriting(backend=backend.fhir_base_url, own=fhir_base_url)

    def handle(self, request: FhirRequest, access: Access | None) -> FhirHttpResponse:
        """Answer one request; `access` is None where no token was sent (only `metadata` is open then, else 401)."""
        written: list[str] = []
        try:
            answer = self._route(request, access)
            written = list(_list_written(request, answer))
            response = FhirHttpResponse(
                status=answer.status, headers=self._rewriting.headers(answer.headers), body=answer.body
            )
        except FhirRefusal as refusal:
            body = dump_json(build_outcome(refusal.issues)).encode()
            headers = {"Content-Type": "application/fhir+json; charset=utf-8"}
            response = FhirHttpResponse(status=refusal.status, headers=headers, body=body)
        self._log.record(request, access, status=response.status, written=written)
        return response

    def _route(self, request: FhirRequest, access: Access | None) -> BackendAnswer:
        path = tuple(part for part in request.path.split("/") if part)
        if (request.method, path) == ("GET", ("metadata",)):
            return self._send(request)
        if access is None:
            raise LoginRequired("An access token is needed")
        grant = Grant(access, now=self._clock())
        if path and path[0] not in RESOURCE_TYPES:
            raise NotFound("This server does not have the resource type or operation")
        if not all(_SEGMENT.fullmatch(part) for part in path):
            raise NotFound("There is nothing at this address")
        if request.method == "GET" or path[1:] == ("_search",):
            return self._route_read(request, grant, path)
        return self._route_write(request, grant, path)

    def _route_read(self, request: FhirRequest, grant: Grant, path: tuple[str, ...]) -> BackendAnswer:
        match request.method, path:
            case "GET", () if request.query:  # a further page
                return self._filter(request, grant, self._send(request), right="s")
            case ("GET", (resource_type,) | (resource_type, "_history")) | ("POST", (resource_type, "_search")):
                everything = grant.condition("s", resource_type).text == "1"
                return self._filter(request, grant, self._send(request), right="s", with_total=everything)
            case "GET", (resource_type, _, "_history"):
                grant.condition("r", resource_type)
                return self._filter(request, grant, self._send(request), right="r")
            case "GET", (resource_type, resource_id) | (resource_type, resource_id, "_history", _):
                return self._read(request, grant, resource_type, resource_id)
        raise NotSupported("This address does not have the method")

    def _route_write(self, request: FhirRequest, grant: Grant, path: tuple[str, ...]) -> BackendAnswer:
        match request.method, path:
            case "POST", ():
                return self._process_bundle(request, grant)
            case "POST", (resource_type,):
                return self._create(request, grant, resource_type)
            case "PUT" | "DELETE", (resource_type, resource_id):
                return self._change(request, grant, resource_type, resource_id)
        raise NotSupported("This address does not have the method")

    def _send(self, request: FhirRequest) -> BackendAnswer:
        headers = {name: value for name in _PASSED_ON if (value := request.header(name)) is not None}
        return self._backend.send(
            request.method, request.path.strip("/"), query=request.query, headers=headers, body=request.body
        )

    def _read(self, request: FhirRequest, grant: Grant, resource_type: str, resource_id: str) -> BackendAnswer:
        grant.condition("r", resource_type)
        answer = self._send(request)
        if answer.status == 200:
            resource = answer.find_json() or {}
            if (resource.get("resourceType"), resource.get("id")) != (resource_type, resource_id):
                raise Forbidden("The answer of the FHIR server behind this one is not the resource asked for")
            with self._reach.judging(grant, self._backend.find) as judge:
                judge.check("r", resource)
        return answer

    def _create(self, request: FhirRequest, grant: Grant, resource_type: str) -> BackendAnswer:
        grant.condition("c", resource_type)
        resource = _parse_resource(request, resource_type)
        with self._reach.judging(grant, self._backend.find) as judge:
            judge.check("c", resource)
        answer = self._send(request)
        if answer.status != 200:
            return answer
        # The match of a conditional create: shown to those only who may read it.
        with self._reach.judging(grant, self._backend.find) as judge:
            readable = judge.reaches("r", answer.find_json() or {})
        return answer if readable else BackendAnswer(status=200, headers=_without_content(answer.headers), body=b"")

    def _change(self, request: FhirRequest, grant: Grant, resource_type: str, resource_id: str) -> BackendAnswer:
        current = self._backend.find(resource_type, resource_id)
        deletes = request.method == "DELETE"
        right: Right = "d" if deletes else "u" if current is not None else "c"
        grant.condition(right, resource_type)
        resource = None if deletes else _parse_resource(request, resource_type)
        for judged in (current, resource):
            if judged is not None:
                with self._reach.judging(grant, self._backend.find) as judge:
                    judge.check(right, judged)
        return self._send(request)

    def _filter(
        self, request: FhirRequest, grant: Grant, answer: BackendAnswer, *, right: Right, with_total: bool = False
    ) -> BackendAnswer:
        """Leave out of a Bundle what is beyond reach, and the total where others may have been counted in."""
        if answer.status != 200:
            return answer
        bundle = answer.find_bundle()
        if bundle is None:
            raise Forbidden("The answer of the FHIR server behind this one is not one that scopes can be held against")
        lag = request.exchange.search_lag
        newest = self._clock() - lag if lag is not None else None
        with self._reach.judging(grant, self._backend.find) as judge:
            kept = [
                entry
                for entry in bundle.get("entry", ())
                if _is_shown(entry, judge, right) and not (newest and _is_new(entry, newest))
            ]
        filtered = {name: value for name, value in bundle.items() if name != "total" or with_total}
        filtered |= {"entry": kept} if kept else {}
        if not kept:
            filtered.pop("entry", None)
        return _with_bundle(answer, self._rewriting.bundle(filtered))

    def _process_bundle(self, request: FhirRequest, grant: Grant) -> BackendAnswer:
        bundle = parse_json(request.body)
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in ("batch", "transaction"):
            raise Malformed("The base takes only a Bundle of type batch or transaction", expression="Bundle.type")
        entries = parse_entries(bundle, self._base)
        with self._reach.judging(grant, self._backend.find) as judge:
            for right, resource in self._list_changes(entries):
                judge.check(right, resource)
        answer = self._send(request)
        answered = answer.find_bundle()
        if answered is None:
            return answer
        with self._reach.judging(grant, self._backend.find) as judge:
            shown = [_hide_unreadable(entry, judge) for entry in answered.get("entry", ())]
        return _with_bundle(answer, self._rewriting.bundle(answered | ({"entry": shown} if shown else {})))

    def _list_changes(self, entries: Sequence[Entry]) -> Iterator[tuple[Right, Mapping[str, Any]]]:
        """Give what each entry does to which resource, references between entries resolved, Provenance last."""
        names = {
            entry.full_url: f"{entry.path[0]}/{uuid4()}"
            for entry in entries
            if entry.full_url and entry.method == "POST"
        }
        for entry in sorted(entries, key=lambda entry: entry.path[0] == "Provenance"):
            resource: Mapping[str, Any] = replace_references(entry.resource or {}, lambda text: names.get(text, text))
            match entry.method, entry.path:
                case "POST", (resource_type,) if resource.get("resourceType") == resource_type:
                    new_id = names.get(entry.full_url or "", "/").partition("/")[2]
                    yield "c", {**resource, "id": new_id or str(uuid4())}
                case "PUT", (resource_type, resource_id) if resource.get("resourceType") == resource_type:
                    current = self._backend.find(resource_type, resource_id)
                    right: Right = "c" if current is None else "u"
                    if current is not None:
                        yield right, current
                    yield right, resource
                case "DELETE", (resource_type, resource_id):
                    current = self._backend.find(resource_type, resource_id)
                    yield "d", current or {"resourceType": resource_type, "id": resource_id}
                case _:
                    raise NotSupported("Before another server, a Bundle holds POST, PUT and DELETE by address only")


def _parse_resource(request: FhirRequest, resource_type: str) -> dict[str, Any]:
    resource = parse_json(request.body)
    if resource.get("resourceType") != resource_type:
        raise Malformed("The resourceType is not that of the address", expression="resourceType")
    return resource


def _is_shown(entry: Mapping[str, Any], judge: Judge, right: Right) -> bool:
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        return False  # a deletion in a history: whose it was cannot be told
    mode = entry.get("search", {}).get("mode")
    if resource.get("resourceType") == "OperationOutcome":
        return bool(mode == "outcome")
    return judge.reaches("r" if mode == "include" else right, resource)


def _is_new(entry: Mapping[str, Any], newest: datetime) -> bool:
    """Tell whether a resource was created after a moment, as far as its `meta` says."""
    meta = entry["resource"].get("meta", {})
    if meta.get("versionId") != "1" or "lastUpdated" not in meta:
        return False
    created: datetime = datetime.fromisoformat(meta["lastUpdated"])
    return created > newest


def _hide_unreadable(entry: dict[str, Any], judge: Judge) -> dict[str, Any]:
    """Take the resource out of an entry that only matched, unless it may be read."""
    resource = entry.get("resource")
    matched = str(entry.get("response", {}).get("status", "")).startswith("200")
    if resource is None or not matched or judge.reaches("r", resource):
        return entry
    return {name: value for name, value in entry.items() if name != "resource"}


def _with_bundle(answer: BackendAnswer, bundle: dict[str, Any]) -> BackendAnswer:
    return BackendAnswer(status=answer.status, headers=answer.headers, body=dump_json(bundle).encode())


def _without_content(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "content-type"}


def _list_written(request: FhirRequest, answer: BackendAnswer) -> Iterator[str]:
    """Give what the answer says was written, as references with version where it names one."""
    if request.method not in {"POST", "PUT", "DELETE"} or request.path.endswith("_search"):
        return
    if not request.path.strip("/"):
        for entry in (answer.find_bundle() or {}).get("entry", ()):
            said = entry.get("response", {})
            named = _parse_version(str(said.get("location", "")))
            if named is not None and str(said.get("status", "")).startswith("201"):
                yield named
        return
    if request.method == "DELETE":
        if answer.status in {200, 204}:
            yield request.path.strip("/")
        return
    if answer.status == 201 or (answer.status == 200 and request.method == "PUT"):
        resource = answer.find_json() or {}
        told = f"{resource.get('resourceType')}/{resource.get('id')}" if "id" in resource else request.path
        yield _parse_version(answer.headers.get("Location", "")) or told


def _parse_version(location: str) -> str | None:
    found = _VERSION.search(location)
    if found is None:
        return None
    return f"{found['reference']}/_history/{found['version']}" if found["version"] else found["reference"]
