"""A pending launch is used once, also when two callbacks arrive at the same moment."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from smart_app.storage.pending_launches import PendingFate, TakenLaunch
from smart_app.storage.unit_of_work import Units
from tests.integration.storage.factories import MINUTE, NOW


def _add(units: Units, state_hash: str = "state") -> None:
    with units.write() as unit:
        unit.pending_launches.add(
            "PENDING-MARKER",
            state_hash=state_hash,
            binding_hash="cookie",
            ehr_id="clinic",
            iss="https://ehr.example/fhir",
            framed=True,
            created_at=NOW,
            expires_at=NOW + timedelta(minutes=10),
        )
        unit.commit()


def _take(units: Units, state_hash: str = "state", after: timedelta = MINUTE) -> TakenLaunch | PendingFate:
    with units.write() as unit:
        taken = unit.pending_launches.take(state_hash, NOW + after)
        unit.commit()
    return taken


def test_it_comes_back_as_it_was_and_once(units: Units) -> None:
    _add(units)
    taken = TakenLaunch(
        pending_json="PENDING-MARKER",
        binding_hash="cookie",
        ehr_id="clinic",
        iss="https://ehr.example/fhir",
        framed=True,
    )
    assert _take(units) == taken
    assert _take(units) is PendingFate.USED


def test_unknown_and_expired_are_told_apart(units: Units) -> None:
    _add(units)
    assert _take(units, "another") is PendingFate.UNKNOWN
    assert _take(units, after=timedelta(minutes=10)) is PendingFate.EXPIRED


def test_a_take_that_is_not_committed_uses_nothing_up(units: Units) -> None:
    _add(units)
    with units.write() as unit:
        assert isinstance(unit.pending_launches.take("state", NOW), TakenLaunch)
    assert isinstance(_take(units), TakenLaunch)


def test_of_eight_callbacks_at_once_exactly_one_gets_the_launch(units: Units) -> None:
    _add(units)
    together = threading.Barrier(8)

    def arrive(_number: int) -> str:
        together.wait()
        taken = _take(units)
        return "taken" if isinstance(taken, TakenLaunch) else taken

    with ThreadPoolExecutor(8) as threads:
        assert Counter(threads.map(arrive, range(8))) == {"taken": 1, PendingFate.USED: 7}


def test_purge_forgets_what_ended_before(units: Units, database_path: Path) -> None:
    _add(units)
    with units.write() as unit:
        assert unit.pending_launches.purge(NOW + timedelta(minutes=10)) == 0
        assert unit.pending_launches.purge(NOW + timedelta(minutes=11)) == 1
        unit.commit()
    assert _take(units) is PendingFate.UNKNOWN
    assert database_path.exists()
