"""States that few meet: a frame, no cookies, a patient who has died, an EHR that refuses, holds or falls silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Route

from tests.browser.desk import Desk, answers_of
from tests.fakes.interposed import Interposed, Said

PATIENT = "pt-04"
GAD7 = answers_of("gad7", [1, 2, 1, 0, 1, 2, 3])
MIXED = ["201 Created", "422 Unprocessable Content", "201 Created", "500 Internal Server Error", "202 Accepted"]


def visit_unusual_states(desk: Desk) -> Iterator[str]:
    """Stand on one page after the other and give the name of its state."""
    yield from _without_life(desk)
    yield from _where_the_ehr_does_not_take_it(desk)
    yield from _in_a_frame(desk)
    desk.page.goto(f"{desk.site.app_url}/registration")
    yield "registration"


def _without_life(desk: Desk) -> Iterator[str]:
    page = desk.page
    desk.launch("pt-10")
    page.get_by_role("row").first.wait_for()
    yield "home-deceased"
    page.get_by_role("button", name="Start PHQ-9").click()
    page.locator("#although_deceased").wait_for()
    yield "start-deceased"
    page.locator("#although_deceased").check()
    page.get_by_role("button", name="Start PHQ-9").click()
    page.wait_for_url("**/form")
    yield "form-deceased"
    desk.answer(answers_of("phq9", [0] * 9))
    desk.finish()
    yield "review-deceased"


def _where_the_ehr_does_not_take_it(desk: Desk) -> Iterator[str]:
    page = desk.page
    with _answering(desk, Said(status="200 OK", body=[_mixed_answers(12)])):
        _sign_gad7(desk)
    yield "outcome-mixed"
    with _answering(desk, Said(status="422 Unprocessable Content", body=[b"{}"])):
        _sign_gad7(desk)
    yield "outcome-refused"
    with _answering(desk, Said(status="504 Gateway Timeout", content_type="text/html", body=[b"<html>"])):
        _sign_gad7(desk)
    yield "outcome-not-known"
    page.get_by_role("link", name="Decide what is not known").click()
    page.get_by_role("button", name="Send again").wait_for()
    yield "unfinished-none-found"
    with _losing_the_answer(desk):
        _sign_gad7(desk)
    page.get_by_role("link", name="Decide what is not known").click()
    page.get_by_text("Say yourself which one in the chart is ours").click()
    page.get_by_role("button", name="It is there: this one").first.wait_for()
    yield "unfinished-found"
    with _answering(desk, Said(status="401 Unauthorized", body=[b"{}"])):
        _sign_gad7(desk)
    yield "outcome-waiting"
    page.get_by_role("link", name="Overview", exact=True).click()
    page.get_by_role("row").first.wait_for()
    yield "home-unwritten"


def _in_a_frame(desk: Desk) -> Iterator[str]:
    page, launch_url = desk.page, desk.site.launch_url(patient="pt-01", frame="1")
    page.goto(launch_url)
    desk.show_frame()
    desk.app.get_by_role("heading", name="Give an instrument").wait_for()
    yield "framed"
    page.context.clear_cookies()
    page.route("**/launch?*", _without_cookies)
    page.goto(launch_url)
    desk.show_frame()
    desk.app.get_by_role("link", name="Open in a new window").wait_for()
    yield "framed-cookie-missing"
    page.unroute("**/launch?*")
    desk.app = page.main_frame


def _sign_gad7(desk: Desk) -> None:
    desk.launch(PATIENT)
    desk.start("GAD-7")
    desk.answer(GAD7)
    desk.finish()
    desk.sign()


@contextmanager
def _answering(desk: Desk, said: Said) -> Iterator[None]:
    """Let the EHR answer this to the transaction in which a result is written."""
    ehr, between = desk.site.ehr.app, Interposed()
    straight = ehr.wsgi_app
    ehr.wsgi_app = between.wrap(straight)  # type: ignore[method-assign]  # Flask's own way
    try:
        with between.saying("POST", "/fhir", said):
            yield
    finally:
        ehr.wsgi_app = straight  # type: ignore[method-assign]


@contextmanager
def _losing_the_answer(desk: Desk) -> Iterator[None]:
    """Let the EHR keep a result and lose its answer, and show nothing of it in a search for as long as this lasts."""
    control, written = desk.site.ehr.control, "QuestionnaireResponse|Observation|DocumentReference|Provenance"
    control.order({"fault": "reset-after-commit", "match": {"method": "POST", "path": "/fhir$"}})
    control.order({"fault": "lagging-search", "seconds": 3600, "match": {"method": "GET", "path": f"/({written})$"}})
    try:
        yield
    finally:
        control.clear()


def _mixed_answers(count: int) -> bytes:
    """Give the answer to a transaction as no EHR should give it: taken, refused, failed and held, in turn."""
    entries = []
    for place in range(count):
        status = MIXED[place % len(MIXED)]
        made = {"location": f"Observation/f{place}/_history/1"} if status.startswith("201") else {}
        entries.append({"response": {"status": status, **made}})
    return json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries}).encode()


def _without_cookies(route: Route) -> None:
    """Show the answer to a browser that keeps no cookie of it."""
    answer = route.fetch(max_redirects=0, headers={**route.request.headers, "Sec-Fetch-Dest": "iframe"})
    route.request.frame.page.context.clear_cookies()  # where fetch() has put it
    route.fulfill(response=answer, headers={k: v for k, v in answer.headers.items() if k.lower() != "set-cookie"})
