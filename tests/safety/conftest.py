"""The clinic of each test: a database of its own and an EHR of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.clinic import Clinic, open_clinic


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with open_clinic(tmp_path) as clinic:
        yield clinic
