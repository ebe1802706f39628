"""The audit table: appended to in the transaction of the change itself, last of all (design section 6, "Audit").

``append`` keeps the events until the unit commits; then they are written after every other change, under a lock on the
chain's head that thereby is held for the shortest time. The new head goes to the log stream once it is committed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, func, insert, select, update

from smart_app.logs import find_correlation_id, get_logger, log_event
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.identity import PatientKey, User
from smart_app.storage.audit_chain import (
    START,
    Anchor,
    ChainReport,
    Head,
    build_head,
    check_chain,
    compute_row_mac,
)
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.repository import Place, Repository, Values, is_patient
from smart_app.storage.tables import audit_events, audit_head

HEAD_LOG_CODE = "audit-head"
_HEAD_ID = 1
_BEGINNING = 0x617564697421
"""Number of the advisory lock under which PostgreSQL's first rows are written; any number will do."""
_HEAD_COLUMNS = tuple(field.name for field in fields(Head))
_ADD_EVENT = insert(audit_events)
_FIND_HEAD = select(audit_head).where(audit_head.c.id == _HEAD_ID)
_MOVE_HEAD = update(audit_head).where(audit_head.c.id == _HEAD_ID)
_logger = get_logger(__name__)
# The head is an anchor, not a remark: it goes to the log stream whatever `[logs] level` says.
_logger.setLevel(logging.INFO)


class Audit(Repository):
    """Append events; verify and export the chain."""

    def __init__(self, place: Place, keys: KeyRing) -> None:
        super().__init__(place)
        self._keys = keys
        self._events: list[AuditEvent] = []
        self._new_head: Head | None = None

    def append(self, event: AuditEvent) -> None:
        """Add an event to the unit; it is written when the unit commits, and only then."""
        self._events.append(event)

    def flush(self) -> None:
        """Write the unit's events; called by commit, after everything else."""
        if not self._events:
            return
        head = self._find_head(lock=True)
        if head is None and self._database.has_row_locks:
            # The first rows of all: there is no head to lock yet, and two processes would both begin the chain.
            self._connection.execute(select(func.pg_advisory_xact_lock(_BEGINNING)))
            head = self._find_head(lock=True)
        key = self._keys.audit[0]
        seq, mac = (START.seq, START.mac) if head is None else (head.seq, head.mac)
        for event in self._events:
            seq += 1
            columns = {"seq": seq, "key_id": key.id, **_event_columns(event)}
            mac = compute_row_mac(key, mac, _json_values(columns))
            self._connection.execute(_ADD_EVENT, {**columns, "mac": mac})
        floor = START if head is None else Anchor(seq=head.floor_seq, mac=head.floor_mac)
        self._put_head(build_head(key, Anchor(seq=seq, mac=mac), floor), is_first=head is None)
        self._events.clear()

    def announce(self) -> None:
        """Send the committed head to the log stream, where it is an anchor; called after commit."""
        if self._new_head is not None:
            log_event(_logger, HEAD_LOG_CODE, seq=self._new_head.seq, mac=self._new_head.mac)
            self._new_head = None

    def get_end(self) -> Anchor:
        """Give the newest row, START of an empty chain."""
        head = self._find_head(lock=False)
        return START if head is None else Anchor(seq=head.seq, mac=head.mac)

    def verify(self, anchors: Iterable[Anchor] = ()) -> ChainReport:
        """Check the whole chain against its head and the anchors given."""
        keys = {key.id: key for key in self._keys.audit}
        rows = ((_json_values(row), row["mac"]) for row in self._rows())
        return check_chain(rows, self._find_head(lock=False), keys, anchors)

    def export(self, since: datetime | None = None) -> Iterator[tuple[int, AuditEvent]]:
        """Give every event with its sequence number, oldest first."""
        for row in self._rows():
            if since is None or row["at"] >= since:
                yield row["seq"], _event(row)

    def for_patient(self, key: PatientKey) -> tuple[AuditEvent, ...]:
        """Give a patient's events, oldest first."""
        mine = select(audit_events).where(is_patient(audit_events, key)).order_by(audit_events.c.seq)
        return tuple(_event(row) for row in self._connection.execute(mine).mappings())

    def purge(self, before: datetime) -> int:
        """Take away the events that happened before a time, from the oldest on; give their number.

        The head remembers where the chain now begins. The newest event always stays.
        """
        head = self._find_head(lock=True)
        if head is None:
            return 0
        first_kept = self._connection.execute(
            select(func.min(audit_events.c.seq)).where(audit_events.c.at >= before)
        ).scalar_one()
        last_gone = (head.seq if first_kept is None else first_kept) - 1
        floor = self._connection.execute(
            select(audit_events.c.seq, audit_events.c.mac).where(audit_events.c.seq == last_gone)
        ).one_or_none()
        if floor is None:
            return 0
        gone = self._connection.execute(delete(audit_events).where(audit_events.c.seq <= last_gone)).rowcount
        end = Anchor(seq=head.seq, mac=head.mac)
        self._put_head(build_head(self._keys.audit[0], end, Anchor(seq=floor.seq, mac=floor.mac)), is_first=False)
        return gone

    def _put_head(self, head: Head, *, is_first: bool) -> None:
        values = {name: getattr(head, name) for name in _HEAD_COLUMNS}
        if is_first:
            self._insert(audit_head, {"id": _HEAD_ID, **values})
        else:
            self._connection.execute(_MOVE_HEAD, values)
        self._new_head = head

    def _rows(self) -> Iterator[RowMapping]:
        in_order = select(audit_events).order_by(audit_events.c.seq).execution_options(yield_per=1000)
        yield from self._connection.execute(in_order).mappings()

    def _find_head(self, *, lock: bool) -> Head | None:
        find = _FIND_HEAD.with_for_update() if lock else _FIND_HEAD
        row = self._connection.execute(find).mappings().one_or_none()
        if row is None:
            return None
        return Head(**{name: row[name] for name in _HEAD_COLUMNS})


def _event_columns(event: AuditEvent) -> dict[str, Any]:
    user, patient = event.user, event.patient
    return {
        "action": event.action,
        "at": event.at,
        "outcome": event.outcome,
        "user_issuer": user and user.issuer,
        "user_subject": user and user.subject,
        "fhir_user": user and user.fhir_user,
        # The name of a patient or relative is never in clear; staff are named.
        "user_name": None if user is None or user.is_patient_side else user.name,
        "ehr_id": patient and patient.ehr_id,
        "tenant": patient and patient.tenant,
        "patient_id": patient and patient.patient_id,
        "launch_id": event.launch_id,
        "entity": event.entity,
        "correlation_id": event.correlation_id or find_correlation_id(),
        "detail": json.dumps(event.detail, sort_keys=True, separators=(",", ":")),
    }


def _json_values(columns: Values | RowMapping) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for name, value in columns.items()
        if name != "mac"
    }


def _event(row: RowMapping) -> AuditEvent:
    user = None
    if row["user_issuer"] is not None:
        user = User(
            issuer=row["user_issuer"],
            subject=row["user_subject"],
            fhir_user=row["fhir_user"],
            name=row["user_name"] or "",
        )
    patient = None
    if row["patient_id"] is not None:
        patient = PatientKey(ehr_id=row["ehr_id"], tenant=row["tenant"], patient_id=row["patient_id"])
    return AuditEvent(
        action=AuditAction(row["action"]),
        at=row["at"],
        outcome=row["outcome"],
        user=user,
        patient=patient,
        launch_id=row["launch_id"],
        entity=row["entity"],
        correlation_id=row["correlation_id"],
        detail=json.loads(row["detail"]),
    )
