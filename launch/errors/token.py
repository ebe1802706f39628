"""Errors of the token endpoint (SMART App Launch 2.2, "Obtain access token"; RFC 6749 5.2)."""

from __future__ import annotations

from typing import ClassVar

from launch.errors.root import TELL_IT, TRY_AGAIN, LaunchError


class TokenError(LaunchError):
    """The token endpoint refused, with an `error` that we have no class for, or with a plain HTTP error."""

    code = "token-refused"
    wire_code: ClassVar[str] = ""
    title = "The EHR did not give the app access"


class InvalidGrant(TokenError):
    """The code is used, old or not ours, or the refresh token is no longer valid."""

    code = "invalid-grant"
    wire_code = "invalid_grant"
    title = "The launch is used up or too old"
    remedy = f"{TRY_AGAIN} {TELL_IT}"


class InvalidClient(TokenError):
    """Client authentication failed: secret, key not published, `kid`, `aud`, or a clock that is wrong.

    `clock_difference` is ours minus the EHR's `Date`, in seconds; None when the EHR sent none.
    """

    code = "invalid-client"
    wire_code = "invalid_client"
    title = "The EHR did not recognise the app"
    remedy = "IT needs to check the app's key or secret in the EHR, and the clock of this server."

    def __init__(self, problem: str = "", *, clock_difference: float | None = None, ehr_id: str | None = None) -> None:
        super().__init__(problem, ehr_id=ehr_id)
        self.clock_difference = clock_difference


class InvalidTokenRequest(TokenError):
    """`invalid_request` from the token endpoint."""

    code = "invalid-token-request"
    wire_code = "invalid_request"


class TokenUnauthorizedClient(TokenError):
    """`unauthorized_client` from the token endpoint."""

    code = "token-unauthorized-client"
    wire_code = "unauthorized_client"
    title = "The app is not active in this EHR"
    remedy = "IT needs to activate the app in the EHR. After a change it can take some hours."


class UnsupportedGrantType(TokenError):
    """`unsupported_grant_type`."""

    code = "unsupported-grant-type"
    wire_code = "unsupported_grant_type"


class TokenInvalidScope(TokenError):
    """`invalid_scope` from the token endpoint."""

    code = "token-invalid-scope"
    wire_code = "invalid_scope"
    title = "The EHR does not allow the access that the app asks for"
    remedy = "IT needs to compare the scopes registered in the EHR with those in the app's settings."


class TokenResponseNotJson(TokenError):
    """HTML or anything else instead of a JSON object."""

    code = "token-response-not-json"


class InvalidTokenResponse(TokenError):
    """A field of the token response is missing or has the wrong type."""

    code = "invalid-token-response"
    title = "The EHR's answer has a fault"


class MissingPatient(TokenError):
    """No `patient`: this app does nothing without one."""

    code = "missing-patient"
    title = "The EHR did not say which patient is open"
    remedy = f"Open a patient's chart, then open the app from it. {TELL_IT}"


class MissingIdToken(TokenError):
    """`openid` was granted and no id_token came."""

    code = "missing-id-token"
    title = "The EHR did not say who you are"


class NeededScopeMissing(TokenError):
    """A scope without which the app cannot work was not granted. `scopes` names them (they are ours, not data)."""

    code = "needed-scope-missing"
    title = "The EHR does not give the access that the app cannot do without"
    remedy = "IT needs to allow the app to read the patient in the EHR."
    http_status = 403

    def __init__(self, scopes: tuple[str, ...], *, ehr_id: str | None = None) -> None:
        super().__init__(" ".join(scopes), ehr_id=ehr_id, field="scope")
        self.scopes = scopes


class NoRefreshToken(TokenError):
    """The EHR gave none: the launch ends with its access token."""

    code = "no-refresh-token"
    title = "The access that the EHR gave has ended"
    remedy = f"What you entered is saved. {TRY_AGAIN}"
    http_status = 401


class PatientChanged(TokenError):
    """A refresh answered for another patient (or encounter). The launch must end."""

    code = "patient-changed"
    title = "The EHR changed the patient during this launch"
    remedy = f"This launch was ended so that nothing lands in the wrong chart. {TRY_AGAIN}"
    http_status = 409
