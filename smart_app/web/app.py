"""Puts the web together: one Flask app over the services, with our session interface, limits, headers and pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit

from flask import Flask, Request
from jinja2 import StrictUndefined
from werkzeug.exceptions import NotFound
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import RequestRedirect

from smart_app.errors import AppError
from smart_app.logs import get_logger, log_event
from smart_app.services import Services
from smart_app.web.assets import asset_url, static
from smart_app.web.clinician import clinician
from smart_app.web.clinician.rendering import typed_for
from smart_app.web.cookies import CookieRules
from smart_app.web.correlation import Correlated
from smart_app.web.error_pages import ErrorPages
from smart_app.web.field_labels import label_of
from smart_app.web.icons import icon, icon_sprite, level_glyph, need_icons
from smart_app.web.it import it
from smart_app.web.launch import launching
from smart_app.web.limits import set_up_limits
from smart_app.web.metrics import Metrics
from smart_app.web.security import set_up_security
from smart_app.web.session_interface import LaunchSessionInterface

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_log = get_logger(__name__)


class InsecureBaseUrl(AppError):
    """Plain http anywhere but on this machine."""

    code = "insecure-base-url"
    title = "The app's address must begin with https"
    remedy = "Set app.base_url to an https address. Plain http is for a demo on this machine only."
    http_status = 500


class ScreeningApp(Flask):
    """A Flask that leaves the logging of unforeseen errors to ours, and builds no address from what a caller sends."""

    def log_exception(self, exc_info: object) -> None:
        """Write nothing: Flask's record has the exception's words, which may quote a patient (safety rule 9)."""

    def raise_routing_exception(self, request: Request) -> NoReturn:
        """Find nothing at an address that is almost one of ours: Flask's redirect would lead to the caller's Host."""
        if isinstance(request.routing_exception, RequestRedirect):
            raise NotFound
        super().raise_routing_exception(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """What the web needs beyond the services.

    ``secret_key``: signs CSRF tokens, at least 16 bytes, the same in every process. ``trusted_proxies``: how many
    proxies in front set X-Forwarded-*. ``rate``: most requests of one launch.
    """

    secret_key: bytes = field(repr=False)
    trusted_proxies: int = 0
    rate: str = "600 per minute"


def create_app(services: Services, options: WebOptions) -> Flask:
    """Make the WSGI app. Raises: InsecureBaseUrl for plain http on another host than this machine."""
    base_url = services.rules.base_url
    secure = _is_secure(base_url)
    app = ScreeningApp(__name__, static_folder=None)
    app.secret_key = options.secret_key
    app.session_interface = LaunchSessionInterface(CookieRules(secure=secure), options.secret_key)
    app.extensions["smart_screening"] = services
    metrics = Metrics()
    app.extensions["smart_screening_metrics"] = metrics
    metrics.install(app)
    set_up_limits(app, options.rate)
    set_up_security(app, base_url=base_url, registered=tuple(services.ehrs))
    ErrorPages(app, services, metrics, base_url=base_url)
    for blueprint in (static, launching, clinician, it):
        app.register_blueprint(blueprint)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        asset=asset_url,
        icon=icon,
        icon_sprite=icon_sprite,
        label_of=label_of,
        level_glyph=level_glyph,
        need_icons=need_icons,
        typed_for=typed_for,
        crisis=services.rules.crisis,
        software_version=services.software_version,
    )
    wsgi = app.wsgi_app
    if options.trusted_proxies:
        hops = options.trusted_proxies
        wsgi = ProxyFix(wsgi, x_for=hops, x_proto=hops, x_host=hops)
    app.wsgi_app = Correlated(wsgi)  # type: ignore[method-assign]  # Flask documents this way of adding middleware
    return app


def _is_secure(base_url: str) -> bool:
    parts = urlsplit(base_url)
    if parts.scheme == "https":
        return True
    if parts.hostname not in _LOOPBACK:
        raise InsecureBaseUrl(field="app.base_url")
    log_event(_log, "plain-http", level=30, setting="app.base_url")
    return False
