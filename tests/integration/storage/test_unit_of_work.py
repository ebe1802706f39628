"""One transaction: rolled back by default and on error; of two concurrent changes one loses."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.screening import Screening
from smart_app.storage.engine import Database, open_database
from smart_app.storage.errors import DatabaseUnavailable, ReadOnlyUnit, StaleVersion, UnitClosed, UnknownScreening
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.unit_of_work import Units
from tests.integration.storage.factories import CLINICIAN, MINUTE, NOW, PATIENT, make_note, make_saved, make_screening


def test_a_unit_that_is_not_committed_leaves_nothing(units: Units) -> None:
    screening = make_screening()
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.audit.append(AuditEvent(action=AuditAction.SCREENING_STARTED, at=NOW))
    with units.read() as unit:
        with pytest.raises(UnknownScreening):
            unit.screenings.get(screening.id)
        assert unit.audit.verify().rows == 0


def test_an_error_inside_a_unit_undoes_every_change_of_it(units: Units) -> None:
    screening = make_screening()

    def fail_half_way() -> None:
        with units.write() as unit:
            unit.screenings.add(screening)
            raise LookupError

    with pytest.raises(LookupError):
        fail_half_way()
    with units.read() as unit:
        assert unit.screenings.for_patient(PATIENT) == ()


def test_a_commit_is_seen_by_the_next_unit_and_by_another_process(units: Units, database_path: Path) -> None:
    screening = make_screening()
    _add(units, screening)
    with units.read() as unit:
        assert unit.screenings.get(screening.id) == screening
    assert database_path.stat().st_mode & 0o077 == 0


def test_a_write_lock_that_does_not_come_free_is_said_in_words(
    units: Units, database_path: Path, keys: KeyRing
) -> None:
    impatient = Units(open_database(f"sqlite:///{database_path}", busy_timeout_ms=1), keys)
    with units.write(), pytest.raises(DatabaseUnavailable), impatient.write():
        pass
    with impatient.write() as unit:
        unit.commit()
    impatient.database.close()


def test_a_wish_of_one_unit_to_write_begins_with_the_lock(units: Units, database_path: Path, keys: KeyRing) -> None:
    """BEGIN IMMEDIATE: a unit that has only read so far already holds the lock, so it cannot fail half-way."""
    impatient = Units(open_database(f"sqlite:///{database_path}", busy_timeout_ms=1), keys)
    with units.write() as unit:
        unit.screenings.for_patient(PATIENT)
        with pytest.raises(DatabaseUnavailable), impatient.write():
            pass
    impatient.database.close()


def test_a_unit_commits_once(units: Units) -> None:
    with units.write() as unit:
        unit.commit()
        with pytest.raises(UnitClosed):
            unit.commit()


def test_a_reading_unit_cannot_commit(units: Units, database: Database) -> None:
    with units.read() as unit:
        if database.has_row_locks:
            with pytest.raises(DBAPIError, match="read-only transaction"):
                unit.screenings.add(make_screening())
        else:
            unit.screenings.add(make_screening())
        with pytest.raises(ReadOnlyUnit):
            unit.commit()
    with units.read() as unit:
        assert unit.screenings.for_patient(PATIENT) == ()


def test_of_two_reviewers_the_second_to_save_loses_and_changes_nothing(units: Units) -> None:
    screening = make_screening(answers=(make_saved(),))
    _add(units, screening)
    with units.read() as unit:
        mine = theirs = unit.screenings.get(screening.id)
    saved = _save(units, replace(mine, comment="mine"))
    with pytest.raises(StaleVersion), units.write() as unit:
        unit.screenings.save(replace(theirs, comment="theirs"))
    with units.read() as unit:
        standing = unit.screenings.get(screening.id)
    assert standing == saved
    assert (standing.comment, standing.version) == ("mine", 2)


def test_two_writers_at_once_wait_for_each_other_and_neither_fails_on_the_lock(
    units: Units, database_path: Path
) -> None:
    screening = make_screening()
    _add(units, screening)
    together = threading.Barrier(8)

    def add_answer(number: int) -> None:
        together.wait()
        with units.write() as unit:
            now = unit.screenings.get(screening.id)
            unit.screenings.save(replace(now, answers=(*now.answers, make_saved(f"item-{number}"))))
            unit.commit()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_answer, range(8)))
    with units.read() as unit:
        kept = unit.screenings.get(screening.id)
    assert sorted(saved.link_id for saved in kept.answers) == [f"item-{number}" for number in range(8)]
    assert kept.version == 9


def test_a_reader_is_not_held_up_by_a_writer_and_sees_one_state(units: Units) -> None:
    with units.write() as writer:
        writer.screenings.add(make_screening())
        with units.read() as reader:
            assert reader.screenings.for_patient(PATIENT) == ()
        writer.commit()


def test_two_first_saves_of_a_note_do_not_overwrite_each_other(units: Units) -> None:
    screening = make_screening()
    _add(units, screening)
    with units.write() as unit:
        stored = unit.notes.put(make_note(screening))
        unit.commit()
    with pytest.raises(StaleVersion), units.write() as unit:
        unit.notes.put(make_note(screening, text="other"))
    with units.write() as unit:
        edited = unit.notes.put(stored.edit("mine\r\nagain", CLINICIAN, NOW + MINUTE))
        unit.commit()
    with units.read() as unit:
        assert unit.notes.find(screening.id) == edited


def _add(units: Units, screening: Screening) -> None:
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.commit()


def _save(units: Units, screening: Screening) -> Screening:
    with units.write() as unit:
        saved = unit.screenings.save(screening)
        unit.commit()
    return saved
