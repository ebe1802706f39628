"""What every repository shares: the unit's connection, its cipher, and the optimistic update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, insert, update
from sqlalchemy.exc import IntegrityError

from smart_app.model.identity import PatientKey
from smart_app.storage.cipher import Cipher
from smart_app.storage.engine import Database
from smart_app.storage.errors import AlreadyExists, StaleVersion

Values = Mapping[str, Any]


class Place(NamedTuple):
    """Where a repository works: one transaction of one database, and the cipher for what it seals."""

    connection: Connection
    cipher: Cipher
    database: Database


class Repository:
    """Base of the repositories of one unit."""

    def __init__(self, place: Place) -> None:
        self._connection = place.connection
        self._cipher = place.cipher
        self._database = place.database

    def _insert(self, table: Table, values: Values) -> None:
        try:
            self._connection.execute(insert(table), dict(values))
        except IntegrityError:
            # `from None`: the driver's error quotes the values.
            raise AlreadyExists(f"{table.name}: there is one already, or what it belongs to is missing") from None

    def _update_version(self, table: Table, key: ColumnElement[bool], version: int, values: Values) -> int:
        """Update the row if it still has ``version``; give the new version. Raises StaleVersion."""
        done = self._connection.execute(
            update(table).where(key, table.c.version == version).values({**values, "version": version + 1})
        )
        if done.rowcount != 1:
            raise StaleVersion(f"{table.name} has a newer version, or none")
        return version + 1


def patient_values(key: PatientKey) -> dict[str, str]:
    """Give the three columns of a patient key."""
    return {"ehr_id": key.ehr_id, "tenant": key.tenant, "patient_id": key.patient_id}


def is_patient(table: Table, key: PatientKey) -> ColumnElement[bool]:
    """Select one patient's rows: all three parts of the key, always."""
    return and_(table.c.ehr_id == key.ehr_id, table.c.tenant == key.tenant, table.c.patient_id == key.patient_id)


def patient_of(row: RowMapping) -> PatientKey:
    """Read the patient key of a row."""
    return PatientKey(ehr_id=row["ehr_id"], tenant=row["tenant"], patient_id=row["patient_id"])
