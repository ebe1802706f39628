"""The processes that are measured: simulated EHR, app under gunicorn, and the floor under the same gunicorn."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import psutil
import requests

from smart_app.cli.demo import prepare
from tests.free_port import free_port

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
DEADLINE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Site:
    """Addresses of both, and the app's settings file."""

    app_url: str
    ehr_url: str
    config: Path

    def launch_link(self, **order: str) -> str:
        """Give the EHR's launch link of the usual patient and physician."""
        return f"{self.ehr_url}/launch?{urlencode({'patient': 'pt-01', 'user': 'prac-okafor', **order})}"


@contextmanager
def process(arguments: list[str], *, ready: str, environment: dict[str, str] | None = None) -> Iterator[float]:
    """Run a process until the block ends; give the seconds from its start to its first answer at ``ready``."""
    began = time.perf_counter()
    child = subprocess.Popen(
        arguments,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                requests.get(ready, timeout=DEADLINE_SECONDS, allow_redirects=False)
                break
            except requests.ConnectionError:
                if child.poll() is not None or time.perf_counter() - began > DEADLINE_SECONDS:
                    raise
                time.sleep(0.005)
        yield time.perf_counter() - began
    finally:
        child.terminate()
        child.wait(DEADLINE_SECONDS)


@contextmanager
def simulated_ehr(app_url: str, *, delay_seconds: float = 0.0, log: Path | None = None) -> Iterator[str]:
    """Run the simulated EHR, each FHIR call slower by ``delay_seconds``; ``log`` gets a line per FHIR call."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = [sys.executable, "-m", "bench.slow_ehr", str(port), app_url, str(delay_seconds), str(log or os.devnull)]
    with process(arguments, ready=f"{url}/fhir/metadata"):
        yield url


@contextmanager
def running_app(folder: Path, *, delay_seconds: float = 0.0, log: Path | None = None) -> Iterator[tuple[Site, float]]:
    """Run EHR and app (one gunicorn process, eight threads); give the site and the app's start-up time in seconds."""
    port = free_port()
    app_url = f"http://127.0.0.1:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    with simulated_ehr(app_url, delay_seconds=delay_seconds, log=log) as ehr_url:
        prepare(folder, app_base_url=app_url, ehr_base_url=ehr_url)
        site = Site(app_url=app_url, ehr_url=ehr_url, config=folder / "smart-screening.toml")
        arguments = [str(BIN / "smart-screening"), "serve", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
        with process([*arguments, "--config", str(site.config)], ready=f"{app_url}/healthz") as seconds:
            yield site, seconds


@contextmanager
def running_floor(site: Site, page: Path, assets: Path) -> Iterator[str]:
    """Run the floor; give its launch link. It goes through the same EHR, authorize page and code included."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"FLOOR_AUTHORIZE": authorize_address(site, f"{url}/callback"), "FLOOR_PAGE": str(page)}
    environment["FLOOR_ASSETS"] = str(assets)
    arguments = [str(BIN / "gunicorn"), "bench.floor:app", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    arguments += ["--worker-class", "gthread", "--threads", "8", "--log-level", "warning"]
    with process(arguments, ready=f"{url}/page", environment=environment):
        yield site.launch_link(client="any-loopback-app", launch_uri=f"{url}/launch")


def authorize_address(site: Site, redirect_uri: str) -> str:
    """Give the app's own authorize address, for the floor's client and callback, without ``launch``."""
    browser = requests.Session()
    launched = browser.get(site.launch_link(), timeout=10, allow_redirects=False)
    begun = browser.get(launched.headers["Location"], timeout=10, allow_redirects=False)
    address = urlsplit(begun.headers["Location"])
    kept = {name: value for name, value in parse_qsl(address.query) if name != "launch"}
    kept |= {"client_id": "any-loopback-app", "redirect_uri": redirect_uri}
    return address._replace(query=urlencode(kept)).geturl()


def memory_mb(config: Path) -> float:
    """Give the resident memory of the app's web process (the gunicorn worker), in MB."""
    for candidate in psutil.process_iter(["cmdline"]):
        if str(config) in (candidate.info["cmdline"] or []) and (children := candidate.children()):
            return float(children[0].memory_info().rss) / 1e6
    raise RuntimeError("the app's process was not found")
