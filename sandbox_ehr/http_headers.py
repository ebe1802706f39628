"""Headers of every answer: Content Security Policy of the pages, and CORS for apps that run in the browser.

Source: SMART App Launch 2.2,
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response

from sandbox_ehr.registered_clients import RegisteredClient, is_loopback

_ANY_LOOPBACK_SOURCES = ("http://127.0.0.1:*", "http://localhost:*")
_REQUEST_HEADERS = (
    "Authorization, Content-Type, Accept, Prefer, "
    "If-Match, If-None-Match, If-None-Exist, If-Modified-Since, X-Request-Id"
)
_RESPONSE_HEADERS = "Location, Content-Location, ETag, Last-Modified, WWW-Authenticate, X-Request-Id"


class HeaderPolicy:
    """Which origins the registered apps have, and the headers that follow from it."""

    def __init__(self, clients: Iterable[RegisteredClient]) -> None:
        clients = tuple(clients)
        self._origins = frozenset(origin for client in clients for origin in client.origins())
        self._any_loopback = any(client.takes_any_loopback for client in clients)

    def secure_page(self, http_response: Response) -> None:
        """Lock a page down, save for what a launch does: browsers hold `form-action` against a whole redirect chain."""
        apps = " ".join([*sorted(self._origins), *(_ANY_LOOPBACK_SOURCES if self._any_loopback else ())])
        policy = {
            "default-src": "'none'",
            "style-src": "'self'",
            "script-src": "'self'",
            "img-src": "'self'",
            "connect-src": "'self'",
            "form-action": f"'self' {apps}",
            "frame-src": apps or "'none'",
            "frame-ancestors": "'self'",
            "base-uri": "'none'",
        }
        http_response.headers["Content-Security-Policy"] = "; ".join(
            f"{name} {value}" for name, value in policy.items()
        )
        http_response.headers["Referrer-Policy"] = "same-origin"
        http_response.headers.setdefault("Cache-Control", "no-store")

    def allow_any_origin(self, http_response: Response) -> None:
        """Let any page read: for what is public, discovery and keys."""
        http_response.headers["Access-Control-Allow-Origin"] = "*"
        self._describe(http_response)

    def allow_app_origins(self, http_response: Response, origin: str | None) -> None:
        """Let the pages of registered apps read: for tokens and charts. Without credentials: there are no cookies."""
        http_response.headers.add("Vary", "Origin")
        if origin and (origin in self._origins or (self._any_loopback and is_loopback(origin))):
            http_response.headers["Access-Control-Allow-Origin"] = origin
            self._describe(http_response)

    @staticmethod
    def _describe(http_response: Response) -> None:
        http_response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, DELETE, OPTIONS"
        http_response.headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
        http_response.headers["Access-Control-Expose-Headers"] = _RESPONSE_HEADERS
        http_response.headers["Access-Control-Max-Age"] = "600"
