"""The one session interface: picks cookie name and path per request, and carries the CSRF token (design section 7).

The cookie of a launch holds its secret and nothing else; the server keeps only the secret's hash. The CSRF token is an
HMAC of that secret, so it needs no storage, dies with the launch, and one launch's token is worthless in another.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import Flask, Request, Response, session
from flask.sessions import SessionInterface, SessionMixin

from smart_app.web.cookies import CookieRules, OutgoingCookie, find_launch_id, launch_path

_ROUND = 600
"""Seconds that an authorization round may take, as long as its pending launch lives."""


class BrowserSession(dict[str, Any], SessionMixin):
    """What one request's cookies say; ``secret`` is that of the launch in the path, None without its cookie."""

    def __init__(self, rules: CookieRules, secret: str | None, csrf_token: str | None) -> None:
        super().__init__({} if csrf_token is None else {"csrf_token": csrf_token})
        self.secret = secret
        self.outgoing: list[OutgoingCookie] = []
        self._rules = rules

    def bind(self, state: str, binding: str, *, framed: bool) -> None:
        """Bind an authorization round to this browser."""
        self._add(self._rules.binding_name(state), binding, "/", framed=framed, max_age=_ROUND)

    def unbind(self, state: str, *, framed: bool) -> None:
        """Take the binding away: the round is over."""
        self._add(self._rules.binding_name(state), None, "/", framed=framed)

    def probe(self, number: str) -> None:
        """Ask whether this frame keeps cookies."""
        self._add(self._rules.probe_name(number), "1", "/", framed=True, max_age=_ROUND)

    def end_probe(self, number: str) -> None:
        """Take the probe away."""
        self._add(self._rules.probe_name(number), None, "/", framed=True)

    def begin_launch(self, launch_id: str, secret: str, *, framed: bool) -> None:
        """Hand the browser the secret of a launch."""
        self._add(self._rules.launch_name(), secret, launch_path(launch_id), framed=framed)

    def end_launch(self, launch_id: str, *, framed: bool) -> None:
        """Take the secret of a launch away."""
        self._add(self._rules.launch_name(), None, launch_path(launch_id), framed=framed)

    def _add(self, name: str, value: str | None, path: str, *, framed: bool, max_age: int | None = None) -> None:
        self.outgoing.append(OutgoingCookie(name=name, value=value, path=path, framed=framed, max_age=max_age))


class LaunchSessionInterface(SessionInterface):
    """Flask's door to BrowserSession. ``key`` signs CSRF tokens."""

    def __init__(self, rules: CookieRules, key: bytes) -> None:
        self.rules = rules
        self._key = key

    def open_session(self, app: Flask, request: Request) -> BrowserSession:
        """Read the launch's cookie, if the path has a launch; elsewhere there is no session."""
        secret = None
        if find_launch_id(request.path) is not None:
            secret = request.cookies.get(self.rules.launch_name()) or None
        return BrowserSession(self.rules, secret, None if secret is None else self._csrf_token(secret))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Put what the view asked for on the response; nothing else is ever set."""
        if isinstance(session, BrowserSession):
            for cookie in session.outgoing:
                self.rules.set(response, cookie)

    def _csrf_token(self, secret: str) -> str:
        return hmac.new(self._key, b"csrf:" + secret.encode(), hashlib.sha256).hexdigest()


def browser_session() -> BrowserSession:
    """Give the session of the request in hand, with its type."""
    current = session._get_current_object()  # type: ignore[attr-defined]  # Flask's LocalProxy has it, its type does not
    if not isinstance(current, BrowserSession):
        raise TypeError("the app runs with LaunchSessionInterface only")
    return current
