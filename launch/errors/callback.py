"""Errors that come back to the redirect URI (RFC 6749 4.1.2.1; OpenID Connect Core 3.1.2.6)."""

from __future__ import annotations

from typing import ClassVar

from launch.errors.root import TELL_IT, TRY_AGAIN, WAIT, LaunchError


class CallbackError(LaunchError):
    """What came back to the redirect URI cannot be used."""

    code = "callback-error"
    http_status = 400


class MissingState(CallbackError):
    """No `state`, or more than one."""

    code = "missing-state"
    title = "The answer from the EHR cannot be matched to a launch"


class StateMismatch(CallbackError):
    """`state` is unknown, already used, or not that of this browser's launch."""

    code = "state-mismatch"
    title = "The answer from the EHR does not belong to this launch"
    remedy = f"Each launch works once. {TRY_AGAIN}"


class PendingLaunchExpired(CallbackError):
    """More than ten minutes between launch and callback."""

    code = "launch-expired"
    title = "The launch took too long"


class CodeAndError(CallbackError):
    """Both `code` and `error`: neither can be trusted."""

    code = "code-and-error"
    title = "The EHR's answer contradicts itself"


class MissingCode(CallbackError):
    """Neither `code` nor `error`, or more than one of it."""

    code = "missing-code"
    title = "The EHR's answer is incomplete"


class AuthorizationRefused(CallbackError):
    """An `error` that we have no class for. `wire_code` of a subclass is the value of `error`."""

    code = "authorization-refused"
    wire_code: ClassVar[str] = ""
    title = "The EHR refused the launch"


class AccessDenied(AuthorizationRefused):
    """The user or the EHR said no."""

    code = "access-denied"
    wire_code = "access_denied"
    title = "Access was refused in the EHR"
    remedy = f"If you chose this, nothing more is needed. Otherwise {TRY_AGAIN[0].lower()}{TRY_AGAIN[1:]} {TELL_IT}"
    http_status = 403


class InvalidScope(AuthorizationRefused):
    """A scope is unknown to the EHR or not registered for us."""

    code = "invalid-scope"
    wire_code = "invalid_scope"
    title = "The EHR does not allow the access that the app asks for"
    remedy = "IT needs to compare the scopes registered in the EHR with those in the app's settings."


class InvalidAuthorizationRequest(AuthorizationRefused):
    """Often a redirect URI or `aud` that differs from the registered one."""

    code = "invalid-authorization-request"
    wire_code = "invalid_request"
    title = "The EHR did not accept the app's request"
    remedy = "IT needs to compare the redirect address and client id registered in the EHR with the app's settings."


class UnauthorizedClient(AuthorizationRefused):
    """Our client id may not use this kind of launch, or is not yet active at this site."""

    code = "unauthorized-client"
    wire_code = "unauthorized_client"
    title = "The app is not active in this EHR"
    remedy = "IT needs to activate the app in the EHR. After a change it can take some hours."
    http_status = 403


class UnsupportedResponseType(AuthorizationRefused):
    """The server does not know the code flow for us."""

    code = "unsupported-response-type"
    wire_code = "unsupported_response_type"


class LoginRequired(AuthorizationRefused):
    """Nobody is signed in at the EHR."""

    code = "login-required"
    wire_code = "login_required"
    title = "You are not signed in to the EHR"
    remedy = f"Sign in to the EHR. {TRY_AGAIN}"
    http_status = 401


class InteractionRequired(AuthorizationRefused):
    """The EHR needs to ask the user something and could not."""

    code = "interaction-required"
    wire_code = "interaction_required"
    title = "The EHR needs to ask you something first"
    remedy = f"Open the app in a new window. {TELL_IT}"


class AuthorizationServerError(AuthorizationRefused):
    """`server_error`: a fault on the EHR's side."""

    code = "authorization-server-error"
    wire_code = "server_error"
    title = "The EHR's sign-in server reports a fault"
    remedy = f"{WAIT} {TELL_IT}"
    http_status = 502


class TemporarilyUnavailable(AuthorizationRefused):
    """`temporarily_unavailable`: overloaded or in maintenance."""

    code = "temporarily-unavailable"
    wire_code = "temporarily_unavailable"
    title = "The EHR's sign-in server is busy"
    remedy = f"{WAIT} {TELL_IT}"
    http_status = 503
