"""What the pages say at the edges: start form, home, outcome, alerts; and who is not known to the EHR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from fhir_mappings.risk_rule import NextInstrument
from launch.errors import LaunchError
from smart_app.access import NotThisPatient
from smart_app.library import Library, load_catalog, load_library
from smart_app.model.approval import WriteChoice
from smart_app.model.audit import AuditAction
from smart_app.model.moves import IllegalMove, MissingField
from smart_app.model.rights import NotAllowed
from smart_app.notes.workflow import NoteTooLong
from smart_app.screening import workflow
from smart_app.screening.errors import DraftTooOld, InvalidField, LaunchNotOpen, NoSuchInstrument
from smart_app.screening.forms import HandOverForm
from tests.fakes.clinic import (
    ASSESSMENT,
    BELL,
    FERREIRA,
    GIVING,
    LIBRARY,
    LINDQVIST,
    OKAFOR,
    Clinic,
    phq9,
)

MILD = (1, 1, 1, 1, 1, 1, 0, 0, 0)
AT_15 = (
    "PHQ-9 is validated for ages 18 and older; at 15 its ranges, usual cut-off and figures of change are not "
    "established."
)
NINE = (0, 0, 0, 0, 0, 0, 0, 0, 1)
NOWHERE = UUID(int=99)


def test_the_start_form_presets_the_patient_and_never_how_it_is_given(clinic: Clinic) -> None:
    view = workflow.view_start(clinic.app, clinic.launch("pt-01"), "phq-9")
    assert [choice.value for choice in view.informants if choice.chosen] == ["patient"]
    assert not any(choice.chosen for choice in view.modes)
    assert {choice.value for choice in view.modes} == {"interview", "telephone", "video", "paper"}
    assert (view.draft_id, view.draft, view.warnings) == (None, "", ())


def test_the_start_form_shows_the_draft_that_could_go_on(clinic: Clinic) -> None:
    assistant = clinic.launch("pt-01", BELL)
    draft_id = clinic.start(assistant, giving=replace(GIVING, interpreter=True))
    clinic.save(assistant, draft_id, phq9(1, 2))
    view = workflow.view_start(clinic.app, clinic.launch("pt-01", OKAFOR), "phq-9")
    assert view.draft_id == draft_id
    assert view.draft == (
        "2 of 10 answered, saved today 15:00 by Tamika Bell, CMA. "
        "Answered by the patient, asked in person, in English, with an interpreter."
    )


def test_an_age_outside_the_validated_range_is_said_before_starting(clinic: Clinic) -> None:
    _, warning = workflow.view_start(clinic.app, clinic.launch("pt-05"), "phq-9").warnings
    assert warning == AT_15


def test_an_age_outside_the_validated_range_is_said_on_review_and_in_the_note(clinic: Clinic) -> None:
    who = clinic.launch("pt-05")
    screening_id = clinic.give(who, phq9(*MILD))
    view = workflow.view_review(clinic.app, who, screening_id)
    assert view.frame.notice == AT_15
    assert AT_15 in view.note.text
    adult = clinic.launch("pt-01")
    view = workflow.view_review(clinic.app, adult, clinic.give(adult, phq9(*MILD)))
    assert view.frame.notice == ""
    assert "validated" not in view.note.text


def test_an_edited_note_must_still_say_that_the_ranges_do_not_hold_at_this_age(clinic: Clinic) -> None:
    who = clinic.launch("pt-05")
    screening_id = clinic.give(who, phq9(*MILD))
    text = workflow.view_review(clinic.app, who, screening_id).note.text
    workflow.save_note(clinic.app, who, screening_id, text.replace(AT_15, ""), 0)
    assert workflow.view_review(clinic.app, who, screening_id).note.problems == (
        "The note no longer says that the ranges are not established at this age.",
    )


def test_an_instrument_that_does_not_exist_is_not_started(clinic: Clinic) -> None:
    who = clinic.launch()
    with pytest.raises(NoSuchInstrument):
        workflow.view_start(clinic.app, who, "phq-99")
    with pytest.raises(NoSuchInstrument):
        clinic.start(who, "phq-99")


def test_gad7_says_before_starting_that_it_does_not_ask_about_suicide(clinic: Clinic) -> None:
    assert workflow.view_start(clinic.app, clinic.launch(), "gad-7").warnings == ("GAD-7 does not ask about suicide.",)


def test_an_answer_that_calls_for_another_instrument_makes_it_due(clinic: Clinic) -> None:
    phq, gad = LIBRARY.find("phq-9"), LIBRARY.find("gad-7")
    assert phq is not None
    assert gad is not None
    rule = NextInstrument(
        id="next-1",
        canonical=gad.canonical,
        reason="PHQ-9 item 7 was 2 or more.",
        source="a test",
        link_id="phq9-7",
        at_least=2,
    )
    clinic.app = replace(clinic.app, library=Library([replace(phq, next_instruments=(rule,)), gad]))
    who = clinic.launch()
    clinic.save(who, clinic.start(who), {"phq9-7": 2})
    first = workflow.view_home(clinic.app, who).due[0]
    assert (first.instrument_id, first.due, first.reason, first.key) == ("gad-7", True, rule.reason, "1")


@pytest.mark.parametrize("choice", [WriteChoice.KEEP, WriteChoice.COPY_BY_HAND])
def test_what_is_kept_is_said_to_be_kept(clinic: Clinic, choice: WriteChoice) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*MILD))
    clinic.sign(who, screening_id, choice=choice, choice_reason="patient asked")
    view = workflow.view_outcome(clinic.app, who, screening_id)
    assert view.heading == "PHQ-9 signed and kept in this app; nothing was written to the chart"
    assert not view.may_finish_writing


def test_the_outcome_says_whose_second_signature_is_awaited(clinic: Clinic) -> None:
    trainee = clinic.launch("pt-01", FERREIRA)
    screening_id = clinic.give(trainee, phq9(*MILD))
    assert workflow.view_review(clinic.app, trainee, screening_id).sign.co_sign_notice
    clinic.sign(trainee, screening_id)
    view = workflow.view_outcome(clinic.app, trainee, screening_id)
    assert view.heading == "PHQ-9 signed; waits for the signature of Henrik Lindqvist, MD"
    assert not view.may_co_sign
    assert [item.kind for item in workflow.view_home(clinic.app, trainee).unfinished] == ["co-sign"]
    supervisor = clinic.launch("pt-01", LINDQVIST)
    assert [item.action for item in workflow.view_home(clinic.app, supervisor).unfinished] == ["Read and co-sign PHQ-9"]


def test_a_user_whom_the_ehr_does_not_name_gives_and_reviews_but_does_not_sign(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", OKAFOR, withhold="openid fhirUser")
    assert who.user.name == "Unknown user"
    screening_id = clinic.give(who, phq9(*MILD))
    with pytest.raises(NotAllowed):
        clinic.sign(who, screening_id)
    other = clinic.launch("pt-01", OKAFOR, withhold="openid fhirUser")
    assert not other.user.same_person(who.user)


def test_an_ehr_that_does_not_answer_discovery_is_refused_and_anybody_s_click_is_not_audited(clinic: Clinic) -> None:
    registered = clinic.app.ehrs.get("sandbox")
    elsewhere = replace(registered, fhir_base_url=f"{clinic.sandbox.base_url}/nowhere")
    clinic.app = replace(
        clinic.app,
        ehrs=type(clinic.app.ehrs)([elsewhere]),
        connections=type(clinic.app.connections)(type(clinic.app.ehrs)([elsewhere]), keys=None),
    )
    with pytest.raises(LaunchError):
        workflow.begin_launch(clinic.app, iss=elsewhere.fhir_base_url, launch="x", framed=False)
    assert clinic.audited(AuditAction.LAUNCH_REFUSED) == []
    clinic.app.connections.close()


def test_what_does_not_exist_is_refused_like_what_belongs_to_others(clinic: Clinic) -> None:
    who = clinic.launch()
    with pytest.raises(NotThisPatient):
        workflow.view_review(clinic.app, who, NOWHERE)
    with pytest.raises(NotThisPatient):
        workflow.view_alert(clinic.app, who, NOWHERE)
    with pytest.raises(LaunchNotOpen):
        workflow.open_session(clinic.app, "no-such-launch", "secret", correlation_id="c")


BEFORE_BIRTH, WEEK_DATE = "1992-03-13T10:00", "2026-W48-2T10:00"


def test_alert_forms_name_the_field_that_is_wrong(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*NINE))
    (alert,) = clinic.alerts(screening_id)
    app, long = clinic.app, "x" * 5001
    attempts: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: workflow.close_alert(app, who, alert.id, replace(ASSESSMENT, disposition="cured")), "disposition"),
        (lambda: workflow.close_alert(app, who, alert.id, replace(ASSESSMENT, done=("prayed",))), "done"),
        (lambda: workflow.close_alert(app, who, alert.id, replace(ASSESSMENT, assessed_at="noon")), "assessed_at"),
        (
            lambda: workflow.close_alert(app, who, alert.id, replace(ASSESSMENT, assessed_at=BEFORE_BIRTH)),
            "assessed_at",
        ),
        (lambda: workflow.close_alert(app, who, alert.id, replace(ASSESSMENT, assessed_at=WEEK_DATE)), "assessed_at"),
        (lambda: workflow.close_alert(app, who, alert.id, replace(ASSESSMENT, plan=long)), "plan"),
        (lambda: workflow.hand_over_alert(app, who, alert.id, HandOverForm(name=long)), "to_name"),
        (lambda: workflow.ask_again(app, who, alert.id, code="LA0-0", reason="x"), "answer"),
        (lambda: workflow.ask_again(app, who, alert.id, code="", reason="x"), "answer"),
        (lambda: workflow.add_to_alert(app, who, alert.id, "  "), "text"),
    )
    for attempt, field in attempts:
        with pytest.raises((InvalidField, MissingField)) as refused:
            attempt()
        assert refused.value.field == field
    assert clinic.alerts(screening_id) == (alert,)


def test_a_signed_result_takes_no_note_comment_or_rejection(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*MILD))
    attempts: tuple[tuple[Callable[[], object], type[Exception]], ...] = (
        (lambda: workflow.save_note(clinic.app, who, screening_id, "  ", 0), MissingField),
        (lambda: workflow.save_note(clinic.app, who, screening_id, "x" * 50_001, 0), NoteTooLong),
    )
    for attempt, error in attempts:
        with pytest.raises(error):
            attempt()
    clinic.sign(who, screening_id)
    for move in (
        lambda: workflow.save_note(clinic.app, who, screening_id, "x", 0),
        lambda: workflow.set_comment(clinic.app, who, screening_id, "x"),
        lambda: workflow.reject_screening(clinic.app, who, screening_id, "x"),
        lambda: workflow.reopen_screening(clinic.app, who, screening_id),
        lambda: workflow.view_review(clinic.app, who, screening_id),
    ):
        with pytest.raises(IllegalMove):
            move()


def test_a_result_older_than_a_draft_may_be_is_not_reopened(clinic: Clinic) -> None:
    screening_id = clinic.give(clinic.launch(), phq9(*MILD))
    clinic.clock.move(hours=25)
    with pytest.raises(DraftTooOld):
        workflow.reopen_screening(clinic.app, clinic.launch(), screening_id)


def test_unfinished_work_is_ordered_by_what_cannot_wait(clinic: Clinic) -> None:
    who = clinic.launch()
    clinic.start(who, "gad-7")
    clinic.give(who, phq9(*MILD))
    clinic.clock.move(minutes=1)
    clinic.give(who, phq9(*NINE))
    items = workflow.view_home(clinic.app, clinic.again(who)).unfinished
    assert [item.kind for item in items] == ["review", "review", "draft"]
    assert items[0].detail == "Not signed, not in the chart; waits for the risk action"
    assert items[2].title == "GAD-7, 0 of 7 answered"


def test_access_that_the_ehr_did_not_give_is_said_and_the_plan_follows_it(clinic: Clinic) -> None:
    assert workflow.view_home(clinic.app, clinic.launch("pt-02")).frame.notice == ""
    who = clinic.launch("pt-01", withhold="patient/DocumentReference.c")
    assert "patient/DocumentReference.c" in workflow.view_home(clinic.app, who).frame.notice
    view = workflow.view_review(clinic.app, who, clinic.give(who, phq9(*MILD)))
    note = next(line for line in view.plans[0].lines if line.what == "Note")
    assert not note.writes
    assert "no right to write DocumentReference" in note.reason


@pytest.mark.parametrize(
    ("instrument_id", "first"), [("phq-9", "phq9-10"), ("asq", None), ("pc-ptsd-5", None), ("mdq", "mdq-4")]
)
def test_only_what_no_score_looks_at_stands_under_not_part_of_the_score(instrument_id: str, first: str | None) -> None:
    instrument = next(one for one in load_catalog().find_all() if one.id == instrument_id)
    uncounted = [item.link_id for item in instrument.items if not instrument.counts(item.link_id)]
    assert next(iter(uncounted), None) == first


@pytest.mark.parametrize(("instrument_id", "headed"), [("phq-9", ["phq9-10"]), ("asq", []), ("pc-ptsd-5", [])])
def test_the_form_heads_the_questions_after_the_last_that_counts(
    clinic: Clinic, instrument_id: str, headed: list[str]
) -> None:
    clinic.app = replace(clinic.app, library=load_library((instrument_id,)))
    who = clinic.launch()
    form = workflow.view_form(clinic.app, who, clinic.start(who, instrument_id))
    assert [item.link_id for item in form.items if item.unscored_heading] == headed
