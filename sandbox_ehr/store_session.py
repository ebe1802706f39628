"""What can be done with stored resources inside one database transaction.

Every version is kept as the text that was received, only `id` and `meta` set; the current one is indexed for search.
Source: http://hl7.org/fhir/R4/http.html#versioning.
"""

# ruff: noqa: S608 - SQL is put together from our own fragments only; what a client sent travels as an argument

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from sandbox_ehr.fhir_json import dump_json
from sandbox_ehr.fhir_request import Clock
from sandbox_ehr.search import Include, SearchQuery, Sql
from sandbox_ehr.search_index import find_compartment_patients, index_rows

_LOG_COLUMNS = "time, method, path, status, persona, client_id, request_id, written, sent, fault, replayed"

Method = Literal["POST", "PUT", "DELETE"]
PAGE_KEPT = timedelta(hours=1)
"""How long a search result is kept; after that it is not even known to have expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResource:
    """One version of a resource.

    body: its JSON text, empty for a deletion. last_updated: an instant in UTC. key: row of this version.
    """

    key: int
    type: str
    id: str
    version: int
    last_updated: datetime
    method: Method
    deleted: bool
    body: str

    @property
    def reference(self) -> str:
        """The relative reference without version: `Patient/1`."""
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One FHIR request as answered, and the persona that answered.

    path: below the base, without query. status: what the FHIR API answered, 0 where the request did not get there.
    written: relative references with version of what it wrote. sent: the status that the client got, 0 where it got no
    answer. fault, replayed: as ordered by a test.
    """

    time: datetime
    method: str
    path: str
    status: int
    persona: str
    client_id: str | None = None
    request_id: str | None = None
    written: tuple[str, ...] = ()
    sent: int = 0
    fault: str | None = None
    replayed: bool = False


