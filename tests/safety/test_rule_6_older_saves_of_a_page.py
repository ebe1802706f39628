"""Safety rule 6: what a page's whole form says stands, whatever older save of that page arrives after it."""

from __future__ import annotations

import lxml.html
import pytest

from tests.fakes.clinic import code_of, phq9
from tests.fakes.http_browser import HttpBrowser
from tests.functional.page_browser import Page

pytestmark = pytest.mark.usefixtures("site")


def _weight_shown(browser: HttpBrowser, form: Page, link_id: str) -> list[str]:
    chosen = browser.get(form.url).root.xpath(f'//input[@name="item.{link_id}"][@checked]/@value')
    return [str(code) for code in chosen]


@pytest.mark.parametrize("do", ["later", "hand-in"])
def test_rule_6_a_save_still_on_its_way_does_not_undo_the_answer_that_the_whole_form_restates(
    browser: HttpBrowser, do: str
) -> None:
    form = browser.start(browser.launch("pt-02"))
    browser.save(form, "phq9-1", 1, sequence=1)
    # Number 2, the answer changed to 3, is still on its way; the patient goes back to 1 and posts the form.
    browser.send(form.form("/form", do=do, sequence="3", **{"item.phq9-1": code_of("phq9-1", 1)}))
    late = browser.save(form, "phq9-1", 3, sequence=2, seen_version=1).json()["saves"][0]
    assert (late["kind"], late["code"]) == ("late", code_of("phq9-1", 1))
    assert _weight_shown(browser, form, "phq9-1") == [code_of("phq9-1", 1)]


def test_rule_6_a_form_asked_about_at_hand_in_counts_on_so_that_its_next_save_is_no_late_one(
    browser: HttpBrowser,
) -> None:
    form = browser.start(browser.launch("pt-02"))
    for number, weight in enumerate([1, 2, 1], start=1):
        browser.save(form, "phq9-1", weight, sequence=number, seen_version=number - 1)
    asked = browser.send(form.form("/form", do="hand-in", sequence="3", **{"item.phq9-1": code_of("phq9-1", 1)}))
    assert asked.status == 422
    fields = _fields(asked)
    assert fields["device"] == _fields(form)["device"]
    saved = browser.save(asked, "phq9-1", 3, sequence=int(fields["sequence"]) + 1, seen_version=3).json()["saves"][0]
    assert (saved["kind"], saved["code"]) == ("saved", code_of("phq9-1", 3))


def test_rule_6_a_page_without_script_gone_back_to_saves_what_it_says_now(browser: HttpBrowser) -> None:
    form = browser.start(browser.launch("pt-02"))
    for weight in (1, 2):
        browser.send(form.form("/form", do="later", **{"item.phq9-1": code_of("phq9-1", weight)}))
    assert _weight_shown(browser, form, "phq9-1") == [code_of("phq9-1", 2)]


def test_rule_6_a_restated_risk_answer_keeps_the_alert_of_the_older_one_that_came_late(browser: HttpBrowser) -> None:
    form = browser.start(browser.launch("pt-02"))
    browser.save(form, "phq9-9", 0, sequence=1)
    codes = {f"item.{link_id}": code_of(link_id, weight or 0) for link_id, weight in phq9(*[0] * 9).items()}
    browser.send(form.form("/form", do="later", sequence="3", **codes))
    assert browser.save(form, "phq9-9", 2, sequence=2, seen_version=1).json()["saves"][0]["kind"] == "late"
    assert "risk" in browser.get(form.url).root.get_element_by_id("risk").text_content().lower()


def _fields(page: Page) -> dict[str, str]:
    element = page.root.get_element_by_id("form")
    assert isinstance(element, lxml.html.FormElement)
    return {str(name): str(value) for name, value in element.form_values()}
