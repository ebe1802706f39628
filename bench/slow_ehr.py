"""The simulated EHR with a given time added to each FHIR call, and a log of when each began and ended."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

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


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""


def main() -> None:
    """Arguments: port, the app's address, seconds added, log file."""
    port, app_url, delay_seconds, log = sys.argv[1:]
    config = SandboxConfig(base_url=f"http://127.0.0.1:{port}", clients=demo_clients(app_url))
    ehr = create_app(config)
    server = make_server(
        "127.0.0.1", int(port), Delayed(ehr, float(delay_seconds), log), threaded=True, request_handler=_Silent
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
