"""After a positive pre-screen the next instrument is offered, and what was just answered may be carried to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from fhir_mappings.site_choice import SiteChoice
from smart_app.library import load_library
from smart_app.screening import workflow
from smart_app.screening.errors import NothingToCarry
from smart_app.services import Acting
from tests.fakes.clinic import GIVING, Clinic, open_clinic

LIBRARY = load_library(("phq-9", "gad-7", "phq-2", "gad-2", "phq-4", "audit-c", "audit", "asq"))
PATIENT = "pt-02"
PHQ2 = {"phq2-1": 2, "phq2-2": 1}
POSITIVE = {
    "phq-2": (PHQ2, "phq-9"),
    "gad-2": ({"gad2-1": 2, "gad2-2": 1}, "gad-7"),
    "audit-c": ({"auditc-1": 3, "auditc-2": 1, "auditc-3": 1}, "audit"),
}


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with open_clinic(tmp_path) as clinic:
        clinic.app = replace(clinic.app, library=LIBRARY)
        yield clinic


def give(clinic: Clinic, who: Acting, instrument_id: str, weights: Mapping[str, int]) -> UUID:
    screening_id = clinic.start(who, instrument_id)
    codes = {link_id: code_of(instrument_id, link_id, weight) for link_id, weight in weights.items()}
    posted = clinic.posted(screening_id, accept_missing=True, codes=codes)
    assert workflow.hand_in(clinic.app, who, screening_id, posted).handed_in
    return screening_id


def code_of(instrument_id: str, link_id: str, weight: int) -> str:
    instrument = LIBRARY.find(instrument_id)
    assert instrument is not None
    return next(option.coding.code for option in instrument.by_link_id[link_id].options if option.weight == weight)


def offers(clinic: Clinic, who: Acting, screening_id: UUID) -> dict[str, str]:
    return {one.link_id: one.answer for one in workflow.view_form(clinic.app, who, screening_id).offers}


def due(clinic: Clinic, who: Acting) -> dict[str, Any]:
    return {item.instrument_id: item for item in workflow.view_home(clinic.app, who).due if item.due}


@pytest.mark.parametrize("first", sorted(POSITIVE))
def test_a_positive_pre_screen_offers_the_next_one_with_reason_and_source(clinic: Clinic, first: str) -> None:
    weights, second = POSITIVE[first]
    who = clinic.launch(PATIENT)
    screening_id = give(clinic, who, first, weights)

    (called,) = workflow.view_review(clinic.app, who, screening_id).next_instruments
    item = due(clinic, who)[second]

    assert called.instrument_id == second
    assert "go on to the" in called.reason
    assert called.source == item.source != ""
    assert item.reason == called.reason


def test_a_negative_pre_screen_calls_for_nothing(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    screening_id = give(clinic, who, "phq-2", {"phq2-1": 1, "phq2-2": 1})
    assert workflow.view_review(clinic.app, who, screening_id).next_instruments == ()
    assert "phq-9" not in due(clinic, who)


def test_an_incomplete_pre_screen_that_is_surely_positive_calls_all_the_same(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    screening_id = give(clinic, who, "phq-2", {"phq2-1": 3})
    assert [one.instrument_id for one in workflow.view_review(clinic.app, who, screening_id).next_instruments] == [
        "phq-9"
    ]


@pytest.mark.parametrize(
    ("patient", "screen", "called"),
    [
        ("pt-02", "Screens positive: cut-off 3 for women", ["audit"]),
        ("pt-12", "Screens negative: cut-off 4 for men", []),
        ("pt-08", "Screen not known: the sex is not known (cut-off 4 for men or 3 for women)", ["audit"]),
    ],
)
def test_a_cutoff_by_sex_decides_whether_the_next_one_is_called_for(
    clinic: Clinic, patient: str, screen: str, called: list[str]
) -> None:
    """Three points: positive for women, negative for men, not known without the sex."""
    who = clinic.launch(patient)
    screening_id = give(clinic, who, "audit-c", {"auditc-1": 2, "auditc-2": 1, "auditc-3": 0})
    view = workflow.view_review(clinic.app, who, screening_id)
    assert view.scores[0].screen == screen
    assert [one.instrument_id for one in view.next_instruments] == called


def test_a_site_can_call_from_two_points_of_the_phq2(clinic: Clinic) -> None:
    clinic.app = replace(clinic.app, library=LIBRARY.choose(SiteChoice(cutoffs={"phq-2-total": 2})))
    who = clinic.launch(PATIENT)
    view = workflow.view_review(clinic.app, who, give(clinic, who, "phq-2", {"phq2-1": 1, "phq2-2": 1}))
    assert view.scores[0].screen == "Screens positive: cut-off 2"
    (called,) = view.next_instruments
    assert called.instrument_id == "phq-9"
    assert "at this site from 2" in called.reason


def test_what_has_been_begun_since_is_no_longer_called_for(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    screening_id = give(clinic, who, "phq-2", PHQ2)
    clinic.clock.move(minutes=1)
    clinic.start(who, "phq-9")
    assert workflow.view_review(clinic.app, who, screening_id).next_instruments == ()


def test_the_answers_are_offered_and_none_is_filled_in_by_itself(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    give(clinic, who, "phq-2", PHQ2)
    screening_id = clinic.start(who, "phq-9")
    view = workflow.view_form(clinic.app, who, screening_id)
    assert offers(clinic, who, screening_id) == {
        "phq9-1": "More than half the days (2)",
        "phq9-2": "Several days (1)",
    }
    assert view.offers[0].origin == "PHQ-2, today 15:00"
    assert view.answered == 0


def test_each_is_confirmed_on_its_own_and_marked_as_carried_wherever_it_goes(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    source_id = give(clinic, who, "phq-2", PHQ2)
    screening_id = clinic.start(who, "phq-9")

    workflow.carry_answer(clinic.app, who, screening_id, "phq9-1")
    assert list(offers(clinic, who, screening_id)) == ["phq9-2"]
    (saved,) = clinic.screening(screening_id).answers
    assert saved.carried.screening_id == source_id
    (shown,) = [item for item in workflow.view_form(clinic.app, who, screening_id).items if item.link_id == "phq9-1"]
    assert shown.saved.startswith("Carried from PHQ-2, saved")

    clinic.save(who, screening_id, {f"phq9-{number}": 1 for number in range(2, 10)})
    workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id, accept_missing=True))
    clinic.close_alerts(who, screening_id)
    review = workflow.view_review(clinic.app, who, screening_id)
    (row,) = [row for row in review.answers if row.link_id == "phq9-1"]
    assert row.earlier == ("Carried from PHQ-2, 24 Nov 2026 15:00 UTC; confirmed by the patient",)
    assert "More than half the days (2) (carried from PHQ-2, 24 Nov 2026 15:00 UTC, confirmed)" in review.note.text
    assert review.note.text.count("carried from") == 1
    clinic.sign(who, screening_id)
    (response,) = [one for one in clinic.in_chart("QuestionnaireResponse", PATIENT) if "phq-9" in one["questionnaire"]]
    carried = {
        item["linkId"]: [extension["valueString"] for extension in item["extension"]]
        for item in response["item"]
        if item["linkId"].startswith("phq9-") and "extension" in item and "answer" in item
    }
    assert carried == {"phq9-1": ["PHQ-2, 24 Nov 2026 15:00 UTC"]}


def test_an_answer_given_anew_is_not_marked(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    give(clinic, who, "phq-2", PHQ2)
    screening_id = clinic.start(who, "phq-9")
    workflow.carry_answer(clinic.app, who, screening_id, "phq9-1")
    clinic.save(who, screening_id, {"phq9-1": 0})
    assert clinic.screening(screening_id).current("phq9-1").carried is None
    assert clinic.screening(screening_id).answers[0].carried is not None


def test_what_was_answered_otherwise_on_the_page_is_never_replaced(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    give(clinic, who, "phq-2", PHQ2)
    screening_id = clinic.start(who, "phq-9")
    clinic.save(who, screening_id, {"phq9-1": 0})
    with pytest.raises(NothingToCarry):
        workflow.carry_answer(clinic.app, who, screening_id, "phq9-1")
    assert clinic.screening(screening_id).current("phq9-1").code == code_of("phq-9", "phq9-1", 0)


@pytest.mark.parametrize("link_id", ["phq9-3", "phq9-9", "no-such-item", "phq2-1"])
def test_only_an_offered_answer_can_be_carried(clinic: Clinic, link_id: str) -> None:
    who = clinic.launch(PATIENT)
    give(clinic, who, "phq-2", PHQ2)
    screening_id = clinic.start(who, "phq-9")
    with pytest.raises(NothingToCarry):
        workflow.carry_answer(clinic.app, who, screening_id, link_id)


@pytest.mark.parametrize(
    "other",
    [
        {"mode": "telephone"},
        {"mode": "video"},
        {"interpreter": True},
        {"informant": "assisted"},
        {"informant": "proxy", "relationship": "mother"},
        {"mode": "paper", "answered_at": "2026-11-24"},
    ],
)
def test_nothing_is_offered_to_another_informant_mode_or_way(clinic: Clinic, other: dict[str, Any]) -> None:
    who = clinic.launch(PATIENT)
    give(clinic, who, "phq-2", PHQ2)
    assert offers(clinic, who, clinic.start(who, "phq-9", replace(GIVING, **other))) == {}


def test_nothing_is_offered_on_another_day_or_outside_a_visit(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    give(clinic, who, "phq-2", PHQ2)
    clinic.clock.move(hours=23)
    who = clinic.launch(PATIENT)
    assert offers(clinic, who, clinic.start(who, "phq-9")) == {}

    without = clinic.launch("pt-07")
    give(clinic, without, "phq-2", PHQ2)
    screening_id = clinic.start(without, "phq-9")
    assert clinic.screening(screening_id).encounter_id is None
    assert offers(clinic, without, screening_id) == {}


def test_a_draft_that_waits_over_midnight_is_offered_nothing_any_more(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    give(clinic, who, "phq-2", PHQ2)
    screening_id = clinic.start(who, "phq-9")
    assert offers(clinic, who, screening_id)
    clinic.clock.move(hours=10)
    assert offers(clinic, clinic.launch(PATIENT), screening_id) == {}


def test_a_pre_screen_that_is_not_handed_in_or_was_rejected_offers_nothing(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    source_id = give(clinic, who, "phq-2", PHQ2)
    workflow.reject_screening(clinic.app, who, source_id, "wrong patient")
    draft = clinic.start(who, "phq-2")
    clinic.save(who, draft, {})
    assert offers(clinic, who, clinic.start(who, "phq-9")) == {}


def test_the_phq4_gives_its_two_halves_to_the_two_forms_that_it_calls_for(clinic: Clinic) -> None:
    who = clinic.launch(PATIENT)
    screening_id = give(clinic, who, "phq-4", {"phq4-1": 3, "phq4-2": 2, "phq4-3": 1, "phq4-4": 3})
    view = workflow.view_review(clinic.app, who, screening_id)
    assert [one.instrument_id for one in view.next_instruments] == ["phq-9", "gad-7"]
    assert list(offers(clinic, who, clinic.start(who, "phq-9"))) == ["phq9-1", "phq9-2"]
    assert list(offers(clinic, who, clinic.start(who, "gad-7"))) == ["gad7-1", "gad7-2"]
