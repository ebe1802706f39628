"""What reading and writing FHIR share: headers, and from status and OperationOutcome to a typed error (FHIR R4 http).

Tolerant where EHRs are: an empty or non-FHIR error body still gives the error of its status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from launch.ehr import Ehr
from launch.errors import (
    BreakTheGlass,
    FhirError,
    Forbidden,
    Gone,
    Issue,
    NotFhirJson,
    NotFound,
    PreconditionFailed,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    Unprocessable,
    VersionConflict,
)
from launch.fields import Fields, InvalidField, parse_json_object
from launch.session import ActiveLaunch
from launch.transport import HttpResponse

FHIR_JSON = "application/fhir+json"
_BY_STATUS: Mapping[int, type[FhirError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: VersionConflict,
    410: Gone,
    412: PreconditionFailed,
    422: Unprocessable,
    429: TooManyRequests,
}
_MOST_ISSUES = 50


def build_headers(active: ActiveLaunch, request_id: str) -> dict[str, str]:
    """Headers of every FHIR request. `request_id` lets the EHR's support find it in their log."""
    return {
        "Authorization": f"Bearer {active.tokens.access_token}",
        "Accept": FHIR_JSON,
        "X-Request-Id": request_id,
    }


def parse_fhir_body(response: HttpResponse, *, ehr: Ehr) -> dict[str, Any]:
    """Read a JSON object whose content type does not say otherwise. Raises NotFhirJson."""
    content_type = response.headers.get("Content-Type", "").lower()
    if content_type and "json" not in content_type:
        raise NotFhirJson("has another content type", ehr_id=ehr.id, status=response.status)
    try:
        values = parse_json_object(response.body)
    except InvalidField as exc:
        raise NotFhirJson(exc.problem, ehr_id=ehr.id, status=response.status) from exc
    if b"\\u" in response.body and not _is_unicode(values):
        raise NotFhirJson("has half a character", ehr_id=ehr.id, status=response.status)
    return values


def _is_unicode(values: dict[str, Any]) -> bool:
    """Tell whether every text can be shown and stored: an escape can hold half of a surrogate pair (RFC 8259 8.2)."""
    try:
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def parse_issues(outcome: object) -> tuple[Issue, ...]:
    """Read the issues of an OperationOutcome; what is not one, or is broken, gives none."""
    try:
        fields = Fields(outcome)
        if fields.find_text("resourceType") != "OperationOutcome":
            return ()
        return tuple(_parse_issue(item) for item in fields.objects("issue"))[:_MOST_ISSUES]
    except InvalidField:
        return ()


def find_issues(response: HttpResponse) -> tuple[Issue, ...]:
    """Return the issues in a body that may be anything."""
    try:
        return parse_issues(parse_json_object(response.body))
    except InvalidField:
        return ()


def check_status(response: HttpResponse, *, ehr: Ehr) -> None:
    """Accept 200 and raise the FhirError of any other status, with the EHR's issues."""
    if response.status == 200:
        return
    status, issues = response.status, find_issues(response)
    if status == 429:
        raise TooManyRequests(retry_after=response.retry_after, ehr_id=ehr.id, outcome=issues)
    if status == 403 and is_break_the_glass(issues, ehr=ehr):
        raise BreakTheGlass(ehr_id=ehr.id, outcome=issues, status=status)
    kind = ServerFault if status >= 500 else _BY_STATUS.get(status, FhirError)
    raise kind(f"HTTP {status}", ehr_id=ehr.id, outcome=issues, status=status)


def is_break_the_glass(issues: tuple[Issue, ...], *, ehr: Ehr) -> bool:
    """Whether the refusal asks for break-the-glass: by the vendor's own codes, which stand in details.coding."""
    wanted = set(ehr.profile.break_the_glass_codes)
    return bool(wanted) and not wanted.isdisjoint(code for issue in issues for code in issue.details)


def _parse_issue(item: Fields) -> Issue:
    details = item.find_object("details")
    codings = () if details is None else tuple(coding.find_text("code") for coding in details.objects("coding"))
    return Issue(
        severity=item.find_text("severity") or "error",
        code=item.find_text("code") or "unknown",
        expression=item.find_texts("expression") or (),
        details=tuple(code for code in codings if code is not None),
        text=item.find_text("diagnostics") or (None if details is None else details.find_text("text")),
    )
