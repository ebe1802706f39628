"""How the app proves who it is to the token endpoint (SMART App Launch 2.2, "Client Authentication"; RFC 7523).

public: `client_id` in the body. client_secret_basic: HTTP Basic. private_key_jwt: an assertion signed by our own
small signer, because Authlib's (1.7 to 1.9) is valid for an hour, knows no `kid`, defaults to RS256 and sends the
first `jti` again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

from authlib.common.urls import add_params_to_qs
from authlib.oauth2.auth import ClientAuth as AuthlibClientAuth
from joserfc import jwt

from launch.ehr import ClientAuth, Ehr
from launch.errors import InvalidSigningKeys
from launch.signing_keys import SigningKeys

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# SMART allows five minutes. One less leaves room for a clock that runs ahead.
ASSERTION_LIFETIME = timedelta(minutes=4)


def new_jti() -> str:
    """Return a fresh assertion id; far below the 151 characters that Epic allows."""
    return str(uuid4())


def authenticate(
    ehr: Ehr,
    body: str,
    headers: dict[str, str],
    *,
    token_endpoint: str,
    keys: SigningKeys | None,
    now: datetime,
    jti: Callable[[], str] = new_jti,
) -> tuple[str, dict[str, str]]:
    """Return form body and headers with the client authentication of this EHR added.

    Used for every request to the token and revocation endpoints; the audience of an assertion is always the token
    endpoint. Raises InvalidSigningKeys where an assertion is needed and there is no key for it.
    """
    if ehr.client_auth is ClientAuth.PRIVATE_KEY_JWT:
        assertion = build_client_assertion(ehr, token_endpoint=token_endpoint, keys=keys, now=now, jti=jti())
        added = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
        return str(add_params_to_qs(body, added)), dict(headers)
    method = "none" if ehr.client_auth is ClientAuth.PUBLIC else "client_secret_basic"
    _, prepared, form = AuthlibClientAuth(ehr.client_id, ehr.client_secret, method).prepare(
        "POST", token_endpoint, dict(headers), body
    )
    return str(form), dict(prepared)


def build_client_assertion(ehr: Ehr, *, token_endpoint: str, keys: SigningKeys | None, now: datetime, jti: str) -> str:
    """Sign one assertion, for one request. No `nbf`: a clock that runs ahead would make it invalid."""
    if keys is None:
        raise InvalidSigningKeys("there is no key file", ehr_id=ehr.id)
    key = keys.signing_key(ehr.signing_alg, now)
    header = {"alg": key.alg, "kid": key.kid, "typ": "JWT"}
    claims = {
        "iss": ehr.client_id,
        "sub": ehr.client_id,
        "aud": token_endpoint,
        "exp": int((now + ASSERTION_LIFETIME).timestamp()),
        "iat": int(now.timestamp()),
        "jti": jti,
    }
    return jwt.encode(header, claims, key.key, algorithms=[key.alg])
