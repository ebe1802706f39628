"""Who the user is: the id_token, verified (OpenID Connect Core 3.1.3.7; SMART App Launch 2.2, fhirUser).

`VerifiedIdToken` is made only here: code that asks for one gets a user whose signature, issuer, audience, time and
nonce were checked. No header of the token (`jku`, `x5u`, `jwk`) is ever followed.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, RSAKey

from launch.ehr import Ehr, NonceRule
from launch.errors import (
    IdTokenAlgorithmRefused,
    IdTokenBadSignature,
    IdTokenError,
    IdTokenExpired,
    IdTokenKeyUnknown,
    IdTokenMalformed,
    IdTokenMissingClaim,
    IdTokenNonceMismatch,
    IdTokenNotYetValid,
    IdTokenWrongAudience,
    IdTokenWrongIssuer,
    InvalidFhirUser,
)
from launch.fields import Fields, InvalidField, parse_json_object

# RS256 is what SMART demands of EHRs; the others are its asymmetric siblings. `none` and HMAC never (RFC 8725 3.1).
ALGORITHMS = frozenset({"RS256", "RS384", "ES256", "ES384"})
LEEWAY = timedelta(seconds=60)
LONGEST_TOKEN = 20_000
_PERSON_TYPES = frozenset({"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"})
_KEY_TYPES: Mapping[str, type[RSAKey] | type[ECKey]] = {"RS": RSAKey, "ES": ECKey}
_CURVES = {"ES256": "P-256", "ES384": "P-384"}
_SMALLEST_RSA_BITS = 2048


class _Registry(jws.JWSRegistry):
    """joserfc allows 512 bytes of header, which an `x5c` exceeds; unknown names are to be ignored (RFC 7515 4)."""

    max_header_length = 16_000

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm], strict_check_header=False)


class KeySource(Protocol):
    """Where the issuer's public keys come from; `launch.jwks.JwksSource` is the real one."""

    def keys(self, *, refetch: bool) -> tuple[Key, ...]:
        """Return the keys of the issuer's JWKS; with `refetch`, read anew. Raises JwksUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedIdToken:
    """A person who signed in at the EHR: (`issuer`, `subject`) is the identity, `fhir_user` its `Type/id` here.

    `name` comes from the claims `name` or `given_name` and `family_name`, where the EHR sends them.
    """

    issuer: str
    subject: str
    fhir_user: str | None
    name: str | None
    issued_at: datetime
    expires_at: datetime

    def to_values(self) -> dict[str, Any]:
        """As JSON values, for the stored launch."""
        return {
            "issuer": self.issuer,
            "subject": self.subject,
            "fhir_user": self.fhir_user,
            "name": self.name,
            "issued_at": self.issued_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> VerifiedIdToken:
        """Read back from a stored launch, where it was put verified. Raises InvalidField."""
        return cls(
            issuer=fields.text("issuer"),
            subject=fields.text("subject"),
            fhir_user=fields.find_text("fhir_user"),
            name=fields.find_text("name"),
            issued_at=fields.moment("issued_at"),
            expires_at=fields.moment("expires_at"),
        )


def verify_id_token(
    token: str, *, ehr: Ehr, issuer: str, nonce: str, keys: KeySource, now: datetime
) -> VerifiedIdToken:
    """Check everything and return who it is.

    `issuer` is the one fixed when the launch began. `now` is an aware UTC datetime; 60 seconds of leeway either way.
    Raises a subclass of IdTokenError, one per failure.
    """
    try:
        claims = Fields(_verify_signature(token, keys=keys))
        _check_issuer(claims, issuer)
        _check_audience(claims, ehr.client_id)
        issued_at, expires_at = _check_times(claims, now)
        _check_nonce(claims, ehr.nonce, nonce)
        return VerifiedIdToken(
            issuer=issuer,
            subject=_claim(claims, "sub"),
            fhir_user=_find_fhir_user(claims, ehr),
            name=_find_name(claims),
            issued_at=issued_at,
            expires_at=expires_at,
        )
    except InvalidField as exc:
        raise IdTokenMalformed(exc.problem, ehr_id=ehr.id, field=exc.field) from exc
    except IdTokenError as exc:
        exc.ehr_id = ehr.id
        raise


def _verify_signature(token: str, *, keys: KeySource) -> dict[str, Any]:
    if len(token) > LONGEST_TOKEN:
        raise IdTokenMalformed("is too long")
    try:
        header = jws.extract_compact(token.encode("ascii"), registry=_Registry("RS256")).headers()
    except (JoseError, ValueError) as exc:
        raise IdTokenMalformed("is not a signed JWT") from exc
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise IdTokenAlgorithmRefused("is not on our list", field="alg")
    if kid is not None and not isinstance(kid, str):
        raise IdTokenMalformed("is not a string", field="kid")
    # A key may have been rotated in since we read the set: read it once more before saying no.
    candidates = _candidates(keys.keys(refetch=False), algorithm, kid) or _candidates(
        keys.keys(refetch=True), algorithm, kid
    )
    if not candidates:
        raise IdTokenKeyUnknown("fits none of the issuer's keys", field="kid")
    for key in candidates:
        try:
            payload = jws.deserialize_compact(token, key, registry=_Registry(algorithm)).payload
        except (JoseError, ValueError):  # another signature, or a key whose key_ops exclude verifying
            continue
        return parse_json_object(payload or b"")
    raise IdTokenBadSignature("is not the issuer's")


def _candidates(keys: tuple[Key, ...], algorithm: str, kid: str | None) -> list[Key]:
    """Keys of the right type, use, algorithm and size; with the token's `kid`, or all of them where it names none."""
    fitting: list[Key] = []
    for key in keys:
        values = key.as_dict(private=False)
        if kid is not None and values.get("kid") != kid:
            continue
        if not isinstance(key, _KEY_TYPES[algorithm[:2]]):
            continue
        if values.get("use", "sig") != "sig" or values.get("alg", algorithm) != algorithm:
            continue
        if isinstance(key, ECKey) and values.get("crv") != _CURVES[algorithm]:
            continue
        if isinstance(key, RSAKey) and key.public_key.key_size < _SMALLEST_RSA_BITS:
            continue
        fitting.append(key)
    return fitting


