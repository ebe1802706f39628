"""The unit of work: one transaction, all repositories, rolled back unless committed.

    with units.write() as unit:
        screening = unit.screenings.get(screening_id)
        unit.screenings.save(screening.hand_in(now))
        unit.audit.append(AuditEvent(…))
        unit.commit()

No network inside a unit: on SQLite a writing unit holds the one write lock of the whole database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import RootTransaction
from sqlalchemy.exc import OperationalError

from smart_app.storage.alerts import Alerts
from smart_app.storage.approvals import Approvals
from smart_app.storage.audit import Audit
from smart_app.storage.cipher import Cipher
from smart_app.storage.engine import Database
from smart_app.storage.errors import DatabaseUnavailable, ReadOnlyUnit, UnitClosed
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.ledger import Ledger
from smart_app.storage.notes import Notes
from smart_app.storage.pending_launches import PendingLaunches
from smart_app.storage.questionnaires import EhrQuestionnaires
from smart_app.storage.repository import Place
from smart_app.storage.retention import Retention
from smart_app.storage.screenings import Screenings
from smart_app.storage.sessions import Sessions


class Unit:
    """One transaction and its repositories. ``commit`` once, at the end; leaving without it undoes everything."""

    def __init__(self, place: Place, keys: KeyRing, transaction: RootTransaction, *, writing: bool) -> None:
        self._transaction = transaction
        self._writing = writing
        self._committed = False
        self.pending_launches = PendingLaunches(place)
        self.sessions = Sessions(place)
        self.screenings = Screenings(place)
        self.alerts = Alerts(place)
        self.notes = Notes(place)
        self.approvals = Approvals(place)
        self.ledger = Ledger(place)
        self.questionnaires = EhrQuestionnaires(place)
        self.retention = Retention(place)
        self.audit = Audit(place, keys)

    def commit(self) -> None:
        """Write the audit events last, then make everything durable.

        Raises: ReadOnlyUnit on a reading unit, UnitClosed the second time.
        """
        if not self._writing:
            raise ReadOnlyUnit("this unit was opened for reading")
        if self._committed:
            raise UnitClosed("this unit was committed already")
        self.audit.flush()
        self._transaction.commit()
        self._committed = True
        self.audit.announce()


class Units:
    """Opens units of work on one database, with the keys that seal and chain what is stored. Safe for threads."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self.database = database
        self._keys = keys
        self._cipher = Cipher(keys)

    @contextmanager
    def write(self) -> Iterator[Unit]:
        """Open a unit that may commit; on SQLite it takes the write lock first, and waits up to 10 s for it.

        Raises: DatabaseUnavailable.
        """
        with self._open(writing=True) as unit:
            yield unit

    @contextmanager
    def read(self) -> Iterator[Unit]:
        """Open a unit that sees one consistent state and changes nothing. Raises: DatabaseUnavailable."""
        with self._open(writing=False) as unit:
            yield unit

    @contextmanager
    def _open(self, *, writing: bool) -> Iterator[Unit]:
        try:
            # Leaving the connection rolls back whatever was not committed.
            with self.database.connect(writing=writing) as connection, connection.begin() as transaction:
                place = Place(connection=connection, cipher=self._cipher, database=self.database)
                yield Unit(place, self._keys, transaction, writing=writing)
                if transaction.is_active:
                    transaction.rollback()
        except OperationalError as exc:
            raise DatabaseUnavailable from exc
