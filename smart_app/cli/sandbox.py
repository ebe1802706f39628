"""`sandbox`: only the simulated EHR, for trying other apps or a served smart-screening against it."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import click

from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.errors import SandboxError
from sandbox_ehr.personas import list_personas
from sandbox_ehr.registered_clients import demo_clients, parse_clients_file
from sandbox_ehr.server import serve as serve_sandbox
from smart_app.cli.lazy import Failure


@click.command()
@click.option("--persona", type=click.Choice(list_personas()), default="open", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0 takes a free one.")
@click.option("--db", "database", default=":memory:", help="SQLite file that keeps the charts.", show_default=True)
@click.option("--clients", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML of [[client]].")
@click.option("--app", "app_base_url", default="http://127.0.0.1:8000", show_default=True, help="Where our app runs.")
@click.option("--require-login", is_flag=True, help="Ask who the user is in every launch.")
@click.option("--control", is_flag=True, help="Take orders of faults at /_control/, from this machine only (tests).")
@click.option("--fhir-backend", metavar="URL", help="Put launcher and authorization in front of an open R4 server.")
@click.option("--seed-backend", is_flag=True, help="Put the synthetic patients into that server first.")
def sandbox(
    persona: str,
    port: int,
    database: str,
    clients: Path | None,
    app_base_url: str,
    *,
    require_login: bool,
    control: bool,
    fhir_backend: str | None,
    seed_backend: bool,
) -> None:
    """Run the simulated EHR with synthetic patients until Ctrl-C."""
    # Said aloud, because a shell starts what it puts in the background with SIGINT ignored.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)
    try:
        config = SandboxConfig(
            persona=persona,
            database=database,
            clients=parse_clients_file(clients) if clients else demo_clients(app_base_url),
            require_login=require_login,
            control=control,
            backend_url=fhir_backend,
            seed_backend=seed_backend,
        )
        with contextlib.suppress(KeyboardInterrupt):
            serve_sandbox(
                config, port, ready=lambda base_url: click.echo(f"Simulated EHR at {base_url}/  (Ctrl-C stops)")
            )
    except (SandboxError, OSError) as exc:
        raise Failure(f"the simulated EHR did not start: {exc}") from exc
