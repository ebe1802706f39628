"""The way in and out: one use of state, one browser, one patient; idle, over, log-out, tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from launch.errors import LaunchError, PendingLaunchExpired, StateMismatch, UnknownIssuer
from launch.fhir_reader import FhirReader
from launch.session import ActiveLaunch
from launch.tokens import RevocationResult
from smart_app.access import LaunchIdle, NotThisPatient
from smart_app.model.audit import AuditAction
from smart_app.model.rights import NotAllowed
from smart_app.screening import workflow
from smart_app.screening.errors import LaunchNotOpen, LaunchOver
from smart_app.screening.forms import HandOverForm
from smart_app.screening.launching import BegunLaunch
from tests.fakes.clinic import BELL, OKAFOR, Clinic, phq9

MILD = (1, 1, 1, 1, 1, 1, 0, 0, 0)


def _go(clinic: Clinic, **parameters: str) -> tuple[BegunLaunch, dict[str, list[str]]]:
    query = {"client": "smart-screening", "patient": "pt-01", "user": OKAFOR, **parameters}
    ordered = requests.get(f"{clinic.sandbox.base_url}/launch", params=query, allow_redirects=False, timeout=10)
    arrived = parse_qs(urlsplit(ordered.headers["Location"]).query)
    begun = workflow.begin_launch(clinic.app, iss=arrived["iss"][0], launch=arrived["launch"][0], framed=False)
    back = requests.get(begun.authorize_url, allow_redirects=False, timeout=10)
    return begun, parse_qs(urlsplit(back.headers["Location"]).query)


def test_an_unknown_issuer_is_refused_before_anything_is_asked(clinic: Clinic) -> None:
    with pytest.raises(UnknownIssuer):
        workflow.begin_launch(clinic.app, iss="https://elsewhere.example/fhir", launch="x", framed=False)


def test_state_works_once(clinic: Clinic) -> None:
    begun, params = _go(clinic)
    workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")
    with pytest.raises(StateMismatch):
        workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")
    assert [event.outcome for event in clinic.audited(AuditAction.LAUNCH_REFUSED)] == ["state-mismatch"]


@pytest.mark.requirement("smart-2.2.0@61")
@pytest.mark.parametrize("binding", [None, "", "another browser's"])
def test_another_browser_can_neither_use_a_launch_nor_use_it_up(clinic: Clinic, binding: str | None) -> None:
    begun, params = _go(clinic)
    with pytest.raises(StateMismatch):
        workflow.finish_launch(clinic.app, params=params, binding=binding, correlation_id="c")
    assert workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")


def test_a_pending_launch_lives_ten_minutes(clinic: Clinic) -> None:
    begun, params = _go(clinic)
    clinic.clock.move(minutes=10)
    with pytest.raises(PendingLaunchExpired):
        workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")


@pytest.mark.parametrize(
    ("simulated", "code"),
    [
        ("access_denied", "access-denied"),
        ("server_error", "authorization-server-error"),
        ("token_invalid_grant", "invalid-grant"),
        ("token_html", "token-response-not-json"),
        ("token_without_patient", "missing-patient"),
        ("token_without_scope", "invalid-token-response"),
        ("id_token_wrong_signature", "id-token-bad-signature"),
        ("id_token_wrong_nonce", "id-token-nonce-mismatch"),
        ("id_token_expired", "id-token-expired"),
        ("id_token_unsigned", "id-token-algorithm-refused"),
    ],
)
def test_a_launch_that_fails_opens_nothing_and_is_audited(clinic: Clinic, simulated: str, code: str) -> None:
    begun, params = _go(clinic, simulate=simulated)
    with pytest.raises(LaunchError) as refused:
        workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")
    assert refused.value.code == code
    assert [event.outcome for event in clinic.audited(AuditAction.LAUNCH_REFUSED)] == [code]
    assert clinic.audited(AuditAction.LAUNCH_COMPLETED) == []


@pytest.mark.parametrize(("user", "patient"), [("acct-delgado", "pt-01"), ("acct-castellanos", "pt-05")])
def test_a_patient_or_relative_never_reaches_a_clinicians_page(clinic: Clinic, user: str, patient: str) -> None:
    begun, params = _go(clinic, user=user, patient=patient)
    with pytest.raises(NotAllowed):
        workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")


@pytest.mark.parametrize("secret", [None, "", "wrong"])
def test_the_launch_id_alone_opens_nothing(clinic: Clinic, secret: str | None) -> None:
    who = clinic.launch()
    with pytest.raises(LaunchNotOpen):
        workflow.open_session(clinic.app, who.session.id, secret, correlation_id="c")


def test_the_secret_of_one_launch_does_not_open_another(clinic: Clinic) -> None:
    one, other = clinic.launch("pt-01"), clinic.launch("pt-02")
    with pytest.raises(LaunchNotOpen):
        workflow.open_session(clinic.app, one.session.id, clinic.secrets[other.session.id], correlation_id="c")


def test_an_idle_session_shows_nothing(clinic: Clinic) -> None:
    who = clinic.launch()
    clinic.clock.move(minutes=20)
    who = clinic.again(who)
    for view in (workflow.view_home, workflow.view_history, workflow.view_worklist, workflow.view_encounters):
        with pytest.raises(LaunchIdle):
            view(clinic.app, who)


def test_activity_keeps_a_session_live_until_its_absolute_limit(clinic: Clinic) -> None:
    who = clinic.launch()
    for _ in range(39):
        clinic.clock.move(minutes=15)
        who = clinic.again(who)
    clinic.clock.move(minutes=15)
    with pytest.raises(LaunchOver):
        clinic.again(who)


def test_log_out_ends_the_session_and_the_ehr_forgets_the_token(clinic: Clinic) -> None:
    who = clinic.launch()
    workflow.log_out(clinic.app, who)
    with pytest.raises(LaunchOver):
        clinic.again(who)
    assert clinic.session(who).launch == ""


def test_an_expired_token_is_refreshed_before_it_is_used(clinic: Clinic) -> None:
    who = clinic.launch()
    before = clinic.session(who).launch
    for _ in range(5):
        clinic.clock.move(minutes=15)
        who = clinic.again(who)
        workflow.view_home(clinic.app, who)
    assert clinic.session(who).launch != before


def test_what_belongs_to_another_patient_does_not_exist_here(clinic: Clinic) -> None:
    one, other = clinic.launch("pt-01"), clinic.launch("pt-02")
    screening_id = clinic.give(one, phq9(1, 1, 1, 1, 1, 1, 1, 1, 1))
    alert_id = clinic.alerts(screening_id)[0].id
    app = clinic.app
    for attempt in (
        lambda: workflow.view_form(app, other, screening_id),
        lambda: workflow.view_review(app, other, screening_id),
        lambda: clinic.save(other, screening_id, phq9(0)),
        lambda: workflow.hand_in(app, other, screening_id, clinic.posted(screening_id)),
        lambda: workflow.stop_screening(app, other, screening_id, "x"),
        lambda: workflow.reject_screening(app, other, screening_id, "x"),
        lambda: workflow.save_note(app, other, screening_id, "x", 0),
        lambda: workflow.sign_screening(app, other, screening_id, displayed_hash="", choice=None),
        lambda: workflow.view_outcome(app, other, screening_id),
        lambda: workflow.view_alert(app, other, alert_id),
        lambda: workflow.hand_over_alert(app, other, alert_id, HandOverForm(name="Dr. Lindqvist")),
        lambda: workflow.add_to_alert(app, other, alert_id, "x"),
    ):
        with pytest.raises(NotThisPatient):
            attempt()
    refused = clinic.audited(AuditAction.ACCESS_REFUSED)
    assert {event.outcome for event in refused} == {"not-this-patient"}
    assert len(refused) == 12


def test_the_same_patient_id_in_another_tenant_is_another_patient(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*MILD))
    session = replace(who.session, patient=replace(who.patient, tenant="north"))
    with pytest.raises(NotThisPatient):
        workflow.view_review(clinic.app, replace(who, session=session), screening_id)


def test_results_appear_in_every_entitled_launch_of_the_patient(clinic: Clinic) -> None:
    screening_id = clinic.give(clinic.launch("pt-01", BELL), phq9(*MILD))
    who = clinic.launch("pt-01", OKAFOR)
    assert [item.screening_id for item in workflow.view_home(clinic.app, who).unfinished] == [screening_id]
    assert workflow.view_home(clinic.app, clinic.launch("pt-02", OKAFOR)).unfinished == ()


def test_a_launch_needs_at_most_two_waves_of_reads_after_the_token(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    waves = count_waves(clinic)
    workflow.view_home(clinic.app, who)
    assert waves == []
    workflow.view_history(clinic.app, who)
    assert waves == [{"observations"}]


def count_waves(clinic: Clinic) -> list[set[str]]:
    waves: list[set[str]] = []
    reader = clinic.app.connections.reader

    def counting(active: ActiveLaunch) -> FhirReader:
        made = reader(active)
        together = made.read_together

        def counted(wanted: Any, **values: Any) -> Any:
            waves.append(set(wanted))
            return together(wanted, **values)

        made.read_together = counted  # type: ignore[method-assign]  # a probe around the real reader
        return made

    clinic.app.connections.reader = counting  # type: ignore[method-assign]  # of this test's clinic only
    return waves


def test_the_instrument_that_the_ehr_asks_for_is_found_by_its_canonical(clinic: Clinic) -> None:
    begun, params = _go(clinic, questionnaire="https://smart-screening.org/fhir/Questionnaire/gad-7")
    finished = workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")
    assert finished.instrument_id == "gad-7"


def test_an_instrument_that_we_do_not_have_opens_the_overview(clinic: Clinic) -> None:
    begun, params = _go(clinic, questionnaire="https://elsewhere.example/Questionnaire/x")
    finished = workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")
    assert finished.instrument_id is None


def test_the_tokens_of_a_refused_launch_are_given_back(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    revoked: list[str] = []
    real = clinic.app.connections.revoke

    def recording(active: ActiveLaunch, now: datetime) -> RevocationResult:
        result = real(active, now)
        revoked.append(result)
        return result

    monkeypatch.setattr(clinic.app.connections, "revoke", recording)
    begun, params = _go(clinic, user="acct-delgado")
    with pytest.raises(NotAllowed):
        workflow.finish_launch(clinic.app, params=params, binding=begun.binding, correlation_id="c")
    assert revoked == [RevocationResult.REVOKED]
