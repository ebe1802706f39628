"""An installation in a folder of its own, as `init` makes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smart_app.cli import main
from tests.fakes.captured_log import captured_log

Run = Callable[..., Result]
INIT = (
    "init",
    "--base-url",
    "https://app.example",
    "--ehr-name",
    "Clinic",
    "--fhir-base-url",
    "https://ehr.example/fhir",
    "--client-id",
    "app",
    "--signers",
    "http://snomed.info/sct|309343006",
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SMART_SCREENING_")]:
        monkeypatch.delenv(name)

    def run_command(*arguments: str | Path, stdin: str | None = None) -> Result:
        # A command's log goes to the standard error of its own run, which is gone after it.
        with captured_log():
            return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)

    return run_command


@pytest.fixture
def installed(run: Run) -> Run:
    """The same, after `init`."""
    result = run(*INIT)
    assert result.exit_code == 0, result.output
    return run
