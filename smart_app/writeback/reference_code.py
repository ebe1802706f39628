"""The visible code of a signed note, by which a person or a look-up finds it again: ``SS-XXXX-XXXX``.

Alphabet: Douglas Crockford's Base 32 (https://www.crockford.com/base32.html): no I, L, O or U to misread.
"""

from __future__ import annotations

from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BYTES = 5
_LENGTH = 8


def new_reference_code(random_bytes: Callable[[int], bytes]) -> str:
    """Make a code from 40 random bits; ``random_bytes`` gives as many bytes as it is asked for."""
    number = int.from_bytes(random_bytes(_BYTES), "big")
    text = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
    return f"SS-{text[:4]}-{text[4:]}"
