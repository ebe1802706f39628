"""A real PostgreSQL for tests (PyPI `pgserver`: the server in a wheel), and a database of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import create_engine, make_url, text

from smart_app.storage.engine import open_database
from smart_app.storage.migrate import upgrade

_TEMPLATE = "migrated"


class PostgreSql:
    """A running server. Each new database is a copy of one that the migrations brought up."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._numbers = count(1)
        self._do(f"CREATE DATABASE {_TEMPLATE}")
        template = open_database(self._named(_TEMPLATE))
        upgrade(template)
        template.close()

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """Give the address of a new database, dropped when the block ends."""
        name = f"test_{next(self._numbers)}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        try:
            yield self._named(name)
        finally:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Close the connection that makes databases."""
        self._admin.dispose()

    def _named(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _do(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def running_postgresql() -> Iterator[PostgreSql]:
    """Run the server until the block ends; skip where the wheel does not exist for this machine."""
    pgserver = pytest.importorskip("pgserver", reason="pgserver has no wheel for this machine", exc_type=ImportError)
    # A short path, for the socket in it; open to others, for root runs the server as another user.
    with TemporaryDirectory(prefix="pg-") as folder:
        Path(folder).chmod(0o755)
        with pgserver.get_server(Path(folder) / "data") as server:
            postgresql = PostgreSql(server.get_uri())
            yield postgresql
            postgresql.close()
