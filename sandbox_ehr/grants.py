"""The grants and endpoints of the authorization server, as Authlib wants them.

Sources: RFC 6749, RFC 7636 (S256 only), RFC 7009, RFC 7662; SMART App Launch 2.2,
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from authlib.oauth2.rfc6749 import (
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Payload,
    OAuth2Request,
    grants,
)
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from werkzeug.datastructures import Headers, MultiDict

from sandbox_ehr.accounts import Account
from sandbox_ehr.issued_tokens import Authorization, IssuedToken
from sandbox_ehr.registered_clients import RegisteredClient
from sandbox_ehr.scope_grant import asks_for

if TYPE_CHECKING:
    from sandbox_ehr.authorization import SmartAuthorizationServer

_AUTH_METHODS = ["private_key_jwt", "client_secret_basic", "none"]


class _Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib ships no types
    def __init__(self, parameters: MultiDict[str, str]) -> None:
        self._parameters = parameters

    @property
    def data(self) -> MultiDict[str, str]:
        return self._parameters

    @property
    def datalist(self) -> dict[str, list[str]]:
        return self._parameters.to_dict(flat=False)


class SandboxRequest(OAuth2Request):  # type: ignore[misc]  # Authlib ships no types
    """A request by its parameters: the query or the form of an authorization request, the form of a token request.

    authorization: set by the authorize pages once user, patient and scopes are known; what the code will stand for.
    """

    def __init__(
        self, method: str, parameters: MultiDict[str, str], headers: Headers | Mapping[str, str] | None = None
    ) -> None:
        # Authlib refuses plain http unless the host is this machine; how the sandbox is reached is its operator's
        # matter.
        super().__init__(method, "https://sandbox.invalid/", headers=headers)
        self.payload = _Payload(parameters)
        self.authorization: Authorization | None = None

    @property
    def form(self) -> MultiDict[str, str]:
        """The parameters."""
        return self.payload.data


class S256Challenge(CodeChallenge):  # type: ignore[misc]  # Authlib ships no types
    """PKCE for every client, S256 alone. Authlib's own check lets requests without one through, and allows `plain`."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a request without a challenge or without its method: left out, the method would mean `plain`."""
        if not grant.request.form.get("code_challenge"):
            raise InvalidRequestError("code_challenge is missing")
        if grant.request.form.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge_method must be S256")
        super().validate_code_challenge(grant, redirect_uri)


class SmartParameters:
    """What SMART adds to an authorization request: `state`, `aud`, `launch` and `scope`; no parameter twice."""

    def __call__(self, grant: Any) -> None:
        """Attach the checks to one grant, as Authlib's extensions do."""
        grant.register_hook("after_validate_authorization_request_payload", self.check)

    def check(self, grant: Any, _redirect_uri: str) -> None:
        """Raise the first fault found as InvalidRequestError or InvalidScopeError."""
        server, form = cast("SmartAuthorizationServer", grant.server), grant.request.form
        if repeated := find_repeated(form):
            raise InvalidRequestError(f"{repeated} is given more than once")
        if not form.get("state"):
            raise InvalidRequestError("state is missing")
        if not form.get("scope"):
            raise InvalidScopeError("scope is missing")
        # The same base with a slash at the end is the same base: fhirclient (Python) sends it so.
        audience = form.get("aud", "").rstrip("/")
        if not audience:
            raise InvalidRequestError("aud is missing")
        if audience not in server.personas:
            raise InvalidRequestError("aud is not a FHIR base of this server")
        if "launch" in form:
            launch = server.launches.find(form["launch"])
            if launch is None:
                raise InvalidRequestError("launch is unknown, expired or already used")
            if launch.client_id != grant.request.client.client_id or launch.fhir_base_url != audience:
                raise InvalidRequestError("launch was made for another client or FHIR base")
        elif asks_for(form["scope"], "launch"):
            raise InvalidRequestError("scope launch needs the launch parameter")


class _TokenGrant:
    """Makes the token response; kept with the token itself, so there is no second step of saving."""

    TOKEN_ENDPOINT_AUTH_METHODS = _AUTH_METHODS
    GRANT_TYPE: str
    request: Any
    server: Any

    def authenticate_user(self, credential: Authorization | IssuedToken) -> Account | None:
        """Give the user who authorized."""
        return _authorization_of(credential).context.user

    def generate_token(self, *, scope: str, user: Account, **_ignored: Any) -> dict[str, Any]:
        """Give the token response with the launch context."""
        credential = self.request.authorization_code or self.request.refresh_token
        server = cast("SmartAuthorizationServer", self.server)
        return server.issue_token_response(
            _authorization_of(credential), user, scope=scope, first=self.GRANT_TYPE == "authorization_code"
        )


def _authorization_of(credential: Authorization | IssuedToken) -> Authorization:
    return credential.authorization if isinstance(credential, IssuedToken) else credential


