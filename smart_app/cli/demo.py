"""`demo`: app and simulated EHR in one process, seeded with synthetic patients, one address to open.

Everything is kept in ./var/demo, so that a restart goes on where it was; `--fresh` begins anew.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import click
from werkzeug.serving import WSGIRequestHandler, make_server

from launch.ehr_profile import profile_names
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.personas import list_personas
from sandbox_ehr.registered_clients import demo_clients
from sandbox_ehr.server import running_sandbox
from smart_app.cli.keys import make_missing_keys
from smart_app.cli.lazy import Failure
from smart_app.cli.worker import run_rounds
from smart_app.library import find_with_text
from smart_app.logs import set_up_logs
from smart_app.settings import Settings, load_settings
from smart_app.settings.overrides import PREFIX
from smart_app.settings.template import FirstAnswers, render_settings_file
from smart_app.storage.engine import open_database
from smart_app.storage.migrate import upgrade
from smart_app.storage.opening import open_units
from smart_app.wiring import build_services, create_app

HOST = "127.0.0.1"
FOLDER = Path("var/demo")
_SECONDS_BETWEEN_ROUNDS = 5
_COMMENT = """Written anew by each `smart-screening demo`: synthetic patients only.
The physicians sign; the resident signs and Dr. Lindqvist co-signs; the medical assistant gives and enters."""
_PHYSICIANS = '{ role_codes = ["http://snomed.info/sct|309343006", "http://snomed.info/sct|80584001"] }'
_RESIDENT = '{ identities = ["Practitioner/prac-ferreira"], supervisor = "Practitioner/prac-lindqvist" }'
_SUPERVISOR = '{ identities = ["Practitioner/prac-lindqvist"] }'
_LAUNCHES = (
    ("Physician, Rosa Delgado-Quinn's chart", {"patient": "pt-01", "user": "prac-okafor"}),
    ("Medical assistant, the same chart", {"patient": "pt-01", "user": "prac-bell"}),
    ("Resident whose signature waits for the supervisor", {"patient": "pt-01", "user": "prac-ferreira"}),
)


@click.command()
@click.option("--persona", type=click.Choice(list_personas()), default="open", show_default=True, help="EHR to play.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port of the app.")
@click.option("--ehr-port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="Port of the EHR.")
@click.option("--no-browser", is_flag=True, help="Do not open the launcher in a browser.")
@click.option("--fresh", is_flag=True, help="Forget what earlier demos left in ./var/demo.")
def demo(persona: str, port: int, ehr_port: int, *, no_browser: bool, fresh: bool) -> None:
    """Start both, print the launch addresses, stop on Ctrl-C."""
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    with ExitStack() as running:
        try:
            launcher = running.enter_context(running_demo(FOLDER, persona, port, ehr_port, fresh=fresh))
        except OSError as exc:
            raise Failure(f"the demo did not start: {exc.strerror or exc} (see --port and --ehr-port)") from exc
        for line in describe_launches(launcher):
            click.echo(line)
        if not no_browser:
            webbrowser.open(launcher)
        stop.wait()
    click.echo("Stopped.")


def describe_launches(launcher: str) -> list[str]:
    """Give the lines that a person needs to begin."""
    lines = ["", f"Open {launcher}", "  and launch smart-screening with any patient and user; or at once:"]
    lines += [f"  {launcher}launch?{urlencode(order)}  {title}" for title, order in _LAUNCHES]
    return [*lines, "Synthetic patients only. Ctrl-C stops.", ""]


@contextmanager
def running_demo(folder: Path, persona: str, port: int, ehr_port: int, *, fresh: bool = False) -> Iterator[str]:
    """Run app, simulated EHR and worker for as long as the block lasts; give the launcher's address.

    Port 0 takes a free one. Raises OSError when a port is taken.
    """
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    set_up_logs("plain", "WARNING")
    with socket.create_server((HOST, port)) as listener, ExitStack() as running:
        app_base_url = f"http://{HOST}:{listener.getsockname()[1]}"
        ehr = running.enter_context(
            running_sandbox(
                SandboxConfig(persona=persona, database=str(folder / "ehr.db"), clients=demo_clients(app_base_url)),
                port=ehr_port,
            )
        )
        settings = prepare(
            folder, app_base_url=app_base_url, ehr_base_url=ehr.base_url, profile=choose_profile(persona)
        )
        units = open_units(settings)
        running.callback(units.database.close)
        server = make_server(
            HOST,
            listener.getsockname()[1],
            create_app(settings, units=units),
            threaded=True,
            request_handler=_SilentHandler,
            fd=listener.fileno(),
        )
        running.callback(server.server_close)
        stop = threading.Event()
        for target, arguments in (
            (server.serve_forever, (0.1,)),
            (run_rounds, (build_services(settings, units=units), stop, _SECONDS_BETWEEN_ROUNDS)),
        ):
            thread = threading.Thread(target=target, args=arguments, daemon=True)
            thread.start()
            running.callback(thread.join)
        running.callback(server.shutdown)
        running.callback(stop.set)
        yield f"{ehr.base_url}/"


def choose_profile(persona: str) -> str:
    """Give the EHR profile for a persona: the vendor's own; `generic` where none is shipped, `sandbox` for `open`."""
    if persona == "open":
        return "sandbox"
    return persona if persona in profile_names() else "generic"


def prepare(folder: Path, *, app_base_url: str, ehr_base_url: str, profile: str = "sandbox") -> Settings:
    """Write the settings, make missing keys, bring the database up."""
    config = folder / "smart-screening.toml"
    answers = FirstAnswers(
        base_url=app_base_url,
        environment="test",
        country="US",
        crisis_contact=None,
        ehr_id="sandbox",
        ehr_name="Alder Creek (simulated EHR)",
        fhir_base_url=f"{ehr_base_url}/fhir",
        client_id="smart-screening",
        profile=profile,
        allow_private=("127.0.0.0/8",),
        organization="Organization/org-alder-creek",
        organization_name="Alder Creek Behavioral Health (simulated)",
        frame_ancestors=(ehr_base_url,),
        signers=(_PHYSICIANS, _RESIDENT),
        closers=(_PHYSICIANS,),
        co_signers=(_SUPERVISOR,),
        readers=("Practitioner/prac-okafor", "Practitioner/prac-lindqvist"),
        comment=_COMMENT,
        log_format="plain",
        instruments=find_with_text(),
    )
    config.write_text(render_settings_file(answers), "utf-8")
    # A site's own settings in the environment are not the demo's.
    settings = load_settings(config, {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)})
    make_missing_keys(settings)
    database = open_database(settings.app.database_url)
    upgrade(database)
    database.close()
    return settings


class _SilentHandler(WSGIRequestHandler):
    """Writes no access log: codes and launch ids stand in addresses."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""
