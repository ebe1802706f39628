"""The keys that sign id_tokens, and their public side as a JWK Set.

Sources: RFC 7517, OpenID Connect Core 1.0 section 10.1.1 (rotation).
"""

from __future__ import annotations

import threading
from typing import Any

from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
"""What SMART App Launch 2.2 requires a server to support for id_tokens."""


class SigningKeys:
    """An RSA key for new signatures, and its forerunner, still published so that what it signed can be verified.

    The first is made when it is first asked for: an EHR that never signs need not wait for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: list[RSAKey] = []

    @property
    def current(self) -> RSAKey:
        """The key that signs now."""
        with self._lock:
            return self._ensure_keys()[0]

    def rotate(self, *, forget: bool = False) -> str:
        """Sign with a new key from now on, keep the last one published unless told to forget it; give the new `kid`."""
        key = _new_key()
        with self._lock:
            self._keys = [key] if forget else [key, self._ensure_keys()[0]]
        return str(key.kid)

    def build_jwks(self) -> dict[str, Any]:
        """Give the public keys as a JWK Set."""
        with self._lock:
            return {"keys": [key.as_dict(private=False) for key in self._ensure_keys()]}

    def _ensure_keys(self) -> list[RSAKey]:
        if not self._keys:
            self._keys = [_new_key()]
        return self._keys


def _new_key() -> RSAKey:
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": ALGORITHM}, private=True)
    key.ensure_kid()
    return key
