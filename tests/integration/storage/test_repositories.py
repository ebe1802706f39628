"""Each repository gives back exactly what was put in, and finds by what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from datetime import datetime, timedelta

import pytest

from smart_app.model.alert import AlertState, LevelReached
from smart_app.model.approval import Approval
from smart_app.model.identity import PatientKey
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.model.screening import Restated, Screening, ScreeningState
from smart_app.storage.errors import (
    AlreadyExists,
    HistoryLost,
    StaleVersion,
    UnknownAlert,
    UnknownApproval,
    UnknownRow,
    UnknownSession,
)
from smart_app.storage.unit_of_work import Unit, Units
from tests.integration.storage.factories import (
    ASSISTANT,
    CLINICIAN,
    MINUTE,
    NOW,
    PATIENT,
    make_alert,
    make_approval,
    make_identity,
    make_row,
    make_saved,
    make_screening,
    make_session,
    new_id,
)


def _is_full(value: object, *, but: frozenset[str] = frozenset()) -> bool:
    """Whether every field with a default differs from it, so that a lost one would show."""
    return all(
        getattr(value, field.name) != field.default
        for field in fields(value)  # type: ignore[arg-type]  # dataclasses only
        if field.default is not MISSING and field.name not in but
    )


def test_a_session_comes_back_as_it_was(units: Units) -> None:
    session = make_session(ended_at=NOW + MINUTE, refresh_lease_until=NOW + 2 * MINUTE, version=3)
    assert _is_full(session)
    with units.write() as unit:
        unit.sessions.add(session)
        unit.commit()
    with units.read() as unit:
        assert unit.sessions.get(session.id) == session
        assert unit.sessions.find("another") is None
        with pytest.raises(UnknownSession):
            unit.sessions.get("another")


def test_a_screening_comes_back_with_every_save_in_order(units: Units) -> None:
    answers = (make_saved(), make_saved("phq9-1", code="LA6568-5"), make_saved(version=2, code="LA6570-1"))
    screening = make_screening(
        state=ScreeningState.REJECTED,
        completed_at=NOW + MINUTE,
        ended_reason="wrong patient",
        comment="spoke slowly",
        identity=make_identity(),
        answers=answers,
        restated=(Restated(link_id="phq9-1", device="page", sequence=7),),
        version=4,
    )
    assert _is_full(screening, but=frozenset({"purged_at"}))
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.commit()
    with units.read() as unit:
        assert unit.screenings.get(screening.id) == screening


def test_an_alert_comes_back_with_every_action(units: Units) -> None:
    screening = make_screening()
    reached = (LevelReached(level="positive", at=NOW - MINUTE), LevelReached(level="acute positive", at=NOW))
    alert = make_alert(screening, state=AlertState.HANDED_OVER, version=2, rank=(2, 1, 2), reached=reached)
    assert _is_full(alert)
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.alerts.add(alert)
        unit.commit()
    with units.read() as unit:
        assert unit.alerts.get(alert.id) == alert
        with pytest.raises(UnknownAlert):
            unit.alerts.get(new_id())


def test_an_approval_and_its_rows_come_back_in_write_order(units: Units) -> None:
    screening = make_screening()
    approval = make_approval(screening, version=2)
    later = make_row(approval, 1)
    first = make_row(
        approval,
        0,
        state=RowState.WRITTEN,
        reason_code="written",
        reason="as planned",
        attempt=3,
        lease_until=NOW,
        not_before=NOW - MINUTE,
        sent_at=NOW,
        ended_at=NOW + MINUTE,
        resource_id="o-1",
        version_id="1",
        http_status=201,
        looked_up_at=NOW + 2 * MINUTE,
        look_ups=1,
    )
    assert _is_full(approval)
    assert _is_full(first)
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.approvals.add(approval)
        unit.ledger.add_all([later, first])
        unit.commit()
    with units.read() as unit:
        assert unit.approvals.get(approval.id) == approval
        assert unit.approvals.find_for_screening(screening.id) == approval
        assert unit.approvals.find_for_screening(new_id()) is None
        assert unit.ledger.rows_of(approval.id) == (first, later)
        assert unit.ledger.get(later.id) == later
        with pytest.raises(UnknownApproval):
            unit.approvals.get(new_id())
        with pytest.raises(UnknownRow):
            unit.ledger.get(new_id())


@pytest.mark.parametrize(
    "other",
    [
        PatientKey(ehr_id="other", tenant="", patient_id="p-1"),
        PatientKey(ehr_id="clinic", tenant="north", patient_id="p-1"),
        PatientKey(ehr_id="clinic", tenant="", patient_id="p-2"),
    ],
)
def test_each_part_of_the_patient_key_keeps_patients_apart(units: Units, other: PatientKey) -> None:
    screening = make_screening()
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.alerts.add(make_alert(screening))
        approval = make_approval(screening)
        unit.approvals.add(approval)
        unit.ledger.add_all([make_row(approval)])
        unit.sessions.add(make_session())
        unit.commit()
    with units.read() as unit:
        assert unit.screenings.for_patient(other) == ()
        assert unit.alerts.open_for_patient(other) == ()
        assert unit.approvals.for_patient(other) == ()
        assert unit.ledger.unfinished_for_patient(other) == ()
        assert unit.sessions.with_tokens(other, CLINICIAN) == ()
        assert len(unit.screenings.for_patient(PATIENT)) == 1
        assert len(unit.ledger.unfinished_for_patient(PATIENT)) == 1
        assert len(unit.sessions.with_tokens(PATIENT, CLINICIAN)) == 1


def test_screenings_are_found_by_state_newest_first(units: Units) -> None:
    old = make_screening(started_at=NOW - MINUTE)
    new = make_screening(state=ScreeningState.COMPLETED)
    signed = make_screening(state=ScreeningState.SIGNED, started_at=NOW + MINUTE)
    with units.write() as unit:
        for screening in (old, signed, new):
            unit.screenings.add(screening)
        unit.commit()
    with units.read() as unit:
        assert unit.screenings.for_patient(PATIENT) == (signed, new, old)
        assert unit.screenings.for_patient(PATIENT, {ScreeningState.COMPLETED}) == (new,)
        assert unit.screenings.unsigned(["clinic", "other"]) == (new, old)
        assert unit.screenings.unsigned(["other"]) == ()


def test_a_save_adds_new_answers_and_never_takes_one_away(units: Units) -> None:
    screening = make_screening(answers=(make_saved(),))
    with units.write() as unit:
        unit.screenings.add(screening)
        changed = unit.screenings.save(replace(screening, answers=(*screening.answers, make_saved(version=2))))
        unit.commit()
    with pytest.raises(HistoryLost), units.write() as unit:
        unit.screenings.save(replace(changed, answers=changed.answers[:1]))
    with units.read() as unit:
        assert unit.screenings.get(screening.id) == changed


def test_an_alert_opens_once_per_rule_and_its_actions_only_grow(units: Units) -> None:
    screening = make_screening()
    alert = make_alert(screening)
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.alerts.add(alert)
        unit.commit()
    with pytest.raises(AlreadyExists), units.write() as unit:
        unit.alerts.add(make_alert(screening))
    with pytest.raises(HistoryLost), units.write() as unit:
        unit.alerts.save(replace(alert, actions=()))
    with units.write() as unit:
        noted = unit.alerts.save(alert.add(ASSISTANT, NOW, "the daughter called"))
        unit.commit()
    with pytest.raises(StaleVersion), units.write() as unit:
        unit.alerts.save(alert.add(ASSISTANT, NOW, "late"))
    with units.read() as unit:
        assert unit.alerts.for_screening(screening.id) == (noted,)


def test_the_levels_that_an_alert_told_only_grow(units: Units) -> None:
    screening = make_screening()
    alert = make_alert(screening)
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.alerts.add(alert)
        raised = unit.alerts.save(
            alert.raise_level(NOW + MINUTE, kind="k", level="higher", reason="r", source="s", rank=(3, 1, 3))
        )
        unit.commit()
    with units.read() as unit:
        assert unit.alerts.get(alert.id) == raised
    assert [(told.level, told.at) for told in raised.levels] == [(alert.level, NOW), ("higher", NOW + MINUTE)]
    for lost in (raised.reached[1:], ()):
        with pytest.raises(HistoryLost), units.write() as unit:
            unit.alerts.save(replace(raised, reached=lost))


def test_open_alerts_include_handed_over_ones_and_not_closed_ones(units: Units) -> None:
    screening = make_screening()
    alerts = [
        make_alert(screening, rule_id=state, state=state, opened_at=NOW + number * MINUTE)
        for number, state in enumerate(AlertState)
    ]
    with units.write() as unit:
        unit.screenings.add(screening)
        for alert in alerts:
            unit.alerts.add(alert)
        unit.commit()
    open_ones = tuple(alert for alert in alerts if alert.is_open)
    with units.read() as unit:
        assert unit.alerts.open_for_patient(PATIENT) == open_ones
        assert unit.alerts.all_open() == open_ones


def test_touching_a_session_moves_its_idle_clock_forward_only_and_needs_no_version(units: Units) -> None:
    session = make_session()
    with units.write() as unit:
        unit.sessions.add(session)
        unit.sessions.touch(session.id, NOW + MINUTE)
        unit.sessions.touch(session.id, NOW)
        unit.commit()
    with units.read() as unit:
        assert unit.sessions.get(session.id) == replace(session, last_seen_at=NOW + MINUTE)


def test_one_process_at_a_time_holds_the_refresh_lease(units: Units) -> None:
    session = make_session()
    with units.write() as unit:
        unit.sessions.add(session)
        assert unit.sessions.lease_refresh(session.id, NOW, NOW + MINUTE)
        assert not unit.sessions.lease_refresh(session.id, NOW, NOW + MINUTE)
        assert unit.sessions.lease_refresh(session.id, NOW + MINUTE, NOW + 2 * MINUTE)
        unit.commit()


def test_new_tokens_are_kept_whatever_else_has_changed(units: Units) -> None:
    session = make_session()
    with units.write() as unit:
        unit.sessions.add(session)
        unit.sessions.lease_refresh(session.id, NOW, NOW + MINUTE)
        unit.sessions.save(session.end(NOW))
        kept = unit.sessions.put_launch(session.id, "new tokens")
        unit.commit()
    assert (kept.launch, kept.ended_at, kept.refresh_lease_until) == ("new tokens", NOW, None)
    with units.read() as unit:
        assert unit.sessions.ended_with_tokens(NOW + MINUTE) == (kept,)


def test_a_log_out_everywhere_ends_only_this_persons_sessions(units: Units) -> None:
    mine, theirs = make_session(), make_session(user=ASSISTANT)
    with units.write() as unit:
        unit.sessions.add(mine)
        unit.sessions.add(theirs)
        assert unit.sessions.for_user("clinic", CLINICIAN) == (mine,)
        assert unit.sessions.end_all_for_user("clinic", CLINICIAN, NOW) == 1
        unit.commit()
    with units.read() as unit:
        assert unit.sessions.get(mine.id).ended_at == NOW
        assert unit.sessions.get(theirs.id) == theirs


def test_old_sessions_go_only_when_they_hold_no_tokens(units: Units) -> None:
    with_tokens, without = make_session(), make_session(launch="")
    with units.write() as unit:
        unit.sessions.add(with_tokens)
        unit.sessions.add(without)
        assert unit.sessions.purge(NOW) == 0
        assert unit.sessions.purge(NOW + MINUTE) == 1
        assert unit.sessions.find(without.id) is None
        assert unit.sessions.find(with_tokens.id) == with_tokens


def test_approvals_waiting_for_their_supervisor_are_listed(units: Units) -> None:
    screening = make_screening()
    waiting = make_approval(screening, co_signed_by=None, co_signed_at=None)
    with units.write() as unit:
        unit.screenings.add(screening)
        for approval in (waiting, make_approval(screening), make_approval(screening, awaiting=None)):
            unit.approvals.add(approval)
        assert unit.approvals.awaiting_co_signature("clinic") == (waiting,)
        saved = unit.approvals.save(replace(waiting, co_signed_by=CLINICIAN, co_signed_at=NOW))
        assert unit.approvals.awaiting_co_signature("clinic") == ()
        assert unit.approvals.get(waiting.id) == saved


def test_a_reference_code_is_given_once(units: Units) -> None:
    screening = make_screening()
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.approvals.add(make_approval(screening, reference_code="SS-TEST-CODE"))
        with pytest.raises(AlreadyExists):
            unit.approvals.add(make_approval(screening, reference_code="SS-TEST-CODE"))


def test_a_time_without_zone_is_refused(units: Units) -> None:
    naive: datetime = (NOW + timedelta()).replace(tzinfo=None)
    with units.write() as unit, pytest.raises(Exception, match="time zone"):
        unit.screenings.add(make_screening(started_at=naive))


def test_a_record_of_nothing_is_refused_by_the_foreign_key(units: Units) -> None:
    screening: Screening = make_screening()
    approval: Approval = make_approval(screening)
    row: LedgerRow = make_row(approval)
    adds: tuple[Callable[[Unit], None], ...] = (
        lambda unit: unit.alerts.add(make_alert(screening)),
        lambda unit: unit.approvals.add(approval),
        lambda unit: unit.ledger.add_all([row]),
    )
    for add in adds:
        with units.write() as unit, pytest.raises(AlreadyExists):
            add(unit)
