"""Which row may go next, and what becomes of those that hang on another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from smart_app.model.ledger import LedgerRow, RowState
from smart_app.writeback.order import find_ready, known_ids, settle_dependants
from tests.fakes.signing import NOW
from tests.unit.smart_app.writeback.factories import ROW


def row(number: int, state: RowState = RowState.PLANNED, needs: tuple[str, ...] = (), **changes: Any) -> LedgerRow:
    values = {"id": UUID(int=number), "ordinal": number, "key": f"row-{number}", "full_url": f"urn:uuid:{number}"}
    free = {"lease_until": None, "sent_at": None, "attempt": 0}
    return replace(ROW, state=state, depends_on=needs, **{**values, **free, **changes})


def written(number: int) -> LedgerRow:
    return row(number, RowState.WRITTEN, resource_id=f"id-{number}")


def test_the_first_row_goes_first() -> None:
    assert find_ready([row(1), row(2)], NOW) == row(1)


def test_a_row_goes_when_everything_it_refers_to_is_there() -> None:
    assert find_ready([row(1, RowState.SENDING), row(2, needs=("row-1",))], NOW) is None
    assert find_ready([written(1), row(2, needs=("row-1",))], NOW) == row(2, needs=("row-1",))
    without_id = row(1, RowState.WRITTEN, resource_id=None)
    assert find_ready([without_id, row(2, needs=("row-1",))], NOW) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"lease_until": NOW + timedelta(seconds=1)},
        {"not_before": NOW + timedelta(seconds=1)},
        {"state": RowState.UNKNOWN},
        {"state": RowState.WRITTEN},
    ],
    ids=["leased", "not due", "unknown", "written"],
)
def test_a_row_that_is_not_free_is_passed_over(changes: dict[str, Any]) -> None:
    assert find_ready([replace(row(1), **changes), row(2)], NOW) == row(2)


def test_a_lease_that_ran_out_frees_a_planned_row() -> None:
    lapsed = row(1, lease_until=NOW)
    assert find_ready([lapsed], NOW) == lapsed


def test_a_row_passed_over_in_this_run_is_not_taken_again() -> None:
    assert find_ready([row(1), row(2)], NOW, {UUID(int=1)}) == row(2)


@pytest.mark.parametrize("state", [RowState.REFUSED, RowState.NOT_SUPPORTED, RowState.CANCELLED])
def test_what_hangs_on_a_row_that_will_never_be_there_is_cancelled_with_all_that_hangs_on_it(state: RowState) -> None:
    settled = settle_dependants([row(1, state), row(2, needs=("row-1",)), row(3, needs=("row-2",)), row(4)], NOW)
    assert [(moved.key, moved.state, moved.reason_code) for moved in settled] == [
        ("row-2", RowState.CANCELLED, "dependency-not-written"),
        ("row-3", RowState.CANCELLED, "dependency-not-written"),
    ]


@pytest.mark.parametrize("state", [RowState.UNKNOWN, RowState.HELD])
def test_what_hangs_on_a_row_in_doubt_waits(state: RowState) -> None:
    settled = settle_dependants([row(1, state), row(2, needs=("row-1",))], NOW)
    assert [(moved.state, moved.reason_code) for moved in settled] == [(RowState.WAITING, "dependency-not-known")]


def test_a_leased_row_is_left_to_who_holds_it() -> None:
    leased = row(2, needs=("row-1",), lease_until=NOW + timedelta(minutes=1))
    assert settle_dependants([row(1, RowState.REFUSED), leased], NOW) == ()


def test_known_ids_are_those_of_written_rows_with_an_id() -> None:
    rows = [written(1), row(2, RowState.WRITTEN, resource_id=None), row(3, RowState.HELD)]
    assert known_ids(rows) == {"urn:uuid:1": "QuestionnaireResponse/id-1"}
