"""Bring a database's schema up or take it down (Alembic).

Each step runs in one transaction, on PostgreSQL and on SQLite: a migration that fails leaves the database as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from smart_app.storage.engine import Database
from smart_app.storage.errors import StorageError


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema up to a revision. Raises StorageError when the database cannot be reached."""
    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str = "base") -> None:
    """Take the schema down to a revision; what later tables held is gone."""
    _run(database, lambda config: command.downgrade(config, revision))


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _run(database: Database, step: Callable[[Config], None]) -> None:
    try:
        with database.connect(writing=True) as connection, connection.begin():
            step(_config(connection))
    except DBAPIError as exc:
        raise StorageError("the database cannot be reached or changed", field="database_url") from exc
