"""The database: one engine, and how a transaction begins on it.

SQLite: WAL, ``synchronous=FULL`` (a commit survives a power cut), foreign keys, and ``BEGIN IMMEDIATE`` for everything
that writes, because a deferred transaction that turns to writing fails at once despite ``busy_timeout``.
PostgreSQL: the same code, with row locks where SQLite has its one writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from smart_app.storage.errors import StorageError

BUSY_TIMEOUT_MS = 10_000
_WRITING = "smart_screening_writing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An open database. ``has_row_locks`` tells PostgreSQL from SQLite, where one writer holds the whole file."""

    engine: Engine
    has_row_locks: bool

    def connect(self, *, writing: bool) -> Connection:
        """Give a connection whose next transaction reads one state, or writes (SQLite: waits for its one writer)."""
        connection = self.engine.connect()
        if self.has_row_locks and not writing:
            return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return connection.execution_options(**{_WRITING: writing})

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def open_database(url: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """Open ``sqlite:///path`` or ``postgresql+psycopg://…``; nothing is created but SQLite's empty file.

    ``busy_timeout_ms``: how long SQLite waits for its one write lock.
    Raises: StorageError for any other kind of URL. The URL itself, which can hold a password, is never in an error.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StorageError("database_url is not a database URL", field="database_url") from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return Database(engine=create_engine(parsed, pool_pre_ping=True, hide_parameters=True), has_row_locks=True)
    if backend != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise StorageError("database_url must be sqlite:///FILE or postgresql+psycopg://…", field="database_url")
    path = Path(parsed.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    # SQLite gives its -wal and -shm files the rights of the database file.
    path.touch(mode=0o600)
    # hide_parameters: what a statement holds never enters an exception.
    engine = create_engine(parsed, connect_args={"timeout": busy_timeout_ms / 1000}, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine=engine, has_row_locks=False)


def _prepare_sqlite(connection: SqliteConnection, _record: ConnectionPoolEntry) -> None:
    # None: the driver begins no transaction of its own; _begin_sqlite does.
    connection.isolation_level = None
    # The driver has set busy_timeout from its `timeout` argument.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        # Pages kept per connection, in KiB; the default of 2 MB fills in each thread as the database grows.
        "cache_size=-256",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
