"""`private_key_jwt`, checked strictly.

Source: SMART App Launch 2.2 "Client Authentication: Asymmetric",
https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html; RFC 7523.

Authlib's own assertion check refuses ES384 and RS384, the two algorithms of SMART, so the check is made here with
joserfc.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from authlib.oauth2.rfc6749 import InvalidClientError
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key
from urllib3.exceptions import HTTPError

from sandbox_ehr.fhir_request import Clock
from sandbox_ehr.registered_clients import RegisteredClient

ALGORITHMS = ("ES384", "RS384")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFETIME = timedelta(minutes=5)
CLOCK_SKEW = timedelta(seconds=30)

JwksFetcher = Callable[[str], Mapping[str, Any]]
"""Fetches a JWK Set from an address; raises JwksUnavailable."""

_MAX_JWKS_BYTES = 100_000
_JWKS_TIMEOUT_SECONDS = 5


class JwksUnavailable(Exception):
    """The registered address gave no JWK Set; the message says why, for the developer of the client."""


def fetch_jwks(url: str) -> Mapping[str, Any]:
    """Fetch a client's JWK Set, following no redirect and reading at most 100 kB. Raises JwksUnavailable."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            http_response = session.get(
                url,
                timeout=_JWKS_TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
                headers={"Accept": "application/json"},
            )
            if http_response.status_code != 200:
                raise JwksUnavailable(f"the JWKS address answered {http_response.status_code}")
            body = http_response.raw.read(_MAX_JWKS_BYTES + 1, decode_content=True)
            if len(body) > _MAX_JWKS_BYTES:
                raise JwksUnavailable("the JWKS is larger than 100 kB")
    except (requests.RequestException, HTTPError) as exc:
        raise JwksUnavailable("the JWKS address could not be reached") from exc
    try:
        document = json.loads(body)
    except ValueError as exc:
        raise JwksUnavailable("the JWKS address did not answer with JSON") from exc
    if not isinstance(document, dict):
        raise JwksUnavailable("the JWKS is not a JSON object")
    return document


class AssertionVerifier:
    """Authenticates clients by a signed assertion; remembers each `jti` until its assertion would have expired."""

    def __init__(self, *, token_endpoint: str, clock: Clock, fetch: JwksFetcher = fetch_jwks) -> None:
        self._token_endpoint = token_endpoint
        self._clock = clock
        self._fetch = fetch
        self._seen: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def authenticate(
        self, query_client: Callable[[str], RegisteredClient | None], request: Any
    ) -> RegisteredClient | None:
        """Give the client that an assertion authenticates; None without assertion: Authlib then tries the next way.

        Raises InvalidClientError, saying in its description what is wrong with the assertion.
        """
        form = request.form
        if "client_assertion" not in form and "client_assertion_type" not in form:
            return None
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise _refused(f"client_assertion_type must be {ASSERTION_TYPE}")
        assertion = form.get("client_assertion", "")
        header, claims = _peek(assertion)
        client = query_client(str(claims.get("sub")))
        if client is None or client.client_auth != "private_key_jwt":
            raise _refused("sub is not a client registered for private_key_jwt")
        if form.get("client_id", client.client_id) != client.client_id:
            raise _refused("client_id differs from the assertion's sub")
        key = self._find_key(client, header)
        try:
            claims = jwt.decode(assertion, key, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError) as exc:
            raise _refused("the signature does not verify") from exc
        self._check_claims(client, claims)
        return client

    def _find_key(self, client: RegisteredClient, header: Mapping[str, Any]) -> ECKey | RSAKey:
        if header.get("alg") not in ALGORITHMS:
            raise _refused(f"alg must be one of {', '.join(ALGORITHMS)}")
        if header.get("typ") != "JWT":
            raise _refused("typ must be JWT")
        kid = header.get("kid")
        if not isinstance(kid, str) or not kid:
            raise _refused("kid is missing")
        if "jku" in header and header["jku"] != client.jwks_url:
            raise _refused("jku is not the registered JWKS address")
        try:
            jwks = client.jwks if client.jwks is not None else self._fetch(str(client.jwks_url))
        except JwksUnavailable as exc:
            raise _refused(str(exc)) from exc
        wanted_type = "EC" if header["alg"] == "ES384" else "RSA"
        keys = jwks.get("keys")
        for jwk in keys if isinstance(keys, list) else []:
            if isinstance(jwk, dict) and jwk.get("kid") == kid and jwk.get("kty") == wanted_type and "d" not in jwk:
                try:
                    key = import_key(jwk)
                except (JoseError, ValueError, KeyError, TypeError) as exc:  # KeyError: joserfc, an unknown curve
                    raise _refused("the JWK with this kid cannot be read") from exc
                if isinstance(key, ECKey | RSAKey):
                    return key
        raise _refused("kid is not in the registered JWKS, or not for this alg")

    def _check_claims(self, client: RegisteredClient, claims: Mapping[str, Any]) -> None:
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
            raise _refused("iss and sub must both be the client_id")
        audience = claims.get("aud")
        if audience not in (self._token_endpoint, [self._token_endpoint]):
            raise _refused("aud must be the address of the token endpoint")
        now = self._clock()
        expires = _numeric_date(claims, "exp")
        if expires is None:
            raise _refused("exp is missing or no number")
        if expires + CLOCK_SKEW <= now:
            raise _refused("the assertion has expired")
        if expires > now + MAX_LIFETIME + CLOCK_SKEW:
            raise _refused("exp is more than five minutes ahead")
        not_before = _numeric_date(claims, "nbf")
        if "nbf" in claims and (not_before is None or not_before > now + CLOCK_SKEW):
            raise _refused("nbf lies ahead or is no number")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise _refused("jti is missing")
        with self._lock:
            self._seen = {entry: until for entry, until in self._seen.items() if until > now}
            if (client.client_id, jti) in self._seen:
                raise _refused("jti was used before")
            self._seen[client.client_id, jti] = expires + CLOCK_SKEW


def _peek(assertion: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Read header and claims before any trust, only to learn whose key is to verify them."""
    try:
        unverified = jws.extract_compact(assertion.encode("ascii"))
        claims = json.loads(unverified.payload or b"")
    except (JoseError, ValueError) as exc:
        raise _refused("client_assertion is not a JWT") from exc
    if not isinstance(claims, dict):
        raise _refused("client_assertion is not a JWT")
    return unverified.headers(), claims


def _numeric_date(claims: Mapping[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _refused(why: str) -> InvalidClientError:
    return InvalidClientError(description=why, status_code=401)
