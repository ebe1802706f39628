"""Safety rule 11 over HTTP: the patient's page says that nobody watches it, and names the site's crisis contact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from smart_app.settings import Settings
from tests.fakes.http_browser import HttpBrowser, words_of
from tests.site import Site, running_site

CONTACT = "Linea de Vida Sur, 555 0100, at any hour"


@pytest.fixture(scope="module")
def own_contact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    def name_it(settings: Settings) -> Settings:
        return replace(settings, crisis=settings.crisis.model_copy(update={"contact": CONTACT}))

    with running_site(tmp_path_factory.mktemp("site"), change_settings=name_it) as site:
        yield site


def test_the_form_says_before_any_answer_that_nobody_watches_it_and_whom_to_call(browser: HttpBrowser) -> None:
    words = words_of(browser.start(browser.launch()))

    assert "not watched in real time" in words
    assert "988" in words


def test_the_site_s_own_contact_stands_on_the_form_after_a_risk_answer_too(own_contact: Site) -> None:
    browser = HttpBrowser(own_contact)
    form = browser.start(browser.launch())
    assert browser.save(form, "phq9-9", 1).json()["risk_notice"]

    words = words_of(browser.get(form.url))
    assert "not watched in real time" in words
    assert (CONTACT in words, "988" in words) == (True, False)
