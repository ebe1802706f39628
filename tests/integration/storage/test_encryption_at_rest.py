"""Nothing that a person said is readable in the files; keys rotate; a moved or changed value does not open."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, text

from smart_app.model.ledger import RowState
from smart_app.model.screening import Screening
from smart_app.storage.cipher import Cipher
from smart_app.storage.engine import Database
from smart_app.storage.errors import BrokenSeal, InvalidKeyRing
from smart_app.storage.key_ring import KeyEnd, KeyRing
from smart_app.storage.sealing_keys import SEALED_COLUMNS, seal_anew
from smart_app.storage.tables import metadata
from smart_app.storage.unit_of_work import Units
from tests.integration.storage.factories import (
    MINUTE,
    NOW,
    make_alert,
    make_approval,
    make_note,
    make_row,
    make_saved,
    make_screening,
    make_session,
)

CODE = "CODE-MARKER"


def _fill(units: Units) -> Screening:
    saved = make_saved(code=CODE)
    screening = make_screening(answers=(saved,), comment="COMMENT-MARKER", ended_reason="ENDED-MARKER")
    approval = make_approval(screening)
    with units.write() as unit:
        unit.sessions.add(make_session())
        unit.pending_launches.add(
            "PENDING-MARKER",
            state_hash="s",
            binding_hash="b",
            ehr_id="clinic",
            iss="https://ehr.example/fhir",
            framed=False,
            created_at=NOW,
            expires_at=NOW + MINUTE,
        )
        unit.screenings.add(screening)
        unit.alerts.add(make_alert(screening))
        unit.notes.put(make_note(screening))
        unit.approvals.add(approval)
        unit.ledger.add_all([make_row(approval, reason="REFUSED-MARKER", state=RowState.REFUSED)])
        unit.commit()
    return screening


def _files(database_path: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(database_path.parent.glob("app.db*")))


def test_no_words_of_anyone_are_readable_in_the_database_files(units: Units, database_path: Path) -> None:
    _fill(units)
    content = _files(database_path)
    assert b"phq9-9" in content
    assert b"MARKER" not in content
    # Each long enough that no run of sealed bytes spells it by chance.
    for told in ("declined", "answered", "1980-02-29", "c0" * 32, "d1" * 32, "e2" * 32, "Kroenke"):
        assert told.encode() not in content


def test_a_used_pending_launch_and_an_erased_answer_leave_the_file(
    units: Units, database_path: Path, database: Database
) -> None:
    _fill(units)
    with database.connect(writing=False) as connection:
        sealed: bytes = connection.execute(text("SELECT sealed FROM pending_launches")).scalar_one()
    with units.write() as unit:
        unit.pending_launches.take("s", NOW)
        unit.commit()
    with database.engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert sealed not in _files(database_path)


def test_every_sealed_column_of_the_schema_is_sealed_anew_by_a_rotation(units: Units) -> None:
    binary = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert {(sealed.table.name, sealed.column) for sealed in SEALED_COLUMNS} == binary


def test_after_a_rotation_the_old_key_is_not_needed_any_more(units: Units, database: Database, keys: KeyRing) -> None:
    screening = _fill(units)
    with units.read() as unit:
        before = (unit.screenings.get(screening.id), unit.alerts.all_open(), unit.notes.find(screening.id))
        approval = unit.approvals.find_for_screening(screening.id)
    rotated = keys.rotate(NOW)
    assert seal_anew(database, rotated) == 9
    assert seal_anew(database, rotated) == 0
    with Units(database, rotated.retire(KeyEnd(seq=0, mac=""))).read() as unit:
        assert (unit.screenings.get(screening.id), unit.alerts.all_open(), unit.notes.find(screening.id)) == before
        assert unit.approvals.find_for_screening(screening.id) == approval
    with units.read() as unit, pytest.raises(BrokenSeal):
        unit.screenings.get(screening.id)


def test_a_rotation_of_many_rows_works_in_batches(units: Units, database: Database, keys: KeyRing) -> None:
    screening = make_screening(answers=tuple(make_saved(f"item-{number}") for number in range(450)))
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.commit()
    rotated = keys.rotate(NOW)
    assert seal_anew(database, rotated) == 451
    with Units(database, rotated.retire(KeyEnd(seq=0, mac=""))).read() as unit:
        assert unit.screenings.get(screening.id) == screening


def test_a_value_moved_to_another_row_does_not_open(units: Units, database: Database) -> None:
    mine, theirs = _fill(units), make_screening()
    with units.write() as unit:
        unit.screenings.add(theirs)
        unit.commit()
    with database.connect(writing=True) as connection:
        connection.execute(
            text("UPDATE screenings SET sealed = (SELECT sealed FROM screenings WHERE id = :theirs) WHERE id = :mine"),
            {"mine": mine.id.hex, "theirs": theirs.id.hex},
        )
        connection.commit()
    with units.read() as unit, pytest.raises(BrokenSeal) as caught:
        unit.screenings.get(mine.id)
    assert caught.value.field == "screening.sealed"


@pytest.mark.parametrize("place", [{"kind": "b"}, {"column": "b"}, {"row_id": "b"}])
def test_kind_column_and_row_each_bind_a_value(keys: KeyRing, place: dict[str, str]) -> None:
    cipher, own = Cipher(keys), {"kind": "a", "column": "a", "row_id": "a"}
    sealed = cipher.seal(b"words", **own)
    assert cipher.open(sealed, **own) == b"words"
    with pytest.raises(BrokenSeal):
        cipher.open(sealed, **{**own, **place})


def test_any_changed_byte_breaks_the_seal(keys: KeyRing) -> None:
    cipher, own = Cipher(keys), {"kind": "a", "column": "a", "row_id": "a"}
    sealed = cipher.seal(b"words", **own)
    for position in range(len(sealed)):
        changed = bytes(byte ^ (position == index) for index, byte in enumerate(sealed))
        with pytest.raises(BrokenSeal):
            cipher.open(changed, **own)
    for length in range(len(sealed)):
        with pytest.raises(BrokenSeal):
            cipher.open(sealed[:length], **own)


def test_two_values_of_the_same_words_are_sealed_differently(keys: KeyRing) -> None:
    cipher, own = Cipher(keys), {"kind": "a", "column": "a", "row_id": "a"}
    assert cipher.seal(b"words", **own) != cipher.seal(b"words", **own)


def test_the_key_file_comes_back_whole_and_is_its_owners_only(keys: KeyRing, tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    rotated = keys.rotate(NOW + MINUTE)
    rotated.save(path)
    assert KeyRing.load(path) == rotated
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]
    assert repr(rotated).count("secret") == 0


def test_a_key_file_that_others_may_read_is_refused(keys: KeyRing, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys.save(path)
    path.chmod(0o640)
    with pytest.raises(InvalidKeyRing):
        KeyRing.load(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.pop("sealing"),
        lambda values: values.update(version=2),
        lambda values: values.update(audit=[]),
        lambda values: values["sealing"][0].pop("secret"),
        lambda values: values["sealing"][0].update(secret="c2hvcnQ="),
        lambda values: values["sealing"][0].update(secret="?"),
        lambda values: values["sealing"][0].update(id="short"),
        lambda values: values["sealing"][0].update(created_at=7),
        lambda values: values["sealing"].append(values["sealing"][0]),
    ],
)
def test_a_damaged_key_file_is_refused_without_quoting_it(keys: KeyRing, tmp_path: Path, damage: object) -> None:
    path = tmp_path / "keys.json"
    keys.save(path)
    values = json.loads(path.read_text())
    secret = values["sealing"][0]["secret"]
    assert callable(damage)
    damage(values)
    path.write_text(json.dumps(values))
    with pytest.raises(InvalidKeyRing) as caught:
        KeyRing.load(path)
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyRing, match=r"keys\.json"):
        KeyRing.load(tmp_path / "keys.json")


def test_a_key_ring_without_a_values_key_says_so(keys: KeyRing) -> None:
    own = {"kind": "a", "column": "a", "row_id": "a"}
    sealed = Cipher(keys).seal(b"words", **own)
    other = replace(keys, sealing=KeyRing.generate(NOW).sealing)
    with pytest.raises(BrokenSeal, match="key ring"):
        Cipher(other).open(sealed, **own)
