"""Seal everything anew after a key rotation, while the app runs.

In short transactions; each value is replaced only if it is still the one that was read, so that a save in between is
never undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import RowMapping, Table, and_, func, select, update

from smart_app.storage.cipher import Cipher
from smart_app.storage.engine import Database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.screenings import answer_id
from smart_app.storage.tables import (
    alerts,
    approvals,
    launch_sessions,
    ledger_rows,
    note_drafts,
    pending_launches,
    saved_answers,
    screenings,
)

_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumn:
    """One sealed column: its table, its kind (see cipher.py), and how the row's id is spelled in its seal."""

    table: Table
    kind: str
    row_id: Callable[[RowMapping], str]
    column: str = "sealed"


def _answer_id(row: RowMapping) -> str:
    return answer_id(row["screening_id"], row["ordinal"])


SEALED_COLUMNS = (
    SealedColumn(table=pending_launches, kind="pending-launch", row_id=lambda row: str(row["state_hash"])),
    SealedColumn(table=launch_sessions, kind="launch-session", row_id=lambda row: str(row["id"])),
    SealedColumn(table=screenings, kind="screening", row_id=lambda row: str(row["id"])),
    SealedColumn(
        table=saved_answers, kind="saved-answer", row_id=lambda row: f"{row['screening_id']}/{row['ordinal']}"
    ),
    SealedColumn(table=alerts, kind="alert", row_id=lambda row: str(row["id"])),
    SealedColumn(table=note_drafts, kind="note-draft", row_id=lambda row: str(row["screening_id"])),
    SealedColumn(table=approvals, kind="approval", row_id=lambda row: str(row["id"])),
    SealedColumn(table=ledger_rows, kind="ledger-row", row_id=lambda row: str(row["id"])),
    SealedColumn(table=ledger_rows, kind="ledger-row", row_id=lambda row: str(row["id"]), column="sealed_reason"),
)


def seal_anew(database: Database, keys: KeyRing) -> int:
    """Seal every value with the newest key; give how many were changed. Raises BrokenSeal at one that does not open.

    When it returns, no value needs an older key.
    """
    cipher = Cipher(keys)
    changed = 0
    for sealed in SEALED_COLUMNS:
        while batch := _seal_batch(database, cipher, sealed):
            changed += batch
    return changed


def _seal_batch(database: Database, cipher: Cipher, sealed: SealedColumn) -> int:
    """Work off one batch; give its size, 0 when no value is left."""
    column, key = sealed.table.c[sealed.column], tuple(sealed.table.primary_key)
    header = cipher.newest_header
    old = (
        select(*key, column)
        .where(func.length(column) > 0, func.substr(column, 1, len(header)) != header)
        .order_by(*key)
        .limit(_BATCH)
    )
    with database.connect(writing=True) as connection:
        rows = connection.execute(old).mappings().all()
        for row in rows:
            place = {"kind": sealed.kind, "column": sealed.column, "row_id": sealed.row_id(row)}
            fresh = cipher.seal(cipher.open(row[sealed.column], **place), **place)
            same = and_(*(part == row[part.name] for part in key), column == row[sealed.column])
            connection.execute(update(sealed.table).where(same).values({sealed.column: fresh}))
        connection.commit()
    return len(rows)
