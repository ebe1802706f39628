"""Refusals: a stable code, a correlation id, what to do; never a trace, never words where they do not belong."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from launch.errors import ConnectFailed, StateMismatch
from smart_app.access import LaunchIdle
from smart_app.model.moves import IllegalMove
from smart_app.screening.errors import LaunchOver
from tests.unit.smart_app.web import page_samples as samples
from tests.unit.smart_app.web.web_driver import ISS, Browser, Calls

HOME = f"/launches/{samples.LAUNCH_ID}/"
FORM = f"{HOME}screenings/{samples.SCREENING}/form"


class Unforeseen(Exception):
    """Stands for a mistake of ours; its words quote a patient."""


def test_an_unforeseen_error_gives_a_page_with_a_correlation_id_and_no_trace(browser: Browser, calls: Calls) -> None:
    calls.answers["view_home"] = Unforeseen("Zoë said more")

    answer = browser.get(HOME)

    assert answer.status_code == 500
    assert "our-fault" in answer.text
    assert re.search(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}", answer.text)
    assert "Zoë" not in answer.text
    assert "Unforeseen" not in answer.text
    assert "Traceback" not in answer.text


def test_the_log_has_the_type_and_place_of_an_unforeseen_error_but_not_its_words(
    browser: Browser, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    calls.answers["view_home"] = Unforeseen("Zoë said more")

    browser.get(HOME)

    assert "unforeseen-error" in [record.getMessage() for record in caplog.records]
    assert "Zoë" not in caplog.messages
    assert not any("Exception on" in message for message in caplog.messages)


def test_a_launch_error_says_what_happened_and_that_nothing_was_opened(app: Flask, calls: Calls) -> None:
    calls.answers["finish_launch"] = StateMismatch(field="state")

    answer = Browser(app, secret=None).get("/callback?code=c&state=s")

    assert answer.status_code == 400
    assert "state-mismatch" in answer.text
    assert "No patient was opened" in answer.text


def test_an_ehr_that_does_not_answer_inside_a_launch_leaves_the_chart_untouched(browser: Browser, calls: Calls) -> None:
    calls.answers["view_home"] = ConnectFailed(ehr_id="sandbox", sent=False)

    answer = browser.get(HOME)

    assert "Nothing was written to the chart" in answer.text
    assert "Sandbox EHR" in answer.text
    assert "Zoë" not in answer.text


@pytest.mark.parametrize("query", ["", "launch=x", f"iss={ISS}&iss={ISS}&launch=x", f"iss={ISS}", f"iss={ISS}&launch="])
def test_a_launch_without_exactly_one_iss_and_launch_is_refused(query: str, app: Flask, calls: Calls) -> None:
    answer = Browser(app, secret=None).get(f"/launch?{query}")

    assert answer.status_code == 400
    assert re.search(r"missing-(iss|launch)", answer.text)
    assert "begin_launch" not in calls.names()


def test_an_expired_session_gives_the_typed_answers_back_in_their_form(browser: Browser, calls: Calls) -> None:
    browser.get(HOME)
    calls.answers["open_session"] = LaunchOver()

    answer = browser.post(FORM, {"device": "d", "instrument": "phq-9", "item.phq9-3": "LA6571-9", "seen.phq9-3": "0"})

    assert answer.status_code == 401
    assert "launch-over" in answer.text
    assert "Question 3" in answer.text
    assert "Nearly every day" in answer.text
    assert 'name="item.phq9-3" value="LA6571-9"' in answer.text
    assert f'action="{FORM}"' in answer.text
    assert "Try to send it again" not in answer.text
    assert "Zoë" not in answer.text


def test_what_may_be_accepted_later_can_be_sent_again(browser: Browser, calls: Calls) -> None:
    browser.get(HOME)
    calls.answers["save_note"] = Unforeseen("Zoë said more")

    answer = browser.post(FORM.replace("form", "note"), {"text": "My own words", "version": "1"})

    assert answer.status_code == 500
    assert "My own words</textarea>" in answer.text
    assert "Try to send it again" in answer.text


def test_a_refused_note_comes_back_for_another_try(browser: Browser, calls: Calls) -> None:
    calls.answers["save_note"] = IllegalMove("signed")

    answer = browser.post(FORM.replace("form", "note"), {"text": "My own <words>", "version": "1"})

    assert answer.status_code == 409
    assert "My own &lt;words&gt;</textarea>" in answer.text


def test_a_lost_cookie_is_told_apart_from_a_foreign_form_and_keeps_what_was_typed(app: Flask, calls: Calls) -> None:
    browser = Browser(app, secret=None)
    browser.csrf = "stale"

    answer = browser.post(FORM, {"instrument": "phq-9", "item.phq9-1": "LA6568-5"})

    assert answer.status_code == 401
    assert "launch-not-open" in answer.text
    assert "Not at all" in answer.text


def test_an_idle_session_shows_nothing_of_the_patient(browser: Browser, calls: Calls) -> None:
    calls.answers["view_home"] = LaunchIdle()

    answer = browser.get(HOME)

    assert answer.status_code == 401
    assert "Zoë" not in answer.text
    assert f'href="{HOME}"' not in answer.text


def test_the_pages_script_gets_refusals_as_json(browser: Browser, calls: Calls) -> None:
    browser.get(HOME)
    calls.answers["open_session"] = LaunchOver()

    answer = browser.post_json(FORM.replace("form", "answers"), {"device": "d", "answers": []})

    assert answer.status_code == 401
    assert answer.json["code"] == "launch-over"
    assert set(answer.json) == {"code", "title", "remedy", "correlation_id"}


def test_an_unknown_page_and_a_wrong_method_have_pages_of_their_own(browser: Browser) -> None:
    assert "page-not-found" in browser.get("/nowhere").text
    assert "wrong-method" in browser.get(f"{HOME}log-out").text
    assert browser.get(f"{HOME}screenings/not-a-uuid/form").status_code == 404
