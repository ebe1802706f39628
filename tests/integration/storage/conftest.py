"""A real SQLite file per test, brought up by the real migrations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_app.storage.engine import Database, open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.migrate import upgrade
from smart_app.storage.unit_of_work import Units
from tests.integration.storage.factories import NOW


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def database(database_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{database_path}")
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing.generate(NOW)


@pytest.fixture
def units(database: Database, keys: KeyRing) -> Units:
    return Units(database, keys)
