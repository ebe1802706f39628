"""Our own key pairs and the public set that EHRs read (SMART App Launch 2.2, "Registering public keys"; RFC 7517).

Rotation: a new key is published at once and signs from `activate_at` on, so that every EHR's cache has seen it; the
old one stays published until it is pruned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from launch.ehr import SigningAlgorithm
from launch.errors import InvalidSigningKeys
from launch.fields import Fields, InvalidField, parse_json_object

_RSA_BITS = 3072
_CURVE = "P-384"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One private key. It signs only its own algorithm, and only from `activate_at` on."""

    kid: str
    alg: SigningAlgorithm
    key: ECKey | RSAKey = field(repr=False)
    activate_at: datetime

    def public_values(self) -> dict[str, Any]:
        """Return the public JWK: kty, kid, alg, use and the bare key."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "alg": self.alg, "use": "sig"}


class SigningKeys:
    """All private keys of this installation. Immutable: rotating gives a new set."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        """Raise InvalidSigningKeys when there is none, or when two share a `kid`."""
        self._keys = tuple(sorted(keys, key=lambda key: key.activate_at))
        if not self._keys:
            raise InvalidSigningKeys("there is no key", field="keys")
        if len({key.kid for key in self._keys}) != len(self._keys):
            raise InvalidSigningKeys("is used twice", field="kid")

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def generate(cls, now: datetime) -> SigningKeys:
        """Make one key of each algorithm, active at once."""
        return cls(_generate(alg, now) for alg in ("ES384", "RS384"))

    @classmethod
    def from_json(cls, text: str) -> SigningKeys:
        """Read what to_json wrote: a private JWK Set whose keys also carry `activate_at`. Raises InvalidSigningKeys."""
        try:
            return cls(_parse_keys(parse_json_object(text)))
        except InvalidField as exc:
            raise InvalidSigningKeys(exc.problem, field=exc.field) from exc

    def to_json(self) -> str:
        """Return the private set: to a file that only the app can read, never to a log."""
        keys = [
            {
                **key.key.as_dict(private=True),
                "kid": key.kid,
                "alg": key.alg,
                "use": "sig",
                "activate_at": key.activate_at.isoformat(),
            }
            for key in self._keys
        ]
        return json.dumps({"keys": keys}, indent=2)

    def public_jwks(self) -> dict[str, Any]:
        """Return the public JWK Set, future keys included."""
        return {"keys": [key.public_values() for key in self._keys]}

    def signing_key(self, alg: SigningAlgorithm, now: datetime) -> SigningKey:
        """Return the newest active key of the algorithm. Raises InvalidSigningKeys when there is none."""
        for key in reversed(self._keys):
            if key.alg == alg and key.activate_at <= now:
                return key
        raise InvalidSigningKeys(f"there is no active key for {alg}", field="alg")

    def rotate(self, now: datetime, *, activate_after: timedelta = timedelta(days=1)) -> SigningKeys:
        """Add one key of each algorithm that signs after `activate_after`: longer than EHRs cache the set."""
        return SigningKeys([*self._keys, *(_generate(alg, now + activate_after) for alg in ("ES384", "RS384"))])

    def prune(self, now: datetime, *, keep_for: timedelta = timedelta(days=7)) -> SigningKeys:
        """Drop keys that were replaced longer than `keep_for` ago."""
        kept: list[SigningKey] = []
        for index, key in enumerate(self._keys):
            replaced = [later for later in self._keys[index + 1 :] if later.alg == key.alg]
            if not any(later.activate_at + keep_for <= now for later in replaced):
                kept.append(key)
        return SigningKeys(kept)


def _generate(alg: SigningAlgorithm, activate_at: datetime) -> SigningKey:
    key = ECKey.generate_key(_CURVE) if alg == "ES384" else RSAKey.generate_key(_RSA_BITS)
    return SigningKey(kid=key.thumbprint(), alg=alg, key=key, activate_at=activate_at)


def _parse_keys(values: dict[str, Any]) -> list[SigningKey]:
    listed = values.get("keys")
    if not isinstance(listed, list):
        raise InvalidField("keys", "is not a list")
    return [_parse_key(item, Fields(item, prefix=f"keys[{index}].")) for index, item in enumerate(listed)]


def _parse_key(values: dict[str, Any], fields: Fields) -> SigningKey:
    alg = fields.text("alg")
    if alg not in ("ES384", "RS384"):
        raise fields.fault("alg", "must be ES384 or RS384")
    kind: type[ECKey] | type[RSAKey] = ECKey if alg == "ES384" else RSAKey
    if fields.text("kty") != kind.key_type:
        raise fields.fault("kty", "does not fit the algorithm")
    if kind is ECKey and fields.text("crv") != _CURVE:
        raise fields.fault("crv", "must be P-384")
    try:
        key = kind.import_key({name: value for name, value in values.items() if name != "activate_at"})
    except (JoseError, ValueError, TypeError) as exc:
        raise fields.fault("alg", "does not fit the key") from exc
    if not key.is_private:
        raise fields.fault("d", "is missing: this is a public key")
    return SigningKey(
        kid=fields.text("kid"),
        alg="ES384" if alg == "ES384" else "RS384",
        key=key,
        activate_at=fields.moment("activate_at"),
    )
