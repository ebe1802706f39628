"""Draw pages and states at 1280 and 400 px into docs/screenshots: `python -m tests.browser.screenshots [NAME …]`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page

from tests.browser.desk import open_desk
from tests.browser.palette_png import to_palette
from tests.browser.states import visit_states
from tests.interop.in_browser import open_browser
from tests.site import running_site

FOLDER = Path("docs/screenshots")
WIDTHS = (1280, 400)
DRAWN = (
    "launcher", "home-empty", "home-alert", "start", "form", "form-half", "form-not-saved", "form-risk", "form-missing",
    "form-conflict", "review", "review-ready", "review-incomplete", "review-minor", "encounter", "alert", "outcome",
    "history", "worklist", "logged-out", "error", "session-over-answers-kept", "session-over",
    "start-deceased", "outcome-mixed", "outcome-waiting", "framed", "framed-cookie-missing", "registration",
)  # fmt: skip
ALSO_DARK = ("home-alert", "form-half", "review", "outcome")


def draw_all(folder: Path, names: frozenset[str]) -> None:
    """Walk through all states and write NAME-WIDTH.png of those named, and NAME-dark-1280.png of some."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as kept,
        running_site(Path(kept)) as site,
        open_browser() as chromium,
        open_desk(chromium, site) as desk,
    ):
        for name in visit_states(desk):
            if name in names:
                draw(desk.page, folder, name)


def draw(page: Page, folder: Path, name: str) -> None:
    """Draw one state at both widths. The window is as high as the page, so that what sticks stands in its place."""
    page.mouse.move(0, 0)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        _write(page, folder / f"{name}-{width}.png")
        if name in ALSO_DARK and width == WIDTHS[0]:
            page.emulate_media(color_scheme="dark")
            _write(page, folder / f"{name}-dark-{width}.png")
            page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def _write(page: Page, file: Path) -> None:
    file.write_bytes(to_palette(page.screenshot()))


if __name__ == "__main__":
    draw_all(FOLDER, frozenset(sys.argv[1:] or DRAWN))
