"""Token endpoint: exchange, refresh, revoke (SMART App Launch 2.2, "Obtain access token"; RFC 6749, 7009).

Messages are built with Authlib's RFC 6749 functions and sent through Transport, once: a code or a rotating refresh
token that was sent twice can cost the whole family of tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oauth2.rfc7009 import prepare_revoke_token_request

from launch.client_auth import authenticate, new_jti
from launch.context import LaunchContext, parse_launch_context
from launch.ehr import Ehr
from launch.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidTokenRequest,
    InvalidTokenResponse,
    NoRefreshToken,
    PatientChanged,
    TokenError,
    TokenInvalidScope,
    TokenResponseNotJson,
    TokenUnauthorizedClient,
    TransportError,
    UnsupportedGrantType,
)
from launch.fields import Fields, InvalidField, parse_json_object
from launch.scopes import MissingScopes, Scopes
from launch.session import ActiveLaunch, PendingLaunch, TokenSet
from launch.signing_keys import SigningKeys
from launch.transport import TOKEN_LIMITS, HttpResponse, Transport

# RFC 6749 5.1 only recommends expires_in; without it, ask again rather than trust too long.
_UNSAID_LIFETIME = timedelta(minutes=5)
_LONGEST_LIFETIME = timedelta(days=1)
_FORM = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
_ERRORS: dict[str, type[TokenError]] = {
    kind.wire_code: kind
    for kind in (InvalidGrant, InvalidTokenRequest, TokenUnauthorizedClient, UnsupportedGrantType, TokenInvalidScope)
}


class RevocationResult(StrEnum):
    """What became of the tokens at logout. The launch is over for us in any case."""

    REVOKED = "revoked"
    NOT_OFFERED = "not-offered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponse:
    """A parsed token response. `scope_given` False only where a refresh left it out: then the scopes are as before."""

    tokens: TokenSet
    scopes: Scopes
    scope_given: bool
    context: LaunchContext
    id_token: str | None = field(repr=False)


def parse_token_response(
    body: bytes, *, fhir_base_url: str, now: datetime, scope_required: bool = True
) -> TokenResponse:
    """Read the JSON of a 200. Raises TokenResponseNotJson, or InvalidTokenResponse naming the field."""
    try:
        values = parse_json_object(body)
    except InvalidField as exc:
        raise TokenResponseNotJson(exc.problem) from exc
    try:
        fields = Fields(values)
        if fields.text("token_type").lower() != "bearer":
            raise fields.fault("token_type", "is not Bearer")
        scope = fields.find_string("scope")
        if scope is None and scope_required:
            raise fields.fault("scope", "is missing")
        return TokenResponse(
            tokens=TokenSet(
                access_token=_parse_token(fields, "access_token"),
                refresh_token=None
                if fields.find_text("refresh_token") is None
                else _parse_token(fields, "refresh_token"),
                expires_at=now + _parse_lifetime(fields),
            ),
            scopes=Scopes.parse(scope or ""),
            scope_given=scope is not None,
            context=parse_launch_context(fields, fhir_base_url=fhir_base_url),
            id_token=fields.find_text("id_token"),
        )
    except InvalidField as exc:
        raise InvalidTokenResponse(exc.problem, field=exc.field) from exc


def exchange_code(
    code: str,
    pending: PendingLaunch,
    *,
    ehr: Ehr,
    transport: Transport,
    keys: SigningKeys | None,
    now: datetime,
    jti: Callable[[], str] = new_jti,
) -> TokenResponse:
    """Trade the authorization code for tokens. Raises TokenError and its subclasses, TransportError."""
    body = prepare_token_request(
        "authorization_code", code=code, redirect_uri=pending.redirect_uri, code_verifier=pending.code_verifier
    )
    response = _post(str(body), pending.token_endpoint, ehr=ehr, transport=transport, keys=keys, now=now, jti=jti)
    return _parse(response, ehr=ehr, now=now, scope_required=True)


def refresh_tokens(
    active: ActiveLaunch,
    *,
    ehr: Ehr,
    transport: Transport,
    keys: SigningKeys | None,
    now: datetime,
    jti: Callable[[], str] = new_jti,
) -> ActiveLaunch:
    """Trade the refresh token for new tokens and return the launch with them.

    The caller must serialise refreshes of one launch and store the result before anything else uses it: the old
    refresh token may be dead from the moment this is called. After any exception but TransportError with `sent`
    False, the launch must not be refreshed again. New tokens that are another patient's are given back at once. Raises
    NoRefreshToken, PatientChanged (end the launch), TokenError, TransportError.
    """
    if active.tokens.refresh_token is None:
        raise NoRefreshToken(ehr_id=active.ehr_id)
    body = prepare_token_request("refresh_token", refresh_token=active.tokens.refresh_token)
    response = _post(str(body), active.token_endpoint, ehr=ehr, transport=transport, keys=keys, now=now, jti=jti)
    answer = _parse(response, ehr=ehr, now=now, scope_required=False)
    for name in ("patient", "encounter", "tenant"):
        said = getattr(answer.context, name)
        if said is not None and said != getattr(active.context, name):
            foreign = replace(active, tokens=answer.tokens)
            revoke_tokens(foreign, ehr=ehr, transport=transport, keys=keys, now=now, jti=jti)
            raise PatientChanged("is another than at launch", ehr_id=active.ehr_id, field=name)
    scopes = answer.scopes if answer.scope_given else active.scopes
    return replace(
        active,
        scopes=scopes,
        missing_scopes=active.missing_scopes if scopes is active.scopes else _still_missing(active, scopes),
        tokens=replace(answer.tokens, refresh_token=answer.tokens.refresh_token or active.tokens.refresh_token),
    )


def revoke_tokens(
    active: ActiveLaunch,
    *,
    ehr: Ehr,
    transport: Transport,
    keys: SigningKeys | None,
    now: datetime,
    jti: Callable[[], str] = new_jti,
) -> RevocationResult:
    """Tell the EHR to forget the tokens: refresh token first, then access token. Never raises for what the EHR does.

    Authenticates as at the token endpoint (Authlib's own revoke_token falls back to Basic and would send a PEM key as
    password).
    """
    if active.revocation_endpoint is None:
        return RevocationResult.NOT_OFFERED
    tokens = {"refresh_token": active.tokens.refresh_token, "access_token": active.tokens.access_token}
    result = RevocationResult.REVOKED
    for hint, token in tokens.items():
        if token is None:
            continue
        body, _ = prepare_revoke_token_request(token, hint, "", dict(_FORM))
        form, headers = authenticate(
            ehr, str(body), _FORM, token_endpoint=active.token_endpoint, keys=keys, now=now, jti=jti
        )
        try:
            response = transport.send(
                "POST", active.revocation_endpoint, body=form.encode("ascii"), headers=headers, limits=TOKEN_LIMITS
            )
        except TransportError:
            result = RevocationResult.FAILED
            continue
        if response.status != 200:
            result = RevocationResult.FAILED
    return result


def _still_missing(active: ActiveLaunch, scopes: Scopes) -> MissingScopes:
    """After a refresh that narrowed the scopes: what the app had and lost is missing now too."""
    lost = tuple(part for part in active.scopes.text.split() if part not in scopes.text.split())
    optional = dict.fromkeys((*active.missing_scopes.optional, *lost))
    return MissingScopes(needed=active.missing_scopes.needed, optional=tuple(optional))


def _post(
    body: str,
    token_endpoint: str,
    *,
    ehr: Ehr,
    transport: Transport,
    keys: SigningKeys | None,
    now: datetime,
    jti: Callable[[], str],
) -> HttpResponse:
    form, headers = authenticate(ehr, body, _FORM, token_endpoint=token_endpoint, keys=keys, now=now, jti=jti)
    return transport.send("POST", token_endpoint, body=form.encode("ascii"), headers=headers, limits=TOKEN_LIMITS)


def _parse(response: HttpResponse, *, ehr: Ehr, now: datetime, scope_required: bool) -> TokenResponse:
    if response.status != 200:
        raise _find_error(response, ehr_id=ehr.id, now=now)
    try:
        return parse_token_response(
            response.body, fhir_base_url=ehr.fhir_base_url, now=now, scope_required=scope_required
        )
    except TokenError as exc:
        exc.ehr_id = ehr.id
        raise


def _find_error(response: HttpResponse, *, ehr_id: str, now: datetime) -> TokenError:
    """Turn a refusal into its error. `error_description` is not kept: it may say anything."""
    try:
        error = Fields(parse_json_object(response.body)).find_text("error")
    except InvalidField:
        error = None
    if error == "invalid_client" or (error is None and response.status == 401):
        difference = None if response.date is None else (now - response.date).total_seconds()
        return InvalidClient(f"HTTP {response.status}", clock_difference=difference, ehr_id=ehr_id)
    if error is None:
        return TokenResponseNotJson(f"HTTP {response.status}", ehr_id=ehr_id)
    return _ERRORS.get(error, TokenError)(f"HTTP {response.status}", ehr_id=ehr_id)


def _parse_token(fields: Fields, name: str) -> str:
    """Return a token goes into a header: printable ASCII only (RFC 6749 appendix A: VSCHAR)."""
    token = fields.text(name)
    if not all(0x21 <= ord(char) <= 0x7E for char in token):
        raise fields.fault(name, "has characters that a token cannot have")
    return token


def _parse_lifetime(fields: Fields) -> timedelta:
    seconds = fields.find_number("expires_in")
    if seconds is None:
        return _UNSAID_LIFETIME
    if seconds <= 0:
        raise fields.fault("expires_in", "is not positive")
    return timedelta(seconds=min(seconds, _LONGEST_LIFETIME.total_seconds()))
