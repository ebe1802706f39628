"""The version of the installed distribution."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def find_version() -> str:
    """Give the version, "unknown" when run from a source tree that was never installed."""
    try:
        return version("smart-screening")
    except PackageNotFoundError:
        return "unknown"