def _claim(claims: Fields, name: str) -> str:
    value = claims.find_text(name)
    if value is None:
        raise IdTokenMissingClaim("is missing", field=name)
    return value


def _check_issuer(claims: Fields, issuer: str) -> None:
    if _claim(claims, "iss") != issuer:
        raise IdTokenWrongIssuer("is not the registered one", field="iss")


def _check_audience(claims: Fields, client_id: str) -> None:
    if "aud" not in claims.names():
        raise IdTokenMissingClaim("is missing", field="aud")
    audience = claims.find_text_or_texts("aud")
    if client_id not in audience:
        raise IdTokenWrongAudience("is not this app", field="aud")
    # OpenID Connect Core 3.1.3.7 steps 4 and 5: with several audiences `azp` must be there, and must be us.
    authorized_party = claims.find_text("azp")
    if (len(audience) > 1 or authorized_party is not None) and authorized_party != client_id:
        raise IdTokenWrongAudience("is not this app", field="azp")


def _check_times(claims: Fields, now: datetime) -> tuple[datetime, datetime]:
    moments: dict[str, datetime] = {}
    for name in ("exp", "iat", "nbf"):
        seconds = claims.find_number(name)
        if seconds is None:
            if name != "nbf":
                raise IdTokenMissingClaim("is missing", field=name)
            continue
        try:
            moments[name] = datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, ValueError, OSError) as exc:
            raise IdTokenMalformed("is not a time", field=name) from exc
    if now >= moments["exp"] + LEEWAY:
        raise IdTokenExpired("has passed", field="exp")
    for name in ("iat", "nbf"):
        if name in moments and moments[name] > now + LEEWAY:
            raise IdTokenNotYetValid("lies ahead", field=name)
    return moments["iat"], moments["exp"]


def _check_nonce(claims: Fields, rule: NonceRule, nonce: str) -> None:
    returned = claims.find_text("nonce")
    if returned is None:
        if rule is NonceRule.REQUIRE:
            raise IdTokenNonceMismatch("is missing", field="nonce")
        return
    if not hmac.compare_digest(returned.encode(), nonce.encode()):
        raise IdTokenNonceMismatch("is that of another launch", field="nonce")


def _find_fhir_user(claims: Fields, ehr: Ehr) -> str | None:
    """`fhirUser`, else `profile` (its name in SMART 1.0) where that is a reference (OIDC: a web page)."""
    text = claims.find_text("fhirUser")
    if text is None:
        profile = claims.find_text("profile")
        reference = None if profile is None else ehr.find_reference(profile)
        return str(reference) if reference is not None and reference.resource_type in _PERSON_TYPES else None
    reference = ehr.find_reference(text)
    if reference is None or reference.resource_type not in _PERSON_TYPES:
        raise InvalidFhirUser("is not a person on this EHR", field="fhirUser")
    return str(reference)


def _find_name(claims: Fields) -> str | None:
    name = claims.find_text("name")
    if name is not None:
        return name
    parts = [part for part in (claims.find_text("given_name"), claims.find_text("family_name")) if part]
    return " ".join(parts) or None
