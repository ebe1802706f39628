"""The tokens of a session: refreshed by one at a time, never for another patient, never twice after a doubt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from launch.errors import InvalidGrant, LaunchError, PatientChanged, ReadTimeout
from launch.session import ActiveLaunch
from smart_app.model.audit import AuditAction
from smart_app.screening import workflow
from smart_app.screening.errors import LaunchOver
from smart_app.screening.tokens import get_active, refresh
from smart_app.services import Acting
from tests.fakes.clinic import Clinic


def _stored(clinic: Clinic, who: Acting) -> ActiveLaunch:
    return ActiveLaunch.from_json(clinic.session(who).launch)


def _answer(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, error: LaunchError) -> list[str | None]:
    """Let every refresh fail with ``error``; give the refresh tokens that were sent."""
    sent: list[str | None] = []

    def failing(active: ActiveLaunch, _now: datetime) -> ActiveLaunch:
        sent.append(active.tokens.refresh_token)
        raise error

    monkeypatch.setattr(clinic.app.connections, "refresh", failing)
    return sent


def test_many_pages_at_once_refresh_once(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    who = clinic.launch()
    calls: list[str] = []
    real = clinic.app.connections.refresh

    def counting(active: ActiveLaunch, now: datetime) -> ActiveLaunch:
        calls.append(active.tokens.access_token)
        return real(active, now)

    monkeypatch.setattr(clinic.app.connections, "refresh", counting)
    clinic.clock.move(hours=2)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: get_active(clinic.app, who), range(6)))
    assert len(calls) == 1
    assert len({active.tokens.access_token for active in found}) == 1


def test_a_refresh_that_answers_another_patient_ends_the_launch(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = clinic.launch()
    old = _stored(clinic, who).tokens.access_token
    revoked: list[str] = []

    def note_revoked(active: ActiveLaunch, _now: datetime) -> None:
        revoked.append(active.tokens.access_token)

    monkeypatch.setattr(clinic.app.connections, "revoke", note_revoked)
    _answer(clinic, monkeypatch, PatientChanged("is another", ehr_id="sandbox", field="patient"))
    assert refresh(clinic.app, who.session.id) is None
    assert clinic.session(who).launch == ""
    with pytest.raises(LaunchOver):
        clinic.again(who)
    assert [event.outcome for event in clinic.audited(AuditAction.LAUNCH_ENDED)] == ["patient-changed"]
    assert revoked == [old]


@pytest.mark.parametrize("error", [InvalidGrant(ehr_id="sandbox"), ReadTimeout("", sent=True, ehr_id="sandbox")])
def test_a_refresh_token_that_may_be_used_up_is_not_sent_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, error: LaunchError
) -> None:
    who = clinic.launch()
    sent = _answer(clinic, monkeypatch, error)
    assert refresh(clinic.app, who.session.id) is None
    assert len(sent) == 1
    assert _stored(clinic, who).tokens.refresh_token is None


def test_a_refresh_that_never_left_may_be_tried_again(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    who = clinic.launch()
    before = _stored(clinic, who).tokens.refresh_token
    _answer(clinic, monkeypatch, ReadTimeout("", sent=False, ehr_id="sandbox"))
    assert refresh(clinic.app, who.session.id) is None
    assert _stored(clinic, who).tokens.refresh_token == before


def test_a_refresh_token_is_not_sent_again_by_another_when_a_process_died_over_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = clinic.launch()
    sent = _answer(clinic, monkeypatch, InvalidGrant(ehr_id="sandbox"))
    now = clinic.clock()
    with clinic.app.units.write() as unit:
        assert unit.sessions.lease_refresh(who.session.id, now, now + timedelta(seconds=60))
        unit.commit()
    clinic.clock.move(minutes=2)

    assert refresh(clinic.app, who.session.id) is None

    assert sent == []
    assert _stored(clinic, who).tokens.refresh_token is None


def test_tokens_that_come_after_a_log_out_are_given_back_and_not_kept(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = clinic.launch()
    real = clinic.app.connections.refresh
    came: list[ActiveLaunch] = []
    revoked: list[str] = []

    def refresh_during_log_out(active: ActiveLaunch, now: datetime) -> ActiveLaunch:
        workflow.log_out(clinic.app, who)
        came.append(real(active, now))
        return came[0]

    def note_revoked(active: ActiveLaunch, _now: datetime) -> None:
        revoked.append(active.tokens.access_token)

    old = _stored(clinic, who).tokens.access_token
    monkeypatch.setattr(clinic.app.connections, "refresh", refresh_during_log_out)
    monkeypatch.setattr(clinic.app.connections, "revoke", note_revoked)

    assert refresh(clinic.app, who.session.id) is None

    assert clinic.session(who).launch == ""
    assert revoked == [old, came[0].tokens.access_token]


def test_no_token_is_in_the_repr_of_a_session_or_of_who_acts(clinic: Clinic) -> None:
    who = clinic.launch()
    tokens = _stored(clinic, who).tokens
    for secret in (tokens.access_token, str(tokens.refresh_token), who.session.secret_hash):
        assert secret not in repr(who)


def test_without_a_token_the_pages_say_that_the_session_is_over_and_saving_goes_on(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    active = _stored(clinic, who)
    with clinic.app.units.write() as unit:
        tokens = replace(active.tokens, refresh_token=None)
        unit.sessions.put_launch(who.session.id, replace(active, tokens=tokens).to_json())
        unit.commit()
    for _ in range(8):
        clinic.clock.move(minutes=15)
        who = clinic.again(who)
    with pytest.raises(LaunchOver):
        workflow.view_home(clinic.app, who)
    clinic.save(who, screening_id, {"phq9-9": 1})
    assert len(clinic.alerts(screening_id)) == 1
