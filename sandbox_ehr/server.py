"""Runs the simulated EHR: as a process of its own, or in a thread beside a test or another server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import format_datetime
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox_ehr.app import SandboxApp, create_app
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.control import Control
from sandbox_ehr.errors import ControlNotLocal
from sandbox_ehr.store import FhirStore

_POLL_SECONDS = 0.05


class _Handler(WSGIRequestHandler):
    """Writes no access log: codes and launch ids stand in addresses. The store keeps its own log of FHIR requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Expect no further request on a connection that has ended."""
        self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Give the `Date` header by the clock of the EHR."""
        app = self.server.app
        if timestamp is not None or not isinstance(app, SandboxApp):
            return super().date_time_string(timestamp)
        return format_datetime(app.sandbox_config.clock().astimezone(UTC), usegmt=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A simulated EHR that answers at base_url."""

    app: SandboxApp
    base_url: str

    @property
    def fhir_base_url(self) -> str:
        """The FHIR base of the configured persona."""
        return self.app.sandbox_config.fhir_base_url

    @property
    def store(self) -> FhirStore:
        """What the EHR holds."""
        return self.app.store

    @property
    def control(self) -> Control:
        """Where faults are ordered. Raises LookupError without the control switch."""
        if self.app.control is None:
            raise LookupError("SandboxConfig(control=True) is needed")
        return self.app.control

    def rotate_keys(self) -> str:
        """Sign id_tokens with a new key; give its `kid`."""
        return self.app.rotate_keys()


def serve(
    config: SandboxConfig, port: int, *, host: str = "127.0.0.1", ready: Callable[[str], Any] = lambda _base_url: None
) -> None:
    """Answer until interrupted. port 0 takes a free one; config.base_url is set from host and port.

    ready: called with the base URL once connections are taken. Raises OSError when the port is taken, ControlNotLocal
    for the control switch on an address that other machines reach.
    """
    app, server = _bind(config, host, port)
    try:
        ready(app.sandbox_config.base_url)
        server.serve_forever()
    finally:
        server.server_close()
        app.close()


@contextmanager
def running_sandbox(config: SandboxConfig | None = None, *, port: int = 0) -> Iterator[RunningSandbox]:
    """Run in a thread for as long as the block lasts. config.base_url is set from the port."""
    app, server = _bind(config or SandboxConfig(), "127.0.0.1", port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL_SECONDS}, daemon=True)
    thread.start()
    try:
        yield RunningSandbox(app=app, base_url=app.sandbox_config.base_url)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        app.close()


def _bind(config: SandboxConfig, host: str, port: int) -> tuple[SandboxApp, BaseWSGIServer]:
    """Take the port first: the application must know its own address before it is built."""
    if config.control and host not in {"127.0.0.1", "localhost"}:
        raise ControlNotLocal("Faults are taken on a loopback address only")
    with socket.create_server((host, port)) as listener:
        base_url = f"http://{host}:{listener.getsockname()[1]}"
        app = create_app(replace(config, base_url=base_url))
        # make_server duplicates the descriptor, so ours can go when this block ends.
        server = make_server(
            host, listener.getsockname()[1], app, threaded=True, request_handler=_Handler, fd=listener.fileno()
        )
    return app, server
