"""Encryption at rest: AES-256-GCM per value (NIST SP 800-38D), bound to its place.

A sealed value is ``format byte | key id (8) | nonce (12) | ciphertext and tag``. The associated data are a fixed kind
name, the column and the row's id: a value that is moved to another row or column does not open. The kind is not the
table's name, for migrations rename tables.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import TypeAdapter, ValidationError

from smart_app.storage.errors import BrokenSeal
from smart_app.storage.key_ring import KEY_ID_CHARACTERS, KeyRing

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_HEADER = len(_FORMAT) + KEY_ID_CHARACTERS
T = TypeVar("T")


class Cipher:
    """Seals with the newest key of a ring, opens with any of them. Safe for threads."""

    def __init__(self, keys: KeyRing, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._newest = keys.sealing[0].id
        self._keys = {key.id: AESGCM(key.secret) for key in keys.sealing}
        self._random_bytes = random_bytes

    def seal(self, plain: bytes, *, kind: str, column: str, row_id: str) -> bytes:
        """Encrypt one value for its place."""
        nonce = self._random_bytes(_NONCE_BYTES)
        sealed = self._keys[self._newest].encrypt(nonce, plain, _place(kind, column, row_id))
        return self.newest_header + nonce + sealed

    def open(self, sealed: bytes, *, kind: str, column: str, row_id: str) -> bytes:
        """Decrypt one value. Raises BrokenSeal when changed, moved, or made with a key that the ring lacks."""
        key = self._keys.get(sealed[len(_FORMAT) : _HEADER].decode("ascii", "replace"))
        if sealed[: len(_FORMAT)] != _FORMAT or key is None:
            raise BrokenSeal("the value is sealed with a key that is not in the key ring", field=f"{kind}.{column}")
        nonce, ciphertext = sealed[_HEADER : _HEADER + _NONCE_BYTES], sealed[_HEADER + _NONCE_BYTES :]
        try:
            return key.decrypt(nonce, ciphertext, _place(kind, column, row_id))
        except (InvalidTag, ValueError) as exc:
            raise BrokenSeal("the value was changed or moved", field=f"{kind}.{column}") from exc

    @property
    def newest_header(self) -> bytes:
        """The bytes with which every value begins that the newest key sealed."""
        return _FORMAT + self._newest.encode("ascii")


def _place(kind: str, column: str, row_id: str) -> bytes:
    return "\0".join((kind, column, row_id)).encode("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedField(Generic[T]):
    """One sealed column: what it holds as a type, written as JSON before it is encrypted."""

    kind: str
    column: str
    adapter: TypeAdapter[T]

    def seal(self, cipher: Cipher, row_id: object, value: T) -> bytes:
        """Encrypt a value for its row."""
        return cipher.seal(self.adapter.dump_json(value), kind=self.kind, column=self.column, row_id=str(row_id))

    def open(self, cipher: Cipher, row_id: object, sealed: bytes) -> T:
        """Decrypt and parse. Raises BrokenSeal."""
        plain = cipher.open(sealed, kind=self.kind, column=self.column, row_id=str(row_id))
        try:
            return self.adapter.validate_json(plain)
        except ValidationError:
            # `from None`: the validation error quotes its input.
            raise BrokenSeal("the value has another shape", field=f"{self.kind}.{self.column}") from None
