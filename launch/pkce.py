"""Random values of a launch and the PKCE challenge (RFC 7636; SMART App Launch 2.2, "Considerations for PKCE support").

All are base64url of 256 random bits: `state` needs at least 122, a verifier 43 to 128 characters.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from authlib.oauth2.rfc7636 import create_s256_code_challenge

RandomBytes = Callable[[int], bytes]
"""Number of bytes → that many bytes from a cryptographic source; `secrets.token_bytes` in the product."""

_BYTES = 32


def new_secret(random: RandomBytes) -> str:
    """Return 43 characters of base64url: a `state`, a `nonce` or a `code_verifier`."""
    return base64.urlsafe_b64encode(random(_BYTES)).rstrip(b"=").decode("ascii")


def build_code_challenge(code_verifier: str) -> str:
    """Return the S256 challenge of a verifier. `plain` does not exist here."""
    return str(create_s256_code_challenge(code_verifier))