class CodeGrant(_TokenGrant, grants.AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib ships no types
    """Authorization code grant."""

    def save_authorization_code(self, code: str, request: SandboxRequest) -> None:
        """Keep the code with what it stands for, and use up the launch."""
        server = cast("SmartAuthorizationServer", self.server)
        if "launch" in request.form and not server.launches.spend(request.form["launch"]):
            raise InvalidRequestError("launch is already used", redirect_uri=request.form["redirect_uri"])
        server.tokens.issue_code(code, cast(Authorization, request.authorization))

    def query_authorization_code(self, code: str, client: RegisteredClient) -> Authorization | None:
        """Redeem the code: from here on it is used, whatever comes of the other checks."""
        return cast("SmartAuthorizationServer", self.server).tokens.redeem_code(code, client)

    def delete_authorization_code(self, authorization_code: Authorization) -> None:
        """Do nothing: a redeemed code is remembered, so that a replay is seen."""


class RefreshGrant(_TokenGrant, grants.RefreshTokenGrant):  # type: ignore[misc]  # Authlib ships no types
    """Refresh with rotation: each refresh token works once."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> IssuedToken | None:
        """Use up the refresh token; a scope beyond it is told first, so that the mistake does not cost the token."""
        server = cast("SmartAuthorizationServer", self.server)
        client = cast(RegisteredClient, self.request.client)
        token = server.tokens.find(refresh_token, "refresh_token")
        if token is not None and token.check_client(client):
            self._validate_token_scope(token)
        return server.tokens.spend_refresh_token(refresh_token, client)

    def revoke_old_credential(self, refresh_token: IssuedToken) -> None:
        """Do nothing: the old refresh token was used up when it was looked up."""


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """RFC 7009: any client may end its own tokens."""

    CLIENT_AUTH_METHODS = _AUTH_METHODS

    def query_token(self, token_string: str, _token_type_hint: str | None) -> IssuedToken | None:
        """Find a token of either kind."""
        return cast(IssuedToken | None, self.server.tokens.find(token_string))

    def revoke_token(self, _token: IssuedToken, request: SandboxRequest) -> None:
        """Revoke it; a refresh token with all that came of it."""
        self.server.tokens.revoke(request.form["token"])


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """RFC 7662: a client that can authenticate may look at its own tokens; others are told: not active."""

    CLIENT_AUTH_METHODS = ("private_key_jwt", "client_secret_basic")

    def query_token(self, token_string: str, _token_type_hint: str | None) -> IssuedToken | None:
        """Find a token of either kind."""
        return cast(IssuedToken | None, self.server.tokens.find(token_string))

    def check_permission(self, token: IssuedToken, client: RegisteredClient, _request: SandboxRequest) -> bool:
        """Tell whether the token is the client's own."""
        return token.check_client(client)

    def introspect_token(self, token: IssuedToken) -> dict[str, Any]:
        """Describe an active token with its launch context."""
        authorization, user = token.authorization, token.authorization.context.user
        identity = {"sub": user.account_id} if user else {}
        if user and user.fhir_user:
            identity["fhirUser"] = f"{authorization.fhir_base_url}/{user.fhir_user}"
        context = build_context_parameters(authorization, style_url=self.server.style_url)
        return {
            "active": True,
            "scope": token.scope,
            "client_id": authorization.client_id,
            "iss": authorization.fhir_base_url,
            "iat": int(token.issued.timestamp()),
            "exp": int(token.expires.timestamp()),
            **({"token_type": "Bearer"} if token.kind == "access_token" else {}),
            **identity,
            **context,
        }


def build_context_parameters(authorization: Authorization, *, style_url: str) -> dict[str, Any]:
    """Give the launch context parameters that go beside a token."""
    context, scope = authorization.context, authorization.scope
    parameters: dict[str, Any] = {}
    if context.patient and (asks_for(scope, "launch") or asks_for(scope, "launch/patient")):
        parameters["patient"] = context.patient
    if context.encounter and (asks_for(scope, "launch") or asks_for(scope, "launch/encounter")):
        parameters["encounter"] = context.encounter
    parameters |= {"need_patient_banner": context.need_patient_banner, "smart_style_url": style_url}
    optional = {"intent": context.intent, "tenant": context.tenant, "appContext": context.app_context}
    parameters |= {name: value for name, value in optional.items() if value}
    if context.fhir_context:
        parameters["fhirContext"] = list(context.fhir_context)
    return parameters


def find_repeated(parameters: MultiDict[str, str]) -> str | None:
    """Give the name of a parameter that is given twice ("a parameter" if it is no plain word), or None."""
    for name, values in parameters.lists():
        if len(values) > 1:
            return name if name.isascii() and name.replace("_", "").isalnum() else "a parameter"
    return None
