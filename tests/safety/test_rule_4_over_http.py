"""Safety rule 4 over HTTP: a risk alert opens on save, survives every way out, and stands before every signature."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from smart_app import worker
from smart_app.model.alert import Alert
from tests.fakes.captured_log import CapturedLog
from tests.fakes.clinic import code_of
from tests.fakes.http_browser import ASSESSMENT, HttpBrowser, code_shown, screening_id_of, words_of
from tests.functional.page_browser import Page
from tests.site import Site

RISK = (0, 0, 0, 0, 0, 0, 0, 0, 1)
NO_RISK = (0, 0, 0, 0, 0, 0, 0, 0, 0)


def alerts_of(site: Site, page: Page) -> list[Alert]:
    with site.units.read() as unit:
        return list(unit.alerts.for_screening(UUID(screening_id_of(page))))


def the_alert(site: Site, page: Page) -> Alert:
    (alert,) = alerts_of(site, page)
    return alert


def strips(page: Page) -> list[str]:
    return [str(href) for href in page.root.xpath("//*[contains(@class, 'strip')]//a/@href") if "/alerts/" in href]


def risky_form(browser: HttpBrowser) -> Page:
    """A form with only the risk item answered, by a save of the page's script."""
    form = browser.start(browser.launch())
    saved = browser.save(form, "phq9-9", 1)
    assert saved.json()["risk_notice"]
    return form


def is_marked_blocked(review: Page) -> bool:
    return 'aria-disabled="true"' in review.text


def note_written(site: Site) -> str:
    (note,) = site.resources("DocumentReference")
    texts = [
        base64.b64decode(content["attachment"]["data"]).decode()
        for content in note["content"]
        if content["attachment"]["contentType"].startswith("text/plain")
    ]
    return texts[0]


@pytest.mark.parametrize("weight", [1, 2, 3])
def test_rule_4_it_opens_when_the_answer_is_saved_in_a_form_never_finished(
    weight: int, site: Site, browser: HttpBrowser
) -> None:
    form = browser.start(browser.launch())
    assert strips(browser.get(browser.path(form))) == []

    saved = browser.save(form, "phq9-9", weight)

    assert saved.json()["saves"][0]["alert"] is True
    assert the_alert(site, form).state == "open"
    assert len(strips(browser.get(browser.path(form)))) == 1


@pytest.mark.parametrize("rest", ["", "history", "worklist", "encounter", "screenings/new?instrument=gad-7"])
def test_rule_4_every_page_of_the_patient_shows_it_to_every_clinician(
    rest: str, site: Site, browser: HttpBrowser
) -> None:
    risky_form(browser)
    colleague = HttpBrowser(site)

    page = colleague.get(colleague.path(colleague.launch(user="prac-lindqvist"), rest))

    assert page.status == 200
    assert len(strips(page)) == 1


def test_rule_4_it_is_not_shown_on_another_patients_pages(site: Site, browser: HttpBrowser) -> None:
    risky_form(browser)

    assert strips(browser.launch("pt-02")) == []


def change_to_not_at_all(browser: HttpBrowser, form: Page) -> None:
    saved = browser.save(form, "phq9-9", 0, sequence=2, seen_version=1).json()["saves"][0]
    assert saved["kind"] == "saved"


def undo(browser: HttpBrowser, form: Page) -> None:
    answer = {"link_id": "phq9-9", "status": "cleared", "code": None, "sequence": 2, "seen_version": 1}
    device = dict(form.root.get_element_by_id("form").form_values())["device"]
    saved = browser.save_json(form, {"device": device, "answers": [answer]}).json()["saves"][0]
    assert saved["kind"] == "saved"


def decline(browser: HttpBrowser, form: Page) -> None:
    device = dict(form.root.get_element_by_id("form").form_values())["device"]
    answer = {"link_id": "phq9-9", "status": "declined", "sequence": 2, "seen_version": 1}
    assert browser.save_json(form, {"device": device, "answers": [answer]}).status_code == 200


def stop(browser: HttpBrowser, form: Page) -> None:
    assert browser.send(form.form("/stop", reason="patient left")).status == 200


