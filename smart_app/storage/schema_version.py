"""Whether a database fits this release: its schema's revision, its environment. Loads no Alembic: starts are quick."""

from __future__ import annotations

from sqlalchemy import column, insert, inspect, select, table
from sqlalchemy.exc import DBAPIError

from smart_app.storage.engine import Database
from smart_app.storage.errors import SchemaMismatch, StorageError, WrongEnvironment
from smart_app.storage.tables import installation

REVISION = "0002"
"""The newest migration, as migrations/versions names it; a test holds the two together."""

_ALEMBIC_VERSION = table("alembic_version", column("version_num"))
_INSTALLATION_ID = 1


def find_revision(database: Database) -> str | None:
    """Give the revision that the database is at, None for an empty one. Raises StorageError."""
    try:
        with database.connect(writing=False) as connection:
            if not inspect(connection).has_table(_ALEMBIC_VERSION.name):
                return None
            return connection.execute(select(_ALEMBIC_VERSION.c.version_num)).scalar_one_or_none()
    except DBAPIError:
        raise StorageError("the database cannot be reached", field="database_url") from None


def check_schema(database: Database) -> None:
    """Raise SchemaMismatch unless the database is at this release's revision."""
    if (found := find_revision(database)) != REVISION:
        raise SchemaMismatch(f"the database is at {found or 'no version'}, this release needs {REVISION}")


def claim_environment(database: Database, environment: str) -> None:
    """Mark the database as test or production at its first start. Raises WrongEnvironment when it is the other."""
    with database.connect(writing=True) as connection:
        marked = connection.execute(select(installation.c.environment)).scalar_one_or_none()
        if marked is None:
            connection.execute(insert(installation).values(id=_INSTALLATION_ID, environment=environment))
            connection.commit()
        elif marked != environment:
            raise WrongEnvironment(f"this database belongs to environment {marked}", field="app.environment")
