"""From a launch to the chart: give, act on the alert, review, sign, write; and who may do which part."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from launch.session import ActiveLaunch
from smart_app import worker
from smart_app.model.approval import WriteChoice
from smart_app.model.audit import AuditAction
from smart_app.model.ledger import RowState
from smart_app.model.moves import IllegalMove, MissingField
from smart_app.model.rights import NotAllowed, Right, RightsRule
from smart_app.model.screening import ScreeningState
from smart_app.screening import workflow
from smart_app.screening.errors import InvalidField, SigningBlocked
from smart_app.writeback.errors import AlertStillOpen, ChangedSinceShown, ChoiceMissing
from tests.fakes.clinic import BELL, FERREIRA, LINDQVIST, OKAFOR, Clinic, open_clinic, phq9

TOTAL_13 = (2, 2, 3, 2, 0, 1, 2, 0, 1)
MILD = (1, 1, 1, 1, 1, 1, 0, 0, 0)
TOKEN_ENDED_WORDS = (
    "The access that the EHR gave has ended. "
    "What is left is sent when you open this patient's chart again and choose “Finish writing”."
)


def test_a_signed_phq9_is_in_the_chart_of_its_patient_visit_and_signer(clinic: Clinic) -> None:
    before = {resource["id"] for resource in clinic.in_chart("Observation", "pt-01")}
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, {**phq9(*TOTAL_13), "phq9-10": 1})
    clinic.close_alerts(who, screening_id)
    clinic.sign(who, screening_id)
    rows = clinic.rows(screening_id)
    assert {row.state for row in rows} == {RowState.WRITTEN}
    observations = [entry for entry in clinic.in_chart("Observation", "pt-01") if entry["id"] not in before]
    codes = sorted(entry["code"]["coding"][0]["code"] for entry in observations)
    assert len(codes) == 12
    assert {"44261-6", "44249-1", "69722-7"} <= set(codes)
    total = next(entry for entry in observations if entry["code"]["coding"][0]["code"] == "44261-6")
    assert total["subject"]["reference"] == "Patient/pt-01"
    assert total["encounter"]["reference"] == "Encounter/enc-01-now"
    assert {"reference": f"Practitioner/{OKAFOR}"}.items() <= total["performer"][0].items() or len(
        total["performer"]
    ) > 1
    assert len(clinic.in_chart("DocumentReference", "pt-01")) >= 1
    assert clinic.screening(screening_id).state is ScreeningState.SIGNED
    (count,) = workflow.view_outcome(clinic.app, clinic.again(who), screening_id).counts
    assert count.words == "15 written"


def test_every_time_in_the_note_is_on_the_sites_clock(clinic: Clinic) -> None:
    clinic.app = replace(clinic.app, rules=replace(clinic.app.rules, zone=ZoneInfo("America/New_York")))
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*TOTAL_13))
    clinic.close_alerts(who, screening_id)
    clinic.sign(who, screening_id)
    (document,) = [entry for entry in clinic.in_chart("DocumentReference", "pt-01") if "SS-" in str(entry["text"])]
    text = b64decode(document["content"][0]["attachment"]["data"]).decode()
    assert text.startswith("PHQ-9, 24 Nov 2026 10:00, answered by")
    assert "Alert: closed by Amara Okafor, MD, 24 Nov 2026 10:00\n" in text
    assert "Signed by Amara Okafor, MD, 24 Nov 2026 10:00, for" in text
    assert document["date"] == "2026-11-24T15:00:00Z"
    assert workflow.view_outcome(clinic.app, clinic.again(who), screening_id).note_text.endswith(text)


def test_an_assistant_gives_and_a_clinician_signs_in_a_later_launch(clinic: Clinic) -> None:
    assistant = clinic.launch("pt-01", BELL)
    screening_id = clinic.give(assistant, phq9(*MILD))
    view = workflow.view_review(clinic.app, assistant, screening_id)
    assert [blocker.code for blocker in view.sign.blockers] == ["no-right"]
    with pytest.raises(NotAllowed):
        clinic.sign(assistant, screening_id)
    assert clinic.rows(screening_id) == ()
    assert [event.outcome for event in clinic.audited(AuditAction.ACCESS_REFUSED)] == ["not-allowed"]
    clinic.clock.move(hours=18)
    clinician = clinic.launch("pt-01", OKAFOR)
    assert [item.kind for item in workflow.view_home(clinic.app, clinician).unfinished] == ["review"]
    clinic.sign(clinician, screening_id)
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}
    with clinic.app.units.read() as unit:
        approval = unit.approvals.find_for_screening(screening_id)
    assert approval is not None
    assert approval.signer.fhir_user == f"Practitioner/{OKAFOR}"


def test_a_user_without_fhir_user_gives_and_reviews_but_neither_closes_nor_signs(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", "acct-locum")
    screening_id = clinic.give(who, phq9(*TOTAL_13))
    workflow.view_review(clinic.app, who, screening_id)
    with pytest.raises(NotAllowed):
        clinic.close_alerts(who, screening_id)
    with pytest.raises(NotAllowed):
        clinic.sign(who, screening_id)


def test_a_trainees_signature_waits_for_the_named_supervisor(clinic: Clinic) -> None:
    trainee = clinic.launch("pt-01", FERREIRA)
    screening_id = clinic.give(trainee, phq9(*MILD))
    clinic.sign(trainee, screening_id)
    clinic.clock.move(minutes=1)
    worker.run_round(clinic.app)
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.PLANNED}
    for other in (OKAFOR, FERREIRA):
        with pytest.raises(NotAllowed):
            workflow.co_sign(clinic.app, clinic.launch("pt-01", other), screening_id)
    supervisor = clinic.launch("pt-01", LINDQVIST)
    assert workflow.view_outcome(clinic.app, supervisor, screening_id).may_co_sign
    workflow.co_sign(clinic.app, supervisor, screening_id)
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}
    sent = clinic.audited(AuditAction.ROW_SENDING)
    assert {event.launch_id for event in sent} == {supervisor.session.id}
    assert {event.user.fhir_user for event in sent} == {f"Practitioner/{LINDQVIST}"}
    with pytest.raises(IllegalMove):
        workflow.co_sign(clinic.app, supervisor, screening_id)
    (document,) = [entry for entry in clinic.in_chart("DocumentReference", "pt-01") if "SS-" in str(entry["text"])]
    (row,) = [row for row in clinic.rows(screening_id) if row.resource_type == "Provenance"]
    with clinic.sandbox.store.reading() as session:
        stored = session.find("Provenance", row.resource_id)
    assert stored is not None
    provenance = json.loads(stored.body)
    assert [author["display"] for author in document["author"]] == ["João Ferreira, MD"]
    assert document["authenticator"] == {"reference": f"Practitioner/{LINDQVIST}", "display": "Henrik Lindqvist, MD"}
    agents = {agent["type"]["coding"][0]["code"]: agent["who"]["display"] for agent in provenance["agent"]}
    assert (agents["author"], agents["verifier"]) == ("João Ferreira, MD", "Henrik Lindqvist, MD")
    text = b64decode(document["content"][0]["attachment"]["data"]).decode()
    assert "\nSent to the chart only with the co-signature of Henrik Lindqvist, MD.\nReference SS-" in text
    assert workflow.view_outcome(clinic.app, clinic.again(supervisor), screening_id).note_text.endswith(text)


@pytest.mark.parametrize(
    ("supervisor", "name", "shown"),
    [
        (f"Practitioner/{LINDQVIST}", None, "Henrik Lindqvist, MD"),
        (f"Practitioner/{LINDQVIST}", "Dr. Lindqvist (ward 3)", "Dr. Lindqvist (ward 3)"),
        ("Practitioner/unheard-of", None, ""),
        ("a-subject-of-the-id-token", None, ""),
    ],
    ids=["by the EHR", "by the settings", "unknown to the EHR", "a subject"],
)
def test_a_supervisor_is_shown_by_name_and_never_by_reference(
    tmp_path: Path, supervisor: str, name: str | None, shown: str
) -> None:
    trainee = frozenset({f"Practitioner/{FERREIRA}"})
    rule = RightsRule(right=Right.SIGN, identities=trainee, supervisor=supervisor, supervisor_name=name)
    with open_clinic(tmp_path, rules={"rights": (rule,)}) as clinic:
        who = clinic.launch("pt-01", FERREIRA)
        screening_id = clinic.give(who, phq9(*MILD))
        notice = workflow.view_review(clinic.app, who, screening_id).sign.co_sign_notice
        clinic.sign(who, screening_id)
        outcome = workflow.view_outcome(clinic.app, who, screening_id)
        item = workflow.view_home(clinic.app, who).unfinished[0]
    said = [notice, outcome.heading, outcome.next_steps[0], item.detail]
    assert not any("Practitioner/" in words or "a-subject" in words for words in said)
    assert all((shown or "supervisor") in words for words in said)
    assert notice == f"Nothing is sent before your supervisor{f', {shown},' if shown else ''} has signed too."


def test_signing_what_has_changed_since_it_was_shown_is_refused(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*MILD))
    shown = workflow.view_review(clinic.app, who, screening_id).sign.displayed_hash
    workflow.set_comment(clinic.app, who, screening_id, "seen with partner")
    with pytest.raises(ChangedSinceShown):
        clinic.sign(who, screening_id, displayed_hash=shown)
    assert clinic.rows(screening_id) == ()
    clinic.sign(who, screening_id)


def test_time_alone_does_not_change_what_is_shown(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*MILD))
    shown = workflow.view_review(clinic.app, who, screening_id).sign.displayed_hash
    clinic.clock.move(minutes=9)
    assert workflow.view_review(clinic.app, clinic.again(who), screening_id).sign.displayed_hash == shown


def test_a_second_signature_on_the_same_result_is_refused(clinic: Clinic) -> None:
    who, other = clinic.launch("pt-01"), clinic.launch("pt-01", LINDQVIST)
    screening_id = clinic.give(who, phq9(*MILD))
    shown = workflow.view_review(clinic.app, other, screening_id).sign.displayed_hash
    clinic.sign(who, screening_id)
    with pytest.raises(IllegalMove):
        clinic.sign(other, screening_id, displayed_hash=shown)


def test_without_a_visit_the_clinician_chooses_one_or_none_before_signing(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", encounter="none")
    screening_id = clinic.give(who, phq9(*MILD))
    view = workflow.view_review(clinic.app, who, screening_id)
    assert [blocker.code for blocker in view.sign.blockers] == ["visit-not-chosen"]
    assert not any(option.chosen for option in view.encounters)
    with pytest.raises(SigningBlocked):
        clinic.sign(who, screening_id)
    with pytest.raises(InvalidField):
        workflow.choose_encounter(clinic.app, who, "enc-02-now")
    workflow.choose_encounter(clinic.app, who, view.encounters[0].encounter_id)
    who = clinic.again(who)
    clinic.sign(who, screening_id)
    with clinic.app.units.read() as unit:
        approval = unit.approvals.find_for_screening(screening_id)
    assert approval is not None
    assert approval.encounter_id == view.encounters[0].encounter_id


def test_none_is_a_choice_of_its_own_and_is_signed_as_such(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", encounter="none")
    screening_id = clinic.give(who, phq9(*MILD))
    workflow.choose_encounter(clinic.app, who, "none")
    who = clinic.again(who)
    assert workflow.view_home(clinic.app, who).frame.banner.visit == "none, as chosen"
    clinic.sign(who, screening_id)
    with clinic.app.units.read() as unit:
        approval = unit.approvals.find_for_screening(screening_id)
    assert approval is not None
    assert approval.encounter_id is None
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}


def test_the_visit_of_the_launch_is_never_replaced(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    with pytest.raises(InvalidField):
        workflow.choose_encounter(clinic.app, who, "none")


def test_nothing_is_preset_for_a_minor_and_a_choice_is_needed(clinic: Clinic) -> None:
    who = clinic.launch("pt-05")
    screening_id = clinic.give(who, phq9(*MILD))
    view = workflow.view_review(clinic.app, who, screening_id)
    assert not any(choice.chosen for choice in view.sign.choices)
    assert view.sign.choices_notice
    with pytest.raises(ChoiceMissing):
        clinic.sign(who, screening_id, choice=None)
    with pytest.raises(MissingField):
        clinic.sign(who, screening_id, choice=WriteChoice.KEEP)
    clinic.sign(who, screening_id, choice=WriteChoice.KEEP, choice_reason="asked not to be in the portal")
    assert RowState.WRITTEN not in {row.state for row in clinic.rows(screening_id)}


def test_an_edited_note_must_still_state_the_score(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*MILD))
    text = workflow.view_review(clinic.app, who, screening_id).note.text
    workflow.save_note(clinic.app, who, screening_id, text.replace("Total 6", "Total 5"), 0)
    view = workflow.view_review(clinic.app, who, screening_id)
    assert view.note.problems
    with pytest.raises(SigningBlocked):
        clinic.sign(who, screening_id)
    workflow.renew_note(clinic.app, who, screening_id, view.note.version)
    assert workflow.view_review(clinic.app, who, screening_id).note.text == text


def test_an_edited_note_follows_the_alert_when_it_is_closed(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*TOTAL_13))
    text = workflow.view_review(clinic.app, who, screening_id).note.text
    workflow.save_note(clinic.app, who, screening_id, f"{text}\nSeen with partner.", 0)
    clinic.close_alerts(who, screening_id)
    note = workflow.view_review(clinic.app, who, screening_id).note
    assert "Alert: closed by Amara Okafor, MD" in note.text
    assert "not assessed" not in note.text
    assert note.text.endswith("Seen with partner.")
    assert "no plan, no intent" not in note.text
    clinic.sign(who, screening_id)


def test_an_open_alert_blocks_signing_on_the_server(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*TOTAL_13))
    with pytest.raises(AlertStillOpen):
        clinic.sign(who, screening_id)
    assert clinic.rows(screening_id) == ()


def _sign_after_losing_the_token(clinic: Clinic, *, refresh_token: bool) -> UUID:
    """Sign a result; the EHR has forgotten the access token while the page was open."""
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*MILD))
    workflow.view_review(clinic.app, who, screening_id)
    active = ActiveLaunch.from_json(clinic.session(who).launch)
    kept = active.tokens.refresh_token if refresh_token else None
    tokens = replace(active.tokens, access_token="forgotten", refresh_token=kept)
    with clinic.app.units.write() as unit:
        unit.sessions.put_launch(who.session.id, replace(active, tokens=tokens).to_json())
        unit.commit()
    clinic.sign(who, screening_id)
    return screening_id


def test_a_token_that_the_ehr_refuses_is_refreshed_once_and_the_result_written(clinic: Clinic) -> None:
    screening_id = _sign_after_losing_the_token(clinic, refresh_token=True)
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}


def test_a_result_signed_without_a_token_is_finished_in_the_signers_next_launch(clinic: Clinic) -> None:
    screening_id = _sign_after_losing_the_token(clinic, refresh_token=False)
    assert RowState.WRITTEN not in {row.state for row in clinic.rows(screening_id)}
    colleague = clinic.launch("pt-01", LINDQVIST)
    assert [item.kind for item in workflow.view_home(clinic.app, colleague).unfinished] == ["unwritten"]
    with pytest.raises(NotAllowed):
        workflow.finish_writing(clinic.app, colleague, screening_id)
    again = clinic.launch("pt-01")
    assert workflow.view_outcome(clinic.app, again, screening_id).may_finish_writing
    workflow.finish_writing(clinic.app, again, screening_id)
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}
    assert workflow.view_home(clinic.app, again).unfinished == ()


def test_a_supervisor_may_finish_what_the_co_signature_could_not_send_and_a_colleague_may_not(clinic: Clinic) -> None:
    trainee = clinic.launch("pt-01", FERREIRA)
    screening_id = clinic.give(trainee, phq9(*MILD))
    clinic.sign(trainee, screening_id)
    workflow.log_out(clinic.app, trainee)
    clinic.clock.move(minutes=11)
    worker.run_round(clinic.app)
    assert clinic.session(trainee).launch == ""
    supervisor = clinic.launch("pt-01", LINDQVIST)
    with clinic.app.units.write() as unit:
        unit.sessions.put_launch(supervisor.session.id, "")
        unit.commit()
    workflow.co_sign(clinic.app, supervisor, screening_id)
    assert {row.reason_code for row in clinic.rows(screening_id)} == {"token-ended"}
    assert TOKEN_ENDED_WORDS in workflow.view_outcome(clinic.app, supervisor, screening_id).next_steps
    colleague = clinic.launch("pt-01", OKAFOR)
    view = workflow.view_outcome(clinic.app, colleague, screening_id)
    assert not view.may_finish_writing
    assert view.next_steps[0].startswith("The next launch of João Ferreira, MD or Henrik Lindqvist, MD on this patient")
    with pytest.raises(NotAllowed):
        workflow.finish_writing(clinic.app, colleague, screening_id)
    supervisor = clinic.launch("pt-01", LINDQVIST)
    assert workflow.view_outcome(clinic.app, supervisor, screening_id).may_finish_writing
    worker.run_round(clinic.app)
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}


def test_a_result_signed_without_a_token_says_on_the_outcome_page_why_it_waits_and_what_helps(clinic: Clinic) -> None:
    screening_id = _sign_after_losing_the_token(clinic, refresh_token=False)
    assert workflow.view_outcome(clinic.app, clinic.launch("pt-01"), screening_id).next_steps == (TOKEN_ENDED_WORDS,)


def test_what_is_unwritten_for_a_day_stands_on_every_signers_list_by_initials(clinic: Clinic) -> None:
    _sign_after_losing_the_token(clinic, refresh_token=False)
    assert workflow.view_worklist(clinic.app, clinic.launch("pt-02", LINDQVIST)).unwritten == ()
    clinic.clock.move(hours=24, minutes=1)
    (row,) = workflow.view_worklist(clinic.app, clinic.launch("pt-02", LINDQVIST)).unwritten
    assert row.patient == "D. R. …0001"
    assert row.what == "14 items not written, signed by Amara Okafor, MD"


def test_a_result_of_a_visit_that_ended_meanwhile_is_sent_once_its_signer_says_that_it_belongs_to_it(
    clinic: Clinic,
) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*(1,) * 8, 0))
    view = workflow.view_review(clinic.app, who, screening_id)
    (visit,) = [e for e in clinic.in_chart("Encounter", "pt-01") if e["id"] == who.session.encounter_id]
    clinic.sandbox.store.put_raw({**visit, "status": "finished"})
    workflow.sign_screening(
        clinic.app, who, screening_id, displayed_hash=view.sign.displayed_hash, choice=WriteChoice.WRITE
    )
    stopped = workflow.view_outcome(clinic.app, who, screening_id)
    assert (stopped.may_finish_writing, stopped.asks_visit) == (True, True)
    assert "confirm that and choose “Finish writing”" in stopped.next_steps[0]

    workflow.finish_writing(clinic.app, who, screening_id)
    assert not any(row.state is RowState.WRITTEN for row in clinic.rows(screening_id))
    workflow.finish_writing(clinic.app, who, screening_id, visit_confirmed=True)
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}
    assert not workflow.view_outcome(clinic.app, who, screening_id).asks_visit
    (confirmed,) = clinic.audited(AuditAction.VISIT_CONFIRMED)
    assert confirmed.user.same_person(who.user)


def test_a_visit_is_not_confirmed_before_it_has_changed(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*(1,) * 8, 0))
    clinic.sign(who, screening_id)
    workflow.finish_writing(clinic.app, who, screening_id, visit_confirmed=True)
    assert clinic.audited(AuditAction.VISIT_CONFIRMED) == []
