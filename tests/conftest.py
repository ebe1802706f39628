"""House rules of the tests: loopback sockets only, and in CI nothing may be skipped."""

from __future__ import annotations

import os

import pytest

IN_CI = os.environ.get("CI") == "true"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which checks this run did not make, so that a green run is never read as more than it is."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and IN_CI:
        terminalreporter.write_line(f"CI: {len(skipped)} skipped; with CI=true a skip is a failure", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a skip into a failure with CI=true: what the tests need can be installed there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
