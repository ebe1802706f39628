"""Puts the simulated EHR together as one WSGI application.

`/` launcher, `/fhir` FHIR API of the configured persona, `/personas/NAME/fhir` those of the others, `/auth/…`
authorization server.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from sandbox_ehr.authorization import SmartAuthorizationServer
from sandbox_ehr.authorize_pages import AuthorizePages
from sandbox_ehr.backend import Backend
from sandbox_ehr.backend_api import BackendApi
from sandbox_ehr.backend_reach import ScratchReach
from sandbox_ehr.chart_events import ChartEvents
from sandbox_ehr.chart_source import ChartSource, StoredCharts
from sandbox_ehr.charts import Charts
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.control import Control, build_control_endpoints
from sandbox_ehr.errors import BackendFailed
from sandbox_ehr.fault_gate import FaultGate
from sandbox_ehr.faults import FaultPlan, SkewedClock
from sandbox_ehr.fhir_api import FhirApi
from sandbox_ehr.fhir_endpoints import MakeApi, build_failure, build_fhir_endpoints, find_active_token
from sandbox_ehr.http_headers import HeaderPolicy
from sandbox_ehr.launcher import Launcher
from sandbox_ehr.oauth_endpoints import build_discovery_endpoints, build_oauth_endpoints
from sandbox_ehr.personas import load_persona
from sandbox_ehr.request_log import RequestLog
from sandbox_ehr.seed.loader import load_accounts, seed_source, seed_store
from sandbox_ehr.store import FhirStore

MAX_BODY_BYTES = 32 * 1024 * 1024


class SandboxApp(Flask):
    """The simulated EHR. config, store and server are what tests look into.

    control: orders of faults; None without the control switch. opened: what goes when it is closed.
    """

    def __init__(self, config: SandboxConfig) -> None:
        super().__init__("sandbox_ehr")
        self.control: Control | None = None
        self.opened = ExitStack()
        self.sandbox_config = config
        self.store = FhirStore(config.database, clock=config.clock)
        self.opened.callback(self.store.close)
        self.server = SmartAuthorizationServer(config)
        self.accounts = load_accounts()

    def rotate_keys(self, *, forget: bool = False) -> str:
        """Sign id_tokens with a new key from now on, the last one staying published; give the new `kid`."""
        return self.server.keys.rotate(forget=forget)

    def close(self) -> None:
        """End what ordered faults hold back, then close the stores."""
        if self.control is not None:
            self.control.gate.close()
        self.opened.close()


def create_app(config: SandboxConfig) -> SandboxApp:
    """Build the application and fill an empty store with the synthetic patients, if the configuration says so."""
    plan = FaultPlan()
    if config.control:
        config = replace(config, clock=SkewedClock(config.clock, plan))
    app = SandboxApp(config)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's DefaultJSONProvider
    source, make_api = _put_before_backend(app) if config.backend_url is not None else _put_over_store(app)
    policy = HeaderPolicy(config.clients)
    charts = Charts(source)
    app.register_blueprint(build_discovery_endpoints(config, policy))
    app.register_blueprint(build_fhir_endpoints(config, app.server, app.store, policy, make_api))
    app.register_blueprint(build_oauth_endpoints(config, app.server, policy))
    app.register_blueprint(AuthorizePages(config, app.server, charts, app.accounts).build_blueprint())
    app.register_blueprint(Launcher(config, app.server, charts, app.accounts).build_blueprint())

    if config.control:
        _put_under_control(app, plan, source)

    @app.after_request
    def secure(http_response: Response) -> Response:
        http_response.headers["X-Content-Type-Options"] = "nosniff"
        if http_response.mimetype == "text/html":
            policy.secure_page(http_response)
        elif request.path == "/static/smart-style.json":
            policy.allow_any_origin(http_response)
        return http_response

    @app.errorhandler(BackendFailed)
    def explain_backend(error: BackendFailed) -> Response:
        return make_response(render_template("refusal.html", heading="No charts", text=str(error)), error.status)

    @app.errorhandler(HTTPException)
    def explain(error: HTTPException) -> Response:
        if request.blueprint == "fhir":
            return build_failure(error.code or 500, error.name)
        page = render_template("refusal.html", heading=error.name, text=error.description)
        return make_response(page, error.code or 500)

    return app


def _put_over_store(app: SandboxApp) -> tuple[ChartSource, MakeApi]:
    """Answer from the store of this EHR, as each persona does."""
    config = app.sandbox_config
    if config.seeded:
        seed_store(app.store, now=config.clock())

    def make_api(persona: str, fhir_base_url: str, log: RequestLog) -> FhirApi:
        return FhirApi(
            store=app.store,
            persona=load_persona(persona),
            fhir_base_url=fhir_base_url,
            endpoints=config.smart_endpoints(),
            clock=config.clock,
            log=log,
        )

    return StoredCharts(app.store, config.clock), make_api


def _put_before_backend(app: SandboxApp) -> tuple[ChartSource, MakeApi]:
    """Answer from another FHIR server."""
    config = app.sandbox_config
    backend = Backend(config.backend_url or "", read_seconds=config.backend_seconds)
    if config.seed_backend:
        seed_source(backend, now=config.clock())
    reach = ScratchReach(config.clock)
    app.opened.callback(reach.close)

    def make_api(_persona: str, fhir_base_url: str, log: RequestLog) -> BackendApi:
        return BackendApi(backend, reach=reach, log=log, fhir_base_url=fhir_base_url, clock=config.clock)

    return backend, make_api


def _put_under_control(app: SandboxApp, plan: FaultPlan, source: ChartSource) -> None:
    """Put the gate before the application, and `/_control/…` into it."""
    config = app.sandbox_config
    events = ChartEvents(source, rotate_keys=lambda forget: app.rotate_keys(forget=forget), clock=config.clock)
    gate = FaultGate(
        app.wsgi_app,
        plan=plan,
        logs={
            url.removeprefix(config.base_url): RequestLog(app.store, persona=name, clock=config.clock)
            for name, url in config.fhir_base_urls().items()
        },
        find_token=lambda sent: find_active_token(app.server.tokens, sent),
        perform=events.perform,
    )
    app.control = Control(plan=plan, gate=gate, events=events)
    app.register_blueprint(build_control_endpoints(app.control, app.store))
    app.wsgi_app = gate  # type: ignore[method-assign]  # Flask's own way
