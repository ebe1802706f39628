"""The schema's versions: bring a database up, take it down, tell whether it fits this release (Alembic).

Each step runs in one transaction, on PostgreSQL and on SQLite: a migration that fails leaves the database as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError

from smart_app.storage.engine import Database
from smart_app.storage.errors import SchemaMismatch, StorageError, WrongEnvironment
from smart_app.storage.tables import installation

_INSTALLATION_ID = 1


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema up to a revision. Raises StorageError when the database cannot be reached."""
    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str = "base") -> None:
    """Take the schema down to a revision; what later tables held is gone."""
    _run(database, lambda config: command.downgrade(config, revision))


def find_revision(database: Database) -> str | None:
    """Give the revision that the database is at, None for an empty one. Raises StorageError."""
    try:
        with database.connect(writing=False) as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DBAPIError:
        raise StorageError("the database cannot be reached", field="database_url") from None


def get_newest_revision() -> str:
    """Give the revision of this release."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise SchemaMismatch("this installation has no migrations")
    return head


def check_schema(database: Database) -> None:
    """Raise SchemaMismatch unless the database is at this release's revision."""
    if (found := find_revision(database)) != get_newest_revision():
        raise SchemaMismatch(f"the database is at {found or 'no version'}, this release needs {get_newest_revision()}")


def claim_environment(database: Database, environment: str) -> None:
    """Mark the database as test or production at its first start. Raises WrongEnvironment when it is the other."""
    with database.connect(writing=True) as connection:
        marked = connection.execute(select(installation.c.environment)).scalar_one_or_none()
        if marked is None:
            connection.execute(insert(installation).values(id=_INSTALLATION_ID, environment=environment))
            connection.commit()
        elif marked != environment:
            raise WrongEnvironment(f"this database belongs to environment {marked}", field="app.environment")


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
