"""Safety rule 4: an alert of a form with published levels (ASQ, C-SSRS) tells the highest that its form reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import pytest

from smart_app.library import Library
from smart_app.model.alert import AlertState
from smart_app.model.audit import AuditAction
from smart_app.screening import workflow
from smart_app.screening.errors import RiskAnswerNotSaved
from smart_app.services import Acting
from tests.fakes.clinic import Clinic, code_of
from tests.golden.golden_cases import give_instrument

YES, NO = 0, 1
"""The places of ASQ's and C-SSRS's options."""
OPEN, NON_ACUTE, ACUTE = "positive, acuity not known", "non-acute positive", "acute positive"


@pytest.fixture
def giving(clinic: Clinic) -> Clinic:
    """A clinic that gives ASQ and C-SSRS, the latter with invented words."""
    library = Library([give_instrument("asq"), give_instrument("c-ssrs-screener")])
    return replace(clinic, app=replace(clinic.app, library=library))


def told(clinic: Clinic, screening_id: UUID) -> dict[str, list[str]]:
    """linkId → every level that its alert told, rising."""
    return {alert.link_id: [reached.level for reached in alert.levels] for alert in clinic.alerts(screening_id)}


def answer_in_turn(clinic: Clinic, who: Acting, screening_id: UUID, *answers: Mapping[str, int | None]) -> None:
    for each in answers:
        clinic.save(clinic.again(who), screening_id, each)
        clinic.clock.move(minutes=1)


def hand_in(clinic: Clinic, who: Acting, screening_id: UUID) -> None:
    posted = clinic.posted(screening_id, accept_missing=True)
    assert workflow.hand_in(clinic.app, who, screening_id, posted).handed_in


def test_rule_4_an_asq_that_turns_acute_says_so_on_every_alert_page_worklist_and_note(giving: Clinic) -> None:
    who = giving.launch()
    screening_id = giving.start(who, "asq")
    answer_in_turn(giving, who, screening_id, {"asq-1": YES}, {"asq-2": NO, "asq-3": NO, "asq-4": NO}, {"asq-5": YES})
    assert told(giving, screening_id) == {"asq-1": [OPEN, ACUTE], "asq-5": [ACUTE]}
    who = giving.again(who)
    hand_in(giving, who, screening_id)
    first = "Highest level reached: acute positive, today 15:02; before: positive, acuity not known, today 15:00."
    second = "Highest level reached: acute positive, today 15:02."
    view = workflow.view_review(giving.app, who, screening_id)
    assert [(alert.item.split(":")[0], alert.level) for alert in view.alerts] == [("Item 1", first), ("Item 5", second)]
    assert all("STAT safety" in alert.rule for alert in view.alerts)
    assert [strip.text.startswith(words) for strip, words in zip(view.frame.alerts, (first, second), strict=True)]
    assert [(row.what, row.level) for row in workflow.view_worklist(giving.app, who).alerts] == [
        ("ASQ item 1, risk answer", first),
        ("ASQ item 5, risk answer", second),
    ]
    lasting = [words.replace("today", "24 Nov 2026").replace(";", " UTC;") for words in (first, second)]
    for words in lasting:
        assert f"Alert: open, not assessed\n{words.removesuffix('.')} UTC.\n" in view.note.text
    assert "Result: acute positive" in view.note.text
    assert [event.detail["rule"] for event in giving.audited(AuditAction.ALERT_RAISED)] == ["asq-risk-1"]


def test_rule_4_a_level_is_never_lowered_and_what_stands_is_told_beside_it(giving: Clinic) -> None:
    who = giving.launch()
    screening_id = giving.start(who, "asq")
    answer_in_turn(giving, who, screening_id, {"asq-2": YES}, {"asq-5": YES}, {"asq-5": NO}, {"asq-2": NO})
    assert told(giving, screening_id) == {"asq-2": [OPEN, ACUTE], "asq-5": [ACUTE]}
    answer_in_turn(giving, who, screening_id, {"asq-2": YES, "asq-1": NO, "asq-3": NO, "asq-4": NO})
    who = giving.again(who)
    hand_in(giving, who, screening_id)
    view = workflow.view_review(giving.app, who, screening_id)
    assert all("acute positive, today 15:01" in alert.level for alert in view.alerts)
    assert "Result: non-acute positive" in view.note.text
    assert "Highest level reached: acute positive, 24 Nov 2026 15:01 UTC" in view.note.text


def test_rule_4_a_level_rises_on_the_alert_of_an_answer_that_was_changed_and_on_a_closed_one(giving: Clinic) -> None:
    who = giving.launch()
    screening_id = giving.start(who, "asq")
    answer_in_turn(giving, who, screening_id, {"asq-1": YES}, {"asq-1": NO, "asq-2": YES})
    giving.close_alerts(who, screening_id)
    answer_in_turn(giving, who, screening_id, {"asq-5": YES})
    assert told(giving, screening_id) == {"asq-1": [OPEN, ACUTE], "asq-2": [OPEN, ACUTE], "asq-5": [ACUTE]}
    states = {alert.link_id: alert.state for alert in giving.alerts(screening_id)}
    assert states == {"asq-1": AlertState.CLOSED, "asq-2": AlertState.CLOSED, "asq-5": AlertState.OPEN}


def test_rule_4_a_late_answer_to_a_form_that_is_over_raises_what_stands(giving: Clinic) -> None:
    who = giving.launch()
    screening_id = giving.give(who, {"asq-1": YES, "asq-2": NO, "asq-3": NO, "asq-4": NO, "asq-5": NO}, "asq")
    assert told(giving, screening_id) == {"asq-1": [NON_ACUTE]}
    late = giving.posted(screening_id, codes={"asq-5": code_of("asq-5", YES)})
    with pytest.raises(RiskAnswerNotSaved):
        workflow.hand_in(giving.app, who, screening_id, late)
    assert {link_id: levels[-1] for link_id, levels in told(giving, screening_id).items()} == {
        "asq-1": ACUTE,
        "asq-5": ACUTE,
    }


def test_rule_4_a_declined_item_tells_the_level_that_another_answer_made(giving: Clinic) -> None:
    who = giving.launch()
    screening_id = giving.give(who, {"asq-1": None, "asq-2": NO, "asq-3": NO, "asq-4": NO, "asq-5": None}, "asq")
    assert told(giving, screening_id) == {link_id: [f"risk not known: {OPEN}"] for link_id in ("asq-1", "asq-5")}
    late = giving.posted(screening_id, codes={"asq-5": code_of("asq-5", YES)})
    with pytest.raises(RiskAnswerNotSaved):
        workflow.hand_in(giving.app, who, screening_id, late)
    first, fifth = giving.alerts(screening_id)
    assert (first.kind, first.level) == ("risk-not-known", f"risk not known: {ACUTE}")
    assert (fifth.kind, fifth.level, fifth.reason) == ("risk-answer", ACUTE, "Yes to item 5, thoughts right now")


def test_rule_4_every_cssrs_alert_keeps_pace_with_the_level(giving: Clinic) -> None:
    who = giving.launch()
    screening_id = giving.start(who, "c-ssrs-screener")
    answers = [{"cssrs-1": YES}, {"cssrs-2": YES}, {"cssrs-3": YES}, {"cssrs-4": NO}, {"cssrs-5": YES}, {"cssrs-6": NO}]
    answer_in_turn(giving, who, screening_id, *answers)
    low, moderate = "at least low, incomplete", "at least moderate, incomplete"
    assert told(giving, screening_id) == {
        "cssrs-1": [low, moderate, "high"],
        "cssrs-2": [low, moderate, "high"],
        "cssrs-3": [moderate, "high"],
        "cssrs-5": ["high"],
    }


def test_rule_4_an_acute_answer_stands_though_the_item_is_not_asked_any_more(giving: Clinic) -> None:
    who = giving.launch()
    screening_id = giving.start(who, "asq")
    answer_in_turn(giving, who, screening_id, {"asq-1": YES}, {"asq-5": YES})
    answer_in_turn(giving, who, screening_id, {"asq-1": NO, "asq-2": NO, "asq-3": NO, "asq-4": NO})
    who = giving.again(who)
    hand_in(giving, who, screening_id)
    note = workflow.view_review(giving.app, who, screening_id).note.text
    assert "RISK ITEM 5: Yes, where this item was not asked." in note
    assert "Item 1: No." in note
    assert "Before in this form: Yes" in note
    assert "Result not known" in note
    assert "negative" not in note
