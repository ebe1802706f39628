"""Several processes on one ledger: each row is sent by one of them, and what nobody may send waits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from smart_app.model.approval import Approval
from smart_app.model.ledger import RowState
from smart_app.storage.errors import LostClaim
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.claims import LEASE, Claims
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.writer import finish_due, write_approval
from tests.fakes.ehr_door import Act, FakeChart, capabilities, open_fake_door
from tests.fakes.signing import Clock, sign_reviewed


def claims_of(units: Units, approval: Approval, clock: Clock) -> Claims:
    return Claims(units, approval, user=approval.signer, launch_id="launch-1", clock=clock)


@pytest.mark.parametrize("transaction", [False, True], ids=["single", "transaction"])
def test_four_senders_at_once_send_each_row_once(
    units: Units, chart: FakeChart, clock: Clock, transaction: bool
) -> None:
    door = open_fake_door(chart, capabilities=capabilities(transaction=transaction))
    approval = sign_reviewed(units, door)
    together = threading.Barrier(4)

    def write() -> None:
        together.wait(timeout=10)
        write_approval(units, approval.id, door, clock=clock)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write) for _ in range(4)]:
            done.result(timeout=60)

    assert len(chart.posts) == (1 if transaction else 15)
    assert set(chart.copies().values()) == {1}
    assert {row.state for row in claims_of(units, approval, clock).rows()} == {RowState.WRITTEN}


def test_a_claim_that_another_has_taken_over_sends_nothing_and_records_nothing(
    units: Units, chart: FakeChart, clock: Clock
) -> None:
    approval = sign_reviewed(units, open_fake_door(chart))
    slow, quick = claims_of(units, approval, clock), claims_of(units, approval, clock)
    mine = slow.claim_ready(())
    assert mine is not None
    clock.go(seconds=LEASE.total_seconds() + 1)
    theirs = quick.claim_ready(())
    assert theirs is not None
    assert (theirs.id, theirs.attempt) == (mine.id, mine.attempt + 1)

    late = replace(mine, lease_until=clock() + LEASE)
    with pytest.raises(LostClaim):
        slow.start_sending([late])

    slow.record([late.postpone(RowState.WAITING, None, "late")])
    assert quick.rows()[0] == theirs


def test_one_claim_sends_once(units: Units, chart: FakeChart, clock: Clock) -> None:
    approval = sign_reviewed(units, open_fake_door(chart))
    claims = claims_of(units, approval, clock)
    row = claims.claim_ready(())
    assert row is not None
    claims.start_sending([row])
    with pytest.raises(LostClaim):
        claims.start_sending([row])


def test_due_work_is_finished_through_the_signers_own_launch(units: Units, chart: FakeChart, clock: Clock) -> None:
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door)
    chart.script = [Act.UNREACHABLE]
    write_approval(units, approval.id, door, clock=clock)
    asked: list[Any] = []

    def find_door(of: Approval) -> EhrDoor | None:
        asked.append(of.id)
        return door

    clock.go(minutes=1)
    reports = finish_due(units, ["clinic", "hospital"], find_door, clock=clock)

    assert asked == [approval.id]
    assert [report.finished for report in reports] == [True]
    assert finish_due(units, ["clinic"], find_door, clock=clock) == ()


def test_without_a_launch_of_the_signer_everything_waits(units: Units, chart: FakeChart, clock: Clock) -> None:
    approval = sign_reviewed(units, open_fake_door(chart))

    assert finish_due(units, ["clinic"], lambda _: None, clock=clock) == ()

    assert chart.posts == []
    assert {row.state for row in claims_of(units, approval, clock).rows()} == {RowState.PLANNED}