class StoreSession:
    """What can be done inside one database transaction. A session from `reading()` must not write."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def find(self, resource_type: str, resource_id: str, version: int | None = None) -> StoredResource | None:
        """Give one version, by default the current one (which may be a deletion), or None."""
        condition = "current" if version is None else "version = ?"
        args = (resource_type, resource_id) if version is None else (resource_type, resource_id, version)
        rows = self._select(f"SELECT v.* FROM resource_version v WHERE type = ? AND id = ? AND {condition}", args)
        return next(rows, None)

    def exists(self, resource_type: str, resource_id: str) -> bool:
        """Tell whether there is a current, not deleted resource."""
        found = self.find(resource_type, resource_id)
        return found is not None and not found.deleted

    def save(
        self, resource: dict[str, Any], *, method: Method, resource_id: str, last_updated: datetime | None = None
    ) -> StoredResource:
        """Add a version with `id`, `meta.versionId` and `meta.lastUpdated` set, and make it the current one."""
        resource_type = resource["resourceType"]
        previous = self.find(resource_type, resource_id)
        version = previous.version + 1 if previous else 1
        now = last_updated or self._clock()
        meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": format_instant(now)}
        stored = {"resourceType": resource_type, "id": resource_id, "meta": meta}
        stored |= {name: value for name, value in resource.items() if name not in stored}
        key = self._insert(
            previous,
            resource_type=resource_type,
            resource_id=resource_id,
            last_updated=now,
            method=method,
            body=dump_json(stored),
        )
        rows = index_rows(stored)
        self._connection.executemany(
            "INSERT INTO search_index VALUES (?, ?, ?, ?, ?, ?, ?)", [(key, resource_type, *row) for row in rows]
        )
        patients = find_compartment_patients(stored, rows)
        if resource_type == "Provenance":
            targets = [(row.system, row.value) for row in rows if row.param == "target"]
            patients |= {patient for type_, id_ in targets for patient in self.compartments_of(str(type_), str(id_))}
        self._connection.executemany("INSERT INTO compartment VALUES (?, ?)", [(key, patient) for patient in patients])
        return self._get(key)

    def delete(self, current: StoredResource) -> StoredResource:
        """Add a version that says deleted; it stays in the compartments of the version before."""
        key = self._insert(
            current,
            resource_type=current.type,
            resource_id=current.id,
            last_updated=self._clock(),
            method="DELETE",
            body="",
        )
        self._connection.execute(
            "INSERT INTO compartment SELECT ?, patient FROM compartment WHERE version_key = ?", (key, current.key)
        )
        return self._get(key)

    def history(self, resource_type: str, resource_id: str | None = None, *, condition: Sql | None = None) -> list[int]:
        """Give the keys of all versions of one resource or one type, newest first."""
        text = "SELECT v.key FROM resource_version v WHERE v.type = ?"
        args: tuple[object, ...] = (resource_type,)
        if resource_id is not None:
            text, args = f"{text} AND v.id = ?", (*args, resource_id)
        if condition is not None:
            text, args = f"{text} AND ({condition.text})", (*args, *condition.args)
        return [key for (key,) in self._connection.execute(f"{text} ORDER BY v.last_updated DESC, v.key DESC", args)]

    def search(self, query: SearchQuery, *, condition: Sql | None = None) -> list[int]:
        """Give the keys of all matches in order. condition: a further one, on `v`, from the access of the client."""
        criteria = [*query.criteria, *([condition] if condition else [])]
        where = "".join(f" AND ({criterion.text})" for criterion in criteria)
        order = query.order_by()
        args = [arg for criterion in (*criteria, order) for arg in criterion.args]
        text = (
            "SELECT v.key FROM resource_version v "
            f"WHERE v.type = ? AND v.current AND NOT v.deleted{where} ORDER BY {order.text}"
        )
        return [key for (key,) in self._connection.execute(text, (query.resource_type, *args))]

    def included(self, keys: Sequence[int], include: Include, *, reverse: bool, condition: Sql) -> list[int]:
        """Give the keys that `_include` (or `_revinclude`) adds to a page of matches.

        condition: on `v`, the row added.
        """
        inside, outside = ("m", "v") if reverse else ("v", "m")
        target = " AND s.system = ?" if include.target else ""
        text = f"""
            SELECT DISTINCT v.key FROM resource_version {outside}
            JOIN search_index s ON s.version_key = {outside}.key AND s.param = ?{target}
            JOIN resource_version {inside} ON {inside}.type = s.system AND {inside}.id = s.value
            WHERE {outside}.type = ? AND m.key IN (SELECT value FROM json_each(?)) AND v.current AND NOT v.deleted
            AND ({condition.text}) ORDER BY v.key"""
        wanted = (include.target,) if include.target else ()
        args = (include.param, *wanted, include.source, json.dumps(list(keys)), *condition.args)
        return [key for (key,) in self._connection.execute(text, args)]

    def fetch(self, keys: Sequence[int]) -> list[StoredResource]:
        """Give versions by key, in the order asked."""
        rows = self._select(
            "SELECT v.* FROM json_each(?) k JOIN resource_version v ON v.key = k.value ORDER BY k.key",
            (json.dumps(list(keys)),),
        )
        return list(rows)

    def satisfies(self, stored: StoredResource, condition: Sql) -> bool:
        """Tell whether a version fulfils a condition on `v`."""
        text = f"SELECT 1 FROM resource_version v WHERE v.key = ? AND ({condition.text})"
        return self._connection.execute(text, (stored.key, *condition.args)).fetchone() is not None

    def referrers(self, stored: StoredResource) -> list[str]:
        """Give the references of the current resources that point at this one, itself left out."""
        rows = self._connection.execute(
            """SELECT DISTINCT v.type || '/' || v.id
            FROM search_index s JOIN resource_version v ON v.key = s.version_key
            WHERE s.system = ? AND s.value = ? AND v.key <> ? ORDER BY 1""",
            (stored.type, stored.id, stored.key),
        )
        return [reference for (reference,) in rows]

    def targets(self, stored: StoredResource, param: str) -> list[str]:
        """Give the ids that a reference parameter of a current version points at."""
        rows = self._connection.execute(
            "SELECT value FROM search_index WHERE version_key = ? AND param = ?", (stored.key, param)
        )
        return [value for (value,) in rows]

    def compartments_of(self, resource_type: str, resource_id: str) -> set[str]:
        """Give the ids of the patients in whose compartment the current version lies."""
        rows = self._connection.execute(
            """SELECT c.patient FROM compartment c JOIN resource_version v ON v.key = c.version_key
            WHERE v.type = ? AND v.id = ? AND v.current""",
            (resource_type, resource_id),
        )
        return {patient for (patient,) in rows}

    def save_page(self, content: dict[str, Any]) -> str:
        """Keep a search result for its further pages and give its token."""
        token, now = uuid4().hex, self._clock()
        oldest = format_instant(now - PAGE_KEPT)
        self._connection.execute("DELETE FROM search_page WHERE created < ?", (oldest,))
        self._connection.execute(
            "INSERT INTO search_page VALUES (?, ?, ?)", (token, format_instant(now), json.dumps(content))
        )
        return token

    def find_page(self, token: str) -> tuple[datetime, dict[str, Any]] | None:
        """Give (created, content) of a kept search result, or None."""
        row = self._connection.execute("SELECT created, content FROM search_page WHERE token = ?", (token,)).fetchone()
        return (datetime.fromisoformat(row[0]), json.loads(row[1])) if row else None

    def log(self, logged: LoggedRequest) -> None:
        """Append to the request log."""
        self._connection.execute(
            f"INSERT INTO exchange_log ({_LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                logged.time.isoformat(),
                logged.method,
                logged.path,
                logged.status,
                logged.persona,
                logged.client_id,
                logged.request_id,
                " ".join(logged.written),
                logged.sent,
                logged.fault,
                logged.replayed,
            ),
        )

    def requests(self) -> list[LoggedRequest]:
        """Give the request log, oldest first."""
        rows = self._connection.execute(f"SELECT {_LOG_COLUMNS} FROM exchange_log ORDER BY key")
        return [
            LoggedRequest(
                time=datetime.fromisoformat(time),
                method=method,
                path=path,
                status=status,
                persona=persona,
                client_id=client_id,
                request_id=request_id,
                written=tuple(written.split()),
                sent=sent,
                fault=fault,
                replayed=bool(replayed),
            )
            for time, method, path, status, persona, client_id, request_id, written, sent, fault, replayed in rows
        ]

    def _insert(
        self,
        previous: StoredResource | None,
        *,
        resource_type: str,
        resource_id: str,
        last_updated: datetime,
        method: Method,
        body: str,
    ) -> int:
        version = previous.version + 1 if previous else 1
        if previous:
            self._connection.execute("UPDATE resource_version SET current = 0 WHERE key = ?", (previous.key,))
            self._connection.execute("DELETE FROM search_index WHERE version_key = ?", (previous.key,))
        cursor = self._connection.execute(
            "INSERT INTO resource_version (type, id, version, last_updated, method, deleted, current, body) "
            "VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
            (resource_type, resource_id, version, format_instant(last_updated), method, method == "DELETE", body),
        )
        if cursor.lastrowid is None:
            raise sqlite3.IntegrityError("no row was added")
        return cursor.lastrowid

    def _get(self, key: int) -> StoredResource:
        return next(self._select("SELECT v.* FROM resource_version v WHERE key = ?", (key,)))

    def _select(self, text: str, args: Sequence[object]) -> Iterator[StoredResource]:
        for key, type_, id_, version, last_updated, method, deleted, _current, body in self._connection.execute(
            text, args
        ):
            yield StoredResource(
                key=key,
                type=type_,
                id=id_,
                version=version,
                last_updated=datetime.fromisoformat(last_updated),
                method=method,
                deleted=bool(deleted),
                body=body,
            )


def format_instant(moment: datetime) -> str:
    """Write an aware datetime as a FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
