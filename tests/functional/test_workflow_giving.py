"""Giving a screening: who and how, saves that are late, foreign or in conflict, hand-in, drafts that may not go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smart_app import worker
from smart_app.access import LaunchIdle, NotThisPatient
from smart_app.library import load_library
from smart_app.model.audit import AuditAction
from smart_app.model.moves import IllegalMove, MissingField
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import SavedStatus, ScreeningState
from smart_app.screening import workflow
from smart_app.screening.errors import DraftTooOld, InvalidField, NoSuchInstrument, UnknownItem, UnknownOption
from smart_app.screening.forms import DECLINED, GivingForm, PostedForm
from tests.fakes.clinic import BELL, GIVING, LINDQVIST, OKAFOR, Clinic, code_of, open_clinic, phq9

FULL = phq9(1, 1, 1, 1, 1, 1, 0, 0, 0)


def _incoming(link_id: str, code: str, sequence: int = 1, device: str = "page-9", seen: int = 0) -> IncomingAnswer:
    return IncomingAnswer(
        link_id=link_id,
        status=SavedStatus.ANSWERED,
        code=code,
        device=device,
        sequence=sequence,
        seen_version=seen,
    )


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (replace(GIVING, informant=""), "informant"),
        (replace(GIVING, informant="nurse"), "informant"),
        (replace(GIVING, mode=""), "mode"),
        (replace(GIVING, mode="own-device"), "mode"),
        (replace(GIVING, informant="proxy"), "relationship"),
        (replace(GIVING, language=""), "language"),
        (replace(GIVING, language="fr"), "language"),
        (replace(GIVING, mode="paper"), "answered_at"),
        (replace(GIVING, answered_at="2026-11"), "answered_at"),
        (replace(GIVING, answered_at="2026-11-24T15:01"), "answered_at"),
        (replace(GIVING, answered_at="2026-11-25"), "answered_at"),
        (replace(GIVING, answered_at="yesterday"), "answered_at"),
        (replace(GIVING, answered_at="1992-03-13"), "answered_at"),  # a day before she was born
        (replace(GIVING, answered_at="2026-W48-1T10:00"), "answered_at"),
        (replace(GIVING, answered_at="2026-13-40T10:00"), "answered_at"),
    ],
)
def test_who_and_how_is_complete_and_not_in_the_future(clinic: Clinic, form: GivingForm, field: str) -> None:
    who = clinic.launch()
    with pytest.raises((MissingField, InvalidField)) as refused:
        clinic.start(who, giving=form)
    assert refused.value.field == field


def test_a_paper_form_keeps_the_precision_of_its_day(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who, giving=replace(GIVING, mode="paper", answered_at="2026-11-20"))
    assert clinic.screening(screening_id).giving.answered_at == "2026-11-20"
    clinic.save(who, screening_id, FULL)
    workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id))
    note = workflow.view_review(clinic.app, who, screening_id).note.text
    assert "PHQ-9, 20 Nov 2026, answered by the patient on paper, entered later, entered by Amara Okafor, MD," in note
    assert "given by" not in note, "who handed out the paper is not known"


def test_a_proxy_is_named_by_relationship(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who, giving=replace(GIVING, informant="proxy", relationship="daughter"))
    view = workflow.view_form(clinic.app, who, screening_id)
    assert view.giving == "Answered for the patient by a proxy (daughter), asked in person, in English"


def test_a_draft_of_the_same_informant_goes_on(clinic: Clinic) -> None:
    first = clinic.start(clinic.launch("pt-01", BELL))
    assert clinic.start(clinic.launch("pt-01", OKAFOR)) == first


def test_a_draft_of_another_informant_is_stopped_and_kept(clinic: Clinic) -> None:
    who = clinic.launch()
    first = clinic.start(who)
    clinic.save(who, first, phq9(1, 2))
    second = clinic.start(who, giving=replace(GIVING, informant="assisted"))
    assert second != first
    stopped = clinic.screening(first)
    assert stopped.state is ScreeningState.STOPPED
    assert stopped.ended_reason
    assert len(stopped.answers) == 2


def test_a_draft_past_the_sites_limit_is_stopped_with_its_alerts(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, {"phq9-9": 2})
    clinic.clock.move(hours=24, seconds=1)
    who = clinic.launch()
    with pytest.raises(DraftTooOld):
        clinic.save(who, screening_id, {"phq9-1": 1})
    with pytest.raises(DraftTooOld):
        workflow.view_form(clinic.app, who, screening_id)
    assert clinic.screening(screening_id).state is ScreeningState.STOPPED
    assert [alert.is_open for alert in clinic.alerts(screening_id)] == [True]
    assert workflow.view_home(clinic.app, who).frame.alerts


def test_the_worker_stops_old_drafts_too(clinic: Clinic) -> None:
    screening_id = clinic.start(clinic.launch())
    clinic.clock.move(hours=25)
    assert worker.run_round(clinic.app).stopped == 1
    assert clinic.screening(screening_id).state is ScreeningState.STOPPED


@pytest.mark.parametrize(
    ("bad", "error", "field"),
    [
        (_incoming("phq9-77", "LA6568-5"), UnknownItem, "phq9-77"),
        (_incoming("<script>", "LA6568-5"), UnknownItem, "linkId"),
        (_incoming("phq9-2", "LA0-0"), UnknownOption, "phq9-2"),
        (_incoming("phq9-2", ""), UnknownOption, "phq9-2"),
    ],
)
def test_what_the_instrument_does_not_have_is_refused_and_the_rest_is_saved(
    clinic: Clinic, bad: IncomingAnswer, error: type[UnknownItem], field: str
) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    good = _incoming("phq9-9", code_of("phq9-9", 3))
    with pytest.raises(error) as refused:
        workflow.save_answers(clinic.app, who, screening_id, [bad, good])
    assert refused.value.field == field
    assert set(clinic.screening(screening_id).current_answers()) == {"phq9-9"}
    assert len(clinic.alerts(screening_id)) == 1


def test_a_form_posted_with_a_foreign_answer_is_refused_and_the_rest_is_saved(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    codes = {"phq9-1": code_of("phq9-1", 2), "phq9-2": "LA0-0", "phq9-99": "LA6568-5"}
    with pytest.raises(UnknownOption):
        workflow.hand_in(clinic.app, who, screening_id, PostedForm(device="page-1", codes=codes, seen={}))
    screening = clinic.screening(screening_id)
    assert screening.state is ScreeningState.IN_PROGRESS
    assert set(screening.current_answers()) == {"phq9-1"}


def test_a_form_works_without_any_single_save(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    codes = {link_id: code_of(link_id, weight or 0) for link_id, weight in FULL.items()}
    result = workflow.hand_in(clinic.app, who, screening_id, PostedForm(device="page-1", codes=codes, seen={}))
    assert result.handed_in
    assert clinic.screening(screening_id).state is ScreeningState.COMPLETED


def test_missing_items_are_asked_about_before_an_incomplete_form_is_handed_in(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(1, 1, 1, 1, 1, 1, 1))
    posted = clinic.posted(screening_id)
    result = workflow.hand_in(clinic.app, who, screening_id, posted)
    assert not result.handed_in
    assert [(item.number, item.risk) for item in result.missing] == [("8", False), ("9", True)]
    assert clinic.screening(screening_id).state is ScreeningState.IN_PROGRESS
    assert workflow.view_hand_in(clinic.app, who, screening_id, posted, result).missing == result.missing
    assert workflow.hand_in(clinic.app, who, screening_id, replace(posted, accept_missing=True)).handed_in


def test_declining_is_an_answer_of_its_own_and_not_missing(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(1, 1, 1, 1, 1, 1, 1, None, 0))
    assert workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id)).handed_in
    view = workflow.view_review(clinic.app, who, screening_id)
    assert view.scores[0].value is None
    assert [row.answer for row in view.answers if row.number == "8"] == ["Declined to answer"]


def test_the_same_form_posted_twice_is_handed_in_once(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, FULL)
    posted = clinic.posted(screening_id)
    assert workflow.hand_in(clinic.app, who, screening_id, posted).handed_in
    assert workflow.hand_in(clinic.app, who, screening_id, posted).handed_in
    assert len(clinic.audited(AuditAction.SCREENING_HANDED_IN)) == 1
    changed = clinic.posted(screening_id, codes={"phq9-1": code_of("phq9-1", 3)})
    with pytest.raises(IllegalMove):
        workflow.hand_in(clinic.app, who, screening_id, changed)


def test_a_result_can_go_back_to_the_form_and_keeps_what_stood(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, FULL)
    workflow.view_review(clinic.app, who, screening_id)
    workflow.reopen_screening(clinic.app, who, screening_id)
    clinic.save(who, screening_id, {"phq9-1": 3})
    workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id))
    row = next(row for row in workflow.view_review(clinic.app, who, screening_id).answers if row.number == "1")
    assert row.points == "3"
    assert row.earlier == ("Before: Several days (1), today 15:00",)


def test_an_idle_session_saves_into_its_own_form_and_goes_on_after_a_relaunch(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, {"phq9-1": 1})
    clinic.clock.move(minutes=45)
    idle = clinic.again(who)
    report = clinic.save(idle, screening_id, {"phq9-2": 2})
    assert [(save.kind, save.code) for save in report.saves] == [("saved", "")]
    assert (report.progress, report.total, report.risk_notice) == ("", "", "")
    posted = clinic.posted(screening_id, codes={"phq9-3": code_of("phq9-3", 3)}, accept_missing=True)
    with pytest.raises(LaunchIdle):
        workflow.hand_in(clinic.app, idle, screening_id, posted)
    with pytest.raises(LaunchIdle):
        workflow.view_form(clinic.app, idle, screening_id)
    screening = clinic.screening(screening_id)
    assert screening.state is ScreeningState.IN_PROGRESS
    assert set(screening.current_answers()) == {"phq9-1", "phq9-2", "phq9-3"}
    resumed = workflow.view_form(clinic.app, clinic.launch(), screening_id)
    assert resumed.progress == "3 of 10 answered"


def test_an_idle_session_may_not_save_into_a_colleagues_form(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", OKAFOR)
    clinic.clock.move(minutes=45)
    screening_id = clinic.start(clinic.launch("pt-01", LINDQVIST))
    with pytest.raises(NotThisPatient):
        clinic.save(clinic.again(who), screening_id, {"phq9-1": 1})
    assert clinic.screening(screening_id).answers == ()


def test_a_stopped_form_needs_a_reason_and_keeps_its_answers(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, {"phq9-1": 1})
    with pytest.raises(MissingField):
        workflow.stop_screening(clinic.app, who, screening_id, "  ")
    workflow.stop_screening(clinic.app, who, screening_id, "patient had to leave")
    assert clinic.screening(screening_id).state is ScreeningState.STOPPED
    assert len(clinic.screening(screening_id).answers) == 1


def test_an_option_code_is_never_taken_for_a_refusal() -> None:
    assert code_of("phq9-1", 0) != DECLINED


def test_an_instrument_that_was_switched_off_is_not_started_and_its_results_can_be_signed(tmp_path: Path) -> None:
    with open_clinic(tmp_path) as clinic:
        who = clinic.launch()
        screening_id = clinic.give(who, FULL)
        clinic.app = replace(clinic.app, library=load_library(["gad-7"]))
        with pytest.raises(NoSuchInstrument):
            clinic.start(who)
        assert [item.instrument_id for item in workflow.view_home(clinic.app, who).due] == ["gad-7"]
        clinic.sign(who, screening_id)
