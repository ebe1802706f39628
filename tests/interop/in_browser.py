"""Chromium and the npm packages for interop tests; a test that misses one is skipped and says what to install."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

_NODE_MODULES = Path(os.environ.get("SMART_SCREENING_NODE_MODULES", Path(__file__).parent / "node" / "node_modules"))


def get_npm_file(path: str) -> Path:
    """Give a file of an installed npm package, such as `axe-core/axe.min.js`."""
    found = _NODE_MODULES / path
    if not found.is_file():
        pytest.skip(f"{path} is missing: run npm ci --prefix tests/interop/node")
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run a headless Chromium: the system's, or the one in SMART_SCREENING_CHROMIUM."""
    chromium = (
        os.environ.get("SMART_SCREENING_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if chromium is None:
        pytest.skip("Chromium is missing: install it, or name it in SMART_SCREENING_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
