"""Resources with all their versions in SQLite: the store behind the simulated EHR's FHIR API.

A session is one database transaction: `reading()` sees one state, `writing()` commits whole or not at all.
Source: http://hl7.org/fhir/R4/http.html#transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self

from sandbox_ehr.fhir_request import Clock
from sandbox_ehr.store_session import LoggedRequest, StoredResource, StoreSession

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resource_version (
    key INTEGER PRIMARY KEY, type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, last_updated TEXT NOT NULL,
    method TEXT NOT NULL, deleted INTEGER NOT NULL, current INTEGER NOT NULL, body TEXT NOT NULL,
    UNIQUE (type, id, version));
CREATE INDEX IF NOT EXISTS resource_current ON resource_version (type, current, deleted, key);
CREATE TABLE IF NOT EXISTS search_index (
    version_key INTEGER NOT NULL, resource_type TEXT NOT NULL, param TEXT NOT NULL, system TEXT, value TEXT,
    low NUMERIC, high NUMERIC);
CREATE INDEX IF NOT EXISTS search_value ON search_index (resource_type, param, value, system, version_key);
CREATE INDEX IF NOT EXISTS search_range ON search_index (resource_type, param, low, high, version_key);
CREATE INDEX IF NOT EXISTS search_owner ON search_index (version_key, param, value, low);
CREATE INDEX IF NOT EXISTS search_target ON search_index (system, value, version_key);
CREATE TABLE IF NOT EXISTS compartment (
    version_key INTEGER NOT NULL, patient TEXT NOT NULL, PRIMARY KEY (patient, version_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS compartment_owner ON compartment (version_key);
CREATE TABLE IF NOT EXISTS search_page (token TEXT PRIMARY KEY, created TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS exchange_log (
    key INTEGER PRIMARY KEY, time TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL,
    persona TEXT NOT NULL, client_id TEXT, request_id TEXT, written TEXT NOT NULL, sent INTEGER NOT NULL, fault TEXT,
    replayed INTEGER NOT NULL);
"""


class FhirStore:
    """Opens the database and hands out sessions.

    path: a file, or `:memory:` for a store that lives as long as the object.
    Writers take turns; on a file, readers do not wait for them (WAL).
    """

    def __init__(self, path: str | Path, *, clock: Clock) -> None:
        self._path = str(path)
        self._clock = clock
        self._lock = RLock()
        self._writer = self._connect()
        self._idle_readers: list[sqlite3.Connection] = []
        self._writer.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection. Idempotent."""
        with self._lock:
            while self._idle_readers:
                self._idle_readers.pop().close()
            self._writer.close()

    @contextmanager
    def writing(self) -> Iterator[StoreSession]:
        """Open a session that commits at the end, or rolls everything back if the block raises."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield StoreSession(self._writer, self._clock)
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[StoreSession]:
        """Open a session that sees one state of the store throughout."""
        if self._path == ":memory:":
            with self._lock:
                yield StoreSession(self._writer, self._clock)
            return
        connection = self._idle_readers.pop() if self._idle_readers else self._connect()
        connection.execute("BEGIN")
        try:
            yield StoreSession(connection, self._clock)
        finally:
            connection.execute("COMMIT")
            self._idle_readers.append(connection)

    def put_raw(self, resource: dict[str, Any]) -> StoredResource:
        """Load a seed resource under its own `id`, with its own `meta.lastUpdated` if it has one; no check is made."""
        stated = resource.get("meta", {}).get("lastUpdated")
        last_updated = datetime.fromisoformat(stated).astimezone(UTC) if stated else None
        with self.writing() as session:
            return session.save(resource, method="PUT", resource_id=resource["id"], last_updated=last_updated)

    def requests(self) -> list[LoggedRequest]:
        """Give the log of all FHIR requests, oldest first: what tests read as the truth."""
        with self.reading() as session:
            return session.requests()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection
