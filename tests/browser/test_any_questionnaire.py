"""A site's own Questionnaire in Chromium: each field saves as it is left and reads back the same; axe finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator

from smart_app.settings import Settings
from tests.browser.desk import Desk, open_desk
from tests.browser.test_accessibility import Findings, look
from tests.interop.in_browser import get_npm_file
from tests.site import running_site
from tests.unit.fhir_mappings.any_questionnaire import SLEEP

pytestmark = pytest.mark.browser
TYPED = {
    "bad-nights": "4",
    "wake-time": "06:30",
    "rested": "3.5",
    "caffeine": "80",
    "since": "2024-03-01",
    "last-bad": "2026-11-20",
    "medicines": "melatonin\nnone other",
    "words": "It is loud.",
}
SAVED = {
    **TYPED,
    "troubled": "true",
    "worry": "some",
    "helps": "tea\nwalk\nother:warm milk",
    "caffeine": "80 {cup}",
    "last-bad": "2026-11-20T03:15:00+00:00",
    "snore": "often",
    "snore-who": "declined",
}


@pytest.fixture(scope="module")
def desk(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = Path(tmp_path_factory.mktemp("own"))
    (folder / "sleep-intake.json").write_bytes(SLEEP)

    def offer(settings: Settings) -> Settings:
        own = {"enabled": ("sleep-intake",), "folder": folder}
        return replace(settings, instruments=settings.instruments.model_copy(update=own))

    with (
        running_site(Path(tmp_path_factory.mktemp("site")), change_settings=offer) as site,
        open_desk(chromium, site) as desk,
    ):
        yield desk
        assert desk.problems == []


def codes(desk: Desk) -> dict[str, str | None]:
    answers = desk.screening().current_answers()
    return {link_id: saved.code or str(saved.status) for link_id, saved in answers.items()}


def field(desk: Desk, link_id: str) -> Locator:
    return desk.page.locator(f'[name="item.{link_id}"][data-text]')


def fill(desk: Desk) -> None:
    page = desk.page
    page.locator('[name="item.troubled"][value="true"]').check()
    page.locator('[name="item.worry"][value="some"]').check()
    for link_id, text in TYPED.items():
        field(desk, link_id).fill(text)
    page.locator('[name="clock.last-bad"]').fill("03:15")
    page.locator('[name="unit.caffeine"]').select_option("{cup}")
    for code in ("tea", "walk"):
        page.locator(f'[name="item.helps"][value="{code}"]').check()
    page.locator('[name="other.helps"]').fill("warm milk")
    page.locator('[name="item.snore"][value="often"]').check()
    field(desk, "snore-who").fill("my wife")
    page.locator('[name="item.snore-who"][value="declined"]').check()


def test_each_field_is_saved_as_it_is_left_and_reads_back_the_same(desk: Desk) -> None:
    desk.launch()
    desk.start("Sleep intake")
    desk.app.locator("#keys:not([hidden])").wait_for()
    fill(desk)
    desk.wait_for_saves("13 answers saved")
    assert codes(desk) == SAVED

    saves = len(desk.screening().answers)
    desk.page.reload()
    desk.app.locator("#keys:not([hidden])").wait_for()
    assert desk.page.locator('[name="clock.last-bad"]').input_value() == "03:15"
    field(desk, "bad-nights").fill("5")
    field(desk, "bad-nights").blur()
    desk.wait_for_saves("13 answers saved")
    assert codes(desk) == {**SAVED, "bad-nights": "5"}
    assert len(desk.screening().answers) == saves + 1


def test_an_answer_outside_the_limits_is_said_to_be_unsaved_beside_its_question(desk: Desk) -> None:
    field(desk, "bad-nights").fill("9")
    field(desk, "bad-nights").blur()
    row = desk.page.locator("#q-bad-nights")
    row.get_by_text("Not saved").wait_for()
    assert "0 to 7" in row.inner_text()
    assert codes(desk)["bad-nights"] == "5"
    field(desk, "bad-nights").fill("5")
    field(desk, "bad-nights").blur()
    row.get_by_text("Not saved").wait_for(state="detached")


def test_axe_finds_nothing_on_the_form_and_nothing_scrolls_sideways(desk: Desk) -> None:
    found = Findings()
    desk.page.evaluate(get_npm_file("axe-core/axe.min.js").read_text(encoding="utf-8"))
    look(desk.page, "form of a site's own", found)
    assert found.violations == []
    assert found.sideways == []


def test_the_posted_form_says_what_is_saved_and_is_handed_in(desk: Desk) -> None:
    desk.finish()
    assert "An evening walk" in desk.page.content()
