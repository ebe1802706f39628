"""The audit chain sees every edit, removal, reorder, insertion and cut-off; a whole roll-back only with an anchor."""

from __future__ import annotations

import io
import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, text

from smart_app import logs
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.identity import User
from smart_app.storage.audit import _json_values
from smart_app.storage.audit_chain import START, Anchor, ChainReport, build_head, compute_row_mac
from smart_app.storage.engine import Database, open_database
from smart_app.storage.key_ring import KeyEnd, KeyRing
from smart_app.storage.unit_of_work import Units
from tests.integration.storage.factories import CLINICIAN, MINUTE, NOW, PATIENT, make_screening

EVENT = AuditEvent(
    action=AuditAction.ANSWER_SAVED,
    at=NOW,
    outcome="refused",
    user=CLINICIAN,
    patient=PATIENT,
    launch_id="launch-1",
    entity="screening/1",
    correlation_id="c-1",
    detail={"version": 2, "late": False, "device": None, "item": "é"},
)


@pytest.fixture
def five(units: Units) -> Units:
    for number in range(5):
        _append(
            units, AuditEvent(action=AuditAction.SIGNED, at=NOW + number * MINUTE, user=CLINICIAN, entity=f"a/{number}")
        )
    return units


def _append(units: Units, *events: AuditEvent) -> None:
    with units.write() as unit:
        for event in events:
            unit.audit.append(event)
        unit.commit()


def _verify(units: Units, *anchors: Anchor) -> ChainReport:
    with units.read() as unit:
        return unit.audit.verify(anchors)


def _codes(report: ChainReport) -> list[tuple[int, str]]:
    return [(fault.seq, fault.code) for fault in report.faults]


def _tamper(database: Database, *statements: str) -> None:
    with database.connect(writing=True) as connection:
        for statement in statements:
            assert connection.execute(text(statement)).rowcount == 1
        connection.commit()


def test_an_event_comes_back_as_it_was_and_the_chain_is_intact(units: Units) -> None:
    _append(units, EVENT)
    with units.read() as unit:
        assert list(unit.audit.export()) == [(1, EVENT)]
        assert unit.audit.for_patient(PATIENT) == (EVENT,)
    report = _verify(units)
    assert report.is_intact
    assert report.rows == 1


def test_the_name_of_a_patient_is_not_kept_in_clear(units: Units) -> None:
    patient = User(issuer="https://ehr.example", subject="s-3", fhir_user="Patient/p-1", name="NAME-MARKER")
    _append(units, AuditEvent(action=AuditAction.ACCESS_REFUSED, at=NOW, user=patient))
    with units.read() as unit:
        [(_, event)] = unit.audit.export()
    assert event.user is not None
    assert (event.user.fhir_user, event.user.name) == ("Patient/p-1", "")


def test_an_event_takes_the_correlation_id_of_the_request_in_hand(units: Units) -> None:
    with logs.correlation("request-7"):
        _append(units, AuditEvent(action=AuditAction.CHART_READ, at=NOW))
    with units.read() as unit:
        [(_, event)] = unit.audit.export()
    assert event.correlation_id == "request-7"


