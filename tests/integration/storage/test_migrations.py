"""The migrations make exactly the tables of the code, up and down; a start on the wrong database is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from smart_app.storage import migrate, schema_version
from smart_app.storage.engine import Database, open_database
from smart_app.storage.errors import SchemaMismatch, StorageError, WrongEnvironment
from smart_app.storage.tables import metadata

REVISIONS = [
    script.revision for script in ScriptDirectory(str(Path(migrate.__file__).parent / "migrations")).walk_revisions()
]


@pytest.fixture
def empty(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'deep' / 'new.db'}")


def test_the_migrated_schema_is_the_schema_of_the_code(database: Database) -> None:
    with database.connect(writing=False) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_an_empty_database_is_brought_up_and_all_the_way_down_again(empty: Database) -> None:
    with pytest.raises(SchemaMismatch):
        schema_version.check_schema(empty)
    migrate.upgrade(empty)
    schema_version.check_schema(empty)
    migrate.upgrade(empty)
    migrate.downgrade(empty)
    assert inspect(empty.engine).get_table_names() == ["alembic_version"]
    migrate.upgrade(empty)
    schema_version.check_schema(empty)


def test_the_revision_that_a_start_asks_for_is_the_newest_migration() -> None:
    assert REVISIONS[0] == schema_version.REVISION


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_migration_goes_up_and_down_by_itself(empty: Database, revision: str) -> None:
    migrate.upgrade(empty, revision)
    tables = sorted(inspect(empty.engine).get_table_names())
    migrate.downgrade(empty, "-1")
    migrate.upgrade(empty, revision)
    assert sorted(inspect(empty.engine).get_table_names()) == tables
    assert schema_version.find_revision(empty) == revision


def test_a_failed_migration_leaves_the_database_as_it_was(empty: Database) -> None:
    with empty.connect(writing=True) as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE screenings (id INTEGER)")
    with pytest.raises(StorageError):
        migrate.upgrade(empty)
    assert inspect(empty.engine).get_table_names() == ["screenings"]


def test_a_database_belongs_to_the_environment_that_first_started_on_it(database: Database) -> None:
    schema_version.claim_environment(database, "test")
    schema_version.claim_environment(database, "test")
    with pytest.raises(WrongEnvironment):
        schema_version.claim_environment(database, "production")


@pytest.mark.parametrize("url", ["mysql://root:SECRET@db/x", "sqlite://", "sqlite:///:memory:", "SECRET nonsense"])
def test_only_a_sqlite_file_or_postgresql_is_opened_and_the_url_stays_out_of_the_error(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_database(url)
    assert "SECRET" not in str(caught.value)
    assert caught.value.field == "database_url"


def test_sqlite_is_set_to_survive_a_power_cut(database: Database, database_path: Path) -> None:
    assert database_path.exists()
    with database.connect(writing=False) as connection:
        found = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
        "secure_delete": 1,
    }
