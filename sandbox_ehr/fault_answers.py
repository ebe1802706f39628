"""The answers that faults give: refusals of the EHR or of what stands before it, and good answers spoiled on the way.

Sources: RFC 9110 (statuses, Retry-After), RFC 6750 section 3 (401), http://hl7.org/fhir/R4/http.html; break-the-glass
as Epic's error 4130.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from werkzeug.datastructures import Headers

from sandbox_ehr.faults import REFUSALS, Fault
from sandbox_ehr.fhir_json import dump_json
from sandbox_ehr.http_answer import HttpAnswer
from sandbox_ehr.outcome import Issue, build_outcome
from sandbox_ehr.searchset import build_status

_EPIC_ERRORS = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"
_ISSUES: Mapping[str, Issue] = {
    "accepted-202": Issue(code="informational", severity="information", text="Accepted; it will be looked at later"),
    "unauthorized-401": Issue(code="login", text="The access token is unknown, expired or revoked"),
    "forbidden-403": Issue(code="forbidden", text="The user may not do this"),
    "break-the-glass": Issue(
        code="suppressed", text="Break-the-glass access to this chart is needed", coding=(_EPIC_ERRORS, "4130")
    ),
    "conflict-409": Issue(code="conflict", text="Another request works on the same resource"),
    "precondition-412": Issue(code="conflict", text="A precondition of the request does not hold"),
    "unprocessable-422": Issue(code="business-rule", text="A rule of this EHR is broken"),
    "too-many-requests-429": Issue(code="throttled", text="Too many requests"),
    "server-error-500": Issue(code="exception", text="The server failed"),
}
_GATEWAY_PAGE = (
    b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
)


def build_refusal(fault: Fault) -> HttpAnswer:
    """Give the answer of a fault that is a status."""
    headers = Headers({"Cache-Control": "no-store"})
    if fault.fault == "unauthorized-401":
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.fault == "bad-gateway-html-502":
        return _complete(fault, headers, "text/html; charset=utf-8", _GATEWAY_PAGE)
    outcome = dump_json(build_outcome([_ISSUES[fault.fault]])).encode()
    return _complete(fault, headers, "application/fhir+json; charset=utf-8", outcome)


def spoil_answer(name: str, http_answer: HttpAnswer) -> HttpAnswer:
    """Give the answer as it arrives after the fault.

    no-location: without address and body, so that nothing names the new resource. truncated-json: the first half of the
    body, or of an object where there was none. wrong-content-type: HTML by its header.
    """
    headers, body = Headers(http_answer.headers), http_answer.body
    match name:
        case "no-location":
            body = b""
            for header in ("Location", "Content-Location", "Content-Type"):
                headers.remove(header)
        case "truncated-json":
            body = body[: len(body) // 2] or b'{"resourceType":'
            headers["Content-Type"] = "application/fhir+json; charset=utf-8"
        case "wrong-content-type":
            headers["Content-Type"] = "text/html; charset=utf-8"
    headers["Content-Length"] = str(len(body))
    return replace(http_answer, headers=headers, body=body)


def _complete(fault: Fault, headers: Headers, content_type: str, body: bytes) -> HttpAnswer:
    headers["Content-Type"] = content_type
    headers["Content-Length"] = str(len(body))
    return HttpAnswer(status=build_status(REFUSALS[fault.fault]), headers=headers, body=body)
