"""Safety rule 6 against kill -9: what a page was told is saved is there after a restart, and so is its alert."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import requests
from flask import Flask

from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.registered_clients import demo_clients
from sandbox_ehr.server import running_sandbox
from smart_app.cli.demo import prepare
from smart_app.storage.opening import open_units
from tests.fakes.clinic import PHQ9, code_of
from tests.fakes.http_browser import HttpBrowser, screening_id_of, words_of
from tests.free_port import free_port
from tests.functional.page_browser import Page
from tests.site import MovingClock, Site

ROOT = Path(__file__).parents[2]
SERVE = (sys.executable, "-c", "from smart_app.cli import main; main()", "serve", "--workers", "2", "--bind")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The EHR in this process; the app's database and keys in files, for the process that ``serving`` starts."""
    app_url = f"http://127.0.0.1:{free_port()}"
    with running_sandbox(SandboxConfig(clients=demo_clients(app_url))) as ehr:
        settings = prepare(tmp_path, app_base_url=app_url, ehr_base_url=ehr.base_url)
        units = open_units(settings)
        yield Site(ehr=ehr, app=Flask(__name__), app_url=app_url, settings=settings, units=units, clock=MovingClock())
        units.database.close()


@contextmanager
def serving(site: Site, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``smart-screening serve`` in a process group of its own until the block ends, if it still lives."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SMART_SCREENING_")}
    environ |= {"PYTHONPATH": str(ROOT), "SMART_SCREENING_CONFIG": str(folder / "smart-screening.toml")}
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [*SERVE, urlsplit(site.app_url).netloc],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            with requests.Session() as probe:
                retry = requests.adapters.Retry(connect=12, backoff_factor=0.1)
                probe.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
                assert probe.get(f"{site.app_url}/readyz", timeout=20).status_code == 200
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 the server and all its workers at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


def checked(page: Page) -> dict[str, str]:
    chosen = page.root.xpath("//input[@type='radio'][@checked][starts-with(@name, 'item.')]")
    return {field.get("name").removeprefix("item."): field.get("value") for field in chosen}


def test_rule_6_answers_said_saved_survive_kill_9_in_mid_form(site: Site, tmp_path: Path) -> None:
    browser = HttpBrowser(site)
    with serving(site, tmp_path) as process:
        form = browser.start(browser.launch())
        for number, link_id in enumerate(PHQ9, start=1):
            assert browser.save(form, link_id, number % 4, sequence=number).json()["saves"][0]["kind"] == "saved"
        kill(process)
        with pytest.raises(requests.ConnectionError):
            browser.get(form.url)

    with serving(site, tmp_path):
        again = browser.get(form.url)
        assert again.status == 200, "the launch itself survives a restart"
        assert checked(again) == {link_id: code_of(link_id, n % 4) for n, link_id in enumerate(PHQ9, start=1)}
        home = browser.launch()
        assert "alerts/" in home.text
        review = browser.send(
            browser.start(home).form("/form", do="hand-in", **{"item.phq9-10": code_of("phq9-10", 1)})
        )
        assert "13 of 27" in words_of(review)
    with site.units.read() as unit:
        assert unit.audit.verify().is_intact


def test_rule_6_killed_while_saving_nothing_that_was_acknowledged_is_lost(site: Site, tmp_path: Path) -> None:
    """Many pages save at once; the process dies under them; each acknowledged version is in the history."""
    browser = HttpBrowser(site)
    acknowledged: list[tuple[str, int, str]] = []
    enough, lock = Event(), Lock()

    def save_until_dead(link_id: str) -> None:
        version = 0
        for sequence in range(1, 500):
            weight = sequence % 4
            try:
                answer = browser.save(form, link_id, weight, sequence=sequence, seen_version=version)
                saved = answer.json()["saves"][0]
            except requests.RequestException:
                return
            assert saved["kind"] == "saved"
            version = saved["version"]
            with lock:
                acknowledged.append((link_id, version, code_of(link_id, weight)))
                if len(acknowledged) >= 60:
                    enough.set()

    with serving(site, tmp_path) as process:
        form = browser.start(browser.launch())
        with ThreadPoolExecutor(4) as pool:
            pages = [pool.submit(save_until_dead, link_id) for link_id in ("phq9-1", "phq9-2", "phq9-3", "phq9-9")]
            assert enough.wait(timeout=60)
            kill(process)
            for page in pages:
                page.result()

    with serving(site, tmp_path):
        assert browser.get(form.url).status == 200
    with site.units.read() as unit:
        screening = unit.screenings.get(UUID(screening_id_of(form)))
        alerts = unit.alerts.for_screening(screening.id)
        assert unit.audit.verify().is_intact
    kept = {(saved.link_id, saved.version, saved.code) for saved in screening.answers}
    assert len(acknowledged) >= 60
    assert not set(acknowledged) - kept
    assert [alert.link_id for alert in alerts] == ["phq9-9"]


def test_rule_6_a_body_without_end_is_refused_by_the_server_as_it_runs(site: Site, tmp_path: Path) -> None:
    browser = HttpBrowser(site)
    with serving(site, tmp_path):
        form = browser.start(browser.launch())
        browser.save(form, "phq9-1", 2)
        path, fields = form.form("/form")
        host, _, port = urlsplit(site.app_url).netloc.partition(":")
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {site.app_url}\r\nTransfer-Encoding: chunked\r\n"
            f"Cookie: launch={browser.launch_cookie(form)}\r\nX-CSRFToken: {fields['csrf_token']}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        sent, piece = 0, b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(head.encode())
            try:
                while sent < 100_000_000:
                    connection.sendall(piece)
                    sent += len(piece)
                answer = connection.recv(4096)
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
        assert sent < 50_000_000
        assert not answer or answer.split()[1] == b"413"
        assert checked(browser.get(form.url)) == {"phq9-1": code_of("phq9-1", 2)}
