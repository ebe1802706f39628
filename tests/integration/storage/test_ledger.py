"""Claims of ledger rows: one claimer each, fenced by attempt, never past a missing signature."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from smart_app.model.approval import Approval
from smart_app.model.ledger import ENDED, LedgerRow, RowState
from smart_app.storage.errors import AlreadyExists, LostClaim
from smart_app.storage.unit_of_work import Units
from tests.integration.storage.factories import (
    CLINICIAN,
    MINUTE,
    NOW,
    PATIENT,
    make_approval,
    make_row,
    make_screening,
)

LEASE = NOW + MINUTE


def _sign(units: Units, count: int = 1, **changes: Any) -> tuple[Approval, list[LedgerRow]]:
    screening = make_screening()
    approval = make_approval(screening, **changes)
    rows = [make_row(approval, ordinal) for ordinal in range(count)]
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.approvals.add(approval)
        unit.ledger.add_all(rows)
        unit.commit()
    return approval, rows


def _put(units: Units, row: LedgerRow, **changes: Any) -> LedgerRow:
    with units.write() as unit:
        changed = unit.ledger.save(replace(row, **changes), expected_attempt=row.attempt)
        unit.commit()
    return changed


def _claim(units: Units, approval_id: UUID | None = None) -> LedgerRow | None:
    with units.write() as unit:
        row = unit.ledger.claim_next(NOW, LEASE, approval_id=approval_id)
        unit.commit()
    return row


def test_a_claim_leases_the_first_row_and_raises_its_attempt(units: Units) -> None:
    approval, rows = _sign(units, 2)
    assert _claim(units, approval.id) == rows[0].claim(NOW, LEASE)
    assert _claim(units, approval.id) == rows[1].claim(NOW, LEASE)
    assert _claim(units, approval.id) is None


def test_a_claim_follows_the_rule_of_the_model(units: Units) -> None:
    lease_over, waiting = {"lease_until": NOW}, {"state": RowState.WAITING, "not_before": NOW}
    for claimable in (lease_over, waiting):
        _, rows = _sign(units)
        row = _put(units, rows[0], **claimable)
        assert _claim(units) == row.claim(NOW, LEASE)
    for not_claimable in (
        {"lease_until": NOW + MINUTE},
        {"not_before": NOW + MINUTE},
        *({"state": state} for state in RowState if state not in {RowState.PLANNED, RowState.WAITING}),
    ):
        _, rows = _sign(units)
        _put(units, rows[0], **not_claimable)
        assert _claim(units) is None


def test_rows_are_claimed_in_the_order_of_signing(units: Units) -> None:
    _, later = _sign(units, signed_at=NOW + MINUTE)
    _, earlier = _sign(units, signed_at=NOW)
    claimed = [_claim(units), _claim(units)]
    assert [row.id for row in claimed if row] == [earlier[0].id, later[0].id]


def test_nothing_is_claimed_before_the_supervisor_has_signed(units: Units) -> None:
    approval, rows = _sign(units, awaiting="Practitioner/9", co_signed_by=None, co_signed_at=None)
    assert _claim(units) is None
    with units.write() as unit:
        assert unit.ledger.claim_all(approval.id, NOW, LEASE) == ()
        unit.approvals.save(replace(approval, co_signed_by=CLINICIAN, co_signed_at=NOW))
        unit.commit()
    assert _claim(units) == rows[0].claim(NOW, LEASE)


def test_of_eight_claimers_exactly_one_gets_the_row(units: Units) -> None:
    _, rows = _sign(units)
    together = threading.Barrier(8)

    def race(_number: int) -> LedgerRow | None:
        together.wait()
        return _claim(units)

    with ThreadPoolExecutor(8) as threads:
        won = [row for row in threads.map(race, range(8)) if row is not None]
    assert won == [rows[0].claim(NOW, LEASE)]


def test_eight_claimers_of_eight_rows_get_one_each(units: Units) -> None:
    _, rows = _sign(units, 8)
    with ThreadPoolExecutor(8) as threads:
        claimed = list(threads.map(lambda _number: _claim(units), range(8)))
    assert {row.id for row in claimed if row} == {row.id for row in rows}


def test_only_the_attempt_that_claimed_a_row_may_record_its_result(units: Units) -> None:
    _sign(units)
    slow = _claim(units)
    assert slow is not None
    with units.write() as unit:
        fast = unit.ledger.claim_next(LEASE, LEASE + MINUTE)
        unit.commit()
    assert fast is not None
    assert fast.attempt == slow.attempt + 1
    with pytest.raises(LostClaim), units.write() as unit:
        unit.ledger.save(slow.start_sending(NOW), expected_attempt=slow.attempt)
    sent = _put(units, fast.start_sending(LEASE))
    with units.read() as unit:
        assert unit.ledger.get(fast.id) == sent


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_row_is_never_changed(units: Units, state: RowState) -> None:
    _, rows = _sign(units)
    ended = _put(units, rows[0], state=state, ended_at=NOW, resource_id="o-1")
    with pytest.raises(LostClaim), units.write() as unit:
        unit.ledger.save(replace(ended, state=RowState.PLANNED), expected_attempt=ended.attempt)


def test_a_written_row_without_id_gets_its_id_once(units: Units) -> None:
    _, rows = _sign(units)
    written = _put(units, rows[0], state=RowState.WRITTEN, ended_at=NOW)
    known = _put(units, written.identify("o-1", "1"))
    with pytest.raises(LostClaim), units.write() as unit:
        unit.ledger.save(replace(known, resource_id="o-2"), expected_attempt=known.attempt)


def test_what_was_signed_is_never_rewritten_by_a_save(units: Units) -> None:
    _, rows = _sign(units)
    with units.write() as unit:
        unit.ledger.save(replace(rows[0], resource="{}", content_hash="f" * 64, key="x"), expected_attempt=0)
        unit.commit()
    with units.read() as unit:
        assert unit.ledger.get(rows[0].id) == rows[0]


def test_a_transaction_leases_all_rows_or_none(units: Units) -> None:
    approval, rows = _sign(units, 3)
    ended = _put(units, rows[0], state=RowState.NOT_SUPPORTED, ended_at=NOW)
    with units.write() as unit:
        assert unit.ledger.claim_all(approval.id, NOW, LEASE) == tuple(row.claim(NOW, LEASE) for row in rows[1:])
        assert unit.ledger.claim_all(approval.id, NOW, LEASE) == ()
        assert unit.ledger.get(rows[0].id) == ended
        unit.commit()
    other, others = _sign(units, 2)
    _put(units, others[1], not_before=NOW + MINUTE)
    with units.write() as unit:
        assert unit.ledger.claim_all(other.id, NOW, LEASE) == ()
        assert [row.attempt for row in unit.ledger.rows_of(other.id)] == [0, 0]


def test_only_sending_rows_whose_lease_ran_out_have_lapsed(units: Units) -> None:
    _, rows = _sign(units, 3)
    lapsed = _put(units, rows[0], state=RowState.SENDING, lease_until=NOW)
    _put(units, rows[1], state=RowState.SENDING, lease_until=NOW + MINUTE)
    _put(units, rows[2], lease_until=NOW)
    with units.read() as unit:
        assert unit.ledger.lapsed(NOW) == (lapsed,)


def test_unfinished_rows_are_found_by_patient_and_by_age(units: Units) -> None:
    _, rows = _sign(units, 2)
    _put(units, rows[0], state=RowState.WRITTEN)
    with units.read() as unit:
        assert unit.ledger.unfinished_for_patient(PATIENT) == (rows[1],)
        assert unit.ledger.unfinished("clinic", NOW + MINUTE) == (rows[1],)
        assert unit.ledger.unfinished("clinic", NOW) == ()


def test_what_the_chart_has_from_here_is_found_by_patient_and_type(units: Units) -> None:
    approval, rows = _sign(units, 3)
    _put(units, rows[0], state=RowState.WRITTEN, resource_id="obs-1")
    _put(units, rows[1], state=RowState.REFUSED)
    with units.read() as unit:
        found = unit.ledger.find_written(PATIENT, rows[0].resource_type)
        assert found == {(approval.screening_id, rows[0].key): "obs-1"}
        assert unit.ledger.find_written(PATIENT, "DocumentReference") == {}
        assert unit.ledger.find_written(replace(PATIENT, patient_id="another"), rows[0].resource_type) == {}


def test_a_key_stands_once_in_an_approval(units: Units) -> None:
    approval, _ = _sign(units)
    with units.write() as unit, pytest.raises(AlreadyExists):
        unit.ledger.add_all([make_row(approval, 5, key="observation:phq9-0")])
