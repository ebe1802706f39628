"""The simulated EHR with a given time added to each FHIR call, and a log of when each began and ended."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.app.base import BaseApplication

from sandbox_ehr.app import create_app
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.registered_clients import demo_clients


class Delayed:
    """WSGI middleware: FHIR calls, not the authorization server, wait first."""

    def __init__(self, app: Callable[..., Iterable[bytes]], delay_seconds: float, log: str) -> None:
        self.app = app
        self.delay_seconds = delay_seconds
        self.log = open(log, "a", encoding="utf-8", buffering=1)  # noqa: PTH123, SIM115 - lives as long as the process
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        began = time.monotonic()
        path = environ["PATH_INFO"]
        if path.startswith("/fhir/") and self.delay_seconds:
            time.sleep(self.delay_seconds)
        answer = list(self.app(environ, start_response))
        with self.lock:
            self.log.write(json.dumps({"path": path, "began": began, "ended": time.monotonic()}) + "\n")
        return answer


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """One process that keeps connections open between requests, as EHRs do and werkzeug's server does not."""

    def __init__(self, port: int, load: Callable[[], Delayed]) -> None:
        self._port = port
        self._load = load
        super().__init__()

    def load_config(self) -> None:
        """Threads enough for the parallel reads of a launch."""
        options = {"bind": f"127.0.0.1:{self._port}", "worker_class": "gthread", "threads": 8, "keepalive": 30}
        for name, value in {**options, "loglevel": "warning"}.items():
            self.cfg.set(name, value)

    def load(self) -> Delayed:
        """Make the EHR, after the fork."""
        return self._load()


def main() -> None:
    """Arguments: port, the app's address, seconds added, log file."""
    port, app_url, delay_seconds, log = sys.argv[1:]
    config = SandboxConfig(base_url=f"http://127.0.0.1:{port}", clients=demo_clients(app_url))
    _Server(int(port), lambda: Delayed(create_app(config), float(delay_seconds), log)).run()


if __name__ == "__main__":
    main()
