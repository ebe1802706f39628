"""Runs the simulated EHR: as a process of its own, or in a thread beside a test or another server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox_ehr.app import SandboxApp, create_app
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.store import FhirStore

_POLL_SECONDS = 0.05


class _SilentHandler(WSGIRequestHandler):
    """Writes no access log: codes and launch ids stand in addresses. The store keeps its own log of FHIR requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


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

    def rotate_keys(self) -> str:
        """Sign id_tokens with a new key; give its `kid`."""
        return self.app.rotate_keys()


def serve(
    config: SandboxConfig, port: int, *, host: str = "127.0.0.1", ready: Callable[[str], Any] = lambda _base_url: None
) -> None:
    """Answer until interrupted. port 0 takes a free one; config.base_url is set from host and port.

    ready: called with the base URL once connections are taken. Raises OSError when the port is taken.
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
    with socket.create_server((host, port)) as listener:
        base_url = f"http://{host}:{listener.getsockname()[1]}"
        app = create_app(replace(config, base_url=base_url))
        # make_server duplicates the descriptor, so ours can go when this block ends.
        server = make_server(
            host, listener.getsockname()[1], app, threaded=True, request_handler=_SilentHandler, fd=listener.fileno()
        )
    return app, server
