"""The way back: redirect, token, identity, context → ActiveLaunch (SMART App Launch 2.2, "Response"; RFC 6749 4.1.2).

`state` is looked up, bound to the browser and used up by the caller; it is compared again here, in constant time.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from launch.client_auth import new_jti
from launch.documents import DocumentCache
from launch.ehr import Ehr
from launch.errors import (
    AccessDenied,
    AuthorizationRefused,
    AuthorizationServerError,
    CallbackError,
    CodeAndError,
    IdTokenWrongIssuer,
    InteractionRequired,
    InvalidAuthorizationRequest,
    InvalidScope,
    InvalidTokenResponse,
    LaunchError,
    LoginRequired,
    MissingCode,
    MissingIdToken,
    MissingPatient,
    MissingState,
    NeededScopeMissing,
    PendingLaunchExpired,
    StateMismatch,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from launch.id_token import VerifiedIdToken, verify_id_token
from launch.jwks import JwksSource
from launch.scopes import compare_scopes
from launch.session import ActiveLaunch, PendingLaunch
from launch.signing_keys import SigningKeys
from launch.tokens import TokenResponse, exchange_code, revoke_tokens
from launch.transport import Transport

Parameters = Mapping[str, Sequence[str]]
"""Query parameters of the callback: name → all its values, as received."""

_ERRORS: dict[str, type[AuthorizationRefused]] = {
    kind.wire_code: kind
    for kind in (
        AccessDenied,
        InvalidScope,
        InvalidAuthorizationRequest,
        UnauthorizedClient,
        UnsupportedResponseType,
        LoginRequired,
        InteractionRequired,
        AuthorizationServerError,
        TemporarilyUnavailable,
    )
}


def find_state(parameters: Parameters) -> str:
    """Return `state`, to look the pending launch up. Raises MissingState when it is absent or repeated."""
    return _one(parameters, "state", MissingState)


def complete_launch(
    parameters: Parameters,
    pending: PendingLaunch,
    *,
    ehr: Ehr,
    transport: Transport,
    keys: SigningKeys | None,
    jwks_cache: DocumentCache,
    now: datetime,
    jti: Callable[[], str] = new_jti,
) -> ActiveLaunch:
    """Check what came back, get the tokens, verify who it is, and read the context.

    Tokens of a launch that is refused after all are given back to the EHR at once.

    Raises CallbackError (state, code, error), TokenError (MissingPatient, NeededScopeMissing …), IdTokenError,
    TransportError.
    """
    code = check_callback(parameters, pending, ehr_id=ehr.id, now=now)
    answer = exchange_code(code, pending, ehr=ehr, transport=transport, keys=keys, now=now, jti=jti)
    active = ActiveLaunch(
        ehr_id=ehr.id,
        fhir_base_url=ehr.fhir_base_url,
        context=answer.context,
        scopes=answer.scopes,
        missing_scopes=compare_scopes(pending.scopes_asked, answer.scopes),
        tokens=answer.tokens,
        user=None,
        token_endpoint=pending.token_endpoint,
        revocation_endpoint=pending.revocation_endpoint,
        started_at=now,
    )
    try:
        _check_launch(active, ehr)
        user = _find_user(answer, pending, ehr=ehr, transport=transport, cache=jwks_cache, now=now)
    except LaunchError:
        revoke_tokens(active, ehr=ehr, transport=transport, keys=keys, now=now, jti=jti)
        raise
    return replace(active, user=user)


def _check_launch(active: ActiveLaunch, ehr: Ehr) -> None:
    """Refuse a launch without what no page can do without."""
    if active.missing_scopes.needed:
        raise NeededScopeMissing(active.missing_scopes.needed, ehr_id=ehr.id)
    if active.context.patient is None:
        raise MissingPatient(ehr_id=ehr.id, field="patient")
    if ehr.tenant_required and active.context.tenant is None:
        raise InvalidTokenResponse("is missing", ehr_id=ehr.id, field="tenant")


def check_callback(parameters: Parameters, pending: PendingLaunch, *, ehr_id: str, now: datetime) -> str:
    """Return the code of a callback that belongs to `pending`. No network. Raises CallbackError and its subclasses."""
    state = find_state(parameters).encode("utf-8", "surrogatepass")
    if ehr_id != pending.ehr_id or not hmac.compare_digest(state, pending.state.encode()):
        raise StateMismatch(ehr_id=ehr_id, field="state")
    if now >= pending.expires_at:
        raise PendingLaunchExpired(ehr_id=ehr_id)
    if "error" in parameters:
        if "code" in parameters:
            raise CodeAndError(ehr_id=ehr_id)
        error = parameters["error"][0] if len(parameters["error"]) == 1 else ""
        raise _ERRORS.get(error, AuthorizationRefused)(ehr_id=ehr_id)
    return _one(parameters, "code", MissingCode)


def _find_user(
    answer: TokenResponse,
    pending: PendingLaunch,
    *,
    ehr: Ehr,
    transport: Transport,
    cache: DocumentCache,
    now: datetime,
) -> VerifiedIdToken | None:
    """Verify the id_token. None when the EHR did not grant `openid` and sent none: then nobody can sign."""
    if answer.id_token is None:
        if "openid" in answer.scopes:
            raise MissingIdToken(ehr_id=ehr.id, field="id_token")
        return None
    if pending.issuer is None:
        raise IdTokenWrongIssuer("neither discovery nor the settings name one", ehr_id=ehr.id, field="issuer")
    source = JwksSource(issuer=pending.issuer, jwks_uri=pending.jwks_uri, transport=transport, cache=cache, now=now)
    return verify_id_token(answer.id_token, ehr=ehr, issuer=pending.issuer, nonce=pending.nonce, keys=source, now=now)


def _one(parameters: Parameters, name: str, missing: type[CallbackError]) -> str:
    values = parameters.get(name, ())
    if len(values) != 1 or not values[0]:
        raise missing(field=name)
    return values[0]
