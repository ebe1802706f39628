"""The key file: keys that seal what is stored and keys that chain the audit; outside the database, mode 0600.

JSON: ``{"version": 1, "sealing": [key…], "audit": [key…]}``, newest first; a key is ``{"id", "created_at", "secret"}``
with 32 random bytes in base64. The newest key of each list is used, the older ones still open what they made.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from smart_app.secret_file import write_secret_file
from smart_app.storage.errors import InvalidKeyRing

KEY_BYTES = 32
KEY_ID_CHARACTERS = 8
_VERSION = 1

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEnd:
    """The audit row, by number and MAC, after which a retired key is worth nothing. It is an anchor besides."""

    seq: int
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One secret. ``id`` is 8 hexadecimal characters and stands in clear beside whatever the key made.

    ``end``: of an audit key that was retired, None for one in use and for sealing keys.
    """

    id: str
    created_at: datetime
    secret: bytes = field(repr=False)
    end: KeyEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """The keys of one installation, newest first in each tuple."""

    sealing: tuple[Key, ...]
    audit: tuple[Key, ...]

    @classmethod
    def generate(cls, now: datetime, random_bytes: RandomBytes = secrets.token_bytes) -> KeyRing:
        """Make a ring of one new key each."""
        return cls(sealing=(_new_key(now, random_bytes),), audit=(_new_key(now, random_bytes),))

    def rotate(self, now: datetime, random_bytes: RandomBytes = secrets.token_bytes) -> KeyRing:
        """Put a new key before the old ones, in both lists."""
        return replace(
            self,
            sealing=(_new_key(now, random_bytes), *self.sealing),
            audit=(_new_key(now, random_bytes), *self.audit),
        )

    def derive(self, purpose: str) -> bytes:
        """Give 32 bytes for another purpose, such as signing CSRF tokens; the same after a rotation."""
        return hmac.new(self.audit[-1].secret, f"smart-screening {purpose}".encode(), sha256).digest()

    def retire(self, end: KeyEnd) -> KeyRing:
        """Keep the newest sealing key alone, and let the older audit keys prove rows up to ``end`` and none after it.

        Only after everything was sealed anew (``keys rotate``) and no process runs with the older keys.
        """
        older = (key if key.end is not None else replace(key, end=end) for key in self.audit[1:])
        return replace(self, sealing=self.sealing[:1], audit=(self.audit[0], *older))

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read the key file. Raises InvalidKeyRing, also where others than its owner may read it."""
        try:
            mode = path.stat().st_mode
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise InvalidKeyRing(f"the key file {path} cannot be read") from exc
        if os.name == "posix" and mode & 0o077:
            raise InvalidKeyRing(f"the key file {path} may be read by others: chmod 600")
        try:
            values = json.loads(text)
            if values["version"] != _VERSION:
                raise InvalidKeyRing(f"the key file {path} is of another version")
            ring = cls(sealing=_parse_keys(values["sealing"]), audit=_parse_keys(values["audit"]))
        except (ValueError, KeyError, TypeError):
            # `from None`: the decoder's error carries the file, and the file is secret.
            raise InvalidKeyRing(f"the key file {path} is damaged") from None
        return ring

    def save(self, path: Path) -> None:
        """Write the file whole or not at all, readable by its owner only."""
        text = json.dumps(
            {
                "version": _VERSION,
                "sealing": [_key_values(key) for key in self.sealing],
                "audit": [_key_values(key) for key in self.audit],
            },
            indent=2,
        )
        write_secret_file(path, text + "\n")


def _new_key(now: datetime, random_bytes: RandomBytes) -> Key:
    return Key(id=random_bytes(KEY_ID_CHARACTERS // 2).hex(), created_at=now, secret=random_bytes(KEY_BYTES))


def _key_values(key: Key) -> dict[str, Any]:
    values = {
        "id": key.id,
        "created_at": key.created_at.isoformat(),
        "secret": base64.b64encode(key.secret).decode("ascii"),
    }
    return values if key.end is None else {**values, "end": {"seq": key.end.seq, "mac": key.end.mac}}


def _parse_keys(values: list[Any]) -> tuple[Key, ...]:
    keys = tuple(
        Key(
            id=value["id"],
            created_at=datetime.fromisoformat(value["created_at"]),
            secret=base64.b64decode(value["secret"], validate=True),
            end=None if "end" not in value else KeyEnd(seq=int(value["end"]["seq"]), mac=str(value["end"]["mac"])),
        )
        for value in values
    )
    if not keys or any(len(key.secret) != KEY_BYTES or len(key.id) != KEY_ID_CHARACTERS for key in keys):
        raise ValueError("a key is missing or has the wrong length")
    if len({key.id for key in keys}) != len(keys):
        raise ValueError("two keys share an id")
    return keys
