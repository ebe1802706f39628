"""Launch address → form usable, in Chromium: ours beside the floor, with requests and bytes (medians of one run)."""

from __future__ import annotations

import json
import os
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from playwright.sync_api import Browser, Request, sync_playwright

from bench.servers import Site, running_app, running_floor

RUNS = 20
CHROMIUM = os.environ.get("SMART_SCREENING_CHROMIUM", "/usr/bin/chromium")
SMALL_PAGE = (
    b"<!doctype html><html lang=en><title>Floor</title><form><input type=radio aria-label=answer></form></html>"
)


@dataclass(frozen=True, kw_only=True)
class Load:
    """One cold load of a page: milliseconds to the first usable answer, requests, bytes over the wire."""

    ms: float
    requests: int
    size: int


def load(browser: Browser, link: str) -> Load:
    """Open a launch link in a new browser profile. Bytes are of all but the EHR's launch link itself."""
    context = browser.new_context()
    page = context.new_page()
    seen: list[Request] = []
    page.on("requestfinished", lambda request: seen.append(request))  # noqa: PLW0108 - it wants a function of its own
    began = time.perf_counter()
    # Deferred scripts have run by then: keys and autosave work.
    page.goto(link, wait_until="domcontentloaded")
    page.locator("input[type=radio]").first.wait_for(state="visible")
    ms = (time.perf_counter() - began) * 1000
    page.wait_for_load_state("networkidle")
    sizes = [request.sizes() for request in seen[1:]]
    size = sum(entry["responseHeadersSize"] + entry["responseBodySize"] for entry in sizes)
    context.close()
    return Load(ms=ms, requests=len(seen) - 1, size=size)


def copy_form(site: Site, folder: Path) -> tuple[Path, Path]:
    """Save the form page and its assets as static files."""
    page = requests.Session().get(form_link(site), timeout=10).text
    assets = folder / "assets"
    assets.mkdir()
    for name in set(re.findall(r"/static/([\w.-]+)", page)):
        (assets / name).write_bytes(requests.get(f"{site.app_url}/static/{name}", timeout=10).content)
    copy = folder / "form.html"
    copy.write_text(page, "utf-8")
    return copy, assets


def form_link(site: Site) -> str:
    """Give the launch link that goes straight to the PHQ-9."""
    return site.launch_link(questionnaire="https://smart-screening.org/fhir/Questionnaire/phq-9")


def measure(folder: Path) -> list[str]:
    """Give the lines of the report. Runs are interleaved, so that a busy moment hits all alike."""
    with running_app(folder / "site") as (site, _), sync_playwright() as playwright:
        copy, assets = copy_form(site, folder)
        small = folder / "small.html"
        small.write_bytes(SMALL_PAGE)
        with (
            running_floor(site, small, assets) as floor_link,
            running_floor(site, copy, assets) as copy_link,
        ):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
            links = {"floor": floor_link, "static copy": copy_link, "form": form_link(site)}
            loads: dict[str, list[Load]] = {name: [] for name in links}
            for round_number in range(RUNS + 2):
                for name, link in links.items():
                    taken = load(browser, link)
                    if round_number >= 2:  # the first rounds fill discovery and key caches
                        loads[name].append(taken)
            browser.close()
    ms = {name: statistics.median(entry.ms for entry in taken) for name, taken in loads.items()}
    form = loads["form"][-1]
    return [
        f"launch → form usable, medians of {RUNS}, cold browser, loopback:",
        f"  floor (same redirects, one small static page) {ms['floor']:7.1f} ms",
        f"  floor (same redirects, static copy of form)   {ms['static copy']:7.1f} ms",
        f"  form                                          {ms['form']:7.1f} ms",
        f"  form ÷ floor {ms['form'] / ms['floor']:.2f} (goal ≤ 1.8)",
        f"  form ÷ static copy {ms['form'] / ms['static copy']:.2f}",
        f"  {form.requests} requests after the launch link (goal ≤ 8), {form.size / 1000:.1f} kB (goal ≤ 60)",
    ]


def measure_waves(folder: Path, *, delay_seconds: float = 0.15) -> list[str]:
    """Give the number of sequential FHIR waves after the token when each FHIR call takes ``delay_seconds`` longer."""
    log = folder / "fhir-calls.ndjson"
    taken = []
    with running_app(folder / "slow", delay_seconds=delay_seconds, log=log) as (site, _):
        for _ in range(RUNS + 1):
            log_size = log.stat().st_size
            began = time.perf_counter()
            requests.Session().get(form_link(site), timeout=30).raise_for_status()
            taken.append((time.perf_counter() - began) * 1000)
            calls = [json.loads(line) for line in log.read_text("utf-8")[log_size:].splitlines()]
    token = max(call["ended"] for call in calls if call["path"] == "/auth/token")
    spans = sorted((call["began"], call["ended"]) for call in calls if call["path"].startswith("/fhir/"))
    waves = count_waves([span for span in spans if span[0] >= token])
    return [
        f"with {delay_seconds * 1000:.0f} ms added to each FHIR call:",
        f"  launch → form {statistics.median(taken[1:]):.0f} ms (median of {RUNS}, plain HTTP client)",
        f"  {waves} sequential FHIR waves after the token (goal ≤ 2)",
    ]


def count_waves(spans: list[tuple[float, float]]) -> int:
    """Count how many calls had to follow one another: the longest chain of calls that do not overlap."""
    waves, until = 0, float("-inf")
    for began, ended in sorted(spans, key=lambda span: span[1]):
        if began >= until:
            waves, until = waves + 1, ended
    return waves
