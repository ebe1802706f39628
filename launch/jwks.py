"""The issuer's public keys (OpenID Connect Discovery 1.0; RFC 7517; SMART App Launch 2.2, "Using an ID token").

The address comes from the SMART configuration, or from `{issuer}/.well-known/openid-configuration` where that names
none or where the registered issuer is another than the configuration's. Never from the token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey

from launch.documents import DocumentCache
from launch.errors import JwksUnavailable, TransportError
from launch.fields import Fields, InvalidField, parse_json_object
from launch.transport import DOCUMENT_LIMITS, HttpResponse, Transport

T = TypeVar("T")
_MOST_KEYS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class JwksSource:
    """Keys of one issuer, cached. `jwks_uri` None: found through the issuer's openid-configuration."""

    issuer: str
    jwks_uri: str | None
    transport: Transport
    cache: DocumentCache
    now: datetime

    def keys(self, *, refetch: bool) -> tuple[Key, ...]:
        """Return the keys of the set. Raises JwksUnavailable."""
        try:
            jwks_uri = self.jwks_uri or self._find_jwks_uri()
            return self._fetch(jwks_uri, _parse_keys, refetch=refetch)
        except (TransportError, InvalidField) as exc:
            raise JwksUnavailable(str(exc), ehr_id=self.transport.ehr.id) from exc

    def _find_jwks_uri(self) -> str:
        # OpenID Connect Discovery 4.1: the issuer's path stays, its trailing slash goes.
        url = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
        issuer, jwks_uri = self._fetch(url, _parse_openid_configuration, refetch=False)
        if issuer != self.issuer:
            raise InvalidField("issuer", "is not the registered one")
        return jwks_uri

    def _fetch(self, url: str, parse: Callable[[HttpResponse], T], *, refetch: bool) -> T:
        return self.cache.fetch(
            url,
            parse,
            transport=self.transport,
            limits=DOCUMENT_LIMITS,
            accept="application/json",
            now=self.now,
            refetch=refetch,
        )


def _parse_openid_configuration(response: HttpResponse) -> tuple[str, str]:
    if response.status != 200:
        raise InvalidField("openid-configuration", f"HTTP {response.status}")
    fields = Fields(parse_json_object(response.body))
    return fields.text("issuer"), fields.text("jwks_uri")


def _parse_keys(response: HttpResponse) -> tuple[Key, ...]:
    """Read the set; keys of kinds we do not use, or broken ones, are left out (RFC 7517 section 5)."""
    if response.status != 200:
        raise InvalidField("jwks", f"HTTP {response.status}")
    values = parse_json_object(response.body)
    listed = values.get("keys")
    if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
        raise InvalidField("keys", "is not a list of objects")
    return tuple(key for key in map(_find_key, listed[:_MOST_KEYS]) if key is not None)


def _find_key(values: dict[str, Any]) -> Key | None:
    kind: type[RSAKey] | type[ECKey]
    if values.get("kty") == "RSA":
        kind = RSAKey
    elif values.get("kty") == "EC":
        kind = ECKey
    else:
        return None
    try:
        return kind.import_key(values)
    except (JoseError, ValueError, TypeError, KeyError):  # joserfc 1.8 lets a KeyError out for an unknown curve
        return None
