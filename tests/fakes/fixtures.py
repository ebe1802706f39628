"""Fixtures that the functional and the safety tests share; each conftest takes them in by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.captured_log import CapturedLog, captured_log
from tests.fakes.clinic import Clinic, open_clinic
from tests.fakes.http_browser import HttpBrowser
from tests.site import Site, running_site


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    """A database of the test's own and an EHR of its own, both empty of results of ours."""
    with open_clinic(tmp_path) as clinic:
        yield clinic


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A whole site of the test's own, on real ports."""
    with running_site(tmp_path / "site") as site:
        yield site


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for a module whose tests leave no answers behind."""
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def browser(site: Site) -> HttpBrowser:
    return HttpBrowser(site)


@pytest.fixture
def log() -> Iterator[CapturedLog]:
    with captured_log() as log:
        yield log
