"""The pages of a short form and of what it calls for, over HTTP and without script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from smart_app.settings import Settings
from tests.fakes.clinic import code_of
from tests.fakes.http_browser import HttpBrowser, screening_id_of, words_of
from tests.functional.page_browser import Page
from tests.site import Site, running_site


@pytest.fixture
def offering(tmp_path: Path) -> Iterator[Site]:
    def offer(settings: Settings) -> Settings:
        section = settings.instruments.model_copy(update={"enabled": ("phq-9", "phq-2", "asq", "pcl-5")})
        return replace(settings, instruments=section)

    with running_site(tmp_path / "site", change_settings=offer) as site:
        yield site


@pytest.fixture
def browser(offering: Site) -> HttpBrowser:
    return HttpBrowser(offering)


def answers(weights: Mapping[str, int]) -> dict[str, str]:
    return {f"item.{link_id}": code_of(link_id, weight) for link_id, weight in weights.items()}


def give(browser: HttpBrowser, instrument: str, weights: Mapping[str, int]) -> Page:
    form = browser.start(browser.launch("pt-02"), instrument=instrument)
    review = browser.send(form.form("/form", do="hand-in", incomplete="yes", **answers(weights)))
    assert review.url.endswith("/review"), words_of(review)
    return review


def chosen(form: Page, link_id: str) -> list[str]:
    return [str(value) for value in form.root.xpath(f"//input[@name='item.{link_id}'][@checked]/@value")]


def test_the_review_starts_what_is_called_for_in_the_way_in_which_the_first_was_given(browser: HttpBrowser) -> None:
    review = give(browser, "phq-2", {"phq2-1": 2, "phq2-2": 1})
    assert "PHQ-2 of 3 or more: go on to the PHQ-9. Kroenke" in words_of(review)
    assert "Suicide not asked." in words_of(review)

    form = browser.send(review.form("/screenings/new"))

    assert form.url.endswith("/form")
    assert "Answered by the patient, asked in person, in English" in words_of(form)
    assert "Answered already in this visit" in words_of(form)


def test_confirming_one_answer_saves_it_and_what_else_the_page_holds_and_nothing_more(
    offering: Site, browser: HttpBrowser
) -> None:
    review = give(browser, "phq-2", {"phq2-1": 2, "phq2-2": 1})
    form = browser.send(review.form("/screenings/new"))
    held = answers({"phq9-5": 3})

    path, fields = form.form("/form", carry="phq9-1", **held)
    again = browser.send((path.removesuffix("/form") + "/carry", fields))

    assert again.url.split("#")[0].endswith("/form")
    assert chosen(again, "phq9-1") == [code_of("phq9-1", 2)]
    assert chosen(again, "phq9-5") == [held["item.phq9-5"]]
    assert chosen(again, "phq9-2") == []
    assert "Carried from PHQ-2, saved" in words_of(again)
    with offering.units.read() as unit:
        screening = unit.screenings.get(UUID(screening_id_of(again)))
    saved = {one.link_id: one.carried is not None for one in screening.answers}
    assert saved == {"phq9-1": True, "phq9-5": False}


def test_a_level_is_shown_in_words_with_what_is_published_to_do_and_no_number(browser: HttpBrowser) -> None:
    review = give(browser, "asq", {"asq-1": 0, "asq-2": 1, "asq-3": 1, "asq-4": 1, "asq-5": 1})
    panel = review.root.find_class("score")[0]
    words = " ".join(panel.text_content().split())
    assert "Non-acute positive" in words
    assert "Published action: " in words
    assert " of 2" not in words
    assert "Result: non-acute positive; screens positive." in review.form("/sign")[1]["text"]


def test_the_attribution_stands_on_form_and_review_and_is_printed(browser: HttpBrowser) -> None:
    form = browser.start(browser.launch("pt-02"), instrument="pcl-5")
    review = browser.send(form.form("/form", do="hand-in", incomplete="yes", **answers({"pcl5-1": 2})))
    for page in (form, review):
        (licence,) = page.root.find_class("licence")
        assert "National Center for PTSD" in licence.text_content()
    assert "Intrusion subscale" in words_of(review)
    css = browser.get(next(str(href) for href in review.root.xpath("//link[@rel='stylesheet']/@href"))).text
    printed = css[css.index("@media print") :]
    assert ".licence" not in printed[: printed.index("\n")]  # nothing hides it on paper
