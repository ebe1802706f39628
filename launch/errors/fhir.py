"""Errors of FHIR use (FHIR R4 http, "Status codes")."""

from __future__ import annotations

from launch.errors.root import TELL_IT, TRY_AGAIN, WAIT, Issue, LaunchError


class FhirError(LaunchError):
    """The FHIR server answered with an error that has no class of its own."""

    code = "fhir-refused"
    title = "The EHR did not give the record"

    def __init__(
        self,
        problem: str = "",
        *,
        ehr_id: str | None = None,
        field: str | None = None,
        outcome: tuple[Issue, ...] = (),
        status: int | None = None,
    ) -> None:
        super().__init__(problem, ehr_id=ehr_id, field=field, outcome=outcome)
        self.status = status


class Unauthorized(FhirError):
    """401: the token is expired or revoked. Refresh once, then relaunch."""

    code = "unauthorized"
    title = "The access that the EHR gave has ended"
    remedy = f"What you entered is saved. {TRY_AGAIN}"
    http_status = 401


class Forbidden(FhirError):
    """403: the right was not given."""

    code = "forbidden"
    title = "The EHR does not allow this"
    remedy = "Your rights in the EHR, or the app's, do not cover it. IT can tell which."
    http_status = 403


class BreakTheGlass(Forbidden):
    """403 that asks for break-the-glass. Never tried again by itself."""

    code = "break-the-glass"
    title = "This chart is protected"
    remedy = "Open the chart in the EHR and give the reason it asks for, then open the app again."


class NotFound(FhirError):
    """404."""

    code = "not-found"
    title = "The EHR does not have this record"
    http_status = 404


class Gone(FhirError):
    """410: deleted."""

    code = "gone"
    title = "This record was deleted in the EHR"
    http_status = 410


class VersionConflict(FhirError):
    """409."""

    code = "version-conflict"
    title = "The record was changed by someone else meanwhile"
    http_status = 409


class PreconditionFailed(FhirError):
    """412: If-Match did not match, or a conditional create found several."""

    code = "precondition-failed"
    title = "The record was changed by someone else meanwhile"
    http_status = 409


class Unprocessable(FhirError):
    """422: a rule of the EHR's own; the outcome says which."""

    code = "unprocessable"
    title = "The EHR did not accept the content"


class TooManyRequests(FhirError):
    """429. `retry_after` in seconds, None when the EHR did not say."""

    code = "too-many-requests"
    title = "The EHR is receiving too many requests"
    remedy = WAIT
    http_status = 503

    def __init__(
        self,
        problem: str = "",
        *,
        retry_after: float | None = None,
        ehr_id: str | None = None,
        field: str | None = None,
        outcome: tuple[Issue, ...] = (),
        status: int | None = 429,
    ) -> None:
        super().__init__(problem, ehr_id=ehr_id, field=field, outcome=outcome, status=status)
        self.retry_after = retry_after


class ServerFault(FhirError):
    """5xx."""

    code = "server-fault"
    title = "The EHR reports a fault"
    remedy = f"{WAIT} {TELL_IT}"


class NotFhirJson(FhirError):
    """HTML, XML or text instead of FHIR JSON."""

    code = "not-fhir-json"
    title = "The EHR's answer is not FHIR"


class MalformedResource(FhirError):
    """JSON, but not the resource it should be."""

    code = "malformed-resource"
    title = "The EHR's record has a fault"


class DeadlineExceeded(FhirError):
    """The reading wave ended before this part of it answered."""

    code = "deadline-exceeded"
    title = "The EHR took too long to answer"
    http_status = 504
