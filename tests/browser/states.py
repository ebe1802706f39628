"""Every page of the app in each of its states, reached as a person reaches it: for axe, for pictures, for a look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from playwright.sync_api import Route

from tests.browser.desk import Desk, answers_of
from tests.browser.unusual_states import visit_unusual_states

FIRST_FOUR = answers_of("phq9", [2, 2, 3, 1])
PHQ9 = {**answers_of("phq9", [2, 2, 3, 2, 0, 1, 2, 0, 1]), "phq9-10": 1}
GAD7 = answers_of("gad7", [1, 2, 1, 0, 1, 2, 3])


def visit_states(desk: Desk) -> Iterator[str]:
    """Stand on one page after the other and give the name of its state. Ends logged out, with all sessions over."""
    yield from _before_any_answer(desk)
    yield from _answering(desk)
    yield from _reviewing(desk)
    yield from _signing(desk)
    yield from _other_results(desk)
    yield from _two_devices(desk)
    yield from _other_outcomes(desk)
    yield from visit_unusual_states(desk)
    yield from _errors(desk)


PRE_SCREENS = ("phq-9", "gad-7", "phq-4", "asq", "audit-c", "pcl-5")
"""What a site offers for the states of `visit_pre_screens`."""


def visit_pre_screens(desk: Desk) -> Iterator[str]:
    """Stand on the pages of a short form, of what it calls for, of a level and of a result without a screen."""
    page = desk.page
    desk.launch("pt-02")
    desk.start("PHQ-4")
    yield "form-short"
    desk.answer(answers_of("phq4", [3, 2, 1, 3]))
    desk.finish()
    yield "review-subscales"
    page.get_by_role("button", name="Start PHQ-9").click()
    page.get_by_role("heading", name="Answered already in this visit").wait_for()
    yield "form-carry"
    page.get_by_role("button", name="Patient confirms").first.click()
    page.get_by_text("Carried from PHQ-4, saved").wait_for()
    yield "form-carried"
    desk.launch("pt-02")
    yield "home-called-for"
    desk.launch("pt-03")
    desk.start("ASQ")
    desk.answer(answers_of("asq", [0, 1, 1, 1]))
    page.get_by_role("button", name="Finish and review").click()
    page.locator('input[name="incomplete"]').check()
    desk.finish()
    yield "review-level"
    desk.launch("pt-08")
    desk.start("AUDIT-C")
    desk.answer(answers_of("auditc", [2, 1, 0]))
    desk.finish()
    yield "review-sex-not-known"
    desk.launch("pt-05")
    page.get_by_role("button", name="Start PHQ-9").click()
    page.locator("#knowingly").wait_for()
    yield "start-outside-age"


def _before_any_answer(desk: Desk) -> Iterator[str]:
    page, site = desk.page, desk.site
    page.goto(site.ehr.base_url)
    yield "launcher"
    desk.launch("pt-07")
    page.get_by_text("No results yet").wait_for()
    yield "home-empty"
    desk.launch("pt-01")
    page.get_by_role("row").first.wait_for()
    yield "home"
    page.get_by_role("link", name="Who and how… PHQ-9").click()
    yield "start"
    page.get_by_label("When answered, if not now").fill("tomorrow")
    page.get_by_label("The patient", exact=True).check()
    page.get_by_role("button", name="Start PHQ-9").click()
    page.locator("#problems").wait_for()
    yield "start-problem"
    page.get_by_role("link", name="Overview", exact=True).click()


def _answering(desk: Desk) -> Iterator[str]:
    page = desk.page
    desk.start("GAD-7")
    desk.answer(answers_of("gad7", [1, 2]))
    page.get_by_role("button", name="Finish later").click()
    page.get_by_role("heading", name="Give an instrument").wait_for()
    desk.start("PHQ-9")
    page.locator("#keys:not([hidden])").wait_for()
    yield "form"
    desk.answer(FIRST_FOUR)
    desk.wait_for_saves("4 answers saved")
    yield "form-half"
    page.route("**/answers", _fail)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("0")
    page.locator("#save-problem strong").wait_for()
    desk.wait_for_saves("4 answers saved, 1 not saved")
    yield "form-not-saved"
    page.unroute("**/answers")
    page.get_by_role("button", name="Try again").click()
    desk.option("phq9-9", 1).check()
    page.locator("#risk strong").wait_for()
    desk.wait_for_saves("6 answers saved")
    yield "form-risk"
    page.get_by_role("button", name="Finish and review").click()
    page.locator("#problems").wait_for()
    yield "form-missing"
    desk.answer(PHQ9)


def _reviewing(desk: Desk) -> Iterator[str]:
    page = desk.page
    desk.finish()
    yield "review"
    for summary in page.locator("details > summary").all():
        summary.click()
    yield "review-unfolded"
    page.get_by_role("link", name="Overview", exact=True).click()
    page.get_by_role("row").first.wait_for()
    yield "home-alert"
    page.get_by_role("link", name="My worklist").click()
    yield "worklist"
    page.get_by_role("link", name="Overview", exact=True).click()
    page.get_by_role("link", name="Record action").click()
    yield "alert"
    page.get_by_role("button", name="Close the alert").click()
    page.locator("#problems").wait_for()
    yield "alert-problem"
    desk.close_alert()
    yield "alert-closed"
    page.get_by_role("link", name="Go to the result").click()
    page.get_by_role("heading", name="Review and sign").wait_for()
    yield "review-ready"


def _signing(desk: Desk) -> Iterator[str]:
    page = desk.page
    desk.sign()
    yield "outcome"
    page.get_by_role("link", name="Results over time").click()
    yield "history"
    page.get_by_text("All results").click()
    yield "history-all"
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="This launch is closed").wait_for()
    yield "logged-out"


def _other_results(desk: Desk) -> Iterator[str]:
    page = desk.page
    desk.launch_form("pt-11")
    desk.answer(FIRST_FOUR)
    page.get_by_role("button", name="Finish and review").click()
    page.locator('input[name="incomplete"]').check()
    desk.finish()
    yield "review-incomplete"
    page.get_by_role("link", name="Choose the visit").click()
    yield "encounter"
    desk.launch("pt-05")
    yield "home-minor"
    page.get_by_role("button", name="Start GAD-7").click()
    page.locator("#knowingly").wait_for()
    yield "start-minor"
    page.get_by_role("link", name="Back to the overview").click()
    desk.start("GAD-7")
    yield "form-minor"
    desk.answer(GAD7)
    desk.finish()
    yield "review-minor"
    desk.launch("pt-02", user="prac-bell")
    desk.start("GAD-7")
    desk.answer(GAD7)
    desk.finish()
    yield "review-may-not-sign"


def _two_devices(desk: Desk) -> Iterator[str]:
    desk.launch_form("pt-06")
    other = desk.open_tab()
    other.page.goto(desk.page.url)
    other.page.locator("#keys:not([hidden])").wait_for()
    other.page.keyboard.press("1")
    other.wait_for_saves("1 answer saved")
    other.page.close()
    desk.page.keyboard.press("3")
    desk.page.get_by_role("button", name="Take that answer").wait_for()
    yield "form-conflict"
    desk.page.get_by_role("button", name="Finish later").click()
    desk.page.get_by_role("heading", name="What to do").wait_for()
    yield "error-conflict"


def _other_outcomes(desk: Desk) -> Iterator[str]:
    page = desk.page
    _give(desk, "pt-08", PHQ9)
    page.get_by_text("Hand over to a named person").click()
    page.get_by_label("Who has accepted").fill("Dr. Ines Lindqvist")
    page.get_by_role("button", name="Record the hand-over").click()
    page.locator(".alert--held").wait_for()
    yield "review-handed-over"
    page.get_by_label("Do not write it; keep it in this app").check()
    page.locator("#sign-panel .button--primary").click()
    page.locator("#problems").wait_for()
    yield "review-problem"
    page.locator("#choice_reason").fill("wishes of the patient")
    desk.sign()
    yield "outcome-kept"
    _give(desk, "pt-09", GAD7, withhold="Observation.c")
    yield "review-not-supported"
    desk.sign()
    yield "outcome-not-supported"
    _give(desk, "pt-09", GAD7, user="prac-ferreira")
    desk.sign()
    yield "outcome-waits-for-co-signature"
    desk.launch("pt-09", user="prac-lindqvist")
    page.get_by_role("link", name="Co-sign").first.click()
    page.get_by_role("button", name="Co-sign").wait_for()
    yield "outcome-to-co-sign"


def _give(desk: Desk, patient: str, answers: Mapping[str, int], **parameters: str) -> None:
    desk.launch(patient, **parameters)
    desk.start("PHQ-9" if answers is PHQ9 else "GAD-7")
    desk.answer(answers)
    desk.finish()


def _errors(desk: Desk) -> Iterator[str]:
    page, site = desk.page, desk.site
    page.goto(site.launch_url(patient="pt-01", simulate="access_denied"))
    yield "error"
    page.goto(f"{site.app_url}/launch?iss=https://elsewhere.example/fhir&launch=x")
    yield "error-unknown-ehr"
    desk.launch("pt-01")
    page.goto(f"{page.url}nowhere")
    yield "error-not-found"
    page.goto(site.launch_url(patient="pt-01", user="acct-delgado"))
    yield "error-patient-account"
    desk.launch("pt-03")
    desk.start("PHQ-9")
    desk.answer(FIRST_FOUR)
    desk.wait_for_saves("4 answers saved")
    site.clock.move(hours=12)
    page.get_by_role("button", name="Finish and review").click()
    page.get_by_role("heading", name="What to do").wait_for()
    yield "session-over-answers-kept"
    page.goto(page.url)
    yield "session-over"
    site.clock.move(hours=14)
    desk.launch("pt-01")
    page.get_by_role("link", name="My worklist").click()
    yield "worklist-unwritten"


def _fail(route: Route) -> None:
    route.abort()
