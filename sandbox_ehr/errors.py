"""What the simulated EHR refuses, and with which HTTP status and issue type each refusal leaves.

Source: http://hl7.org/fhir/R4/http.html (status codes), http://hl7.org/fhir/R4/valueset-issue-type.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sandbox_ehr.outcome import Issue


class SandboxError(Exception):
    """The root of everything that sandbox_ehr raises on purpose; `code` is stable."""

    code: ClassVar[str] = "sandbox-error"


class InvalidPersona(SandboxError):
    """A persona file that names an unknown key or value."""

    code = "invalid-persona"


class ControlNotLocal(SandboxError):
    """The control switch on an address that other machines reach."""

    code = "control-not-local"


class InvalidBackend(SandboxError):
    """A back end that is no address of a FHIR base, or cannot be what was asked of it."""

    code = "invalid-backend"


class FhirRefusal(SandboxError):
    """A FHIR request that is answered with an OperationOutcome.

    text: for people, names elements and parameters, never their content. expression: FHIRPath of the element at fault.
    """

    code = "fhir-refusal"
    status: int = 400
    issue_type: ClassVar[str] = "invalid"

    def __init__(self, text: str, *, expression: str | None = None, issues: Sequence[Issue] = ()) -> None:
        super().__init__(text)
        places = (expression,) if expression else ()
        self.issues = tuple(issues) or (Issue(code=self.issue_type, text=text, expression=places),)


class Malformed(FhirRefusal):
    """Not JSON, or not the JSON of a resource."""

    code = "malformed"
    issue_type = "structure"


class InvalidParameter(FhirRefusal):
    """A search or HTTP parameter that is unknown or has an impossible value."""

    code = "invalid-parameter"


class UnknownParameter(InvalidParameter):
    """A parameter or modifier that the server does not have: the only kind that lenient handling may ignore."""

    code = "unknown-parameter"
    issue_type = "not-supported"


class LoginRequired(FhirRefusal):
    """No access token was sent."""

    code = "login-required"
    status = 401
    issue_type = "login"


class Forbidden(FhirRefusal):
    """The granted scopes do not reach this far."""

    code = "forbidden"
    status = 403
    issue_type = "forbidden"


class NotFound(FhirRefusal):
    """No such resource, version, type or page."""

    code = "not-found"
    status = 404
    issue_type = "not-found"


class NotSupported(FhirRefusal):
    """This EHR does not have the interaction."""

    code = "not-supported"
    status = 405
    issue_type = "not-supported"


class NotAcceptable(FhirRefusal):
    """The client wants something else than JSON."""

    code = "not-acceptable"
    status = 406
    issue_type = "not-supported"


class Conflict(FhirRefusal):
    """The write contradicts what is stored."""

    code = "conflict"
    status = 409
    issue_type = "conflict"


class Gone(FhirRefusal):
    """The resource was deleted, or the page has expired."""

    code = "gone"
    status = 410
    issue_type = "deleted"


class PreconditionFailed(FhirRefusal):
    """`If-Match` names another version than the current one."""

    code = "precondition-failed"
    status = 412
    issue_type = "conflict"


class MultipleMatches(FhirRefusal):
    """The criteria of a conditional create match more than one resource."""

    code = "multiple-matches"
    status = 412
    issue_type = "multiple-matches"


class TooLarge(FhirRefusal):
    """The body is over the limit."""

    code = "too-large"
    status = 413
    issue_type = "too-long"


class UnsupportedMediaType(FhirRefusal):
    """The body is not JSON by its `Content-Type`."""

    code = "unsupported-media-type"
    status = 415
    issue_type = "not-supported"


class Invalid(FhirRefusal):
    """A resource that breaks the rules of FHIR R4 or of this EHR; carries one issue per fault."""

    code = "invalid-resource"
    status = 422
    issue_type = "invariant"


class BackendFailed(FhirRefusal):
    """The FHIR server behind this one cannot be reached, or does not speak FHIR."""

    code = "backend-failed"
    status = 502
    issue_type = "transient"


class BackendTimedOut(BackendFailed):
    """The FHIR server behind this one did not answer in time: what became of a write is not known."""

    code = "backend-timed-out"
    status = 504
    issue_type = "timeout"


class BusinessRule(FhirRefusal):
    """A persona's own rule refuses a valid resource."""

    code = "business-rule"
    issue_type = "business-rule"

    def __init__(self, issue: Issue, *, status: int) -> None:
        super().__init__(issue.text, issues=(issue,))
        self.status = status
