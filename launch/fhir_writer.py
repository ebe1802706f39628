"""Writing FHIR with the token of one launch (FHIR R4 http "create", "update", "transaction"; SMART App Launch 2.2).

Nothing that an EHR does raises here: each write gives a WriteOutcome that says what is known. A write is sent once,
on a fresh connection; whether it may be sent again is for the caller to decide. In the product only
`smart_app.writeback` imports this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from launch.ehr import Ehr
from launch.errors import Issue, RedirectRefused, TransportError
from launch.fhir_exchange import FHIR_JSON, build_headers, find_issues, parse_issues
from launch.fields import InvalidField, parse_json_object
from launch.session import ActiveLaunch
from launch.transport import WRITE_LIMITS, HttpResponse, Limits, Transport
from launch.urls import is_fhir_id, is_resource_type

_ETAG = re.compile(r"(?:W/)?\"([A-Za-z0-9\-.]{1,64})\"")
_STATUS = re.compile(r"([1-5][0-9]{2})(?:\s.*)?", re.DOTALL)


class OutcomeKind(StrEnum):
    """What is known of a write (design: "From result to state").

    created, existed, updated: done. held: 202. not-sent: no byte left. unauthorized, too-many-requests: not done, may
    be sent again. conflict: 409 or 412 of a conditional create. refused: not done for a reason. unknown: look it up
    first.
    """

    CREATED = "created"
    EXISTED = "existed"
    UPDATED = "updated"
    HELD = "held"
    NOT_SENT = "not-sent"
    UNAUTHORIZED = "unauthorized"
    TOO_MANY_REQUESTS = "too-many-requests"
    CONFLICT = "conflict"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOutcome:
    """Outcome of one write. `entries`: one per entry of a Bundle, in order; all alike where the Bundle itself failed.

    `resource_id` None after created: the EHR gave none that can be used. `retry_after` in seconds. `error_code` is
    that of the TransportError where no answer came. `date` is the EHR's clock.
    """

    kind: OutcomeKind
    http_status: int | None = None
    resource_id: str | None = None
    version_id: str | None = None
    retry_after: float | None = None
    error_code: str | None = None
    issues: tuple[Issue, ...] = ()
    entries: tuple[WriteOutcome, ...] = ()
    date: datetime | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """What decides the meaning of a status: which interaction, and whether it was conditional."""

    resource_type: str
    update: bool = False
    conditional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    method: str
    path: str
    resource: Mapping[str, Any]
    headers: Mapping[str, str]


def _format_json(resource: Mapping[str, Any]) -> str:
    return json.dumps(resource, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class FhirWriter:
    """Writes of one launch.

    `format_json` gives the text that is sent: what was signed with exact decimals (13.50) is sent with them.
    """

    def __init__(
        self,
        active: ActiveLaunch,
        ehr: Ehr,
        transport: Transport,
        *,
        request_id: Callable[[], str] = lambda: str(uuid4()),
        format_json: Callable[[Mapping[str, Any]], str] = _format_json,
    ) -> None:
        """Raise ValueError when launch, EHR and transport are not of the same EHR."""
        if not active.ehr_id == ehr.id == transport.ehr.id:
            raise ValueError("launch, EHR and transport belong to different EHRs")
        self._active = active
        self._ehr = ehr
        self._transport = transport
        self._request_id = request_id
        self._format_json = format_json
        self._base = active.fhir_base_url.rstrip("/")

    def create(
        self,
        resource: Mapping[str, Any],
        *,
        if_none_exist: str | None = None,
        deadline: float = WRITE_LIMITS.seconds,
        before_first_byte: Callable[[], None] | None = None,
    ) -> WriteOutcome:
        """POST one resource, within `deadline` seconds. `if_none_exist`: query of a conditional create, without `?`.

        `before_first_byte` runs once the connection stands, directly before the request leaves; what it raises passes
        through, and nothing was sent.
        """
        resource_type = _type_of(resource)
        sent = _Sent(resource_type=resource_type, conditional=if_none_exist is not None)
        return self._write(
            _Message(
                method="POST",
                path=resource_type,
                resource=resource,
                headers={} if if_none_exist is None else {"If-None-Exist": if_none_exist},
            ),
            lambda response: self._judge(response, sent),
            deadline=deadline,
            before_first_byte=before_first_byte,
        )

    def update(
        self,
        resource: Mapping[str, Any],
        *,
        if_match: str | None = None,
        deadline: float = WRITE_LIMITS.seconds,
        before_first_byte: Callable[[], None] | None = None,
    ) -> WriteOutcome:
        """PUT one resource to its id. `if_match`: the version id that it replaces."""
        resource_type, resource_id = _type_of(resource), resource.get("id")
        if not isinstance(resource_id, str) or not is_fhir_id(resource_id):
            raise ValueError("an update needs the id of the resource")
        sent = _Sent(resource_type=resource_type, update=True)
        return self._write(
            _Message(
                method="PUT",
                path=f"{resource_type}/{resource_id}",
                resource=resource,
                headers={} if if_match is None else {"If-Match": f'W/"{if_match}"'},
            ),
            lambda response: self._judge(response, sent),
            deadline=deadline,
            before_first_byte=before_first_byte,
        )

    def transaction(
        self,
        bundle: Mapping[str, Any],
        *,
        deadline: float = WRITE_LIMITS.seconds,
        before_first_byte: Callable[[], None] | None = None,
    ) -> WriteOutcome:
        """POST a `transaction` or `batch` Bundle to the base. `kind` is that of the whole: created when all is done.

        For a batch whose entries differ, `kind` is unknown if any is, else that of the first entry that is not done.
        """
        sent = _sent_entries(bundle)
        whole = self._write(
            _Message(method="POST", path="", resource=bundle, headers={}),
            lambda response: self._judge_bundle(response, sent),
            deadline=deadline,
            before_first_byte=before_first_byte,
        )
        if whole.entries:
            return whole
        same = WriteOutcome(kind=whole.kind, http_status=whole.http_status, error_code=whole.error_code)
        return replace(whole, entries=(same,) * len(sent))

    def _write(
        self,
        message: _Message,
        judge: Callable[[HttpResponse], WriteOutcome],
        *,
        deadline: float,
        before_first_byte: Callable[[], None] | None,
    ) -> WriteOutcome:
        request_id = self._request_id()
        try:
            response = self._transport.send(
                message.method,
                f"{self._base}/{message.path}" if message.path else self._base,
                body=self._format_json(message.resource).encode("utf-8"),
                headers={
                    **build_headers(self._active, request_id),
                    "Content-Type": FHIR_JSON,
                    "Prefer": "return=representation",
                    **message.headers,
                },
                limits=Limits(seconds=deadline, max_bytes=WRITE_LIMITS.max_bytes),
                before_first_byte=before_first_byte,
            )
        except RedirectRefused as exc:
            return WriteOutcome(kind=OutcomeKind.REFUSED, error_code=exc.code, request_id=request_id)
        except TransportError as exc:
            kind = OutcomeKind.UNKNOWN if exc.sent else OutcomeKind.NOT_SENT
            return WriteOutcome(kind=kind, error_code=exc.code, request_id=request_id)
        return replace(judge(response), request_id=request_id)

    def _judge(self, response: HttpResponse, sent: _Sent) -> WriteOutcome:
        body = _find_object(response)
        resource_id, version_id = self._find_id(response.headers, body, sent.resource_type)
        kind = _kind_of(response.status, sent, has_id=resource_id is not None)
        done = kind in (OutcomeKind.CREATED, OutcomeKind.EXISTED, OutcomeKind.UPDATED)
        return WriteOutcome(
            kind=kind,
            http_status=response.status,
            resource_id=resource_id if done else None,
            version_id=version_id if done else None,
            retry_after=response.retry_after,
            issues=find_issues(response),
            date=response.date,
        )

    def _judge_bundle(self, response: HttpResponse, sent: tuple[_Sent, ...]) -> WriteOutcome:
        whole = _Sent(resource_type="Bundle", conditional=any(entry.conditional for entry in sent))
        if response.status != 200:
            kind = _kind_of(response.status, whole, has_id=False)
            # 201 to a Bundle would mean that it was stored as a document: nothing is known of its entries.
            kind = OutcomeKind.UNKNOWN if kind is OutcomeKind.CREATED else kind
            return WriteOutcome(
                kind=kind,
                http_status=response.status,
                retry_after=response.retry_after,
                issues=find_issues(response),
                date=response.date,
            )
        entries = self._judge_entries(_find_object(response), sent)
        unknown = WriteOutcome(
            kind=OutcomeKind.UNKNOWN, http_status=200, issues=find_issues(response), date=response.date
        )
        if entries is None:
            return unknown
        done = (OutcomeKind.CREATED, OutcomeKind.EXISTED, OutcomeKind.UPDATED)
        kinds = [entry.kind for entry in entries if entry.kind not in done]
        kind = OutcomeKind.UNKNOWN if OutcomeKind.UNKNOWN in kinds else kinds[0] if kinds else OutcomeKind.CREATED
        return WriteOutcome(kind=kind, http_status=200, entries=entries, date=response.date)

    def _judge_entries(
        self, body: Mapping[str, Any] | None, sent: tuple[_Sent, ...]
    ) -> tuple[WriteOutcome, ...] | None:
        """Judge each entry; None when the answer is not the response Bundle of what was sent."""
        if body is None or body.get("resourceType") != "Bundle":
            return None
        entries = body.get("entry", [])
        if not isinstance(entries, list) or len(entries) != len(sent):
            return None
        return tuple(self._judge_entry(entry, item) for entry, item in zip(entries, sent, strict=True))

    def _judge_entry(self, entry: object, sent: _Sent) -> WriteOutcome:
        answer = entry.get("response") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(answer, dict):
            return WriteOutcome(kind=OutcomeKind.UNKNOWN)
        matched = _STATUS.fullmatch(str(answer.get("status", "")))
        if matched is None:
            return WriteOutcome(kind=OutcomeKind.UNKNOWN)
        status = int(matched.group(1))
        headers = {
            "Location": str(answer.get("location") or ""),
            "ETag": str(answer.get("etag") or ""),
        }
        resource = entry.get("resource")
        resource_id, version_id = self._find_id(
            headers, resource if isinstance(resource, dict) else None, sent.resource_type
        )
        return WriteOutcome(
            kind=_kind_of(status, sent, has_id=resource_id is not None),
            http_status=status,
            resource_id=resource_id,
            version_id=version_id,
            issues=parse_issues(answer.get("outcome")),
        )

    def _find_id(
        self, headers: Mapping[str, str], body: Mapping[str, Any] | None, resource_type: str
    ) -> tuple[str | None, str | None]:
        """Find id and version in body, then `Location` (absolute, relative, `_history`), then `Content-Location`.

        Epic answers with a relative Location and no body, Oracle Health with an absolute one.
        """
        etag = _ETAG.fullmatch(headers.get("ETag", "").strip())
        version = None if etag is None else etag.group(1)
        if body is not None and body.get("resourceType") == resource_type:
            resource_id, meta = body.get("id"), body.get("meta")
            if isinstance(resource_id, str) and is_fhir_id(resource_id):
                stated = meta.get("versionId") if isinstance(meta, dict) else None
                return resource_id, stated if isinstance(stated, str) else version
        for name in ("Location", "Content-Location"):
            reference = self._ehr.find_reference(headers.get(name, "").strip())
            if reference is not None and reference.resource_type == resource_type:
                return reference.id, reference.version_id or version
        return None, version


_FIXED_MEANING: Mapping[int, OutcomeKind] = {
    201: OutcomeKind.CREATED,
    202: OutcomeKind.HELD,
    401: OutcomeKind.UNAUTHORIZED,
    408: OutcomeKind.UNKNOWN,
    429: OutcomeKind.TOO_MANY_REQUESTS,
}


def _kind_of(status: int, sent: _Sent, *, has_id: bool) -> OutcomeKind:
    """From status to what is known. Where a status leaves doubt, the answer is unknown."""
    if status in _FIXED_MEANING:
        return _FIXED_MEANING[status]
    if status == 200 and sent.update:
        return OutcomeKind.UPDATED
    if status == 200 and has_id:
        return OutcomeKind.EXISTED if sent.conditional else OutcomeKind.CREATED
    if status in (409, 412) and sent.conditional:
        return OutcomeKind.CONFLICT
    if status == 409 or status >= 500 or status < 300:
        return OutcomeKind.UNKNOWN
    return OutcomeKind.REFUSED


def _type_of(resource: Mapping[str, Any]) -> str:
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or not is_resource_type(resource_type):
        raise ValueError("a resource needs its resourceType")
    return resource_type


def _sent_entries(bundle: Mapping[str, Any]) -> tuple[_Sent, ...]:
    """Read our own Bundle: what each entry asks for."""
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in ("transaction", "batch"):
        raise ValueError("not a transaction or batch Bundle")
    return tuple(
        _Sent(
            resource_type=_type_of(entry["resource"]),
            update=entry["request"]["method"] == "PUT",
            conditional="ifNoneExist" in entry["request"],
        )
        for entry in bundle["entry"]
    )


def _find_object(response: HttpResponse) -> dict[str, Any] | None:
    try:
        return parse_json_object(response.body)
    except InvalidField:
        return None
