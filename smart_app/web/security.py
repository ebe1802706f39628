"""Response headers, the Origin check and the form limits (design section 7, "Headers"; OWASP ASVS 5.0, chapter 3)."""

from __future__ import annotations

from flask import Flask, Response, g, request
from flask_wtf.csrf import CSRFProtect

from launch.ehr import Ehr
from launch.urls import normalize_base_url
from smart_app.web.refusals import CrossOrigin

_MAX_BODY = 1_000_000
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors "
)
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ANYONE = ("*",)
"""Framers of the bare page for an unknown ``iss``: we cannot know who shows it, and it holds nothing."""


def set_up_security(app: Flask, *, base_url: str, registered: tuple[Ehr, ...]) -> None:
    """Install limits, CSRF protection, the Origin check and the headers on an app whose sessions are ours."""
    app.config.update(
        MAX_CONTENT_LENGTH=_MAX_BODY,
        MAX_FORM_MEMORY_SIZE=_MAX_BODY,
        MAX_FORM_PARTS=500,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_HEADERS=["X-CSRFToken"],
    )
    origin = normalize_base_url(base_url)
    everyone = tuple(dict.fromkeys(source for ehr in registered for source in ehr.frame_ancestors))

    @app.before_request
    def check_origin() -> None:
        """Refuse an unsafe request that another site sent. Without all three headers the CSRF token alone decides."""
        if request.method in _UNSAFE and not is_same_origin(origin):
            raise CrossOrigin

    CSRFProtect(app)

    @app.after_request
    def add_headers(response: Response) -> Response:
        """Set what every answer carries; a view may have named its framers in ``g.framers``."""
        framers = g.get("framers", everyone)
        response.headers["Content-Security-Policy"] = _POLICY + (" ".join(framers) or "'none'")
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
        if origin.startswith("https:"):
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response


def is_same_origin(origin: str) -> bool:
    """Tell whether the browser says that a page of ours sent this request (Origin, else Sec-Fetch-Site).

    ``origin``: ours as browsers spell it, with a lower-case host and no default port (RFC 6454 section 6.2).
    """
    sent = request.headers.get("Origin")
    if sent is not None:
        return sent == origin
    return request.headers.get("Sec-Fetch-Site", "same-origin") in {"same-origin", "none"}


def allow_framing_by(ehr: Ehr) -> None:
    """Let only this EHR show the page in a frame."""
    g.framers = ehr.frame_ancestors
