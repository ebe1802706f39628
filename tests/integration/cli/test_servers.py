"""demo, serve, worker, sandbox and ehr check as processes: they start, answer, and stop cleanly."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.personas import list_personas, load_persona
from sandbox_ehr.server import running_sandbox
from smart_app.cli.demo import choose_profile, running_demo
from smart_app.cli.worker import run_rounds
from smart_app.settings import load_settings
from smart_app.storage.errors import DatabaseUnavailable
from smart_app.storage.opening import open_units
from smart_app.wiring import build_services
from tests.free_port import free_port
from tests.integration.cli.conftest import Run
from tests.unit.sandbox_ehr.open_server import running_open_server

COMMAND = (sys.executable, "-c", "from smart_app.cli import main; main()")
ROOT = Path(__file__).parents[3]


@contextmanager
def started(*arguments: str, folder: Path, command: tuple[str, ...] = COMMAND) -> Iterator[subprocess.Popen[str]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SMART_SCREENING_")}
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError("".join(seen))


def test_a_demo_launches_into_the_app_and_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    for rounds in (1, 2):
        with running_demo(folder, "open", 0, 0) as launcher, requests.Session() as browser:
            page = browser.get(f"{launcher}launch?patient=pt-01&user=prac-okafor", timeout=20)
            assert page.status_code == 200
            assert "/launches/" in page.url
            assert "Delgado-Quinn" in page.text
        units = open_units(load_settings(folder / "smart-screening.toml", {}))
        with units.read() as unit:
            report = unit.audit.verify()
            completed = [e for _, e in unit.audit.export() if e.action == "launch:completed"]
        units.database.close()
        assert report.is_intact
        assert len(completed) == rounds


def test_a_fresh_demo_forgets(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with running_demo(folder, "open", 0, 0):
        (folder / "trace").write_text("old")
    with running_demo(folder, "open", 0, 0, fresh=True):
        assert not (folder / "trace").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_command_prints_its_addresses_and_stops_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    with started("demo", "--no-browser", "--port", "0", "--ehr-port", "0", folder=tmp_path) as process:
        launcher = read_until(process, r"Open (http://127\.0\.0\.1:\d+/)")[1]
        assert requests.get(launcher, timeout=10).status_code == 200
        read_until(process, "Synthetic patients only")
        process.send_signal(stop)
        read_until(process, "Stopped")
        assert process.wait(timeout=20) == 0


def test_a_taken_port_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        with started("demo", "--no-browser", "--port", port, "--ehr-port", "0", folder=tmp_path) as process:
            read_until(process, "did not start.*in use.*--port")
            assert process.wait(timeout=20) == 1


def test_serve_answers_and_stops_on_a_signal(installed: Run, tmp_path: Path) -> None:
    port = free_port()
    with started("serve", "--bind", f"127.0.0.1:{port}", "--workers", "1", folder=tmp_path) as process:
        read_until(process, '"event": "serving"')
        with requests.Session() as browser:
            retry = requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(connect=8, backoff_factor=0.2))
            browser.mount("http://", retry)
            assert browser.get(f"http://127.0.0.1:{port}/healthz", timeout=10).text == "ok\n"
            assert browser.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
            assert browser.get(f"http://127.0.0.1:{port}/launch?iss=https://x.example", timeout=10).status_code == 403
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stdout is not None
        assert "x.example" not in process.stdout.read()


def test_serve_takes_no_path_from_a_header(installed: Run, tmp_path: Path) -> None:
    """gunicorn takes SCRIPT_NAME from a trusted proxy's header; a caller behind it could reach what it keeps closed."""
    port = free_port()
    settings = tmp_path / "smart-screening.toml"
    settings.write_text(settings.read_text().replace("#trusted_proxies = 0", "trusted_proxies = 1"))
    assert load_settings(settings, {}).http.trusted_proxies == 1
    with (
        started("serve", "--bind", f"127.0.0.1:{port}", "--workers", "1", folder=tmp_path),
        requests.Session() as browser,
    ):
        retry = requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(connect=8, backoff_factor=0.2))
        browser.mount("http://", retry)
        app = f"http://127.0.0.1:{port}"
        assert browser.get(f"{app}/metrics", timeout=10).status_code == 200
        for name in ("SCRIPT_NAME", "SCRIPT-NAME", "X-Forwarded-Prefix", "X-Script-Name"):
            assert browser.get(f"{app}/open/metrics", headers={name: "/open"}, timeout=10).status_code == 404, name
        moved = browser.get(f"{app}/registration", headers={"PATH_INFO": "/metrics"}, timeout=10)
        assert moved.headers["Content-Type"].startswith("text/html")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on silence is inherited by sockets on Linux only")
