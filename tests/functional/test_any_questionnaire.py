"""A site's own Questionnaire with items of every type through the pages: given, saved, scored, signed and written."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_mappings.r4 import parse_json_strict
from fhir_mappings.r4_shape import check_r4
from smart_app.library import Library
from smart_app.web import WebOptions, create_app
from tests.fakes.clinic import LIBRARY, Clinic
from tests.functional.page_browser import Page, PageBrowser
from tests.unit.fhir_mappings.any_questionnaire import find_item, sleep

ANSWERED = {
    "item.troubled": "true",
    "item.bad-nights": "4",
    "item.worry": "some",
    "item.wake-time": "06:30",
    "item.rested": "3.5",
    "item.helps": ["tea", "walk"],
    "other.helps": "warm milk\r\nreading",
    "item.snore": "often",
    "item.snore-who": "my wife",
    "item.caffeine": "2",
    "unit.caffeine": "{cup}",
    "item.since": "2024-03-01",
    "item.last-bad": "2026-11-20",
    "clock.last-bad": "03:15",
    "item.medicines": "melatonin\r\nnone other",
    "item.words": "It is loud.\r\nVery loud.",
}
SAVED = {
    "helps": "tea\nwalk\nother:warm milk\nother:reading",
    "caffeine": "2 {cup}",
    "last-bad": "2026-11-20T03:15:00-05:00",
    "words": "It is loud.\nVery loud.",
}


@pytest.fixture
def browser(clinic: Clinic) -> PageBrowser:
    rules = replace(clinic.app.rules, zone=ZoneInfo("America/New_York"))
    clinic.app = replace(clinic.app, rules=rules, library=Library([*LIBRARY, sleep()]))
    return PageBrowser(create_app(clinic.app, WebOptions(secret_key=b"0123456789abcdef")), clinic)


def start(browser: PageBrowser) -> Page:
    home = browser.launch()
    page = browser.get(f"{home.url.rstrip('/')}/screenings/new?instrument=sleep-intake")
    form = browser.send(page.form("/screenings/new", informant="patient", mode="interview", language="en"))
    assert form.root.forms, form.text
    return form


def saved_texts(clinic: Clinic, page: Page) -> dict[str, Any]:
    with clinic.app.units.read() as unit:
        (screening,) = [one for one in unit.screenings.unsigned(["sandbox"]) if str(one.id) in page.url]
    return {link_id: saved.code or str(saved.status) for link_id, saved in screening.current_answers().items()}


def save_one(browser: PageBrowser, form: Page, link_id: str, code: str, sequence: int = 1) -> Any:
    answer = {"link_id": link_id, "status": "answered", "code": code, "sequence": sequence, "seen_version": 0}
    return browser.save(form, [answer])


def test_the_page_has_a_labelled_field_for_each_item_that_somebody_answers(browser: PageBrowser) -> None:
    form = start(browser)
    names = {field.name for field in form.root.get_element_by_id("form").inputs if field.name}
    assert ANSWERED.keys() <= names
    assert not {"item.edition", "item.burden", "item.snore-score"} & names
    questions = form.words("questions")
    for words in ("Your nights", "Waking up", "On a usual working day.", "0 to 7", "Up to 40 characters", "cups"):
        assert words in questions, words
    assert form.root.get_element_by_id("form").fields["many.helps"] == "yes"


def test_it_ends_in_the_chart_with_answers_of_every_type(browser: PageBrowser, clinic: Clinic) -> None:
    form = start(browser)
    review = browser.send(form.form("/form", **ANSWERED, do="hand-in"))
    assert review.url.endswith("/review"), review.text
    for words in ("Often", "my wife", "2 cups", "warm milk", "Very loud.", "Snoring and worry"):
        assert words in review.text, words
    browser.send(review.form("/sign", choice="write"))

    (response,) = [r for r in clinic.in_chart("QuestionnaireResponse", "pt-01") if "sleep-intake" in r["questionnaire"]]
    check_r4(parse_json_strict(json.dumps(response).encode()))
    answers = {
        link_id: find_item(response, link_id)["answer"] for link_id in ("rested", "wake-time", "last-bad", "since")
    }
    assert answers == {
        "rested": [{"valueDecimal": 3.5}],
        "wake-time": [{"valueTime": "06:30:00"}],
        "last-bad": [{"valueDateTime": "2026-11-20T03:15:00-05:00"}],
        "since": [{"valueDate": "2024-03-01"}],
    }
    assert find_item(response, "caffeine")["answer"][0]["valueQuantity"]["code"] == "{cup}"
    assert [next(iter(answer)) for answer in find_item(response, "helps")["answer"]] == ["valueCoding"] * 2 + [
        "valueString"
    ] * 2
    assert find_item(response, "edition")["answer"] == [{"valueString": "spring 2026"}]
    assert find_item(response, "burden")["answer"] == [{"valueDecimal": 9}]
    (document,) = [d for d in clinic.in_chart("DocumentReference", "pt-01") if "SS-" in json.dumps(d["text"])]
    note = b64decode(document["content"][0]["attachment"]["data"]).decode()
    assert "How many nights a week?: 4" in note
    assert "Anything else?: It is loud." in note


def test_the_server_joins_the_fields_of_a_form_as_the_script_does(browser: PageBrowser, clinic: Clinic) -> None:
    form = start(browser)
    browser.send(form.form("/form", **ANSWERED, do="later"))
    saved = saved_texts(clinic, form)
    assert {link_id: saved[link_id] for link_id in SAVED} == SAVED

    again = browser.get(form.url)
    fields = dict(again.root.get_element_by_id("form").form_values())
    assert fields["item.last-bad"] == "2026-11-20"
    assert fields["clock.last-bad"] == "03:15"
    assert fields["unit.caffeine"] == "{cup}"
    assert fields["other.helps"] == "warm milk\nreading"
    handed = browser.send(again.form("/form", **ANSWERED, do="hand-in"))
    assert handed.url.endswith("/review"), "the same answers posted again differ from what is saved"


def test_a_page_saves_each_type_as_it_is_given(browser: PageBrowser, clinic: Clinic) -> None:
    form = start(browser)
    texts = {
        "bad-nights": "4",
        "last-bad": "2026-11-20T03:15",
        "helps": "tea\nother:milk",
        "words": "a\nb",
        "troubled": "false",
    }
    for number, (link_id, text) in enumerate(texts.items(), start=1):
        assert save_one(browser, form, link_id, text, number).status_code == 200, link_id
    assert saved_texts(clinic, form) == {**texts, "last-bad": SAVED["last-bad"]}


@pytest.mark.parametrize(
    ("link_id", "text", "code"),
    [
        ("bad-nights", "8", "unfit-answer"),
        ("bad-nights", "many", "unfit-answer"),
        ("since", "2027-01-01", "unfit-answer"),
        ("snore", "sometimes", "unknown-option"),
        ("edition", "x", "unknown-item"),
        ("burden", "3", "unknown-item"),
    ],
)
def test_what_the_question_does_not_take_is_not_saved_and_told(
    browser: PageBrowser, clinic: Clinic, link_id: str, text: str, code: str
) -> None:
    form = start(browser)
    refused = save_one(browser, form, link_id, text)
    assert (refused.status_code, refused.json["code"]) == (422, code)
    assert saved_texts(clinic, form) == {}


def test_an_answer_that_does_not_fit_is_shown_again_beside_the_way_back_to_its_form(browser: PageBrowser) -> None:
    form = start(browser)
    refused = browser.send(form.form("/form", **{"item.bad-nights": "8"}, do="later"))
    assert refused.status == 422
    assert "<p>8</p>" in refused.text
    assert refused.root.xpath("//a[text()='Open the form again']/@href") == [form.url]


def test_an_item_that_is_declined_is_declined_whatever_its_type(browser: PageBrowser, clinic: Clinic) -> None:
    form = start(browser)
    browser.send(
        form.form("/form", **{"item.words": ["a word", "declined"], "item.helps": ["tea", "declined"]}, do="later")
    )
    assert saved_texts(clinic, form) == {"words": "declined", "helps": "declined"}


def test_what_was_typed_after_the_session_ended_is_given_back_with_every_field(
    browser: PageBrowser, clinic: Clinic
) -> None:
    form = start(browser)
    clinic.clock.move(hours=13)
    refused = browser.send(form.form("/form", **ANSWERED, do="hand-in"))
    assert refused.status == 401
    for words in ("Herbal tea; An evening walk; warm milk; reading", "2026-11-20T03:15", "It is loud.", "melatonin"):
        assert words in refused.text, words
    (back,) = [one for one in refused.root.forms if one.action.endswith("/form")]
    sent = [(name, value) for name, value in back.form_values() if name in ANSWERED]
    given = [(name, one) for name, value in ANSWERED.items() for one in ([value] if isinstance(value, str) else value)]
    assert sorted(sent) == sorted((name, value.replace("\r\n", "\n")) for name, value in given)