@pytest.mark.parametrize(
    ("statements", "faults"),
    [
        (["UPDATE audit_events SET entity = 'a/9' WHERE seq = 3"], [(3, "row-changed")]),
        (["UPDATE audit_events SET user_name = NULL WHERE seq = 3"], [(3, "row-changed")]),
        (["UPDATE audit_events SET at = '2026-11-23 10:30:00.000000' WHERE seq = 1"], [(1, "row-changed")]),
        (
            ["UPDATE audit_events SET mac = substr(mac, 2) || '0' WHERE seq = 3"],
            [(3, "row-changed"), (4, "row-changed")],
        ),
        (["UPDATE audit_events SET key_id = 'unknown1' WHERE seq = 3"], [(3, "unknown-key")]),
        (["DELETE FROM audit_events WHERE seq = 3"], [(3, "rows-missing"), (4, "row-changed")]),
        (["DELETE FROM audit_events WHERE seq = 1"], [(1, "rows-missing"), (2, "row-changed")]),
        (
            [
                "DELETE FROM audit_events WHERE seq = 3",
                "UPDATE audit_events SET seq = 3 WHERE seq = 4",
                "UPDATE audit_events SET seq = 4 WHERE seq = 5",
            ],
            [(3, "row-changed"), (4, "row-changed"), (5, "rows-cut-off")],
        ),
        (
            [
                "UPDATE audit_events SET seq = 9 WHERE seq = 2",
                "UPDATE audit_events SET seq = 2 WHERE seq = 3",
                "UPDATE audit_events SET seq = 3 WHERE seq = 9",
            ],
            [(2, "row-changed"), (3, "row-changed"), (4, "row-changed")],
        ),
        (
            [
                "INSERT INTO audit_events (seq, action, at, outcome, detail, key_id, mac) "
                "SELECT 6, action, at, outcome, detail, key_id, mac FROM audit_events WHERE seq = 5"
            ],
            [(6, "row-changed"), (5, "rows-cut-off")],
        ),
        (["DELETE FROM audit_events WHERE seq = 5"], [(5, "rows-cut-off")]),
        (
            [
                "DELETE FROM audit_events WHERE seq = 5",
                "UPDATE audit_head SET seq = 4, mac = (SELECT mac FROM audit_events WHERE seq = 4)",
            ],
            [(4, "head-changed")],
        ),
        (["UPDATE audit_head SET floor_seq = 2"], [(5, "head-changed")]),
        (["DELETE FROM audit_head"], [(5, "head-missing")]),
    ],
)
def test_every_change_to_the_chain_is_seen_where_it_was_made(
    five: Units, database: Database, statements: list[str], faults: list[tuple[int, str]]
) -> None:
    assert _verify(five).is_intact
    _tamper(database, *statements)
    assert _codes(_verify(five)) == faults


def test_a_roll_back_of_the_whole_database_is_seen_by_an_anchor_alone(
    units: Units, database: Database, database_path: Path, tmp_path: Path, keys: KeyRing
) -> None:
    _append(units, EVENT)
    database.close()
    older = tmp_path / "older.db"
    shutil.copy(database_path, older)
    _append(units, EVENT)
    anchor = _verify(units).head
    assert anchor is not None
    rolled_back = Units(open_database(f"sqlite:///{older}"), keys)
    assert _verify(rolled_back).is_intact
    assert _codes(_verify(rolled_back, anchor)) == [(2, "anchor-beyond-end")]
    _append(rolled_back, AuditEvent(action=AuditAction.EXPORTED, at=NOW))
    assert _codes(_verify(rolled_back, anchor)) == [(2, "anchor-differs")]
    assert _verify(units, anchor).is_intact
    rolled_back.database.close()


def test_rows_made_with_an_older_key_still_verify_after_rotation(
    five: Units, database: Database, keys: KeyRing
) -> None:
    rotated = Units(database, keys.rotate(NOW))
    _append(rotated, EVENT)
    assert _verify(rotated).is_intact
    assert _codes(_verify(five))[0] == (6, "unknown-key")


def test_many_writers_make_one_chain(units: Units) -> None:
    together = threading.Barrier(8)

    def write(_number: int) -> None:
        together.wait()
        _append(units, EVENT, EVENT)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    report = _verify(units)
    assert (report.rows, report.faults) == (16, ())


