"""Safety rules 5, 13 and 14 over HTTP: a score is no diagnosis, the patient may read it, change is not flattered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from smart_app.settings import Settings
from tests.fakes.captured_log import CapturedLog
from tests.fakes.clinic import code_of
from tests.fakes.http_browser import HttpBrowser, screening_id_of, words_of
from tests.functional.page_browser import Page
from tests.site import Site, running_site

DIAGNOSES = re.compile(
    r"\b(has|have|suffers? from|diagnosed with|diagnosis of)\s+(\w+\s+)?(depress|anxi)"
    r"|\b(mild|moderate|severe|major|minimal)\s+(depress\w+|anxiety)\b"
    r"|\bdepressive disorder\b|\bis (depressed|suicidal)\b",
    re.IGNORECASE,
)
LOW_RISK = re.compile(r"\b(no|low|not at) risk\b|\brisk is low\b|\bno suicid", re.IGNORECASE)
SEVERE = (3, 3, 3, 3, 3, 3, 3, 3, 0)
NONE = (0, 0, 0, 0, 0, 0, 0, 0, 0)
MODERATE = (2, 2, 2, 1, 1, 1, 1, 1, 0)
GAD7 = {f"item.gad7-{n}": code_of(f"gad7-{n}", 1) for n in range(1, 8)}


def written(site: Site) -> str:
    kinds = ("Observation", "QuestionnaireResponse", "DocumentReference", "Provenance", "Condition")
    return json.dumps([site.resources(kind) for kind in kinds])


@pytest.mark.parametrize("weights", [SEVERE, MODERATE, NONE])
def test_rule_5_no_condition_is_ever_written_and_no_word_is_a_diagnosis(
    weights: tuple[int, ...], site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch("pt-02"), *weights)
    outcome = browser.send(review.form("/sign", choice="write"))
    assert outcome.url.endswith("/outcome")

    kinds = {name for request in site.ehr.store.requests() for name in request.written if request.client_id}
    assert kinds
    assert not [name for name in kinds if name.startswith("Condition/")]
    note = next(r for r in site.resources("DocumentReference"))
    pages = [words_of(page) for page in (review, outcome, browser.get(browser.path(outcome, "history")))]
    for text in (*pages, json.dumps(note)):
        assert not DIAGNOSES.search(text), DIAGNOSES.search(text)
    assert "not a diagnosis" in pages[0]


def test_rule_5_condition_is_asked_for_by_no_scope(browser: HttpBrowser) -> None:
    address = browser.to_authorize()

    assert "Condition.c" not in address
    assert "Condition.w" not in address


def test_rule_5_a_negative_screen_never_reads_as_low_risk(site: Site, browser: HttpBrowser) -> None:
    review = browser.give(browser.launch("pt-02"), *NONE)
    text = words_of(review).replace("A negative screen is not a finding of low risk.", "")

    assert "screens negative" in text
    assert not LOW_RISK.search(text), LOW_RISK.search(text)


def test_rule_5_an_instrument_that_does_not_ask_says_so(site: Site, browser: HttpBrowser) -> None:
    form = browser.start(browser.launch("pt-02"), instrument="gad-7")
    review = browser.send(form.form("/form", do="hand-in", **GAD7, **{"item.gad7-8": code_of("gad7-8", 1)}))

    assert review.url.endswith("/review"), words_of(review)
    assert "suicide not asked" in words_of(review).lower()
    assert "suicide not asked" in review.form("/sign")[1]["text"].lower()


def chosen(review: Page) -> list[str]:
    return [str(value) for value in review.root.xpath("//input[@name='choice'][@checked]/@value")]


def test_rule_13_the_sign_page_says_that_patient_and_proxy_may_read_it_at_once(browser: HttpBrowser) -> None:
    review = browser.give(browser.launch(), *NONE)

    panel = " ".join(review.root.get_element_by_id("sign-panel").text_content().split())
    assert "The patient, and any proxy, may read this at once in the portal." in panel
    assert chosen(review) == ["write"]


def test_rule_12_a_total_outside_the_validated_age_says_so_wherever_it_goes(site: Site, browser: HttpBrowser) -> None:
    review = browser.give(browser.launch("pt-05"), *NONE)
    browser.send(review.form("/sign", choice="write"))

    (total,) = [found for found in site.resources("Observation") if found["code"]["coding"][0]["code"] == "44261-6"]
    assert "validated for ages 18 and older; at 15" in total["note"][0]["text"]


def test_rule_4_a_total_says_that_the_risk_item_counts_also_where_its_answer_was_changed(
    site: Site, browser: HttpBrowser
) -> None:
    form = browser.start(browser.launch("pt-02"))
    browser.save(form, "phq9-9", 2)
    browser.save(form, "phq9-9", 0, sequence=2, seen_version=1)
    review = browser.close_alert(browser.fill(browser.get(form.url), *NONE))
    browser.send(review.form("/sign", choice="write"))

    (total,) = [found for found in site.resources("Observation") if found["code"]["coding"][0]["code"] == "44261-6"]
    assert "risk item of this form counts whatever the total" in total["note"][0]["text"]


@pytest.mark.parametrize(("patient", "told"), [("pt-05", True), ("pt-01", False)])
def test_rule_13_a_young_person_is_told_beforehand_who_may_see_it(
    patient: str, told: bool, browser: HttpBrowser
) -> None:
    home = browser.launch(patient)
    pages = [browser.get(browser.path(home, "screenings/new?instrument=phq-9")), browser.start(home)]

    for page in pages:
        assert ("Tell the young person before the first question who may see this" in words_of(page)) is told


def test_rule_13_for_a_minor_nothing_is_preset_and_each_time_a_choice_is_needed(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    for _ in range(2):
        home = browser.launch("pt-05")
        review = browser.give(home, *NONE)
        assert chosen(review) == []
        assert "parent or other proxy may read" in words_of(review)

        for choice in ("", "restricted", "anything"):
            path, fields = review.form("/sign")
            refused = browser.send((path, {**fields, "choice": choice}))
            assert refused.status in {409, 422}
        assert chosen(browser.get(review.url)) == []
        with site.units.read() as unit:
            assert unit.approvals.find_for_screening(UUID(screening_id_of(review))) is None
        signed = browser.send(review.form("/sign", choice="keep", choice_reason="the young person asked for it"))
        assert signed.url.endswith("/outcome")
    assert json.loads(written(site)) == [[], [], [], [], []]


@pytest.mark.parametrize("choice", ["keep", "copy"])
def test_rule_13_not_writing_needs_a_reason_and_then_nothing_is_sent(
    choice: str, site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), *NONE)
    value = next(v for v in review.root.xpath("//input[@name='choice']/@value") if str(v).startswith(choice))

    for reason in ("", "   "):
        assert browser.send(review.form("/sign", choice=value, choice_reason=reason)).status == 422
    outcome = browser.send(review.form("/sign", choice=value, choice_reason="asked not to be in the portal"))

    assert outcome.url.endswith("/outcome")
    assert json.loads(written(site)) == [[], [], [], [], []]
    assert "asked not to be in the portal" not in outcome.url


@pytest.fixture
def restricting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a restricted note type of its own."""

    def with_restricted(settings: Settings) -> Settings:
        options = settings.ehr_options["sandbox"]
        writes = options.writes.model_copy(update={"restricted_note_type": "28635-3"})
        changed = options.model_copy(update={"writes": writes})
        return replace(settings, ehr_options={**settings.ehr_options, "sandbox": changed})

    with running_site(tmp_path_factory.mktemp("restricting"), change_settings=with_restricted) as site:
        yield site