@pytest.mark.parametrize(
    "half",
    [
        b"GET /healthz HTTP/1.1\r\nHost: app\r\nX-Half: ",
        b"POST /launches/x/log-out HTTP/1.1\r\nHost: app\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 100\r\n\r\ntext=",
    ],
    ids=["in the headers", "in the body"],
)
def test_clients_that_fall_silent_in_mid_request_do_not_hold_the_server(
    half: bytes, installed: Run, tmp_path: Path
) -> None:
    port = free_port()
    serve = (
        f"import smart_app.cli.serve as serve; serve.LONGEST_SILENCE = 1; from smart_app.cli import main; "
        f"main(['serve', '--bind', '127.0.0.1:{port}', '--workers', '1', '--threads', '2'])"
    )
    with (
        started(folder=tmp_path, command=(sys.executable, "-c", serve)),
        requests.Session() as browser,
        ExitStack() as held,
    ):
        retry = requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(connect=8, backoff_factor=0.2))
        browser.mount("http://", retry)
        assert browser.get(f"http://127.0.0.1:{port}/healthz", timeout=10).status_code == 200
        for _ in range(6):
            silent = held.enter_context(socket.create_connection(("127.0.0.1", port)))
            silent.sendall(half)
        assert browser.get(f"http://127.0.0.1:{port}/healthz", timeout=30).status_code == 200


def test_serve_refuses_a_bad_start_before_any_worker(installed: Run, tmp_path: Path) -> None:
    (tmp_path / "smart-screening.keys.json").unlink()
    result = installed("serve")
    assert result.exit_code == 1
    assert "[invalid-key-ring]" in result.stderr


