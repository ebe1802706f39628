"""One id per request, on the error page, in the log and in the audit: it leads IT from one to the other."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import request

from smart_app.logs import correlation

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEY = "smart_screening.correlation_id"


class Correlated:
    """WSGI middleware: gives each request its id, before anything can be logged."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Make an id of our own, never a caller's: a caller's could be anything."""
        made = secrets.token_hex(6)
        environ[_KEY] = f"{made[:4]}-{made[4:8]}-{made[8:]}"
        with correlation(environ[_KEY]):
            return self._app(environ, start_response)


def correlation_id() -> str:
    """Give the id of the request in hand."""
    found: Any = request.environ[_KEY]
    return str(found)
