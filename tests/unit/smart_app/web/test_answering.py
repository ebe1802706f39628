"""Saving, handing in and keeping for later: what the page sends arrives whole (safety rule 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_app.access import LaunchIdle
from smart_app.model.launch_session import SessionStanding
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import SavedStatus
from smart_app.screening.errors import InvalidField
from smart_app.screening.forms import PostedForm
from smart_app.screening.views import HandInResult
from smart_app.web.clinician.posted_answers import parse_saves
from tests.unit.smart_app.web import page_samples as samples
from tests.unit.smart_app.web.web_driver import SAVED, Browser, Calls

HOME = f"/launches/{samples.LAUNCH_ID}/"
SCREENING = f"{HOME}screenings/{samples.SCREENING}"
SAVE: dict[str, Any] = {
    "device": "device-1",
    "answers": [
        {"link_id": "phq9-9", "status": "answered", "code": "LA6569-3", "sequence": 4, "seen_version": 2},
    ],
}


def test_one_answer_is_saved_with_its_sequence_and_the_version_seen(browser: Browser, calls: Calls) -> None:
    answer = browser.post_json(f"{SCREENING}/answers", SAVE)

    assert answer.status_code == 200
    (screening_id, incoming), _ = calls.last("save_answers")
    assert screening_id == samples.SCREENING
    assert incoming == (
        IncomingAnswer(
            link_id="phq9-9",
            status=SavedStatus.ANSWERED,
            code="LA6569-3",
            device="device-1",
            sequence=4,
            seen_version=2,
        ),
    )
    assert answer.json["saves"][0]["words"] == "Saved 10:33"
    assert answer.json["progress"] == "1 of 10 answered"


@pytest.mark.parametrize("field", ["link_id", "status", "code", "sequence", "seen_version"])
@pytest.mark.parametrize("value", [None, [], {}, True, "", -1, 1.5, "x" * 8_001])
def test_each_field_of_a_save_is_refused_when_missing_or_mistyped(field: str, value: Any) -> None:
    broken = {**SAVE, "answers": [{**SAVE["answers"][0], field: value}]}

    with pytest.raises(InvalidField) as refusal:
        parse_saves(broken)

    assert refusal.value.field == field


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["device", "answers", "status"]), inner),
    )
)
def test_whatever_json_arrives_it_is_parsed_or_refused(body: Any) -> None:
    try:
        saves = parse_saves(body)
    except InvalidField:
        return
    assert saves


def test_a_body_that_is_not_json_is_refused_as_such(browser: Browser, calls: Calls) -> None:
    browser.get(HOME)
    answer = browser.client.post(
        f"{SCREENING}/answers",
        data="not json",
        base_url=browser.base_url,
        content_type="application/json",
        headers={
            "Origin": browser.base_url,
            "Referer": f"{browser.base_url}/",
            "X-CSRFToken": browser.csrf,
            "Accept": "application/json",
        },
    )

    assert answer.status_code == 422
    assert "save_answers" not in calls.names()


def test_the_whole_form_is_handed_in_with_blanks_and_versions(browser: Browser, calls: Calls) -> None:
    answer = browser.post(
        f"{SCREENING}/form",
        {
            "device": "device-1",
            "sequence": "3",
            "item.phq9-1": "LA6569-3",
            "seen.phq9-1": "2",
            "seen.phq9-2": "0",
            "item.phq9-9": "declined",
            "seen.phq9-9": "0",
            "incomplete": "yes",
            "keep.phq9-1": "posted",
            "keep_seen.phq9-1": "5",
            "do": "hand-in",
        },
    )

    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/review")
    (_, posted), _ = calls.last("hand_in")
    assert posted == PostedForm(
        device="device-1",
        codes={"phq9-1": "LA6569-3", "phq9-2": "", "phq9-9": "declined"},
        seen={"phq9-1": 2, "phq9-2": 0, "phq9-9": 0},
        sequence=4,
        accept_missing=True,
        keep={"phq9-1": "posted"},
        keep_seen={"phq9-1": 5},
    )


def test_what_is_missing_or_differs_is_asked_about_on_the_form_itself(browser: Browser, calls: Calls) -> None:
    calls.answers["hand_in"] = HandInResult(
        handed_in=False,
        missing=samples.REFUSED_FORM.missing,
        differences=samples.REFUSED_FORM.differences,
        alerts_opened=0,
    )

    answer = browser.post(f"{SCREENING}/form", {"device": "device-1", "do": "hand-in"})

    assert answer.status_code == 422
    assert 'href="#q-phq9-9"' in answer.text
    assert "It is a risk question" in answer.text
    assert 'name="keep.phq9-2" value="saved"' in answer.text
    assert 'name="keep_seen.phq9-2" value="3"' in answer.text
    assert 'name="incomplete"' in answer.text
    assert "checked" not in answer.text.split('id="difference-phq9-2"')[1].split("</fieldset>")[0]


def test_finish_later_saves_what_is_chosen_after_the_pages_own_saves(browser: Browser, calls: Calls) -> None:
    answer = browser.post(
        f"{SCREENING}/form",
        {
            "device": "device-1",
            "sequence": "7",
            "item.phq9-1": "LA6569-3",
            "seen.phq9-1": "2",
            "seen.phq9-2": "1",
            "do": "later",
        },
    )

    assert answer.headers["Location"].startswith(HOME)
    (_, incoming), _ = calls.last("save_answers")
    assert [(save.link_id, save.sequence, save.seen_version) for save in incoming] == [("phq9-1", 8, 2)]
    assert "hand_in" not in calls.names()


def test_a_conflict_at_finish_later_is_shown_and_what_was_typed_is_kept(browser: Browser, calls: Calls) -> None:
    calls.answers["save_answers"] = replace(SAVED, saves=(replace(SAVED.saves[0], kind="conflict"),))

    answer = browser.post(
        f"{SCREENING}/form",
        {"device": "d", "instrument": "phq-9", "item.phq9-1": "LA6571-9", "seen.phq9-1": "0", "do": "later"},
    )

    assert answer.status_code == 409
    assert "save-conflict" in answer.text
    assert "Nearly every day" in answer.text
    assert f'href="{SCREENING}/form">Open the form again</a>' in answer.text
    assert "Try to send it again" not in answer.text


@pytest.mark.parametrize("do", ["later", "hand-in"])
def test_an_idle_session_saves_its_form_shows_nothing_and_asks_for_a_relaunch(
    do: str, browser: Browser, calls: Calls
) -> None:
    browser.get(HOME)
    calls.standing = SessionStanding.IDLE

    answer = browser.post(f"{SCREENING}/form", {"device": "d", "item.phq9-1": "LA6569-3", "seen.phq9-1": "0", "do": do})

    assert answer.status_code == 401
    assert "save_answers" in calls.names()
    assert "hand_in" not in calls.names()
    assert "Your answers are saved" in answer.text
    assert "Zoë" not in answer.text


def test_an_idle_session_that_may_not_save_here_is_told_so(browser: Browser, calls: Calls) -> None:
    browser.get(HOME)
    calls.standing = SessionStanding.IDLE
    calls.answers["save_answers"] = LaunchIdle()

    answer = browser.post(f"{SCREENING}/form", {"device": "d", "item.phq9-1": "LA6569-3", "seen.phq9-1": "0"})

    assert "Your answers are saved" not in answer.text


def test_one_click_starts_with_the_patient_asked_by_the_clinician(browser: Browser, calls: Calls) -> None:
    answer = browser.post(f"{HOME}screenings/new", {"instrument": "phq-9", "as": "default"})

    assert answer.headers["Location"] == f"{SCREENING}/form"
    (instrument_id, giving), _ = calls.last("start_screening")
    assert (instrument_id, giving.informant, giving.mode, giving.language) == ("phq-9", "patient", "interview", "en")


def test_one_click_asks_where_the_language_is_not_clear(browser: Browser, calls: Calls) -> None:
    calls.answers["find_usual_giving"] = None

    answer = browser.post(f"{HOME}screenings/new", {"instrument": "phq-9", "as": "default"})

    assert answer.headers["Location"].endswith("/screenings/new?instrument=phq-9")
    assert "start_screening" not in calls.names()


def test_warnings_about_the_instrument_stand_on_the_form(browser: Browser, calls: Calls) -> None:
    words = "PHQ-9 is validated for ages 18 and older; this patient is 15."
    calls.answers["view_form"] = replace(samples.FORM, warnings=(words,))

    assert words in browser.get(f"{SCREENING}/form").text


def test_a_question_without_a_number_is_named_by_its_words(browser: Browser, calls: Calls) -> None:
    refused = samples.REFUSED_FORM
    gap, difference = (replace(one, number="") for one in (refused.missing[0], refused.differences[0]))
    calls.answers["hand_in"] = HandInResult(handed_in=False, missing=(gap,), differences=(difference,), alerts_opened=0)
    calls.answers["view_hand_in"] = replace(refused, missing=(gap,), differences=(difference,))

    page = browser.post(f"{SCREENING}/form", {"device": "device-1", "seen.phq9-1": "0", "do": "hand-in"}).text

    assert f">{gap.text} has no answer</a>" in page
    assert f">{difference.text} differs from what is saved</a>" in page
    assert f">{difference.text}: which answer stands?</legend>" in page
    assert "Not finished yet: 2 things to look at" in page
