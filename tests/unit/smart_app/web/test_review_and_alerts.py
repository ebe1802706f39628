"""Review, sign and alert forms: what was displayed is what is signed, and nothing typed is lost."""

from __future__ import annotations

import pytest

from smart_app.model.approval import WriteChoice
from smart_app.model.moves import IllegalMove, MissingField
from smart_app.screening.errors import SigningBlocked
from smart_app.screening.forms import AssessmentForm, HandOverForm
from smart_app.writeback.errors import ChangedSinceShown
from tests.unit.smart_app.web import page_samples as samples
from tests.unit.smart_app.web.web_driver import Browser, Calls

HOME = f"/launches/{samples.LAUNCH_ID}/"
SCREENING = f"{HOME}screenings/{samples.SCREENING}"
ALERT = f"{HOME}alerts/{samples.ALERT}"
SIGN = {
    "displayed_hash": "hash-1",
    "choice": "write",
    "text": samples.REVIEW.note.text.replace("\n", "\r\n"),
    "version": "0",
}


def test_signing_carries_the_hash_of_what_was_displayed(browser: Browser, calls: Calls) -> None:
    answer = browser.post(f"{SCREENING}/sign", SIGN)

    assert answer.headers["Location"] == f"{SCREENING}/outcome"
    (screening_id,), given = calls.last("sign_screening")
    assert screening_id == samples.SCREENING
    assert given == {
        "displayed_hash": "hash-1",
        "choice": WriteChoice.WRITE,
        "choice_reason": "",
        "deceased_confirmed": False,
    }


def test_a_note_changed_and_not_saved_is_saved_and_shown_before_it_can_be_signed(
    browser: Browser, calls: Calls
) -> None:
    answer = browser.post(f"{SCREENING}/sign", {**SIGN, "text": "My own words"})

    assert answer.status_code == 409
    assert "nothing is signed yet" in answer.text
    assert calls.last("save_note")[0] == (samples.SCREENING, "My own words", 0)
    assert "sign_screening" not in calls.names()


@pytest.mark.parametrize("refusal", [ChangedSinceShown(), SigningBlocked(field="x"), MissingField(field="reason")])
def test_a_refused_signature_shows_the_page_as_it_is_now_and_keeps_the_choice(
    refusal: Exception, browser: Browser, calls: Calls
) -> None:
    calls.answers["sign_screening"] = refusal

    answer = browser.post(f"{SCREENING}/sign", {**SIGN, "choice": "keep", "choice_reason": "asked by the patient"})

    assert answer.status_code in {409, 422}
    assert 'role="alert"' in answer.text
    assert 'value="keep" checked' in answer.text
    assert "asked by the patient" in answer.text


def test_a_choice_that_is_not_offered_is_refused(browser: Browser, calls: Calls) -> None:
    answer = browser.post(f"{SCREENING}/sign", {**SIGN, "choice": "everything"})

    assert answer.status_code == 422
    assert "sign_screening" not in calls.names()


def test_a_signed_result_leads_to_its_outcome(browser: Browser, calls: Calls) -> None:
    calls.answers["view_review"] = IllegalMove("signed")

    assert browser.get(f"{SCREENING}/review").headers["Location"] == f"{SCREENING}/outcome"


def test_closing_an_alert_takes_the_clinicians_own_words(browser: Browser, calls: Calls) -> None:
    answer = browser.post(
        f"{ALERT}/close",
        {
            "back": "review",
            "risk_level": "low",
            "reasons": "passive, no plan",
            "plan": "call on Wednesday",
            "disposition": "home-with-plan",
            "done": ["assessed", "plan"],
            "into_note": "yes",
        },
    )

    assert answer.headers["Location"] == f"{SCREENING}/review?done=alert#alert-h-{samples.ALERT}"
    (alert_id, form), _ = calls.last("close_alert")
    assert alert_id == samples.ALERT
    assert form == AssessmentForm(
        risk_level="low",
        reasons="passive, no plan",
        plan="call on Wednesday",
        disposition="home-with-plan",
        done=("assessed", "plan"),
        into_note=True,
    )


@pytest.mark.parametrize("back", ["review", "alert"])
def test_an_incomplete_assessment_keeps_what_was_typed_and_names_what_is_missing(
    back: str, browser: Browser, calls: Calls
) -> None:
    calls.answers["close_alert"] = MissingField(field="plan")

    answer = browser.post(f"{ALERT}/close", {"back": back, "risk_level": "low", "reasons": "passive <b>", "plan": ""})

    assert answer.status_code == 422
    assert f'href="#close-plan-{samples.ALERT}"' in answer.text
    assert "passive &lt;b&gt;</textarea>" in answer.text
    assert 'name="risk_level" value="low"' in answer.text


def test_hand_over_and_second_answer_reach_the_use_case(browser: Browser, calls: Calls) -> None:
    browser.post(f"{ALERT}/hand-over", {"to_name": "Dr Abara", "accepted_at": "2026-11-24T10:46", "text": "told all"})
    browser.post(f"{ALERT}/ask-again", {"answer": "LA6568-5", "reason": "misread"})
    browser.post(f"{ALERT}/add", {"text": "called the wife"})

    assert calls.last("hand_over_alert")[0][1] == HandOverForm(
        name="Dr Abara", accepted_at="2026-11-24T10:46", text="told all"
    )
    assert calls.last("ask_again")[1] == {"code": "LA6568-5", "reason": "misread"}
    assert calls.last("add_to_alert")[0] == (samples.ALERT, "called the wife")


def test_the_visit_chosen_leads_back_to_the_result_it_was_chosen_for(browser: Browser, calls: Calls) -> None:
    answer = browser.post(f"{HOME}encounter", {"encounter": "e1", "back": str(samples.SCREENING)})

    assert answer.headers["Location"] == f"{SCREENING}/review?done=visit"
    assert calls.last("choose_encounter")[0] == ("e1",)


def test_a_way_back_that_is_not_ours_leads_home(browser: Browser) -> None:
    answer = browser.post(f"{HOME}encounter", {"encounter": "e1", "back": "https://evil.example/"})

    assert answer.headers["Location"].startswith(HOME)


def test_finish_writing_names_the_screening_in_its_form(browser: Browser, calls: Calls) -> None:
    browser.post(f"{HOME}finish-writing", {"screening": str(samples.SCREENING)})

    assert calls.last("finish_writing") == ((samples.SCREENING,), {"visit_confirmed": False})
    browser.post(f"{HOME}finish-writing", {"screening": str(samples.SCREENING), "visit_confirmed": "yes"})
    assert calls.last("finish_writing")[1] == {"visit_confirmed": True}
    assert browser.post(f"{HOME}finish-writing", {"screening": "x"}).status_code == 422


def test_every_link_stays_in_the_launch_of_the_page(browser: Browser) -> None:
    page = browser.get(f"{SCREENING}/outcome").text

    links = [part.split('"')[0] for part in page.split('href="/')[1:]]
    assert all(link.startswith(("launches/launch-1/", "static/")) for link in links)
