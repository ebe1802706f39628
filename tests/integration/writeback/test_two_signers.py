"""Two reviewers sign one result at the same moment, in two processes, on both databases: one wins."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from smart_app.errors import AppError
from smart_app.model.audit import AuditAction
from smart_app.model.identity import User
from smart_app.storage.engine import open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.migrate import upgrade
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.signing import sign
from tests.fakes.ehr_door import CLINICIAN, FakeChart, open_fake_door
from tests.fakes.signing import NOW, keep, reviewed_screening, sign_request

ROUNDS = 4
OTHER = replace(CLINICIAN, subject="s-2", fhir_user="Practitioner/lena", name="Lena Lindqvist, MD")
TWO = multiprocessing.get_context("fork")


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "postgresql":
        with request.getfixturevalue("postgresql").new_database() as url:
            yield url
        return
    url = f"sqlite:///{tmp_path / 'app.db'}"
    database = open_database(url)
    upgrade(database)
    database.close()
    yield url


def screening_id(number: int) -> UUID:
    return UUID(int=(1 << 64) + number)


def sign_each(address: str, keys: KeyRing, signer: User, together: Any, told: Any) -> None:
    """Sign every result with the other process, each at the barrier; tell what came of it."""
    database = open_database(address)
    units = Units(database, keys)
    for number in range(ROUNDS):
        with units.read() as unit:
            screening = unit.screenings.get(screening_id(number))
        request = sign_request(open_fake_door(FakeChart()), screening, signer=signer)
        together.wait(30)
        try:
            sign(units, request, now=NOW, new_id=uuid4, random_bytes=lambda size: uuid4().bytes[:size])
        except AppError as refusal:
            told.put((number, signer.name, refusal.code))
        else:
            told.put((number, signer.name, "signed"))
    database.close()


def test_one_of_two_signers_wins_and_the_ledger_has_one_set_of_rows(address: str) -> None:
    keys = KeyRing.generate(NOW)
    database = open_database(address)
    units = Units(database, keys)
    for number in range(ROUNDS):
        keep(units, reviewed_screening(id=screening_id(number)))
    database.close()
    together, told = TWO.Barrier(2), TWO.Queue()
    signers = [
        TWO.Process(target=sign_each, args=(address, keys, signer, together, told)) for signer in (CLINICIAN, OTHER)
    ]
    for signer in signers:
        signer.start()
    results = [told.get(timeout=60) for _ in range(2 * ROUNDS)]
    for signer in signers:
        signer.join(30)

    database = open_database(address)
    units = Units(database, keys)
    for number in range(ROUNDS):
        outcomes = {name: outcome for of, name, outcome in results if of == number}
        assert sorted(outcomes.values()) == ["signed", "stale-version"]
        winner = next(name for name, outcome in outcomes.items() if outcome == "signed")
        with units.read() as unit:
            approval = unit.approvals.find_for_screening(screening_id(number))
            assert approval is not None
            assert approval.signer.name == winner
            assert len(unit.ledger.rows_of(approval.id)) == 15
            assert len(unit.approvals.for_patient(approval.patient)) == ROUNDS
    with units.read() as unit:
        assert unit.audit.verify().is_intact
        actions = [event.action for _, event in unit.audit.export()]
    assert (actions.count(AuditAction.SIGNED), actions.count(AuditAction.SIGN_REFUSED)) == (ROUNDS, ROUNDS)
    database.close()
