"""One Chromium for a module; a site and a desk of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.desk import Desk, open_desk
from tests.fakes.fixtures import site
from tests.interop.in_browser import open_browser
from tests.site import Site

__all__ = ["site"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as chromium:
        yield chromium


@pytest.fixture
def desk(chromium: Browser, site: Site) -> Iterator[Desk]:
    """A desk whose pages must have met neither an error of a script nor the content security policy."""
    with open_desk(chromium, site) as desk:
        yield desk
        assert desk.problems == []