def test_the_worker_does_one_round_or_goes_on_until_stopped(installed: Run, tmp_path: Path) -> None:
    with started("worker", "--once", folder=tmp_path) as process:
        read_until(process, "worker-round")
        assert process.wait(timeout=20) == 0
    with started("worker", "--every", "1", folder=tmp_path) as process:
        read_until(process, "worker-round")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_a_worker_that_dies_logs_no_words_of_what_it_died_of(installed: Run, tmp_path: Path) -> None:
    dying = (
        "import smart_app.cli.worker as worker\n"
        "def die(services): raise ValueError('Delgado')\n"
        "worker.run_round = die\n"
        "from smart_app.cli import main\n"
        "main(['worker', '--once'])\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SMART_SCREENING_")}
    ended = subprocess.run(
        [sys.executable, "-c", dying],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert '"error": "ValueError"' in ended.stderr
    assert "Delgado" not in ended.stderr + ended.stdout


def test_the_sandbox_command_runs_only_the_simulated_ehr(tmp_path: Path) -> None:
    with started("sandbox", "--port", "0", "--persona", "read-only", folder=tmp_path) as process:
        base_url = read_until(process, r"Simulated EHR at (http://127\.0\.0\.1:\d+)/")[1]
        answer = requests.get(f"{base_url}/fhir/.well-known/smart-configuration", timeout=10)
        assert answer.json()["token_endpoint"] == f"{base_url}/auth/token"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("persona", list_personas())
def test_the_sandbox_command_plays_every_persona(persona: str, tmp_path: Path) -> None:
    with started("sandbox", "--port", "0", "--persona", persona, folder=tmp_path) as process:
        base_url = read_until(process, r"Simulated EHR at (http://127\.0\.0\.1:\d+)/")[1]
        statement = requests.get(f"{base_url}/fhir/metadata", timeout=10).json()
        assert statement["implementation"]["description"] == load_persona(persona).title


@pytest.mark.parametrize("persona", list_personas())
def test_the_demo_plays_every_persona(persona: str, tmp_path: Path) -> None:
    with running_demo(tmp_path, persona, 0, 0) as launcher:
        statement = requests.get(f"{launcher}fhir/metadata", timeout=10).json()
        assert statement["implementation"]["description"] == load_persona(persona).title
        launched = requests.get(f"{launcher}launch?patient=pt-01", timeout=10)
        assert launched.status_code == 200
        assert "/launches/" in launched.url, "the app took the launch and came back to the person"
    settings = tomllib.loads((tmp_path / "smart-screening.toml").read_text("utf-8"))
    assert settings["ehr"][0]["profile"] == choose_profile(persona)


def test_the_sandbox_command_takes_faults_only_when_told_to(tmp_path: Path) -> None:
    order = {"fault": "server-error-500", "match": {"path": "/metadata$"}}
    with started("sandbox", "--port", "0", "--control", folder=tmp_path) as process:
        base_url = read_until(process, r"Simulated EHR at (http://127\.0\.0\.1:\d+)/")[1]
        assert requests.post(f"{base_url}/_control/faults", json=order, timeout=10).status_code == 201
        assert requests.get(f"{base_url}/fhir/metadata", timeout=10).status_code == 500


def test_the_sandbox_command_stands_in_front_of_another_server(tmp_path: Path) -> None:
    with running_open_server() as server:
        options = ("--port", "0", "--fhir-backend", server.url, "--seed-backend")
        with started("sandbox", *options, folder=tmp_path) as process:
            base_url = read_until(process, r"Simulated EHR at (http://127\.0\.0\.1:\d+)/")[1]
            assert requests.get(f"{base_url}/", timeout=10).text.count('<option value="pt-') == 12
            statement = requests.get(f"{base_url}/fhir/metadata", timeout=10).json()
            assert statement["implementation"]["url"] == server.url, "the statement is the server's own"


def test_the_sandbox_command_says_why_a_back_end_has_no_persona(run: Run) -> None:
    refused = run("sandbox", "--persona", "epic", "--fhir-backend", "http://127.0.0.1:1/fhir")
    assert refused.exit_code == 1
    assert "plays itself" in refused.stderr


def test_ehr_check_grades_a_live_ehr_and_writes_a_report(run: Run, tmp_path: Path) -> None:
    with running_sandbox(SandboxConfig()) as ehr:
        good = run("ehr", "check", ehr.fhir_base_url, "--report", tmp_path / "report.html")
        read_only = run("ehr", "check", f"{ehr.base_url}/personas/read-only/fhir")
        missing = run("ehr", "check", f"{ehr.base_url}/nowhere", "--json")
    assert good.exit_code == 0, good.output
    assert good.stdout.splitlines()[-1] == f"{ehr.fhir_base_url}: OK"
    assert "Overall: <strong>OK</strong>" in (tmp_path / "report.html").read_text()
    assert read_only.exit_code == 0
    assert "WARNING  Observation create: not listed: scores cannot be written" in read_only.stdout
    assert missing.exit_code == 1
    assert '"grade": "ERROR"' in missing.stdout


def test_ehr_check_says_what_it_will_not_call(run: Run) -> None:
    refused = run("ehr", "check", "http://ehr.example/fhir")
    assert refused.exit_code == 1
    assert "plain http needs allow_private" in refused.stderr
    assert run("ehr", "check", "nonsense").exit_code == 1
    missing = run("ehr", "check", "https://ehr.example/fhir", "--config", "nowhere.toml")
    assert (missing.exit_code, "nowhere.toml" in missing.stderr) == (1, True)


def test_ehr_check_takes_the_entry_of_the_settings(run: Run, tmp_path: Path) -> None:
    with running_demo(tmp_path, "open", 0, 0) as launcher:
        result = run("ehr", "check", f"{launcher}fhir/", "--config", tmp_path / "smart-screening.toml")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"{launcher}fhir: OK"


def test_a_database_that_is_away_for_a_round_does_not_end_the_worker(installed: Run, tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "smart-screening.toml", {})
    units = open_units(settings)
    services = build_services(settings, units=units)
    stop = threading.Event()
    rounds: list[str] = []

    def clock() -> datetime:
        rounds.append("begun")
        if len(rounds) == 1:
            raise DatabaseUnavailable
        stop.set()
        return datetime.now(UTC)

    run_rounds(replace(services, clock=clock), stop, 0)
    assert len(rounds) > 1
    units.database.close()
