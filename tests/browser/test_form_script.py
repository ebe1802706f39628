"""The form's script in Chromium: keys, saving one by one, failed saves, two devices; and the form without it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Request, Route

from tests.browser.desk import Desk, answers_of, open_desk
from tests.fakes.clinic import code_of
from tests.site import Site

pytestmark = pytest.mark.browser
NOON = datetime(2100, 1, 1, 12, tzinfo=UTC)  # ahead of the page's own clock, which it is set to


def fail(route: Route) -> None:
    route.abort()


def codes(desk: Desk) -> dict[str, str | None]:
    return {link_id: saved.code for link_id, saved in desk.screening().current_answers().items()}


def test_number_keys_answer_and_each_answer_is_on_disk_when_the_page_says_saved(desk: Desk) -> None:
    desk.launch_form()
    for key in "0123":
        desk.page.keyboard.press(key)
    desk.wait_for_saves("4 answers saved")

    assert codes(desk) == {f"phq9-{weight + 1}": code_of("phq9-1", weight) for weight in range(4)}


def test_after_a_mouse_answer_the_next_number_key_answers_the_next_question(desk: Desk) -> None:
    desk.launch_form()
    desk.option("phq9-1", 3).click()
    desk.page.keyboard.press("2")
    desk.wait_for_saves("2 answers saved")

    assert codes(desk) == {"phq9-1": code_of("phq9-1", 3), "phq9-2": code_of("phq9-2", 2)}


def test_a_question_that_an_answer_calls_for_says_so_as_soon_as_it_is_saved(desk: Desk) -> None:
    desk.launch_form()
    state = desk.page.locator("#q-phq9-10 [data-state]")
    assert state.inner_text() == "Only if the answers above call for it"
    desk.page.keyboard.press("1")
    state.get_by_text("Not answered").wait_for()
    desk.page.keyboard.press("u")
    state.get_by_text("Only if the answers above call for it").wait_for()


def test_what_is_saved_stands_at_once_and_is_announced_at_most_every_two_seconds(desk: Desk) -> None:
    desk.launch_form()
    desk.page.clock.install()
    desk.page.clock.pause_at(NOON)
    said, announced = desk.page.locator("#save-now"), desk.page.get_by_role("status")
    desk.page.keyboard.press("1")
    said.get_by_text("1 answer saved").wait_for()
    desk.page.clock.run_for(1)
    announced.get_by_text("1 answer saved").wait_for()
    desk.page.keyboard.press("1")
    said.get_by_text("2 answers saved").wait_for()
    desk.page.clock.run_for(1900)
    assert announced.inner_text() == "1 answer saved"
    desk.page.clock.run_for(200)

    assert announced.inner_text() == "2 answers saved"


def test_undo_takes_the_last_answer_back_here_and_on_the_server(desk: Desk) -> None:
    desk.launch_form()
    desk.page.keyboard.press("2")
    desk.wait_for_saves("1 answer saved")
    desk.page.keyboard.press("u")
    desk.wait_for_saves("0 answers saved")
    desk.page.reload()

    assert desk.page.locator("input:checked").count() == 0


def test_keys_can_be_turned_off(desk: Desk) -> None:
    desk.launch_form()
    desk.page.get_by_role("button", name="Turn keys off").click()
    desk.page.keyboard.press("2")

    assert desk.page.locator("input:checked").count() == 0


def test_a_failed_save_is_said_loudly_kept_and_sent_again(desk: Desk) -> None:
    desk.launch_form()
    desk.page.route("**/answers", fail)
    desk.page.keyboard.press("3")

    alert = desk.page.locator("#save-problem")
    alert.get_by_text("The answer to question 1 is not saved.").wait_for()
    assert "Not saved" in desk.page.locator("#q-phq9-1 .question__state").inner_text()
    desk.wait_for_saves("0 answers saved, 1 not saved")
    assert desk.option("phq9-1", 3).is_checked()

    desk.page.unroute("**/answers")
    desk.page.get_by_role("button", name="Try again").click()
    desk.wait_for_saves("1 answer saved")
    assert alert.inner_text() == ""
    assert codes(desk) == {"phq9-1": code_of("phq9-1", 3)}


def test_leaving_with_something_unsaved_is_warned_about(desk: Desk) -> None:
    desk.launch_form()
    desk.page.route("**/answers", fail)
    desk.page.keyboard.press("3")
    desk.page.locator("#save-problem strong").wait_for()

    with desk.page.expect_event("dialog") as asked:
        desk.page.on("dialog", lambda dialog: dialog.accept())
        desk.page.get_by_role("link", name="Results over time").click()
        desk.page.wait_for_url("**/history")

    assert asked.value.type == "beforeunload"


def test_an_answer_of_another_tab_is_shown_and_never_overwritten(desk: Desk) -> None:
    desk.launch_form()
    other = desk.open_tab()
    other.page.goto(desk.page.url)
    other.page.locator("#keys:not([hidden])").wait_for()
    other.page.keyboard.press("1")
    other.wait_for_saves("1 answer saved")

    desk.page.keyboard.press("3")
    desk.page.get_by_role("button", name="Take that answer").wait_for()
    assert codes(desk) == {"phq9-1": code_of("phq9-1", 1)}
    said = desk.page.locator("#q-phq9-1 .question__state").inner_text()
    assert "Another page saved: “Several days”. Yours is not saved." in said
    assert not said.startswith("Saved")
    desk.page.get_by_role("button", name="Take that answer").click()

    desk.wait_for_saves("1 answer saved")
    assert desk.option("phq9-1", 1).is_checked()


def test_a_risk_answer_is_announced_and_stays_announced(desk: Desk) -> None:
    desk.launch_form()
    desk.option("phq9-9", 1).check()
    risk = desk.page.locator("#risk")
    risk.get_by_text("An alert is open").wait_for()
    desk.option("phq9-9", 0).check()
    desk.wait_for_saves("1 answer saved")

    assert "An alert is open" in risk.inner_text()


def test_where_the_script_does_not_arrive_the_form_is_one_post(desk: Desk) -> None:
    desk.page.route("**/*.js", fail)
    desk.launch()
    desk.start()
    desk.answer(answers_of("phq9", [0] * 9))

    desk.finish()

    assert "0 of 27" in desk.page.locator(".figure__value").inner_text()


def test_from_launch_to_a_usable_overview_takes_at_most_8_requests_of_ours_and_60_kb(desk: Desk) -> None:
    finished: list[Request] = []

    def note(request: Request) -> None:
        finished.append(request)

    desk.page.on("requestfinished", note)
    desk.launch()
    desk.page.wait_for_load_state("networkidle")

    ours = [request for request in finished if request.url.startswith(desk.site.app_url)]
    assert 2 < len(ours) <= 8
    assert sum(request.sizes()["responseBodySize"] for request in ours) < 60_000


def test_a_new_launch_goes_on_with_the_draft(chromium: Browser, site: Site) -> None:
    with open_desk(chromium, site) as first:
        first.launch_form()
        first.page.keyboard.press("2")
        first.wait_for_saves("1 answer saved")
    with open_desk(chromium, site) as second:
        second.launch()
        second.page.get_by_role("link", name="Continue").click()

        assert second.option("phq9-1", 2).is_checked()


def test_a_form_that_was_asked_about_goes_on_counting_so_that_a_change_there_is_saved(desk: Desk) -> None:
    desk.launch_form()
    for key in "123":
        desk.page.keyboard.press(key)
    desk.wait_for_saves("3 answers saved")
    desk.page.get_by_role("button", name="Finish and review").click()
    desk.page.locator("#incomplete").wait_for()
    desk.option("phq9-1", 3).click()
    desk.page.locator("#q-phq9-1 [data-state]").get_by_text("Saved").wait_for()
    desk.wait_for_saves("3 answers saved")

    assert codes(desk)["phq9-1"] == code_of("phq9-1", 3)
