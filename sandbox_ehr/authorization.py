"""The authorization server on Authlib: SMART App Launch 2.2.

Source: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html.
Requests come as SandboxRequest, whatever web framework they came through.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
    UnsupportedGrantTypeError,
)
from flask import Response
from werkzeug.datastructures import Headers

from sandbox_ehr.accounts import Account
from sandbox_ehr.client_authentication import AssertionVerifier
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.grants import (
    CodeGrant,
    Introspection,
    RefreshGrant,
    Revocation,
    S256Challenge,
    SandboxRequest,
    SmartParameters,
    build_context_parameters,
    find_repeated,
)
from sandbox_ehr.id_token import build_id_token
from sandbox_ehr.issued_tokens import OFFLINE_LIFETIME, ONLINE_LIFETIME, Authorization, TokenStore
from sandbox_ehr.launch_context import IssuedLaunch, IssuedLaunches, LaunchContext
from sandbox_ehr.persona import Persona
from sandbox_ehr.personas import load_persona
from sandbox_ehr.registered_clients import RegisteredClient
from sandbox_ehr.scope_grant import REFRESH_SCOPES, MalformedScope, ScopeGrant, asks_for, spell_v1
from sandbox_ehr.signing_keys import SigningKeys
from sandbox_ehr.simulated_errors import AUTHORIZE_ERRORS, TOKEN_ERRORS

_HTML = "<!doctype html><title>Gateway</title><h1>The service answered with a page</h1>"


class SmartAuthorizationServer(AuthorizationServer):  # type: ignore[misc]  # Authlib ships no types
    """Authorize, token, introspect and revoke for the registered clients. personas: FHIR base → persona behind it."""

    def __init__(self, config: SandboxConfig) -> None:
        super().__init__()
        self.clock = config.clock
        self.clients: Mapping[str, RegisteredClient] = {client.client_id: client for client in config.clients}
        self.personas: Mapping[str, Persona] = {
            url: load_persona(name) for name, url in config.fhir_base_urls().items()
        }
        self.launches = IssuedLaunches(config.clock)
        self.tokens = TokenStore(config.clock)
        self.keys = SigningKeys()
        self.style_url = f"{config.base_url}/static/smart-style.json"
        verifier = AssertionVerifier(token_endpoint=config.token_endpoint, clock=config.clock, fetch=config.fetch_jwks)
        self.register_client_auth_method("private_key_jwt", verifier.authenticate)
        self.register_grant(CodeGrant, [S256Challenge(), SmartParameters()])
        self.register_grant(RefreshGrant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)

    def query_client(self, client_id: str) -> RegisteredClient | None:
        """Find a registered client."""
        return self.clients.get(client_id)

    def save_token(self, _token: dict[str, Any], _request: SandboxRequest) -> None:
        """Do nothing: TokenStore keeps a token when it issues it."""

    def send_signal(self, *_args: Any, **_kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: SandboxRequest) -> SandboxRequest:
        """Give the request back: requests come ready-made."""
        return request

    def authenticate_client(
        self, request: SandboxRequest, methods: list[str], endpoint: str = "token"
    ) -> RegisteredClient:
        """Authenticate; a Basic header that cannot be decoded is a failure like any other (Authlib lets it escape)."""
        try:
            return cast(RegisteredClient, super().authenticate_client(request, methods, endpoint))
        except ValueError as exc:
            raise InvalidClientError("the Authorization header cannot be decoded") from exc

    def handle_response(self, status: int, body: object, headers: Iterable[tuple[str, str]]) -> Response:
        """Make the HTTP response; every answer of this server is kept out of caches (RFC 6749 section 5.1)."""
        content = json.dumps(body) if isinstance(body, dict) else body
        http_response = Response(cast(str, content), status=status, headers=Headers(list(headers)))
        http_response.headers["Cache-Control"] = "no-store"
        http_response.headers["Pragma"] = "no-cache"
        return http_response

    def handle_error_response(self, request: SandboxRequest, error: OAuth2Error) -> Response:
        """Answer 401 wherever the client could not be authenticated (Authlib: 400 for some)."""
        if isinstance(error, InvalidClientError):
            error.status_code = 401
        return cast(Response, super().handle_error_response(request, error))

    def get_token_grant(self, request: SandboxRequest) -> Any:
        """Find the grant; its description never repeats what was sent."""
        try:
            return super().get_token_grant(request)
        except UnsupportedGrantTypeError as exc:
            raise _UnsupportedGrant(request.form.get("grant_type", "")) from exc

    def create_token_response(self, request: SandboxRequest) -> Response:
        """Answer a token request; RFC 6749 section 3.2 forbids repeated parameters, 2.3 two ways of authentication."""
        basic = request.headers.get("Authorization", "").lower().startswith("basic ")
        if repeated := find_repeated(request.form):
            return self.handle_error_response(request, InvalidRequestError(f"{repeated} is given more than once"))
        if not request.form.get("grant_type"):
            return self.handle_error_response(request, InvalidRequestError("grant_type is missing"))
        if basic and ("client_assertion" in request.form or "client_secret" in request.form):
            return self.handle_error_response(request, InvalidRequestError("more than one client authentication"))
        if request.form.get("grant_type") == "refresh_token" and not request.form.get("refresh_token"):
            return self.handle_error_response(request, InvalidRequestError("refresh_token is missing"))
        http_response = cast(Response, super().create_token_response(request))
        authorization = cast(Authorization | None, request.authorization_code)
        if authorization is None or http_response.status_code != 200:
            return http_response
        return self._simulate(request, authorization.context.simulated_error) or http_response

    def _simulate(self, request: SandboxRequest, simulated: str | None) -> Response | None:
        if simulated == "token_invalid_grant":
            return self.handle_error_response(request, OAuth2Error("simulated", error="invalid_grant"))
        if simulated == "token_invalid_client":
            return self.handle_error_response(request, InvalidClientError("simulated"))
        if simulated in {"token_server_error", "token_html"}:
            status = 500 if simulated == "token_server_error" else 200
            return self.handle_response(status, _HTML, [("Content-Type", "text/html; charset=utf-8")])
        return None

    def find_launch(self, request: SandboxRequest) -> IssuedLaunch | None:
        """Give what the `launch` of an authorization request stands for; None in a standalone launch."""
        return self.launches.find(request.form["launch"]) if "launch" in request.form else None

    def grant_scope(self, request: SandboxRequest, *, context: LaunchContext, user: Account) -> str:
        """Decide the granted scopes. Raises InvalidScopeError for a malformed one, and when nothing is left."""
        client, asked = self.clients[request.form["client_id"]], request.form["scope"]
        persona = self.personas[request.form["aud"].rstrip("/")]
        in_context = "launch" in request.form and asks_for(asked, "launch")
        rule = ScopeGrant(
            is_ehr_launch="launch" in request.form,
            has_patient=context.patient is not None and (in_context or asks_for(asked, "launch/patient")),
            is_staff=user.kind == "staff",
            withheld=(*context.withheld, *(() if persona.refresh_tokens else REFRESH_SCOPES)),
            registered=client.scope.split() if client.scope is not None else None,
        )
        try:
            granted = rule.grant(asked)
        except MalformedScope as exc:
            raise InvalidScopeError(str(exc)) from exc
        if not granted:
            raise InvalidScopeError("none of the scopes can be granted")
        return granted

    def issue_token_response(
        self, authorization: Authorization, user: Account, *, scope: str, first: bool
    ) -> dict[str, Any]:
        """Issue tokens and give the response; the id_token comes with the first one only."""
        persona, now = self.personas[authorization.fhir_base_url], self.clock()
        simulated = authorization.context.simulated_error
        if simulated in TOKEN_ERRORS and simulated in _WITHOUT_TOKEN:
            return {}
        lifetime = timedelta(seconds=persona.token_lifetime_seconds)
        token_response: dict[str, Any] = {
            "access_token": self.tokens.issue("access_token", authorization, scope=scope, lifetime=lifetime),
            "token_type": "Bearer",
            "expires_in": persona.token_lifetime_seconds,
            "scope": spell_v1(scope) if persona.scope_spelling == "v1" else scope,
        }
        if lifetime_left := _refresh_lifetime(authorization, now):
            token_response["refresh_token"] = self.tokens.issue(
                "refresh_token", authorization, scope=authorization.scope, lifetime=lifetime_left
            )
        token_response |= build_context_parameters(authorization, style_url=self.style_url)
        if first and asks_for(authorization.scope, "openid"):
            token_response["id_token"] = build_id_token(authorization, user, keys=self.keys, now=now)
        if simulated and simulated.startswith("token_without_"):
            token_response.pop(simulated.removeprefix("token_without_"), None)
        return token_response


_WITHOUT_TOKEN = {"token_invalid_grant", "token_invalid_client", "token_server_error", "token_html"}


def _refresh_lifetime(authorization: Authorization, now: datetime) -> timedelta | None:
    """Give how long a refresh token made now may live: to a fixed end, however often it is rotated."""
    if asks_for(authorization.scope, "offline_access"):
        end = authorization.authorized_at + OFFLINE_LIFETIME
    elif asks_for(authorization.scope, "online_access"):
        end = authorization.authorized_at + ONLINE_LIFETIME
    else:
        return None
    return end - now if end > now else None


class _UnsupportedGrant(UnsupportedGrantTypeError):  # type: ignore[misc]  # Authlib ships no types
    def get_error_description(self) -> str:
        return "grant_type must be authorization_code or refresh_token"


def simulated_authorize_error(simulated: str | None) -> OAuth2Error | None:
    """Give the error that a launch asks the authorize endpoint to answer with, or None."""
    return OAuth2Error("Simulated at the launcher", error=simulated) if simulated in AUTHORIZE_ERRORS else None
