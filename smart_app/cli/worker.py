"""`worker`: what no page waits for, round after round, until it is stopped."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from smart_app.cli.opening import config_option, open_app_units, open_settings
from smart_app.file_rights import warn_of_open_files
from smart_app.logs import correlation, get_logger, log_crashes, log_event, log_failure, set_up_logs
from smart_app.services import Services
from smart_app.storage.errors import StorageError
from smart_app.wiring import build_services
from smart_app.worker import run_round

_log = get_logger(__name__)


@click.command()
@click.option("--every", type=click.IntRange(1, 3600), default=15, show_default=True, help="Seconds between rounds.")
@click.option("--once", is_flag=True, help="Do one round and stop.")
@config_option
def worker(config: Path | None, every: int, *, once: bool) -> None:
    """Finish writing, revoke tokens, stop forms left unfinished. Several may run at once."""
    settings = open_settings(config)
    set_up_logs(settings.logs.format, settings.logs.level)
    log_crashes()
    services = build_services(settings, units=open_app_units(settings))
    warn_of_open_files(settings)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    log_event(_log, "worker-started", environment=settings.environment)
    if once:
        run_round(services)
    else:
        run_rounds(services, stop, every)


def run_rounds(services: Services, stop: threading.Event, every: float) -> None:
    """Do rounds until ``stop`` is set; a database that is away for a while does not end it."""
    while not stop.is_set():
        with correlation(services.new_id().hex):
            try:
                run_round(services)
            except StorageError as exc:
                log_failure(_log, "worker-round-failed", exc)
        stop.wait(every)