def test_events_are_written_after_everything_else_of_their_unit(units: Units, database: Database) -> None:
    statements: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement.split(" (", maxsplit=1)[0].split("\n", maxsplit=1)[0])

    event.listen(database.engine, "before_cursor_execute", listen)
    with units.write() as unit:
        unit.audit.append(EVENT)
        unit.screenings.add(make_screening())
        unit.commit()
    written = [statement for statement in statements if statement.startswith("INSERT")]
    assert written == ["INSERT INTO screenings", "INSERT INTO audit_events", "INSERT INTO audit_head"]


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, object]]]]:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:]
    logs.set_up_logs("json", "INFO", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before


def test_the_committed_head_goes_to_the_log_and_is_an_anchor(
    units: Units, log_lines: Callable[[], list[dict[str, object]]]
) -> None:
    with units.write() as unit:
        unit.audit.append(EVENT)
    assert log_lines() == []
    _append(units, EVENT)
    [line] = log_lines()
    assert line["event"] == "audit-head"
    assert _verify(units, Anchor(seq=int(str(line["seq"])), mac=str(line["mac"]))).is_intact


def test_the_head_goes_to_the_log_however_quiet_it_is(
    units: Units, log_lines: Callable[[], list[dict[str, object]]]
) -> None:
    """``[logs] level = "ERROR"`` must not take the anchors away."""
    app_log = logging.getLogger("smart_app")
    before = app_log.level
    app_log.setLevel("ERROR")
    _append(units, EVENT)
    app_log.setLevel(before)
    assert [line["event"] for line in log_lines()] == ["audit-head"]


def test_retention_takes_the_oldest_rows_and_the_rest_still_verifies(five: Units, database: Database) -> None:
    with five.write() as unit:
        assert unit.audit.purge(NOW) == 0
        assert unit.audit.purge(NOW + 2 * MINUTE) == 2
        unit.commit()
    report = _verify(five)
    assert (report.rows, report.is_intact) == (3, True)
    _append(five, EVENT)
    assert _verify(five).is_intact
    _tamper(database, "DELETE FROM audit_events WHERE seq = 3")
    assert _codes(_verify(five))[0] == (3, "rows-missing")


def test_retention_never_takes_the_newest_row(five: Units) -> None:
    with five.write() as unit:
        assert unit.audit.purge(NOW + 99 * MINUTE) == 4
        unit.commit()
    assert _verify(five).is_intact


@pytest.fixture
def retired(database: Database) -> tuple[Units, Units]:
    """A chain whose first key was retired after its second row, seen by the app and by a thief of that key."""
    ring = KeyRing.generate(NOW)
    _append(Units(database, ring), EVENT, EVENT)
    rotated = ring.rotate(NOW)
    units = Units(database, rotated)
    _append(units, EVENT)
    with units.read() as unit:
        end = unit.audit.get_end()
    units = Units(database, rotated.retire(KeyEnd(seq=end.seq, mac=end.mac)))
    _append(units, EVENT)
    assert _verify(units).is_intact
    return units, Units(database, ring)


def test_a_retired_key_adds_no_row_and_signs_no_head(retired: tuple[Units, Units]) -> None:
    units, thief = retired
    _append(thief, EVENT)
    assert _codes(_verify(units)) == [(5, "retired-key"), (5, "retired-key")]


def test_a_chain_cut_back_to_the_rows_of_a_retired_key_is_seen(
    retired: tuple[Units, Units], database: Database
) -> None:
    units, thief = retired
    _tamper(database, "DELETE FROM audit_events WHERE seq = 4", "DELETE FROM audit_events WHERE seq = 3")
    with thief.write() as unit:
        (mac,) = [row["mac"] for row in unit.audit._rows() if row["seq"] == 2]
        second = Anchor(seq=2, mac=mac)
        unit.audit._put_head(build_head(unit.audit._keys.audit[0], second, START), is_first=False)
        unit.commit()
    assert _verify(thief).is_intact
    assert _codes(_verify(units)) == [(2, "retired-key"), (3, "anchor-beyond-end")]


def test_a_row_rewritten_with_a_retired_key_breaks_the_row_after_its_last(
    retired: tuple[Units, Units], database: Database
) -> None:
    units, thief = retired
    with thief.read() as unit:
        rows = list(unit.audit._rows())
    key, mac = thief._keys.audit[0], START.mac
    for row in rows[:2]:
        values = {**_json_values(row), "entity": "screening/2"}
        mac = compute_row_mac(key, mac, values)
        where = f"mac = '{mac}' WHERE seq = {row['seq']}"
        _tamper(database, f"UPDATE audit_events SET entity = 'screening/2', {where}")  # noqa: S608  # values of our own
    assert _codes(_verify(units)) == [(3, "row-changed")]
