"""`serve`: the app under gunicorn, threads in each worker, no access log (addresses carry codes and launch ids)."""

from __future__ import annotations

import gc
import logging
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from smart_app.cli.opening import config_option, open_app_units, open_settings
from smart_app.file_rights import warn_of_open_files
from smart_app.logs import get_logger, log_crashes, log_event, set_up_logs

if TYPE_CHECKING:
    from flask import Flask

    from smart_app.settings import Settings

LONGEST_SILENCE = 20
"""Seconds that a request may stand still half sent; gunicorn alone would keep its thread for ever."""

_log = get_logger(__name__)


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="Address and port, or unix:PATH.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--threads", type=click.IntRange(1, 64), default=8, show_default=True, help="Threads of each process.")
@config_option
def serve(config: Path | None, bind: str, workers: int, threads: int) -> None:
    """Run the app. A start with bad settings, keys or database fails, naming every fault."""
    settings = open_settings(config)
    set_up_logs(settings.logs.format, settings.logs.level)
    log_crashes()
    # What would fail in every worker fails here, once, in words.
    open_app_units(settings).database.close()
    warn_of_open_files(settings)
    log_event(_log, "serving", address=bind, count=workers, environment=settings.environment)
    AppServer(settings, {"bind": bind, "workers": workers, "threads": threads}).run()


class QuietLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's log through our one formatter, which tells where a line comes from and not what it quotes."""

    def setup(self, cfg: Any) -> None:
        """Send everything to the root logger; write no access log."""
        del cfg
        self.error_log = logging.getLogger("gunicorn.error")
        self.error_log.handlers = []
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self.access_log = logging.getLogger("gunicorn.access")
        self.access_log.disabled = True


def limit_silence(server: Any) -> None:
    """Give up on a client that falls silent in mid-request, as a tablet does that leaves the network.

    On Linux an accepted socket inherits the limit of the one that listens. It takes no care of a client that sends a
    byte now and then: that is for the proxy in front, which takes the whole request in before it passes it on.
    """
    if sys.platform == "linux":
        for listener in server.LISTENERS:
            limit = struct.pack("@ll", LONGEST_SILENCE, 0)
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


class AppServer(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn with the app of one settings file; each worker puts its own app together after the fork."""

    def __init__(self, settings: Settings, options: dict[str, Any]) -> None:
        self._settings = settings
        self._options = {
            "worker_class": "gthread",
            "logger_class": QuietLogger,
            "graceful_timeout": 30,
            "keepalive": 5,
            "worker_tmp_dir": None,
            "limit_request_line": 8190,
            "when_ready": limit_silence,
            # What proxies say is read in one place, the app's ProxyFix, which counts them. gunicorn would also take
            # SCRIPT_NAME from a header and so let a caller pass by the paths that a proxy keeps closed.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "secure_scheme_headers": {},
            **options,
        }
        super().__init__()

    def load_config(self) -> None:
        """Hand the options to gunicorn."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make this worker's app."""
        from smart_app.wiring import create_app  # noqa: PLC0415  # after the fork

        app = create_app(self._settings)
        for name in app.jinja_env.list_templates():
            app.jinja_env.get_template(name)  # compiled now, and not in the first reader's request
        # What stands now stands until the end: no collection need walk through it in the middle of a request again.
        gc.collect()
        gc.freeze()
        return app
