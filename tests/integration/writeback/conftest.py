"""A real database, an EHR in memory and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_app.storage.unit_of_work import Units
from tests.fakes.ehr_door import FakeChart
from tests.fakes.signing import Clock, open_units


@pytest.fixture
def units(tmp_path: Path) -> Iterator[Units]:
    with open_units(tmp_path) as units:
        yield units


@pytest.fixture
def chart() -> FakeChart:
    return FakeChart()


@pytest.fixture
def clock() -> Clock:
    return Clock()
