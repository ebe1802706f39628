"""The pages of the simulated EHR in Chromium: axe finds nothing, nothing scrolls sideways, no script is needed."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Page, Route

from sandbox_ehr.server import RunningSandbox, running_sandbox
from tests.interop.in_browser import get_npm_file, open_browser

pytestmark = [pytest.mark.browser, pytest.mark.node]

AUTHORIZE = (
    "/auth/authorize?response_type=code&client_id=smart-screening&redirect_uri=http://127.0.0.1:8000/callback"
    "&scope=launch/patient+launch/encounter+patient/Patient.r&state=s&code_challenge="
    + "c" * 43
    + "&code_challenge_method=S256"
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def find_violations(page: Page) -> list[str]:
    """Give what axe finds, and sideways scrolling as a finding of ours."""
    page.evaluate(get_npm_file("axe-core/axe.min.js").read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(
        """async rules => (await axe.run({runOnly: rules})).violations.map(
            violation => violation.id + ": " + violation.nodes.map(node => node.html).join(" | "))""",
        RULES,
    )
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append("scrolls sideways")
    return found


def answer_for_the_app(route: Route) -> None:
    route.fulfill(
        status=200, content_type="text/html", body="<html lang=en><title>App</title><main><h1>App</h1></main>"
    )


def walk(page: Page, ehr: RunningSandbox) -> list[str]:
    """Visit every page and give all findings."""
    found: list[str] = []
    for path in ("/", "/?patient=pt-01&simulate=token_html", "/launch?patient=nobody", "/auth/manage", "/nowhere"):
        page.goto(ehr.base_url + path)
        found += find_violations(page)
    page.goto(f"{ehr.base_url}/launch?patient=pt-02&frame=1")
    found += find_violations(page)
    page.goto(f"{ehr.base_url}{AUTHORIZE}&aud={ehr.fhir_base_url}")
    for _step in ("user", "patient", "encounter"):
        found += find_violations(page)
        page.get_by_role("button", name="Continue").click()
    page.wait_for_url("http://127.0.0.1:8000/callback*")
    return found


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(width: int, scheme: Literal["light", "dark"]) -> None:
    with running_sandbox() as ehr, open_browser() as browser:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.route("http://127.0.0.1:8000/**", answer_for_the_app)
        problems: list[str] = []
        page.on(
            "console", lambda message: problems.append(message.text) if "Content Security" in message.text else None
        )
        assert walk(page, ehr) == []
        assert problems == []


def test_launcher_works_without_script() -> None:
    with running_sandbox() as ehr, open_browser() as browser:
        page = browser.new_context(java_script_enabled=False).new_page()
        page.route("http://127.0.0.1:8000/**", answer_for_the_app)
        page.goto(ehr.base_url)
        page.select_option("#patient", "pt-03")
        page.get_by_role("button", name="List this patient's encounters").click()
        page.select_option("#encounter", "enc-03-a")
        page.get_by_role("button", name="Launch in this tab").click()
        page.wait_for_url("http://127.0.0.1:8000/launch?iss=*&launch=*")
