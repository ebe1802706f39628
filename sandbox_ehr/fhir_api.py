"""The FHIR R4 RESTful API as a function of request and access, http://hl7.org/fhir/R4/http.html.

Route, content negotiation, headers and the request log; what is done stands in interactions.py and bundle.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from sandbox_ehr.access import Grant
from sandbox_ehr.bundle import Processed, parse_entries, process_batch, process_transaction
from sandbox_ehr.capability_statement import build_capability_statement
from sandbox_ehr.errors import (
    FhirRefusal,
    Invalid,
    InvalidParameter,
    LoginRequired,
    Malformed,
    NotAcceptable,
    NotFound,
    NotSupported,
    UnsupportedMediaType,
)
from sandbox_ehr.fhir_json import dump_json, parse_json
from sandbox_ehr.fhir_request import Access, Clock, FhirHttpResponse, FhirRequest, SmartEndpoints
from sandbox_ehr.interactions import Answer, Interactions
from sandbox_ehr.outcome import build_outcome
from sandbox_ehr.persona import Persona
from sandbox_ehr.request_log import RequestLog
from sandbox_ehr.search import Pairs
from sandbox_ehr.search_parameters import RESOURCE_TYPES
from sandbox_ehr.searchset import build_etag
from sandbox_ehr.store import FhirStore
from sandbox_ehr.store_session import StoredResource, StoreSession
from sandbox_ehr.validation import ReferenceAt

__all__ = ["Access", "FhirApi", "FhirHttpResponse", "FhirRequest", "SmartEndpoints"]

FHIR_JSON = "application/fhir+json"
_JSON_TYPES = {FHIR_JSON, "application/json", "application/json+fhir", "text/json", "json"}
_ACCEPTED = _JSON_TYPES | {"*/*", "application/*", ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Preference:
    """The `Prefer` header. returned: minimal, representation, OperationOutcome or None; lenient: `handling=lenient`."""

    returned: str | None
    lenient: bool


class FhirApi:
    """Answers FHIR requests from a store, as the persona's EHR would.

    fhir_base_url: absolute, without a trailing slash; used in fullUrl, Location and paging links.
    """

    def __init__(
        self,
        *,
        store: FhirStore,
        persona: Persona,
        fhir_base_url: str,
        endpoints: SmartEndpoints,
        clock: Clock,
        log: RequestLog | None = None,
    ) -> None:
        self._store = store
        self._persona = persona
        self._base = fhir_base_url.rstrip("/")
        self._endpoints = endpoints
        self._clock = clock
        self._log = log or RequestLog(store, persona=persona.name, clock=clock)

    def handle(self, request: FhirRequest, access: Access | None) -> FhirHttpResponse:
        """Answer one request; `access` is None where no token was sent (only `metadata` is open then, else 401).

        Never raises for anything that a client can send: every refusal is an OperationOutcome. Each request is logged.
        """
        written: tuple[StoredResource, ...] = ()
        try:
            _check_accept(request)
            answer = self._route(request, access)
            if isinstance(answer, Processed):
                written = answer.written
                response = FhirHttpResponse(status=200, headers=_content_headers(), body=answer.body.encode())
            else:
                written = (answer.stored,) if answer.written and answer.stored else ()
                response = self._respond(request, answer)
        except FhirRefusal as refusal:
            response = self._refuse(refusal)
        versions = [f"{stored.reference}/_history/{stored.version}" for stored in written]
        self._log.record(request, access, status=response.status, written=versions)
        if request.method == "HEAD":
            return FhirHttpResponse(status=response.status, headers=response.headers)
        return response

    def _refuse(self, refusal: FhirRefusal) -> FhirHttpResponse:
        status = self._persona.invalid_status if isinstance(refusal, Invalid) else refusal.status
        if status in self._persona.empty_bodies:
            return FhirHttpResponse(status=status)
        body = dump_json(build_outcome(refusal.issues)).encode()
        return FhirHttpResponse(status=status, headers=_content_headers(), body=body)

    def _route(self, request: FhirRequest, access: Access | None) -> Answer | Processed:
        method = "GET" if request.method == "HEAD" else request.method
        path = tuple(part for part in request.path.split("/") if part)
        if (method, path) == ("GET", ("metadata",)):
            return self._metadata()
        if access is None:
            raise LoginRequired("An access token is needed")
        grant = Grant(access, now=self._clock())
        match method, path:
            case "GET", () if any(name == "_getpages" for name, _ in request.query):
                with self._reading(grant) as interactions:
                    return interactions.next_page(request.query)
            case "POST", ():
                return self._process_bundle(request, grant)
            case _, () | ("metadata",):
                raise NotSupported("The base of this server has no such interaction")
            case _, (resource_type, *_) if resource_type not in RESOURCE_TYPES:
                raise NotFound("This server does not have the resource type or operation")
        if method in {"GET", "POST"} and (method == "GET" or path[-1] == "_search"):
            return self._route_read(path, request, grant)
        return self._route_write(method, path, request, grant)

    def _route_read(self, path: tuple[str, ...], request: FhirRequest, grant: Grant) -> Answer:
        lenient = _parse_prefer(request).lenient
        with self._reading(grant, request.exchange.search_lag) as interactions:
            match path:
                case (resource_type,):
                    return interactions.search(resource_type, request.query, lenient=lenient)
                case (resource_type, "_search"):
                    pairs = _parse_form(request, with_query=not self._persona.post_search_ignores_query)
                    return interactions.search(resource_type, pairs, lenient=lenient)
                case (resource_type, "_history"):
                    return interactions.history(resource_type, None, request.query)
                case (resource_type, resource_id):
                    if_none_match = request.header("If-None-Match")
                    return interactions.read(resource_type, resource_id, if_none_match=if_none_match)
                case (resource_type, resource_id, "_history"):
                    return interactions.history(resource_type, resource_id, request.query)
                case (resource_type, resource_id, "_history", version):
                    return interactions.vread(resource_type, resource_id, version)
                case _:
                    raise NotFound("There is nothing at this address")

    def _route_write(self, method: str, path: tuple[str, ...], request: FhirRequest, grant: Grant) -> Answer:
        match method, path:
            case "POST", (resource_type,):
                with self._writing(grant) as interactions:
                    interactions.check_offer("create", resource_type, "c")
                    resource = _parse_body(request)
                    return interactions.create(resource, resource_type, if_none_exist=request.header("If-None-Exist"))
            case "PUT", (resource_type, resource_id):
                resource = _parse_body(request)
                with self._writing(grant) as interactions:
                    return interactions.update(
                        resource, resource_type, resource_id, if_match=request.header("If-Match")
                    )
            case "DELETE", (resource_type, resource_id):
                with self._writing(grant) as interactions:
                    return interactions.delete(resource_type, resource_id, if_match=request.header("If-Match"))
            case _:
                raise NotSupported("This address does not have the method")

    def _process_bundle(self, request: FhirRequest, grant: Grant) -> Processed:
        if not (self._persona.batch or self._persona.transaction):
            raise NotSupported("This server has neither batch nor transaction")
        bundle = _parse_body(request)
        kind = bundle.get("type")
        if bundle.get("resourceType") != "Bundle" or kind not in ("batch", "transaction"):
            raise Malformed("The base takes only a Bundle of type batch or transaction", expression="Bundle.type")
        if not (self._persona.transaction if kind == "transaction" else self._persona.batch):
            raise NotSupported(f"This server has no {kind}")
        entries = parse_entries(bundle, self._base)
        process = process_transaction if kind == "transaction" else process_batch
        representation = _parse_prefer(request).returned == "representation"
        return process(entries, partial(self._writing, grant), representation=representation)

    def _metadata(self) -> Answer:
        statement = build_capability_statement(self._persona, self._base, self._endpoints, now=self._clock())
        return Answer(status=200, body=dump_json(statement))

    @contextmanager
    def _reading(self, grant: Grant, search_lag: timedelta | None = None) -> Iterator[Interactions]:
        with self._store.reading() as session:
            yield replace(self._interactions(session, grant, self._save_page), search_lag=search_lag)

    @contextmanager
    def _writing(self, grant: Grant, unchecked: list[ReferenceAt] | None = None) -> Iterator[Interactions]:
        with self._store.writing() as session:
            yield self._interactions(session, grant, session.save_page, unchecked)

    def _interactions(
        self,
        session: StoreSession,
        grant: Grant,
        save_page: Callable[[dict[str, Any]], str],
        unchecked: list[ReferenceAt] | None = None,
    ) -> Interactions:
        return Interactions(
            session=session,
            persona=self._persona,
            grant=grant,
            fhir_base_url=self._base,
            now=self._clock(),
            save_page=save_page,
            unchecked=unchecked,
        )

    def _save_page(self, content: dict[str, Any]) -> str:
        with self._store.writing() as session:
            return session.save_page(content)

    def _respond(self, request: FhirRequest, answer: Answer) -> FhirHttpResponse:
        headers: dict[str, str] = {}
        stored = answer.stored
        if stored:
            headers["Last-Modified"] = format_datetime(stored.last_updated.astimezone(UTC), usegmt=True)
            if self._persona.etag:
                headers["ETag"] = build_etag(stored)
        if stored and request.method in {"POST", "PUT"} and (answer.status == 201 or request.method == "POST"):
            match self._persona.location:
                case "absolute":
                    headers["Location"] = f"{self._base}/{stored.reference}/_history/{stored.version}"
                case "absolute-unversioned":
                    headers["Location"] = f"{self._base}/{stored.reference}"
                case "relative":
                    headers["Location"] = stored.reference
        body = self._choose_body(request, answer)
        if body:
            headers |= _content_headers()
        return FhirHttpResponse(status=answer.status, headers=headers, body=body.encode())

    def _choose_body(self, request: FhirRequest, answer: Answer) -> str:
        is_write = answer.stored is not None and request.method in {"POST", "PUT"}
        if not is_write or not answer.body:
            return answer.body
        default = "representation" if self._persona.create_body == "representation" else "minimal"
        stated = _parse_prefer(request).returned if self._persona.honors_prefer else None
        match stated or default:
            case "minimal":
                return ""
            case "OperationOutcome":
                return dump_json(build_outcome(()))
            case _:
                return answer.body


def _content_headers() -> dict[str, str]:
    return {"Content-Type": f"{FHIR_JSON}; charset=utf-8"}


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _check_accept(request: FhirRequest) -> None:
    wanted = dict(request.query).get("_format") or request.header("Accept") or "*/*"
    if not any(_media_type(part) in _ACCEPTED for part in wanted.split(",")):
        raise NotAcceptable(f"This server answers {FHIR_JSON} only")


def _parse_body(request: FhirRequest) -> dict[str, Any]:
    if _media_type(request.header("Content-Type") or "") not in _JSON_TYPES:
        raise UnsupportedMediaType(f"This server takes {FHIR_JSON} only")
    return parse_json(request.body)


def _parse_form(request: FhirRequest, *, with_query: bool) -> Pairs:
    if _media_type(request.header("Content-Type") or "") != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType("_search takes application/x-www-form-urlencoded only")
    try:
        query = request.query if with_query else ()
        return (*query, *parse_qsl(request.body.decode("utf-8"), keep_blank_values=True))
    except UnicodeDecodeError as exc:
        raise InvalidParameter("The form is not UTF-8") from exc


def _parse_prefer(request: FhirRequest) -> _Preference:
    words = (request.header("Prefer") or "").replace(",", ";").split(";")
    given = dict(word.strip().split("=", 1) for word in words if "=" in word)
    return _Preference(returned=given.get("return"), lenient=given.get("handling") == "lenient")
