"""The main job through the pages alone, without script: launch, give, review, act on the alert, sign, outcome."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from smart_app.web import WebOptions, create_app
from tests.fakes.clinic import BELL, LINDQVIST, PHQ9, Clinic, code_of
from tests.functional.page_browser import Page, PageBrowser

WEIGHTS = (2, 2, 2, 2, 1, 1, 1, 1, 1)
ALERT = {
    "risk_level": "low, in my judgement",
    "reasons": "passive thoughts, no plan",
    "plan": "call on Friday",
    "disposition": "home-with-plan",
}


@pytest.fixture
def app(clinic: Clinic) -> Flask:
    return create_app(clinic.app, WebOptions(secret_key=b"0123456789abcdef"))


@pytest.fixture
def browser(app: Flask, clinic: Clinic) -> PageBrowser:
    return PageBrowser(app, clinic)


def answers(*weights: int) -> dict[str, Any]:
    return {f"item.{link_id}": code_of(link_id, weight) for link_id, weight in zip(PHQ9, weights, strict=False)}


def start(browser: PageBrowser, home: Page) -> Page:
    return browser.send(home.form("/screenings/new", **{"as": "default"}))


def give(browser: PageBrowser, home: Page, *weights: int) -> Page:
    form = start(browser, home)
    chosen = {**answers(*weights), "item.phq9-10": code_of("phq9-10", 1), "do": "hand-in"}
    return browser.send(form.form("/form", **chosen))


def test_the_main_job_ends_with_everything_in_the_chart(browser: PageBrowser, clinic: Clinic) -> None:
    home = browser.launch()
    review = give(browser, home, *WEIGHTS)
    assert review.url.endswith("/review")
    assert "13" in review.words("score-phq-9-total") or "13 of 27" in " ".join(review.root.text_content().split())
    assert 'aria-disabled="true"' in review.text

    review = browser.send(review.form("/close", **ALERT))
    assert "low, in my judgement" in review.text
    assert 'aria-disabled="true"' not in review.text
    outcome = browser.send(review.form("/sign", choice="write"))

    assert outcome.url.endswith("/outcome")
    totals = [
        resource["valueQuantity"]["value"]
        for resource in clinic.in_chart("Observation", "pt-01")
        if resource["code"]["coding"][0]["code"] == "44261-6" and "2026-11-24" in resource["effectiveDateTime"]
    ]
    assert totals == [13]
    assert "DocumentReference/" in outcome.text
    assert "QuestionnaireResponse/" in outcome.text


def test_a_risk_answer_alone_puts_the_alert_on_the_next_page_of_the_patient(browser: PageBrowser) -> None:
    form = start(browser, browser.launch())

    saved = browser.save(
        form,
        [{"link_id": "phq9-9", "status": "answered", "code": code_of("phq9-9", 1), "sequence": 1, "seen_version": 0}],
    )
    assert saved.status_code == 200
    assert saved.json["risk_notice"]
    home = browser.get(form.url.split("screenings")[0])

    assert 'class="strip"' in home.text
    assert "alerts/" in home.text


def test_blanks_are_asked_about_and_can_be_handed_in_as_incomplete(browser: PageBrowser) -> None:
    form = start(browser, browser.launch())

    asked = browser.send(form.form("/form", **answers(1, 1), do="hand-in"))
    assert asked.status == 422
    assert "Question 3 has no answer" in asked.text
    review = browser.send(asked.form("/form", incomplete="yes", do="hand-in"))

    assert review.url.endswith("/review")
    figure = review.root.find_class("figure__value")[0].text_content()
    assert "2" not in figure.split("of")[0]


def test_two_patients_in_two_tabs_each_land_on_their_own(browser: PageBrowser, clinic: Clinic) -> None:
    first, second = browser.launch("pt-01"), browser.launch("pt-02")
    forms = [start(browser, first), start(browser, second)]

    for number, weight in enumerate((0, 3), start=1):
        for form, code in zip(
            forms, (code_of(f"phq9-{number}", weight), code_of(f"phq9-{number}", 3 - weight)), strict=True
        ):
            saved = browser.save(
                form,
                [
                    {
                        "link_id": f"phq9-{number}",
                        "status": "answered",
                        "code": code,
                        "sequence": number,
                        "seen_version": 0,
                    }
                ],
            )
            assert saved.status_code == 200

    names = [page.root.find_class("banner__name")[0].text_content() for page in (first, second)]
    assert names[0] != names[1]
    for form, name, weights in zip(forms, names, ((0, 3), (3, 0)), strict=True):
        again = browser.get(form.url)
        assert again.root.find_class("banner__name")[0].text_content() == name
        chosen = [again.root.xpath(f'//input[@name="item.phq9-{n}"][@checked]/@value')[0] for n in (1, 2)]
        assert chosen == [code_of("phq9-1", weights[0]), code_of("phq9-2", weights[1])]


def test_a_form_of_one_launch_is_refused_in_the_other(browser: PageBrowser) -> None:
    first, second = browser.launch("pt-01"), browser.launch("pt-02")
    path, fields = start(browser, first).form("/form", do="later")
    other = path.replace(path.split("/")[2], second.url.split("/")[2])

    assert browser.send((other, fields)).status == 400
    token = second.form("/log-out")[1]["csrf_token"]
    assert browser.send((other, {**fields, "csrf_token": token})).status == 404


def test_a_save_that_another_device_overtook_is_reported_as_a_conflict(browser: PageBrowser) -> None:
    form = start(browser, browser.launch())
    save = {"link_id": "phq9-1", "status": "answered", "sequence": 1, "seen_version": 0}

    browser.save(form, [{**save, "code": code_of("phq9-1", 1)}], device="tablet")
    late = browser.save(form, [{**save, "code": code_of("phq9-1", 2)}], device="desk")

    (result,) = late.json["saves"]
    assert result["kind"] == "conflict"
    assert result["code"] == code_of("phq9-1", 1)


def test_an_assistant_is_refused_by_the_server_whatever_is_sent(browser: PageBrowser, clinic: Clinic) -> None:
    review = give(browser, browser.launch(user=BELL), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert 'aria-disabled="true"' in review.text

    refused = browser.send(review.form("/sign", choice="write"))

    assert refused.status == 403
    assert "not-allowed" in refused.text
    assert not any("2026-11-24" in r["effectiveDateTime"] for r in clinic.in_chart("Observation", "pt-01"))


def test_an_idle_form_is_saved_and_goes_on_after_a_relaunch(browser: PageBrowser, clinic: Clinic) -> None:
    form = start(browser, browser.launch())
    clinic.clock.move(minutes=45)

    told = browser.send(form.form("/form", **answers(1, 2), do="hand-in"))
    assert told.status == 401
    assert "Your answers are saved" in told.text
    assert "banner__name" not in told.text
    again = start(browser, browser.launch())

    assert again.root.xpath('//input[@name="item.phq9-2"][@checked]/@value') == [code_of("phq9-2", 2)]


def test_after_the_absolute_limit_the_refusal_gives_the_answers_back(browser: PageBrowser, clinic: Clinic) -> None:
    form = start(browser, browser.launch())
    clinic.clock.move(hours=11)

    refused = browser.send(form.form("/form", **answers(3), do="hand-in"))

    assert refused.status == 401
    assert "launch-over" in refused.text
    assert "Nearly every day" in refused.text


def test_after_log_out_the_launch_is_closed_for_every_tab(browser: PageBrowser) -> None:
    home = browser.launch()
    ended = browser.send(home.form("/log-out"))

    assert "This launch is closed" in ended.text
    assert browser.get(home.url).status == 401


def test_a_visit_is_chosen_where_the_launch_had_none(browser: PageBrowser) -> None:
    review = give(browser, browser.launch(encounter="none"), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert "No visit is chosen" in review.text
    visits = browser.get(review.root.xpath('//section[@id="encounter"]//a/@href')[0])
    option = visits.root.xpath('//input[@name="encounter"]/@value')[0]

    chosen = browser.send(visits.form("/encounter", encounter=option))

    assert chosen.url.endswith("/review")
    assert "No visit is chosen" not in chosen.text


@pytest.mark.parametrize(
    "page", ["", "history", "history?fragment=1", "worklist", "encounter", "screenings/new?instrument=gad-7"]
)
def test_each_page_answers_on_a_real_launch(page: str, browser: PageBrowser) -> None:
    home = browser.launch()

    assert browser.get(f"{home.url}{page}").status == 200


def test_a_replayed_callback_is_refused(browser: PageBrowser, clinic: Clinic) -> None:
    refused = browser.get("/callback?code=x&state=unknown")

    assert refused.status == 400
    assert "state-mismatch" in refused.text


def test_a_result_can_be_signed_and_kept_without_writing(browser: PageBrowser, clinic: Clinic) -> None:
    review = give(browser, browser.launch(), 0, 0, 0, 0, 0, 0, 0, 0, 0)

    refused = browser.send(review.form("/sign", choice="keep"))
    assert refused.status == 422
    outcome = browser.send(refused.form("/sign", choice="keep", choice_reason="the patient asked for it"))

    assert outcome.url.endswith("/outcome")
    assert "nothing was written" in outcome.text
    assert not any("2026-11-24" in r["effectiveDateTime"] for r in clinic.in_chart("Observation", "pt-01"))


def test_a_note_edited_on_the_page_is_shown_before_it_is_signed_and_then_written(
    browser: PageBrowser, clinic: Clinic
) -> None:
    review = give(browser, browser.launch(), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    path, fields = review.form("/sign", choice="write")
    edited = fields["text"] + "\nSeen with her sister."

    shown = browser.send((path, {**fields, "text": edited}))
    assert shown.status == 409
    assert "Seen with her sister." in shown.text
    outcome = browser.send(shown.form("/sign", choice="write"))

    assert outcome.url.endswith("/outcome")
    assert "Seen with her sister." in outcome.text


def test_who_signs_second_is_told_who_was_first(browser: PageBrowser, app: Flask, clinic: Clinic) -> None:
    first = browser.launch("pt-03")
    review = give(browser, first, 1, 1, 1, 1, 1, 1, 1, 1, 0)
    other = PageBrowser(app, clinic)
    home = other.launch("pt-03", LINDQVIST)
    theirs = other.get(f"{home.url.rstrip('/')}/screenings/{review.url.split('/')[-2]}/review")
    browser.send(review.form("/sign", choice="write"))

    told = other.send(theirs.form("/sign", choice="write"))

    assert told.status == 409
    assert "by Amara Okafor, MD" in told.text
    assert "Nothing was signed a second time" in told.text