def hand_in_as_not_at_all_and_reject(browser: HttpBrowser, form: Page) -> None:
    change_to_not_at_all(browser, form)
    review = browser.fill(browser.get(form.url), *NO_RISK)
    assert review.url.endswith("/review")
    assert browser.send(review.form("/reject", reason="wrong form")).status == 200


def hand_in_reopen_and_change(browser: HttpBrowser, form: Page) -> None:
    review = browser.fill(browser.get(form.url), *RISK)
    reopened = browser.send(review.form("/reopen"))
    assert reopened.url.endswith("/form")
    again = browser.fill(reopened, *NO_RISK)
    assert again.url.endswith("/review"), words_of(again)


def log_out(browser: HttpBrowser, form: Page) -> None:
    assert browser.send(browser.get(browser.path(form)).form("/log-out")).status == 200


def leave_for_days(browser: HttpBrowser, form: Page) -> None:
    browser.site.clock.move(days=200)
    worker.run_round(browser.site.app.extensions["smart_screening"])


WAYS_OUT = [
    change_to_not_at_all, undo, decline, stop, hand_in_as_not_at_all_and_reject, hand_in_reopen_and_change, log_out,
    leave_for_days,
]  # fmt: skip


@pytest.mark.parametrize("way_out", WAYS_OUT, ids=lambda way: way.__name__)
def test_rule_4_it_survives(way_out: Callable[[HttpBrowser, Page], None], site: Site, browser: HttpBrowser) -> None:
    form = risky_form(browser)

    way_out(browser, form)

    assert {alert.state for alert in alerts_of(site, form)} == {"open"}
    home = HttpBrowser(site).launch()
    assert strips(home)


def test_rule_4_both_answers_stand_on_the_review_and_in_the_note(site: Site, browser: HttpBrowser) -> None:
    form = risky_form(browser)
    change_to_not_at_all(browser, form)
    review = browser.fill(browser.get(form.url), *NO_RISK)
    card = " ".join(review.root.xpath("//section[starts-with(@id, 'alert-')]")[0].text_content().split())
    assert "Several days" in card
    assert "Not at all" in card

    browser.send(browser.close_alert(review).form("/sign", choice="write"))

    note = note_written(site)
    assert "Several days" in note
    assert "Not at all" in note


@pytest.mark.parametrize("state", ["open", "after words were added", "asked again"])
def test_rule_4_a_signature_is_refused_while_it_is_open_whatever_the_page_says(
    state: str, site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), *RISK)
    assert is_marked_blocked(review)
    if state == "after words were added":
        review = browser.send(review.form("/add", text="seen, will come back"))
    if state == "asked again":
        again = {"answer": code_of("phq9-9", 0), "reason": "misread the question"}
        review = browser.send(review.form("/ask-again", **again))

    for choice in ("write", "keep", "copy"):
        page = browser.send(review.form("/sign", choice=choice, choice_reason="because"))
        assert page.status in {409, 422}, choice
    assert the_alert(site, review).state == "open"
    with site.units.read() as unit:
        assert unit.approvals.find_for_screening(UUID(screening_id_of(review))) is None
    assert site.resources("Observation") == []


@pytest.mark.parametrize("missing", ["risk_level", "reasons", "plan", "disposition"])
@pytest.mark.parametrize("value", ["", " \t\n"])
def test_rule_4_closing_needs_each_of_the_clinicians_own_words(
    missing: str, value: str, site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), *RISK)

    page = browser.close_alert(review, **{missing: value})

    assert page.status == 422
    assert the_alert(site, review).state == "open"
    typed = page.root.xpath("//input[@name='risk_level']/@value | //textarea[@name='plan']/text()")
    assert len(typed) >= 1, "what was typed is kept on the page"


@pytest.mark.parametrize("field", ["risk_level", "reasons", "plan", "disposition"])
def test_rule_4_no_field_alone_closes_it(field: str, site: Site, browser: HttpBrowser) -> None:
    review = browser.give(browser.launch(), *RISK)
    action, fields = review.form("/close")
    empty = {name: "" if name in ASSESSMENT else value for name, value in fields.items()}

    page = browser.send((action, {**empty, field: ASSESSMENT[field]}))

    assert page.status == 422
    assert the_alert(site, review).state == "open"


