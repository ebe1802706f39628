"""A database of its own for each test, brought up by the real migrations: a SQLite file, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_app.storage.engine import Database, open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.migrate import upgrade
from smart_app.storage.unit_of_work import Units
from tests.integration.storage.factories import NOW


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on both engines what does not ask for SQLite's file."""
    if "database" in metafunc.fixturenames:
        engines = ["sqlite"] if "database_path" in metafunc.fixturenames else ["sqlite", "postgresql"]
        metafunc.parametrize("database", engines, indirect=True)


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "postgresql":
        with request.getfixturevalue("postgresql").new_database() as url:
            database = open_database(url)
            yield database
            database.close()
        return
    database = open_database(f"sqlite:///{tmp_path / 'app.db'}")
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing.generate(NOW)


@pytest.fixture
def units(database: Database, keys: KeyRing) -> Units:
    return Units(database, keys)
