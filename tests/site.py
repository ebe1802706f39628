"""A whole site for tests: the simulated EHR and the app on loopback ports, with a clock that tests move."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.registered_clients import demo_clients
from sandbox_ehr.server import RunningSandbox, running_sandbox
from smart_app.cli.demo import choose_profile, prepare
from smart_app.settings import Settings
from smart_app.storage.opening import open_units
from smart_app.storage.unit_of_work import Units
from smart_app.wiring import create_app


@dataclass
class MovingClock:
    """Real time plus what a test has moved it by: sessions age without waiting."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move(self, **by: float) -> None:
        """Move on by timedelta arguments, such as ``minutes=30``."""
        self.ahead += timedelta(**by)


@dataclass(frozen=True, kw_only=True)
class Site:
    """Both servers, and the stores behind them: what landed is read here, never from what the app says."""

    ehr: RunningSandbox
    app: Flask
    app_url: str
    settings: Settings
    units: Units
    clock: MovingClock

    def launch_url(self, *, patient: str = "pt-01", user: str = "prac-okafor", **more: str) -> str:
        """Give the launcher's link for a patient and a user of the seed; see sandbox_ehr/README.md for ``more``."""
        return f"{self.ehr.base_url}/launch?{urlencode({'patient': patient, 'user': user, **more})}"

    def resources(self, resource_type: str, *, by: str = "smart-screening") -> list[dict[str, Any]]:
        """Give what a client has written, newest version each, as the EHR's store holds it."""
        written = {
            tuple(entry.split("/")[:2])
            for request in self.ehr.store.requests()
            if request.client_id == by
            for entry in request.written
        }
        found = []
        with self.ehr.store.reading() as session:
            for kind, resource_id in sorted(written):
                stored = session.find(kind, resource_id) if kind == resource_type else None
                if stored is not None:
                    found.append(json.loads(stored.body))
        return found


@contextmanager
def running_site(
    folder: Path,
    *,
    change_settings: Callable[[Settings], Settings] = lambda settings: settings,
    wrap_ehr: Callable[[Any], Any] | None = None,
    persona: str = "open",
) -> Iterator[Site]:
    """Run both for as long as the block lasts, with the profile that belongs to the EHR's ``persona``.

    ``wrap_ehr`` puts WSGI middleware before the EHR.
    """
    clock = MovingClock()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        # The EHR must know the app's address before the app is made, so the port is taken first.
        app_server = make_server("127.0.0.1", 0, Flask(__name__), threaded=True, request_handler=_Silent)
        app_url = f"http://127.0.0.1:{app_server.server_port}"
        ehr = running.enter_context(
            running_sandbox(SandboxConfig(clients=demo_clients(app_url), clock=clock, persona=persona, control=True))
        )
        if wrap_ehr is not None:
            ehr.app.wsgi_app = wrap_ehr(ehr.app.wsgi_app)  # type: ignore[method-assign]  # Flask's own way
        settings = change_settings(
            prepare(folder, app_base_url=app_url, ehr_base_url=ehr.base_url, profile=choose_profile(persona))
        )
        units = open_units(settings)
        running.callback(units.database.close)
        app_server.app = app = create_app(settings, units=units, clock=clock)
        running.callback(app_server.server_close)
        thread = threading.Thread(target=app_server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        running.callback(thread.join)
        running.callback(app_server.shutdown)
        yield Site(ehr=ehr, app=app, app_url=app_url, settings=settings, units=units, clock=clock)


class _Silent(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing: addresses carry codes and launch ids."""