def test_rule_13_the_restricted_choice_writes_the_note_alone_in_the_sites_type(restricting: Site) -> None:
    browser = HttpBrowser(restricting)
    review = browser.give(browser.launch(), *NONE)

    browser.send(review.form("/sign", choice="restricted"))

    (note,) = restricting.resources("DocumentReference")
    assert [coding["code"] for coding in note["type"]["coding"]] == ["28635-3"]
    assert restricting.resources("Observation") == []
    assert restricting.resources("QuestionnaireResponse") == []


@pytest.mark.parametrize("ticked", [True, False])
def test_rule_13_free_text_of_an_alert_enters_the_note_only_when_ticked(
    ticked: bool, site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), 0, 0, 0, 0, 0, 0, 0, 0, 1)
    more = {"into_note": "yes"} if ticked else {}

    review = browser.close_alert(review, reasons="Said more than he wants his mother to read", **more)

    note = review.form("/sign")[1]["text"]
    assert ("more than he wants" in note) is ticked


FAVORABLE = re.compile(r"\b(remission|response|reliable improvement|improved|recover\w*)\b", re.IGNORECASE)


def badges(review: Page) -> list[str]:
    return [" ".join(badge.text_content().split()) for badge in review.root.find_class("badge")]


def test_rule_14_no_favorable_badge_stands_while_the_result_has_an_open_alert(site: Site, browser: HttpBrowser) -> None:
    """pt-01 comes from 17: a total of 1 would be remission, but for the answer that makes the 1."""
    review = browser.give(browser.launch("pt-01"), 0, 0, 0, 0, 0, 0, 0, 0, 1)
    assert not [badge for badge in badges(review) if FAVORABLE.search(badge)]
    assert not FAVORABLE.search(review.form("/sign")[1]["text"])

    review = browser.close_alert(review)

    assert [badge for badge in badges(review) if FAVORABLE.search(badge)]


def test_rule_14_the_baseline_and_its_date_stand_beside_the_badge(browser: HttpBrowser) -> None:
    review = browser.give(browser.launch("pt-01"), *NONE)

    change = " ".join(review.root.find_class("changes")[0].text_content().split())
    assert [badge for badge in badges(review) if FAVORABLE.search(badge)]
    assert "17" in change
    assert re.search(r"\d{1,2} [A-Z][a-z]{2} 20\d\d", change)


def test_rule_14_an_incomplete_result_has_no_change_and_no_badge(browser: HttpBrowser) -> None:
    form = browser.start(browser.launch("pt-01"))
    answers = {f"item.phq9-{n}": code_of(f"phq9-{n}", 0) for n in range(1, 9)} | {"item.phq9-9": "declined"}

    review = browser.send(form.form("/form", do="hand-in", incomplete="yes", **answers))

    assert not [badge for badge in badges(review) if FAVORABLE.search(badge)]


def test_rule_14_a_proxys_result_is_not_measured_against_the_patients_own(browser: HttpBrowser) -> None:
    home = browser.launch("pt-01")
    form = browser.start(
        home, informant="proxy", relationship="husband", mode="interview", language="en"
    )  # another informant, another series
    review = browser.fill(form, *NONE)

    assert review.url.endswith("/review"), words_of(review)
    assert not [badge for badge in badges(review) if FAVORABLE.search(badge)]
