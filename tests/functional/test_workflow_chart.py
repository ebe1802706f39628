"""What is read from the chart: a malformed Patient, a foreign visit, roles, history that is missing or long."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launch.errors import ReadTimeout
from launch.transport import HttpResponse, Transport
from smart_app import worker
from smart_app.chart import FAILED_READ_KEPT_FOR
from smart_app.model.audit import AuditAction
from smart_app.model.ledger import RowState
from smart_app.model.moves import MissingField
from smart_app.model.patient_record import MalformedPatient
from smart_app.model.rights import Right, RightsRule
from smart_app.screening import workflow
from smart_app.screening.errors import SigningBlocked
from smart_app.screening.starting import TOLD_BEFOREHAND
from tests.fakes.clinic import BELL, GIVING, LINDQVIST, OKAFOR, Clinic, open_clinic, phq9

MILD = (1, 1, 1, 1, 1, 1, 0, 0, 0)


def _resource(clinic: Clinic, resource_type: str, resource_id: str) -> dict[str, Any]:
    with clinic.sandbox.store.reading() as session:
        stored = session.find(resource_type, resource_id)
    assert stored is not None
    found: dict[str, Any] = json.loads(stored.body)
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"name": []},
        {"name": [{"use": "old", "family": "Delgado"}]},
        {"name": [{"use": "official", "period": {"start": "2020"}}]},
        {"deceasedBoolean": "no"},
    ],
)
def test_a_malformed_patient_opens_nothing_and_is_audited(clinic: Clinic, change: dict[str, Any]) -> None:
    clinic.sandbox.store.put_raw({**_resource(clinic, "Patient", "pt-01"), **change})
    with pytest.raises(MalformedPatient) as refused:
        clinic.launch("pt-01")
    assert refused.value.field
    assert "Delgado" not in str(refused.value)
    assert [event.outcome for event in clinic.audited(AuditAction.LAUNCH_REFUSED)] == ["malformed-patient"]


def test_a_visit_that_could_not_be_read_is_read_again_and_not_missed_for_minutes(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Transport.get

    def failing(self: Transport, url: str, **more: Any) -> HttpResponse:
        if "/Encounter/" in url:
            raise ReadTimeout("", sent=True, ehr_id="sandbox")
        return real(self, url, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Transport, "get", failing)
        who = clinic.launch("pt-01")
        assert workflow.view_home(clinic.app, who).frame.banner.visit == "the visit could not be read"
    clinic.clock.move(seconds=FAILED_READ_KEPT_FOR.total_seconds())
    assert workflow.view_home(clinic.app, clinic.again(who)).frame.banner.visit.startswith("Outpatient")


def test_a_name_of_any_length_leaves_the_page_readable(clinic: Clinic) -> None:
    name = {"use": "official", "family": "Delgado" * 500, "given": ["Rosa"]}
    clinic.sandbox.store.put_raw({**_resource(clinic, "Patient", "pt-01"), "name": [name]})
    banner = workflow.view_home(clinic.app, clinic.launch("pt-01")).frame.banner
    assert banner.name.startswith("DelgadoDelgado")
    assert banner.name.endswith("…")
    assert len(banner.name) == 100


def test_a_patient_that_turns_malformed_later_shows_no_page(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    clinic.sandbox.store.put_raw({**_resource(clinic, "Patient", "pt-01"), "name": []})
    workflow.view_home(clinic.app, who)
    clinic.clock.move(minutes=6)
    with pytest.raises(MalformedPatient):
        workflow.view_home(clinic.app, clinic.again(who))


def test_a_visit_that_turns_out_to_be_another_patients_is_not_signed_in(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    visit = _resource(clinic, "Encounter", "enc-01-now")
    clinic.sandbox.store.put_raw({**visit, "subject": {"reference": "Patient/pt-02"}})
    clinic.clock.move(minutes=6)
    who = clinic.again(who)
    assert "Outpatient" not in workflow.view_home(clinic.app, who).frame.banner.visit
    screening_id = clinic.give(who, phq9(*MILD))
    view = workflow.view_review(clinic.app, who, screening_id)
    assert [blocker.code for blocker in view.sign.blockers] == ["visit-not-read"]
    assert view.encounters
    assert clinic.screening(screening_id).encounter_id is None


NO_VISIT_READ = "Encounter.rs patient/Encounter.rs Encounter.r Encounter.s patient/Encounter.r patient/Encounter.s"


def test_a_visit_that_may_not_be_read_is_no_dead_end_none_is_chosen_and_the_plan_says_so(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", withhold=NO_VISIT_READ)
    screening_id = clinic.give(who, phq9(*MILD))
    view = workflow.view_review(clinic.app, who, screening_id)
    (blocker,) = view.sign.blockers
    assert blocker.text == (
        "Visit: the EHR does not let this app read the visit. "
        "Choose another one or none, or open the app again from the visit."
    )
    with pytest.raises(SigningBlocked):
        clinic.sign(who, screening_id)
    choice = workflow.view_encounters(clinic.app, who)
    assert choice.notice == (
        "The EHR opened the app from a visit: the EHR does not let this app read the visit. The EHR has no other "
        "recent visit of this patient, or it could not be read. Choose the one that the result belongs to, or none."
    )
    assert [(option.encounter_id, option.chosen) for option in choice.options] == [("none", False)]
    workflow.choose_encounter(clinic.app, who, "none")
    who = clinic.again(who)
    view = workflow.view_review(clinic.app, who, screening_id)
    said = "The visit from which the EHR opened the app could not be read: nothing is written to it."
    assert said in view.plans[0].summary
    assert "No visit is chosen" in view.plans[0].summary
    clinic.sign(who, screening_id)
    with clinic.app.units.read() as unit:
        approval = unit.approvals.find_for_screening(screening_id)
    assert approval is not None
    assert approval.encounter_id is None
    assert said in approval.plan_text
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}
    assert all('"encounter"' not in row.resource for row in clinic.rows(screening_id))


def test_another_visit_may_be_chosen_in_place_of_one_that_is_not_this_patients_and_be_chosen_anew(
    clinic: Clinic,
) -> None:
    who = clinic.launch("pt-01")
    visit = _resource(clinic, "Encounter", "enc-01-now")
    clinic.sandbox.store.put_raw({**visit, "subject": {"reference": "Patient/pt-02"}})
    clinic.clock.move(minutes=6)
    who = clinic.again(who)
    screening_id = clinic.give(who, phq9(*MILD))
    other = workflow.view_encounters(clinic.app, who).options[0].encounter_id
    for chosen in ("none", other):
        workflow.choose_encounter(clinic.app, who, chosen)
        who = clinic.again(who)
    view = workflow.view_review(clinic.app, who, screening_id)
    assert [option.encounter_id for option in view.encounters if option.chosen] == [other]
    assert "nothing is written to it" in view.plans[0].summary
    assert "No visit is chosen" not in view.plans[0].summary
    clinic.sign(who, screening_id)
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}
    assert not any("enc-01-now" in row.resource for row in clinic.rows(screening_id))


def test_rights_follow_the_role_of_the_user(tmp_path: Path) -> None:
    psychiatrist = frozenset({"http://snomed.info/sct|80584001"})
    rules = {"rights": (RightsRule(right=Right.SIGN, role_codes=psychiatrist),)}
    with open_clinic(tmp_path, rules=rules) as clinic:
        assert Right.SIGN in clinic.launch("pt-01", LINDQVIST).rights
        assert Right.SIGN not in clinic.launch("pt-01", OKAFOR).rights
        assert Right.SIGN not in clinic.launch("pt-01", BELL).rights


def test_a_long_history_is_read_over_all_its_pages(clinic: Clinic) -> None:
    known = len(workflow.view_history(clinic.app, clinic.launch("pt-01")).results)
    earlier = next(
        entry for entry in clinic.in_chart("Observation", "pt-01") if entry["code"]["coding"][0]["code"] == "44261-6"
    )
    for number in range(150):
        day = f"{2020 + number // 100}-{1 + number % 100 // 28:02}-{1 + number % 28:02}"
        clinic.sandbox.store.put_raw({**earlier, "id": f"old-{number}", "effectiveDateTime": day})
    view = workflow.view_history(clinic.app, clinic.launch("pt-01"))
    assert view.notices == ()
    assert len(view.results) == known + 150


def test_a_history_that_cannot_be_read_is_said_and_the_form_still_opens(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", withhold="Observation.rs patient/Observation.rs Observation.s Observation.r")
    view = workflow.view_history(clinic.app, who)
    assert view.rows == ()
    assert "could not be read from the chart" in view.notices[0]
    workflow.view_form(clinic.app, who, clinic.start(who))


def test_a_written_result_is_one_event_in_the_history(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    count = len(workflow.view_history(clinic.app, who).results)
    screening_id = clinic.give(who, phq9(*MILD))
    clinic.sign(who, screening_id)
    results = workflow.view_history(clinic.app, clinic.launch("pt-01")).results
    assert len(results) == count + 1
    assert results[0].origin == "this app"
    assert results[0].screening_id == screening_id


def test_a_patient_without_any_visit_can_be_given_and_signed_without_one(clinic: Clinic) -> None:
    alone = next(
        patient
        for patient in (f"pt-{number:02}" for number in range(1, 13))
        if not clinic.in_chart("Encounter", patient)
    )
    who = clinic.launch(alone)
    screening_id = clinic.give(who, phq9(*MILD))
    view = workflow.view_encounters(clinic.app, who)
    assert [option.encounter_id for option in view.options] == ["none"]
    workflow.choose_encounter(clinic.app, who, "none")
    codes = {b.code for b in workflow.view_review(clinic.app, clinic.again(who), screening_id).sign.blockers}
    assert "visit-not-chosen" not in codes


def test_a_deceased_patient_is_said_and_signing_needs_a_confirmation(clinic: Clinic) -> None:

    patient = _resource(clinic, "Patient", "pt-01")
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*MILD))
    clinic.sandbox.store.put_raw({**patient, "deceasedDateTime": "2026-11-24T14:00:00Z"})
    clinic.clock.move(minutes=6)
    who = clinic.again(who)
    view = workflow.view_review(clinic.app, who, screening_id)
    assert view.frame.banner.notices == ("The EHR says that this patient has died.",)
    assert view.sign.asks_deceased
    with pytest.raises(MissingField):
        clinic.sign(who, screening_id)
    clinic.sign(who, screening_id, deceased_confirmed=True)


def test_a_form_for_a_patient_who_has_died_starts_only_for_who_says_that_they_know(clinic: Clinic) -> None:
    who = clinic.launch("pt-10")
    assert workflow.view_start(clinic.app, who, "phq-9").asks_deceased
    with pytest.raises(MissingField):
        clinic.start(who)
    clinic.start(who, giving=replace(GIVING, although_deceased=True))
    (started,) = clinic.audited(AuditAction.SCREENING_STARTED)
    assert started.detail["although_deceased"] is True


def test_what_a_young_person_is_told_stands_where_a_form_is_started(clinic: Clinic) -> None:
    assert workflow.view_home(clinic.app, clinic.launch("pt-05")).told_beforehand == TOLD_BEFOREHAND
    assert workflow.view_home(clinic.app, clinic.launch("pt-01")).told_beforehand == ""


def test_tokens_of_ended_and_idle_launches_are_revoked_by_the_worker(clinic: Clinic) -> None:
    idle, live = clinic.launch("pt-01"), clinic.launch("pt-02")
    clinic.clock.move(minutes=19)
    live = clinic.again(live)
    clinic.clock.move(minutes=2)
    assert worker.run_round(clinic.app).sessions == 1
    assert clinic.session(idle).launch == ""
    assert clinic.session(live).launch != ""


def test_a_merged_record_blocks_signing(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*MILD))
    link = [{"other": {"reference": "Patient/pt-02"}, "type": "replaced-by"}]
    clinic.sandbox.store.put_raw({**_resource(clinic, "Patient", "pt-01"), "link": link})
    clinic.clock.move(minutes=6)
    view = workflow.view_review(clinic.app, clinic.again(who), screening_id)
    assert [blocker.code for blocker in view.sign.blockers] == ["patient-replaced"]


def test_gad7_says_that_suicide_was_not_asked(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, {f"gad7-{number}": 1 for number in range(1, 8)}, "gad-7")
    view = workflow.view_review(clinic.app, who, screening_id)
    assert view.suicide_notice == "Suicide not asked."
    assert "Suicide not asked." in view.note.text
    assert clinic.alerts(screening_id) == ()
    clinic.sign(who, screening_id)


def test_another_name_than_when_the_answers_were_given_is_said_on_review(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(*MILD))
    assert workflow.view_review(clinic.app, who, screening_id).frame.notice == ""
    name = [{"use": "official", "family": "Quinn", "given": ["Rosa"]}]
    clinic.sandbox.store.put_raw({**_resource(clinic, "Patient", "pt-01"), "name": name})
    view = workflow.view_review(clinic.app, clinic.launch("pt-01"), screening_id)
    assert view.frame.banner.name == "Quinn, Rosa"
    assert "another name or birth date" in view.frame.notice
