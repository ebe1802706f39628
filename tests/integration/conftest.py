"""One PostgreSQL for all tests that want it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.postgresql import PostgreSql, running_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as server:
        yield server
