"""What SQLite drops in silence stands in the statements for PostgreSQL: row locks, and skipping locked rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import ClauseElement

from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.storage.engine import Database
from smart_app.storage.unit_of_work import Unit, Units
from tests.integration.storage.factories import MINUTE, NOW, make_session, new_id

SESSION = make_session()


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """Every statement that runs, as PostgreSQL would get it."""
    seen: list[str] = []

    def listen(_connection: object, element: ClauseElement, *_rest: object) -> None:
        seen.append(" ".join(str(element.compile(dialect=postgresql.dialect())).split()))

    event.listen(database.engine, "before_execute", listen)
    yield seen
    event.remove(database.engine, "before_execute", listen)


def _add_session(unit: Unit) -> None:
    unit.sessions.add(SESSION)
    unit.sessions.put_launch(SESSION.id, "new")


def _audit(unit: Unit) -> None:
    unit.audit.append(AuditEvent(action=AuditAction.SIGNED, at=NOW))
    unit.commit()


@pytest.mark.parametrize(
    ("act", "locks"),
    [
        (lambda unit: unit.ledger.claim_next(NOW, NOW + MINUTE), "FOR UPDATE OF ledger_rows SKIP LOCKED"),
        (lambda unit: unit.ledger.claim_all(new_id(), NOW, NOW + MINUTE), "FROM ledger_rows WHERE"),
        (lambda unit: unit.pending_launches.take("state", NOW), "FROM pending_launches WHERE"),
        (_add_session, "FROM launch_sessions WHERE"),
        (_audit, "FROM audit_head WHERE"),
    ],
)
def test_the_row_that_is_decided_on_is_locked(
    units: Units, statements: list[str], act: Callable[[Unit], object], locks: str
) -> None:
    with units.write() as unit:
        act(unit)
    assert [statement for statement in statements if locks in statement and "FOR UPDATE" in statement]


def test_a_claim_is_one_statement_that_gives_its_row_back(units: Units, statements: list[str]) -> None:
    with units.write() as unit:
        unit.ledger.claim_next(NOW, NOW + MINUTE)
    [claim] = statements
    assert claim.startswith("UPDATE ledger_rows SET")
    assert "RETURNING" in claim