def test_rule_4_nothing_of_the_assessment_is_proposed(browser: HttpBrowser) -> None:
    _, fields = browser.give(browser.launch(), *RISK).form("/close")

    assert {name: fields.get(name) or "" for name in (*ASSESSMENT, "outreach_plan", "into_note")} == dict.fromkeys(
        (*ASSESSMENT, "outreach_plan", "into_note"), ""
    )


@pytest.mark.parametrize("disposition", ["left", "declined", "not-reached"])
def test_rule_4_a_patient_who_was_not_assessed_stays_on_the_list(
    disposition: str, site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), *RISK)

    assert browser.close_alert(review, disposition=disposition).status == 422
    page = browser.close_alert(review, disposition=disposition, outreach_plan="call at 17:00, then the police")

    assert page.status == 200
    assert the_alert(site, review).state == "open"
    assert is_marked_blocked(page)
    worklist = browser.get(browser.path(review, "worklist"))
    assert "Delgado-Quinn" in worklist.root.get_element_by_id("main").text_content()
    assert "SIM-0001" in worklist.root.get_element_by_id("main").text_content()


def test_rule_4_who_was_not_assessed_is_given_no_risk_level_and_the_note_says_so(browser: HttpBrowser) -> None:
    review = browser.give(browser.launch(), *RISK)
    unjudged = {"risk_level": "", "reasons": "", "plan": ""}

    page = browser.close_alert(review, disposition="left", outreach_plan="call tonight", into_note="yes", **unjudged)

    note = page.form("/sign")[1]["text"]
    assert "Alert: open, not assessed: has left, " in note
    assert "Outreach: call tonight" in note
    assert "Risk level" not in note
    assert "Assessed by" not in words_of(page)


def test_rule_4_what_is_recorded_after_signing_is_never_said_to_be_in_the_note(
    site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), *RISK)
    handed = browser.send(review.form("/hand-over", to_name="Ingrid Lindqvist"))
    outcome = browser.send(handed.form("/sign", choice="write"))
    alert = browser.get(strips(outcome)[0])
    assert "does not enter the chart: write it there, too" in words_of(alert)

    closed = browser.close_alert(alert, into_note="yes")

    assert "Goes into the note" not in words_of(closed)
    assert "Not in the note, which was signed before" in words_of(closed)
    assert "passive thoughts" not in note_written(site)


@pytest.mark.parametrize("end", [lambda browser, form: None, stop])
def test_rule_4_no_link_of_an_alert_leads_to_a_page_that_is_not_there(
    end: Callable[[HttpBrowser, Page], None], browser: HttpBrowser
) -> None:
    form = risky_form(browser)
    end(browser, form)
    alert = browser.get(strips(browser.get(browser.path(form)))[0])

    for link in alert.root.xpath("//main//a/@href[starts-with(., '/')]"):
        assert browser.get(str(link)).status == 200, link


def test_rule_4_an_assessment_in_the_future_is_refused(site: Site, browser: HttpBrowser) -> None:
    review = browser.give(browser.launch(), *RISK)

    assert browser.close_alert(review, assessed_at="2999-01-01T10:00").status == 422
    assert the_alert(site, review).state == "open"


def test_rule_4_handed_over_it_may_be_signed_and_the_note_says_that_it_is_open(
    site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), *RISK)

    handed = browser.send(review.form("/hand-over", to_name="Ingrid Lindqvist", text="please see her now"))
    assert handed.status == 200
    assert not is_marked_blocked(handed)
    outcome = browser.send(handed.form("/sign", choice="write"))

    assert outcome.url.endswith("/outcome")
    assert the_alert(site, review).state == "handed-over"
    note = note_written(site)
    assert "pending" in note.lower()
    assert "Ingrid Lindqvist" in note
    assert "please see her now" not in note, "free text of an alert enters the note only when ticked"
    assert strips(browser.launch())


