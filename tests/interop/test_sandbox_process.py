"""`python -m sandbox_ehr` as a process: READY line, restart on a file, clean end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests


@contextmanager
def running_process(*arguments: str) -> Iterator[str]:
    """Run until the block ends and give the base URL that the process says it is ready at."""
    command = [sys.executable, "-m", "sandbox_ehr", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, base_url = process.stdout.readline().split()
            assert word == "READY"
            yield base_url
        finally:
            process.terminate()
            process.wait(timeout=10)


def test_process_says_where_it_is_ready() -> None:
    with running_process("--persona", "read-only") as base_url:
        statement = requests.get(f"{base_url}/fhir/metadata", timeout=10).json()
        assert statement["resourceType"] == "CapabilityStatement"
        configuration = requests.get(f"{base_url}/fhir/.well-known/smart-configuration", timeout=10).json()
        assert configuration["token_endpoint"] == f"{base_url}/auth/token"


def test_charts_on_a_file_are_seeded_once(tmp_path: Path) -> None:
    database = str(tmp_path / "ehr.sqlite")
    for _start in range(2):
        with running_process("--db", database) as base_url:
            page = requests.get(base_url, timeout=10).text
            assert page.count('<option value="pt-') == 12


def test_taken_port_ends_with_a_reason() -> None:
    with running_process() as base_url:
        port = base_url.rpartition(":")[2]
        command = [sys.executable, "-m", "sandbox_ehr", "--port", port]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert "sandbox_ehr:" in second.stderr
