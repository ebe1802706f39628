"""Every page and state in Chromium: axe is content, nothing scrolls sideways, no patient text leaves the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from smart_app.settings import Settings
from tests.browser.desk import Desk, open_desk
from tests.browser.states import PRE_SCREENS, visit_pre_screens, visit_states
from tests.interop.in_browser import get_npm_file
from tests.site import running_site

pytestmark = [pytest.mark.browser, pytest.mark.node]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PATIENT_WORDS = (
    "Delgado", "Quinn", "Rosa", "Vasilenko", "Trần", "Castellanos", "Whitfield", "Brien", "SIM-0",
    "1992", "pt-01", "suicid", "risk answer", "moderate",
)  # fmt: skip


# What is drawn at random may spell any word or year: a port, a launch id, a screening id.
RANDOM = re.compile(r"//127\.0\.0\.1:\d+|(?<=launches/)[\w-]{32}(?=/)|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class Findings:
    """What one walk through all states has found, each with the name of its state."""

    states: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    sideways: list[str] = field(default_factory=list)
    outside: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def findings(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Walk once; look at each state at both widths, light and dark."""
    axe = get_npm_file("axe-core/axe.min.js").read_text(encoding="utf-8")
    found = Findings()
    with running_site(Path(tmp_path_factory.mktemp("site"))) as site, open_desk(chromium, site) as desk:
        walk(desk, visit_states(desk), axe, found)
    folder = Path(tmp_path_factory.mktemp("offering"))
    with running_site(folder, change_settings=offer_more) as site, open_desk(chromium, site) as desk:
        walk(desk, visit_pre_screens(desk), axe, found)
    return found


def offer_more(settings: Settings) -> Settings:
    offering = settings.instruments.model_copy(update={"enabled": PRE_SCREENS})
    return replace(settings, instruments=offering)


def walk(desk: Desk, states: Iterator[str], axe: str, found: Findings) -> None:
    for name in states:
        found.states.append(name)
        desk.page.evaluate(axe)
        look(desk.page, name, found)
    found.problems += desk.problems


def look(page: Page, name: str, found: Findings) -> None:
    found.outside[name] = page.evaluate(
        "[document.title, location.href, JSON.stringify(localStorage), JSON.stringify(sessionStorage)].join(' ')"
    )
    for width in (400, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        if scrolls_sideways(page):
            found.sideways.append(f"{name} at {width}")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found.violations += [f"{name} at {width}, {scheme}: {one}" for one in violations(page)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 320, "height": 900})  # WCAG 1.4.10 "Reflow"
    if scrolls_sideways(page):
        found.sideways.append(f"{name} at 320")
    page.set_viewport_size({"width": 1280, "height": 900})


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def violations(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        """async rules => (await axe.run({runOnly: rules})).violations.map(
            violation => violation.id + ": " + violation.nodes.map(node => node.html).join(" | "))""",
        RULES,
    )
    return found


def test_axe_finds_nothing_on_any_page_at_either_width_light_or_dark(findings: Findings) -> None:
    assert len(findings.states) > 40
    assert findings.violations == []


def test_nothing_scrolls_sideways(findings: Findings) -> None:
    assert findings.sideways == []


def test_no_script_fails_and_no_page_meets_its_own_content_security_policy(findings: Findings) -> None:
    assert findings.problems == []


def test_titles_addresses_and_browser_storage_hold_no_patient_text(findings: Findings) -> None:
    ours = {name: RANDOM.sub("", text) for name, text in findings.outside.items() if name != "launcher"}
    assert [name for name, text in ours.items() for word in PATIENT_WORDS if word.lower() in text.lower()] == []
    assert all(text.endswith("{} {}") for text in ours.values())
