"""Names, paths and attributes of our cookies (design section 7, "Cookies"; RFC 6265bis 4.1.3 cookie name prefixes).

| cookie | name | path | holds |
|---|---|---|---|
| binding | ``__Host-launch-<hash of state>`` | / | a secret of one authorization round |
| probe | ``__Host-probe-<number>`` | / | nothing: tells whether a frame keeps cookies |
| launch | ``__Secure-launch`` | /launches/<id>/ | the secret of one launch |

``__Host-`` demands ``Path=/``, so the cookie of a launch takes ``__Secure-``. On plain-http loopback (the demo)
browsers refuse the prefixes and ``Secure``, so both give way there.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from flask import Request, Response

_LAUNCH_PATH = re.compile(r"/launches/([A-Za-z0-9_-]{1,64})/")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieRules:
    """``secure``: the app is on https."""

    secure: bool

    def launch_name(self) -> str:
        """Name of the cookie of one launch; its path tells launches apart."""
        return "__Secure-launch" if self.secure else "launch"

    def binding_name(self, state: str) -> str:
        """Name of the cookie that binds ``state`` to the browser: parallel launches do not overwrite each other."""
        digest = hashlib.sha256(state.encode()).hexdigest()[:24]
        return f"__Host-launch-{digest}" if self.secure else f"launch-{digest}"

    def probe_name(self, number: str) -> str:
        """Name of the cookie that asks whether this frame keeps cookies."""
        return f"__Host-probe-{number}" if self.secure else f"probe-{number}"

    def set(self, response: Response, cookie: OutgoingCookie) -> None:
        """Put a cookie on a response; a value of None takes it away. Never a ``Domain``."""
        across_sites = cookie.framed and self.secure
        response.set_cookie(
            cookie.name,
            cookie.value or "",
            path=cookie.path,
            secure=self.secure,
            httponly=True,
            samesite="None" if across_sites else "Lax",
            partitioned=across_sites,
            max_age=0 if cookie.value is None else cookie.max_age,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingCookie:
    """A cookie to set or, with a value of None, to remove. ``max_age`` in seconds; None: until the browser closes."""

    name: str
    value: str | None = field(repr=False)
    path: str
    framed: bool
    max_age: int | None = None


def launch_path(launch_id: str) -> str:
    """Give the path that the cookie of a launch is scoped to."""
    return f"/launches/{launch_id}/"


def find_launch_id(path: str) -> str | None:
    """Give the launch id in a path, None where there is none."""
    match = _LAUNCH_PATH.match(path)
    return match.group(1) if match else None


def is_framed(request: Request) -> bool:
    """Tell whether the browser loads this page into a frame (Fetch Metadata, ``Sec-Fetch-Dest``)."""
    return request.headers.get("Sec-Fetch-Dest") in {"iframe", "frame"}
