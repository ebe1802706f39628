"""A person at a browser before app and EHR: the steps of the main job, by mouse or by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, Locator, Page

from smart_app.model.screening import Screening
from tests.fakes.clinic import code_of
from tests.site import Site

ASSESSMENT = {
    "Your risk level, in your words": "low, in my judgement",
    "Why: thoughts, plan, intent, past attempts, what protects": "passive thoughts, no plan, no intent",
    "Plan": "safety plan reviewed, call on Friday",
}
DISPOSITION = ("Where the patient goes now", "Goes home with a plan")
_TAB_STOPS = 150


class Hand(Protocol):
    """How a person works a control: `press` a button or link, `choose` from a list, `tick`, `write`."""

    def press(self, control: Locator) -> None: ...
    def choose(self, control: Locator, label: str) -> None: ...
    def tick(self, control: Locator) -> None: ...
    def write(self, control: Locator, words: str) -> None: ...


class Mouse:
    """Points and clicks."""

    def press(self, control: Locator) -> None:
        control.click()

    def choose(self, control: Locator, label: str) -> None:
        """Choose the option whose words begin with the label."""
        words = control.locator("option").all_inner_texts()
        control.select_option(index=next(at for at, text in enumerate(words) if text.startswith(label)))

    def tick(self, control: Locator) -> None:
        control.check()

    def write(self, control: Locator, words: str) -> None:
        control.fill(words)


class Keyboard:
    """Goes by Tab from control to control, as those do who cannot point."""

    def press(self, control: Locator) -> None:
        self._reach(control).keyboard.press("Enter")

    def choose(self, control: Locator, label: str) -> None:
        self._reach(control).keyboard.type(label)

    def tick(self, control: Locator) -> None:
        """Tick a box, or a radio button: Tab reaches its group, the arrows the button."""
        page = control.page
        name = control.get_attribute("name")
        self._reach(control, group=name if control.get_attribute("type") == "radio" else None)
        for _ in range(_TAB_STOPS):
            if _has_focus(control):
                break
            page.keyboard.press("ArrowRight")
        if not control.is_checked():
            page.keyboard.press("Space")
        assert control.is_checked()

    def write(self, control: Locator, words: str) -> None:
        self._reach(control).keyboard.type(words)

    def _reach(self, control: Locator, group: str | None = None) -> Page:
        control.wait_for()
        for _ in range(_TAB_STOPS):
            if _has_focus(control) or (group and _focused_name(control) == group):
                return control.page
            control.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {control}")


def _has_focus(control: Locator) -> bool:
    return bool(control.evaluate("element => element === document.activeElement"))


def _focused_name(control: Locator) -> str:
    return str(control.evaluate("element => element.ownerDocument.activeElement.name || ''"))


@dataclass(slots=True)
class Desk:
    """A browser tab. ``app`` is the frame that shows the app; ``problems`` are errors of script and policy."""

    site: Site
    context: BrowserContext
    page: Page
    app: Frame
    hand: Hand
    problems: list[str] = field(default_factory=list)

    def show(self, page: Page) -> None:
        """Turn to a tab that a page has opened."""
        watch(page, self.problems)
        self.page, self.app = page, page.main_frame

    def show_frame(self) -> None:
        """Turn to the app inside the frame of the chart."""
        frame = self.page.locator("iframe").element_handle().content_frame()
        assert frame is not None
        self.app = frame

    def launch(self, patient: str = "pt-01", **parameters: str) -> None:
        """Open the app from a chart by the EHR's launch link."""
        self.page.goto(self.site.launch_url(patient=patient, **parameters))
        self.page.get_by_role("heading", name="Give an instrument").wait_for()

    def start(self, instrument: str = "PHQ-9") -> None:
        """Start an instrument from the overview; where the age does not fit, go on knowingly."""
        self.hand.press(self.app.get_by_role("button", name=f"Start {instrument}"))
        self.app.wait_for_url(lambda url: url.endswith("/form") or "screenings/new" in url)
        if "screenings/new" in self.app.url:
            self.hand.tick(self.app.locator("#knowingly"))
            self.hand.press(self.app.get_by_role("button", name=f"Start {instrument}"))
            self.app.wait_for_url("**/form")

    def launch_form(self, patient: str = "pt-01", **parameters: str) -> None:
        """Launch, start PHQ-9, and wait until the form's script is at work."""
        self.launch(patient, **parameters)
        self.start()
        self.app.locator("#keys:not([hidden])").wait_for()

    def option(self, link_id: str, weight: int) -> Locator:
        """Give the radio button of an answer, by its weight."""
        return self.app.locator(f'input[name="item.{link_id}"][value="{code_of(link_id, weight)}"]')

    def answer(self, answers: Mapping[str, int]) -> None:
        """Answer by weight, one question after the other."""
        for link_id, weight in answers.items():
            self.hand.tick(self.option(link_id, weight))

    def wait_for_saves(self, words: str) -> None:
        """Wait until the form's status says exactly this."""
        self.app.get_by_role("status").get_by_text(words, exact=True).wait_for()

    def finish(self) -> None:
        """Hand in a form on which nothing is missing."""
        self.hand.press(self.app.get_by_role("button", name="Finish and review"))
        self.app.wait_for_url("**/review")

    def close_alert(self) -> None:
        """Record an assessment that closes the alert of the page."""
        self.hand.tick(self.app.get_by_role("checkbox").first)
        for label, words in ASSESSMENT.items():
            self.hand.write(self.app.get_by_label(label, exact=True), words)
        label, choice = DISPOSITION
        self.hand.choose(self.app.get_by_label(label), choice)
        self.hand.press(self.app.get_by_role("button", name="Close the alert"))
        self.app.locator(".alert--closed").wait_for()

    def sign(self) -> None:
        """Sign what the review shows."""
        self.hand.press(self.app.locator("#sign-panel .button--primary"))
        self.app.wait_for_url("**/outcome")

    def screening(self) -> Screening:
        """Give the screening whose page is open, as it is stored."""
        parts = self.app.url.split("/")
        with self.site.units.read() as unit:
            return unit.screenings.get(UUID(parts[parts.index("screenings") + 1]))

    def open_tab(self) -> Desk:
        """Open another tab of the same browser, over the same cookies."""
        page = self.context.new_page()
        watch(page, self.problems)
        return Desk(self.site, self.context, page, page.main_frame, self.hand, self.problems)


@contextmanager
def open_desk(chromium: Browser, site: Site, *, hand: Hand | None = None, **context: Any) -> Iterator[Desk]:
    """Open a browser context with one tab; ``context`` goes to Playwright's `new_context`."""
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, **context}
    opened = chromium.new_context(**options)
    opened.set_default_timeout(10_000)
    try:
        page = opened.new_page()
        problems: list[str] = []
        watch(page, problems)
        yield Desk(site, opened, page, page.main_frame, hand or Mouse(), problems)
    finally:
        opened.close()


def watch(page: Page, problems: list[str]) -> None:
    """Collect errors of scripts and reports of the content security policy."""

    def note(message: ConsoleMessage) -> None:
        if "Content Security" in message.text:
            problems.append(message.text)

    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", note)


def answers_of(prefix: str, weights: Sequence[int]) -> dict[str, int]:
    """Give weights by linkId, such as ``phq9-1``."""
    return {f"{prefix}-{number}": weight for number, weight in enumerate(weights, start=1)}
