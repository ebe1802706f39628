"""Every page renders from its view alone, within its budget, and carries what the safety rules demand of it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.unit.smart_app.web import page_samples as samples
from tests.unit.smart_app.web.web_driver import Browser, Calls

LAUNCH = f"/launches/{samples.LAUNCH_ID}"
FORM = f"{LAUNCH}/screenings/{samples.SCREENING}"
PAGES = {
    "home": f"{LAUNCH}/",
    "history": f"{LAUNCH}/history",
    "start": f"{LAUNCH}/screenings/new?instrument=phq-9",
    "form": f"{FORM}/form",
    "review": f"{FORM}/review",
    "alert": f"{LAUNCH}/alerts/{samples.ALERT}",
    "encounter": f"{LAUNCH}/encounter",
    "outcome": f"{FORM}/outcome",
    "unfinished": f"{FORM}/unfinished",
    "worklist": f"{LAUNCH}/worklist",
}


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_each_page_of_a_patient_says_whose_it_is_and_that_it_is_a_test(path: str, browser: Browser) -> None:
    page = browser.get(path)

    assert page.status_code == 200
    banner = page.text.split('class="banner"')[1].split("</header>")[0]
    assert "Nguyễn-O&#39;Brien, Zoë" in banner
    assert "14 Mar 1986" in banner
    assert "00482913" in banner
    assert "Test environment" in page.text


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_no_page_has_inline_script_or_style_or_patient_words_in_its_title(path: str, browser: Browser) -> None:
    page = browser.get(path)

    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", page.text)
    title = page.text.split("<title>")[1].split("</title>")[0]
    assert "Zoë" not in title
    assert "PHQ" not in title


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_each_page_with_its_styles_and_scripts_is_below_60_kb(path: str, browser: Browser) -> None:
    page = browser.get(path)
    total = len(page.data)
    for asset in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)):
        total += len(browser.fetch(asset))

    assert total < 60_000


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_ids_are_unique_and_every_local_link_has_its_target(path: str, browser: Browser) -> None:
    page = browser.get(path).text

    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in ids


@pytest.mark.parametrize("name", ["home", "history"])
def test_an_open_alert_stands_on_other_pages_of_the_patient(name: str, browser: Browser) -> None:
    page = browser.get(PAGES[name]).text

    assert 'class="strip"' in page
    assert f"{LAUNCH}/alerts/{samples.ALERT}" in page


def test_where_the_alert_card_stands_the_strip_is_left_out(browser: Browser) -> None:
    page = browser.get(PAGES["review"]).text

    assert f'id="alert-{samples.ALERT}"' in page
    assert 'class="strip"' not in page


def test_the_form_says_that_nobody_watches_and_whom_to_call(browser: Browser) -> None:
    page = browser.get(PAGES["form"]).text

    assert "not watched in real time" in page
    assert "988" in page


def test_the_form_shows_the_instruments_own_words_and_its_licence(browser: Browser) -> None:
    page = browser.get(PAGES["form"]).text

    assert samples.PHQ9 is not None
    for item in samples.PHQ9.items:
        assert item.text in page
    assert "Pfizer" in page


def test_a_blocked_signature_stays_reachable_and_says_why_before_the_button(browser: Browser) -> None:
    page = browser.get(PAGES["review"]).text

    panel = page.split('id="sign-h"')[1]
    assert panel.index("the alert on item 9 is open") < panel.index('aria-disabled="true"')


def test_no_risk_level_or_disposition_is_proposed(browser: Browser) -> None:
    page = browser.get(PAGES["review"]).text

    card = page.split('class="alert"')[1].split("</section>")[0]
    assert 'name="risk_level" value=""' in card
    assert "selected" not in card
    assert "checked" not in card


def test_an_incomplete_score_is_never_shown_as_a_number_or_a_negative(browser: Browser, calls: Calls) -> None:
    score = replace(
        samples.REVIEW.scores[0], value=None, band=None, figure="At least 8, at most 17", screen="Not known"
    )
    assert score.ruler is not None
    score = replace(score, ruler=replace(score.ruler, low=28.6, high=62.5))
    calls.answers["view_review"] = replace(samples.REVIEW, scores=(score,))

    page = browser.get(PAGES["review"]).text

    figure = page.split('class="figure__value"')[1].split("</p>")[0]
    assert "\u2013" in figure
    assert "At least 8, at most 17" in page
    assert "negative" not in page.lower()


def test_what_is_due_is_never_folded_away_with_the_other_instruments(browser: Browser, calls: Calls) -> None:
    due, other = samples.HOME.due
    last = replace(due, instrument_id="audit", short_name="AUDIT", key="")
    folded = replace(other, instrument_id="k6", short_name="K6", key="")
    calls.answers["view_home"] = replace(samples.HOME, due=(due, other, last, folded))

    at_once, unfolded = browser.get(PAGES["home"]).text.split("<summary>1 more instrument</summary>")

    assert 'name="instrument" value="audit"' in at_once
    assert 'name="instrument" value="k6"' in unfolded
    assert 'name="instrument" value="k6"' not in at_once


def test_what_the_chart_shows_is_never_offered_to_be_called_absent(browser: Browser) -> None:
    none_found, found = browser.get(PAGES["unfinished"]).text.split('aria-labelledby="doubt-')[1:]

    for choice in ("Send again", "Give up, copy by hand", "It is not there"):
        assert choice in none_found
        assert choice not in found
    assert "It is there: this one" in found
    assert "It is there: this one" not in none_found


def test_the_results_are_linked_without_script_and_given_as_a_fragment_with_it(browser: Browser) -> None:
    home = browser.get(PAGES["home"]).text
    fragment = browser.get(f"{LAUNCH}/history?fragment=1").text

    assert f'href="{LAUNCH}/history"' in home
    assert f'data-fragment="{LAUNCH}/history?fragment=1"' in home
    assert "<html" not in fragment
    assert "Moderate range" in fragment
    assert "Not known: 2 not answered" in fragment
