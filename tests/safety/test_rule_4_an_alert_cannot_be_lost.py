"""Safety rule 4: a risk alert opens when the answer is saved and survives every way out; signing needs it settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from smart_app import worker
from smart_app.model.alert import AlertState
from smart_app.model.audit import AuditAction
from smart_app.model.moves import IllegalMove, MissingField
from smart_app.model.rights import NotAllowed
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import SavedStatus, ScreeningState
from smart_app.screening import workflow
from smart_app.screening.forms import AssessmentForm, HandOverForm
from smart_app.services import Acting
from smart_app.writeback.errors import AlertStillOpen
from tests.fakes.clinic import ASSESSMENT, BELL, FERREIRA, LINDQVIST, OKAFOR, Clinic, code_of, open_clinic, phq9

NINE = (0, 0, 0, 0, 0, 0, 0, 0, 1)


def test_rule_4_it_opens_in_the_same_commit_as_the_save_in_a_form_never_finished(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    report = clinic.save(who, screening_id, {"phq9-9": 1})
    assert [save.alert for save in report.saves] == [True]
    assert "action is needed in this visit" in report.risk_notice
    (alert,) = clinic.alerts(screening_id)
    assert alert.opened_by_version == 1
    assert [event.entity for event in clinic.audited(AuditAction.ALERT_OPENED)] == [str(alert.id)]
    assert len(workflow.view_home(clinic.app, who).frame.alerts) == 1


@pytest.mark.parametrize("weight", [1, 2, 3])
def test_rule_4_any_answer_above_not_at_all_opens_one_whatever_the_total(clinic: Clinic, weight: int) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(0, 0, 0, 0, 0, 0, 0, 0, weight))
    assert [alert.kind for alert in clinic.alerts(screening_id)] == ["risk-answer"]


@pytest.mark.parametrize("answers", [phq9(0, 0, 0, 0, 0, 0, 0, 0), phq9(0, 0, 0, 0, 0, 0, 0, 0, None), {}])
def test_rule_4_a_risk_item_declined_or_blank_at_hand_in_is_risk_not_known(
    clinic: Clinic, answers: dict[str, int | None]
) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, answers)
    (alert,) = clinic.alerts(screening_id)
    assert (alert.kind, alert.level, alert.opened_by_version) == ("risk-not-known", "risk not known", 0)
    with pytest.raises(AlertStillOpen):
        clinic.sign(who, screening_id)


def test_rule_4_not_at_all_opens_none(clinic: Clinic) -> None:
    assert clinic.alerts(clinic.give(clinic.launch(), phq9(3, 3, 3, 3, 3, 3, 3, 3, 0))) == ()


def _change(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    clinic.save(who, screening_id, {"phq9-9": 0})


def _clear(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    posted = clinic.posted(screening_id, codes={"phq9-9": ""}, keep={"phq9-9": "posted"}, keep_seen={"phq9-9": 1})
    assert not workflow.hand_in(clinic.app, who, screening_id, posted).handed_in


def _hand_in_changed(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    posted = clinic.posted(screening_id, codes={"phq9-9": code_of("phq9-9", 0)}, accept_missing=True)
    assert workflow.hand_in(clinic.app, who, screening_id, posted).handed_in


def _stop(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    workflow.stop_screening(clinic.app, who, screening_id, "patient left")


def _reject(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    _hand_in_changed(clinic, who, screening_id)
    workflow.reject_screening(clinic.app, who, screening_id, "wrong patient in the room")


def _leave_for_days(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    del who, screening_id
    clinic.clock.move(days=3)
    worker.run_round(clinic.app)


def _start_anew(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    from tests.fakes.clinic import GIVING

    assert clinic.start(who, giving=replace(GIVING, informant="assisted")) != screening_id


def _log_out(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    del screening_id
    workflow.log_out(clinic.app, who)


@pytest.mark.parametrize(
    "way_out", [_change, _clear, _hand_in_changed, _stop, _reject, _leave_for_days, _start_anew, _log_out]
)
def test_rule_4_it_survives_every_way_out(clinic: Clinic, way_out: Callable[[Clinic, Acting, UUID], None]) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, {"phq9-9": 2})
    way_out(clinic, who, screening_id)
    (alert,) = clinic.alerts(screening_id)
    assert alert.state is AlertState.OPEN
    again = clinic.launch("pt-01", LINDQVIST)
    assert [strip.alert_id for strip in workflow.view_home(clinic.app, again).frame.alerts] == [alert.id]
    answers = workflow.view_alert(clinic.app, again, alert.id).answers
    assert answers[0].startswith("More than half the days (2)")


def test_rule_4_both_answers_stand_on_review_and_in_the_note(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(*NINE))
    clinic.clock.move(minutes=4)
    clinic.save(who, screening_id, {"phq9-9": 0})
    workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id))
    view = workflow.view_review(clinic.app, who, screening_id)
    assert [line.split(",")[0] for line in view.alerts[0].answers] == ["Several days (1)", "Not at all (0)"]
    assert "Before in this form: Several days (1), 24 Nov 2026 15:00 UTC" in view.note.text
    assert view.sign.blockers[0].code == "alert-open"


@pytest.mark.parametrize(
    ("field", "form"),
    [
        ("risk_level", replace(ASSESSMENT, risk_level="")),
        ("reasons", replace(ASSESSMENT, reasons="")),
        ("plan", replace(ASSESSMENT, plan="")),
        ("disposition", replace(ASSESSMENT, disposition="")),
    ],
)
def test_rule_4_closing_needs_the_clinicians_own_words(clinic: Clinic, field: str, form: AssessmentForm) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    (alert,) = clinic.alerts(screening_id)
    with pytest.raises(MissingField) as missing:
        workflow.close_alert(clinic.app, who, alert.id, form)
    assert missing.value.field == field
    assert clinic.alerts(screening_id)[0].state is AlertState.OPEN


@pytest.mark.parametrize("disposition", ["left", "declined", "not-reached"])
def test_rule_4_left_declined_or_not_reached_needs_outreach_and_stays_open(clinic: Clinic, disposition: str) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    (alert,) = clinic.alerts(screening_id)
    form = replace(ASSESSMENT, disposition=disposition)
    with pytest.raises(MissingField):
        workflow.close_alert(clinic.app, who, alert.id, form)
    view = workflow.close_alert(clinic.app, who, alert.id, replace(form, outreach_plan="call at 17:00"))
    assert view.is_open
    assert view.blocks_signing
    assert len(workflow.view_worklist(clinic.app, who).alerts) == 1


def test_rule_4_answered_in_error_never_closes_alone(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    (alert,) = clinic.alerts(screening_id)
    view = workflow.ask_again(clinic.app, who, alert.id, code=code_of("phq9-9", 0), reason="misread the line")
    assert view.blocks_signing
    assert len(view.answers) == 2
    note = workflow.view_review(clinic.app, who, screening_id).note.text
    assert "Asked again 24 Nov 2026 15:00 UTC by Amara Okafor, MD: Not at all" in note
    assert "misread" not in note


def test_rule_4_who_may_only_act_does_not_close(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", BELL)
    screening_id = clinic.give(who, phq9(*NINE))
    (alert,) = clinic.alerts(screening_id)
    assert workflow.add_to_alert(clinic.app, who, alert.id, "told Dr. Okafor").is_open
    with pytest.raises(NotAllowed):
        workflow.close_alert(clinic.app, who, alert.id, ASSESSMENT)
    assert clinic.alerts(screening_id)[0].state is AlertState.OPEN


def test_rule_4_handed_over_may_be_signed_and_the_note_says_that_it_is_open(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    (alert,) = clinic.alerts(screening_id)
    with pytest.raises(MissingField):
        workflow.hand_over_alert(clinic.app, who, alert.id, HandOverForm(name="  "))
    with pytest.raises(MissingField):
        workflow.hand_over_alert(
            clinic.app, who, alert.id, HandOverForm(name="Dr. Lindqvist", accepted_at="2026-11-24T15:30")
        )
    workflow.hand_over_alert(
        clinic.app, who, alert.id, HandOverForm(name="Dr. Lindqvist", accepted_at="2026-11-24T14:58")
    )
    clinic.sign(who, screening_id)
    note = workflow.view_outcome(clinic.app, who, screening_id).note_text
    assert "Alert: open: assessment pending, with Dr. Lindqvist, accepted 24 Nov 2026 14:58 UTC" in note
    assert workflow.view_home(clinic.app, who).frame.alerts[0].handed_over
    assert workflow.close_alert(clinic.app, who, alert.id, ASSESSMENT).state is AlertState.CLOSED


@pytest.mark.parametrize("into_note", [True, False])
def test_rule_4_and_13_words_enter_the_note_only_when_ticked(clinic: Clinic, *, into_note: bool) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    clinic.close_alerts(who, screening_id, replace(ASSESSMENT, into_note=into_note))
    note = workflow.view_review(clinic.app, who, screening_id).note.text
    assert ("passive thoughts, no plan, no intent" in note) is into_note
    assert "Alert: closed by Amara Okafor, MD, 24 Nov 2026 15:00 UTC\n" in note


def test_rule_4_the_note_says_who_assessed_and_when_where_somebody_else_closed(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    form = replace(ASSESSMENT, assessor="Dr.\nLindqvist", assessed_at="2026-11-24T14:40")
    clinic.close_alerts(who, screening_id, form)
    note = workflow.view_review(clinic.app, who, screening_id).note.text
    closed = "Alert: closed by Amara Okafor, MD, 24 Nov 2026 15:00 UTC"
    assert f"{closed}; assessed by Dr. Lindqvist, 24 Nov 2026 14:40 UTC\n" in note


def test_rule_4_a_risk_answer_after_closing_opens_it_again(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    clinic.close_alerts(who, screening_id)
    workflow.reopen_screening(clinic.app, who, screening_id)
    clinic.save(who, screening_id, {"phq9-9": 3})
    (alert,) = clinic.alerts(screening_id)
    assert alert.state is AlertState.OPEN
    assert len(alert.actions) == 2


def test_rule_4_a_closed_alert_takes_no_second_closing_but_words(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    clinic.close_alerts(who, screening_id)
    (alert,) = clinic.alerts(screening_id)
    with pytest.raises(IllegalMove):
        workflow.close_alert(clinic.app, who, alert.id, ASSESSMENT)
    assert len(workflow.add_to_alert(clinic.app, who, alert.id, "seen on Friday").steps) == 2


def test_rule_4_the_list_shows_full_identity_to_who_gave_it_and_each_view_is_audited(clinic: Clinic) -> None:
    giver = clinic.launch("pt-01", BELL)
    clinic.give(giver, phq9(*NINE))
    elsewhere = clinic.launch("pt-02", BELL)
    before = len(clinic.audited(AuditAction.ALERT_VIEWED))
    (row,) = workflow.view_worklist(clinic.app, elsewhere).alerts
    assert row.patient == "Delgado-Quinn, Rosa, born 14 Mar 1992 (34 y), MRN SIM-0001"
    assert len(clinic.audited(AuditAction.ALERT_VIEWED)) == before + 1
    assert workflow.view_worklist(clinic.app, clinic.launch("pt-02", FERREIRA)).alerts == ()


def test_rule_4_a_signed_result_keeps_its_alert_history(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", OKAFOR)
    screening_id = clinic.give(who, phq9(*NINE))
    clinic.close_alerts(who, screening_id)
    clinic.sign(who, screening_id)
    assert clinic.screening(screening_id).state is ScreeningState.SIGNED
    assert [action.by.name for action in clinic.alerts(screening_id)[0].actions] == ["Amara Okafor, MD"]


def test_rule_4_whom_the_site_names_sees_every_open_alert_of_its_ehr(tmp_path: Path) -> None:
    rules = {"alert_readers": frozenset({f"Practitioner/{LINDQVIST}"})}
    with open_clinic(tmp_path, rules=rules) as clinic:
        clinic.give(clinic.launch("pt-01", BELL), phq9(*NINE))
        (row,) = workflow.view_worklist(clinic.app, clinic.launch("pt-02", LINDQVIST)).alerts
        assert row.state == "Open for less than a minute, no action recorded"
        assert workflow.view_worklist(clinic.app, clinic.launch("pt-02", OKAFOR)).alerts == ()


def test_rule_4_a_risk_answer_in_conflict_with_another_page_opens_one_too(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, {"phq9-9": 0}, device="a")
    risky = IncomingAnswer(
        link_id="phq9-9",
        status=SavedStatus.ANSWERED,
        code=code_of("phq9-9", 2),
        device="b",
        sequence=1,
        seen_version=0,
    )
    report = workflow.save_answers(clinic.app, who, screening_id, [risky])
    assert [(save.kind, save.alert) for save in report.saves] == [("conflict", True)]
    workflow.save_answers(clinic.app, who, screening_id, [replace(risky, sequence=2)])
    (alert,) = clinic.alerts(screening_id)
    steps = workflow.view_alert(clinic.app, who, alert.id).steps
    assert [(step.title, step.lines) for step in steps] == [
        ("Also answered, not saved because another answer was newer", ("More than half the days",))
    ]


def test_rule_4_a_risk_answer_that_waits_for_a_decision_at_hand_in_opens_one_whatever_is_kept(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(*(0,) * 8), device="a")
    stale = clinic.posted(screening_id, device="b", codes={"phq9-9": code_of("phq9-9", 1)})
    clinic.save(who, screening_id, {"phq9-9": 0}, device="a")
    result = workflow.hand_in(clinic.app, who, screening_id, stale)
    assert [difference.link_id for difference in result.differences] == ["phq9-9"]
    kept = replace(stale, keep={"phq9-9": "saved"}, keep_seen={"phq9-9": 1})
    assert workflow.hand_in(clinic.app, who, screening_id, kept).handed_in
    (alert,) = clinic.alerts(screening_id)
    assert alert.blocks_signing
    note = workflow.view_review(clinic.app, who, screening_id).note.text
    assert "Also answered on another page, 24 Nov 2026 15:00 UTC: Several days" in note