def test_rule_4_a_risk_item_changed_to_not_at_all_still_stands_first_among_the_answers(browser: HttpBrowser) -> None:
    form = risky_form(browser)
    change_to_not_at_all(browser, form)

    review = browser.fill(browser.get(form.url), 3, 0, 0, 0, 0, 0, 0, 0, 0)

    rows = review.root.xpath("//section[@aria-labelledby='answers-h']//tbody/tr[not(contains(@class, 'group'))]")
    first = " ".join(rows[0].text_content().split())
    assert first.startswith("9")
    assert "Several days (1), today" in first


@pytest.mark.parametrize("choice", ["write", "copy-by-hand"])
def test_rule_4_the_text_to_copy_holds_the_risk_item_and_how_its_alert_stands(
    choice: str, site: Site, browser: HttpBrowser
) -> None:
    """A total of 0 that screens negative, copied without its risk answer, would hide what is most urgent."""
    form = risky_form(browser)
    change_to_not_at_all(browser, form)
    review = browser.fill(browser.get(form.url), *NO_RISK)
    handed = browser.send(review.form("/hand-over", to_name="Ingrid Lindqvist"))

    outcome = browser.send(handed.form("/sign", choice=choice, choice_reason="asked for it"))

    (text,) = [str(area.text) for area in outcome.root.xpath("//textarea")]
    assert "Before in this form: Several days (1)" in text
    assert "Alert: open: assessment pending, with Ingrid Lindqvist" in text
    assert "Delgado-Quinn, Rosa, born 14 Mar 1992" in text
    assert "MRN SIM-0001" in text
    assert re.search(r"Signed by Amara Okafor, MD, .* for Delgado-Quinn, Rosa\.\nReference SS-", text)
    if choice == "write":
        assert note_written(site).strip() in text


@pytest.mark.parametrize("fields", [{"to_name": ""}, {"to_name": "  "}, {"accepted_at": "2999-01-01T10:00"}])
def test_rule_4_a_hand_over_names_a_person_and_a_time_that_has_been(
    fields: dict[str, Any], site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), *RISK)

    page = browser.send(review.form("/hand-over", **{"to_name": "Ingrid Lindqvist", **fields}))

    assert page.status == 422
    assert the_alert(site, review).state == "open"


def test_rule_4_closed_by_a_clinician_it_stays_on_record_and_opens_anew_with_a_new_risk_answer(
    site: Site, browser: HttpBrowser
) -> None:
    form = risky_form(browser)
    review = browser.close_alert(browser.fill(browser.get(form.url), *RISK))
    assert the_alert(site, form).state == "closed"
    reopened = browser.send(review.form("/reopen"))

    browser.save(reopened, "phq9-9", 3, sequence=1, seen_version=1)

    assert "open" in {alert.state for alert in alerts_of(site, form)}
    assert strips(browser.get(browser.path(form)))


@pytest.mark.parametrize("verb", ["close"])
@pytest.mark.parametrize("user", ["prac-bell", "acct-locum"])
def test_rule_4_who_may_not_close_is_refused_by_the_server(
    verb: str, user: str, site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    review = browser.give(browser.launch(user=user), *RISK)
    alert = the_alert(site, review)

    page = browser.send((browser.path(review, f"alerts/{alert.id}/{verb}"), {**ASSESSMENT, **browser.token(review)}))

    assert page.status == 403
    assert code_shown(page) == "not-allowed"
    assert the_alert(site, review).state == "open"


@pytest.mark.parametrize("blank", ["declined", ""])
def test_rule_4_a_risk_item_declined_or_blank_at_hand_in_is_risk_not_known(
    blank: str, site: Site, browser: HttpBrowser
) -> None:
    form = browser.start(browser.launch())
    answers = {f"item.phq9-{n}": code_of(f"phq9-{n}", 0) for n in range(1, 9)}
    if blank:
        answers["item.phq9-9"] = blank

    review = browser.send(form.form("/form", do="hand-in", incomplete="yes", **answers))

    assert review.url.endswith("/review")
    assert the_alert(site, review).state == "open"
    assert "not known" in words_of(review)
    assert is_marked_blocked(review)
