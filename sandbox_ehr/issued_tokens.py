"""Codes, access tokens and refresh tokens.

Sources: RFC 6749 sections 1.3 to 1.5, RFC 9700 sections 4.5 (code replay) and 4.14 (refresh rotation).

Kept in memory, each secret only as its SHA-256: a restart of the simulated EHR ends every token, as a restart of test
equipment may.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from authlib.oauth2.rfc6749 import TokenMixin

from sandbox_ehr.fhir_request import Clock
from sandbox_ehr.launch_context import LaunchContext
from sandbox_ehr.registered_clients import RegisteredClient

CODE_LIFETIME = timedelta(seconds=60)
ONLINE_LIFETIME = timedelta(hours=8)
OFFLINE_LIFETIME = timedelta(days=90)
REMEMBERED = timedelta(days=1)
"""How long what has ended is still known, so that a replay is told from a guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What was authorized once, and stays the same through every token made from it.

    family: names all tokens of one authorization, so that they can be revoked together. fhir_base_url: the `aud` of the
    request.
    """

    family: str
    client_id: str
    scope: str
    context: LaunchContext
    fhir_base_url: str
    redirect_uri: str
    code_challenge: str
    nonce: str | None = None
    authorized_at: datetime
    code_challenge_method: str = "S256"

    # What Authlib asks of an authorization code (AuthorizationCodeMixin, CodeChallenge).

    def get_redirect_uri(self) -> str:
        """Give the address that the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Give the granted scopes."""
        return self.scope


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken(TokenMixin):  # type: ignore[misc]  # Authlib ships no types
    """An access or refresh token without its secret. scope: of this token, maybe narrower than what was authorized."""

    authorization: Authorization
    kind: str
    scope: str
    issued: datetime
    expires: datetime
    revoked: bool = False
    spent: bool = False
    now: datetime

    def check_client(self, client: RegisteredClient) -> bool:
        """Tell whether the token was issued to the client."""
        return self.authorization.client_id == client.client_id

    def get_scope(self) -> str:
        """Give the scopes of the token."""
        return self.scope

    def is_expired(self) -> bool:
        """Tell whether the token had run out when it was looked up."""
        return self.expires <= self.now

    def is_revoked(self) -> bool:
        """Tell whether the token was revoked, or is a refresh token used already."""
        return self.revoked or self.spent


class TokenStore:
    """Every code and token in being; safe for threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._codes: dict[str, tuple[Authorization, bool]] = {}
        self._tokens: dict[str, IssuedToken] = {}
        self._lock = threading.RLock()

    def issue_code(self, code: str, authorization: Authorization) -> None:
        """Keep a code for CODE_LIFETIME; forget codes and tokens that ended long ago."""
        forgotten = authorization.authorized_at - REMEMBERED
        with self._lock:
            self._codes = {key: entry for key, entry in self._codes.items() if entry[0].authorized_at > forgotten}
            self._tokens = {key: token for key, token in self._tokens.items() if token.expires > forgotten}
            self._codes[_digest(code)] = (authorization, False)

    def redeem_code(self, code: str, client: RegisteredClient) -> Authorization | None:
        """Give what a code stands for, once. A second use revokes what came of the first (RFC 6749 section 4.1.2)."""
        with self._lock:
            authorization, redeemed = self._codes.get(_digest(code), (None, False))
            if authorization is None or authorization.client_id != client.client_id:
                return None
            if redeemed:
                self.revoke_family(authorization.family)
                return None
            self._codes[_digest(code)] = (authorization, True)
        return authorization if authorization.authorized_at + CODE_LIFETIME > self._clock() else None

    def issue(self, kind: str, authorization: Authorization, *, scope: str, lifetime: timedelta) -> str:
        """Make a token of a kind (access_token, refresh_token) and give its secret, which is not kept."""
        secret = secrets.token_urlsafe(32)
        now = self._clock()
        token = IssuedToken(
            authorization=authorization, kind=kind, scope=scope, issued=now, expires=now + lifetime, now=now
        )
        with self._lock:
            self._tokens[_digest(secret)] = token
        return secret

    def find(self, secret: str, kind: str | None = None) -> IssuedToken | None:
        """Give a token as it stands now, also an expired or revoked one, or None."""
        with self._lock:
            token = self._tokens.get(_digest(secret))
        if token is None or (kind is not None and token.kind != kind):
            return None
        return replace(token, now=self._clock())

    def find_active(self, secret: str, kind: str) -> IssuedToken | None:
        """Give a token that may be used now, or None."""
        token = self.find(secret, kind)
        return token if token is not None and not token.is_expired() and not token.is_revoked() else None

    def spend_refresh_token(self, secret: str, client: RegisteredClient) -> IssuedToken | None:
        """Use up a refresh token. One that was used before takes its whole family with it, whoever sent it."""
        with self._lock:
            token = self.find(secret, "refresh_token")
            if token is None or not token.check_client(client) or token.is_expired() or token.revoked:
                return None
            if token.spent:
                self.revoke_family(token.authorization.family)
                return None
            self._tokens[_digest(secret)] = replace(token, spent=True)
        return token

    def revoke(self, secret: str) -> None:
        """Revoke an access token; revoking a refresh token ends its family (RFC 7009 section 2.1)."""
        with self._lock:
            token = self._tokens.get(_digest(secret))
            if token is None:
                return
            if token.kind == "refresh_token":
                self.revoke_family(token.authorization.family)
            else:
                self._tokens[_digest(secret)] = replace(token, revoked=True)

    def revoke_family(self, family: str) -> None:
        """Revoke every token that came of one authorization."""
        with self._lock:
            for key, token in self._tokens.items():
                if token.authorization.family == family:
                    self._tokens[key] = replace(token, revoked=True)

    def active_authorizations(self) -> Iterable[Authorization]:
        """Give each authorization that still has a usable token, oldest first."""
        now = self._clock()
        with self._lock:
            tokens = [token for token in self._tokens.values() if not token.is_revoked() and token.expires > now]
        return {token.authorization.family: token.authorization for token in tokens}.values()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
