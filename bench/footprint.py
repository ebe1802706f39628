"""Start-up time of `serve`, and memory of one web process after 100 and after 500 launches."""

from __future__ import annotations

import statistics
from pathlib import Path

import requests

from bench.servers import memory_mb, running_app

STARTS = 5


def measure(folder: Path) -> list[str]:
    """Give the lines of the report."""
    starts = []
    for number in range(STARTS):
        with running_app(folder / f"start-{number}") as (_, seconds):
            starts.append(seconds)
    with running_app(folder / "memory") as (site, _):
        memory = {0: memory_mb(site.config)}
        for number in range(1, 501):
            requests.Session().get(site.launch_link(), timeout=30).raise_for_status()
            if number in (100, 500):
                memory[number] = memory_mb(site.config)
    growth = memory[500] - memory[100]
    return [
        f"start-up, `serve` to first answer: {statistics.median(starts):.2f} s (median of {STARTS}; goal ≤ 2 s)",
        f"memory of one web process: {memory[0]:.0f} MB at start, {memory[100]:.0f} MB after 100 launches (≤ 150), "
        f"{memory[500]:.0f} MB after 500 (growth {growth:+.1f} MB)",
    ]
