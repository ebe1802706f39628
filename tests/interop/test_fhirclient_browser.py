"""npm fhirclient, the SMART project's browser client, in Chromium against the simulated EHR: CORS, PKCE and all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page

from sandbox_ehr.server import RunningSandbox, running_sandbox
from tests.interop.in_browser import get_npm_file, open_browser

pytestmark = [pytest.mark.browser, pytest.mark.node]

LAUNCH_PAGE = """<!doctype html><meta charset="utf-8"><title>launch</title><script src="fhir-client.js"></script>
<script>FHIR.oauth2.authorize({clientId: "any-loopback-app", redirectUri: "index.html",
scope: "launch openid fhirUser patient/Patient.read patient/Observation.read patient/Observation.write"});</script>"""

APP_PAGE = """<!doctype html><meta charset="utf-8"><title>app</title><script src="fhir-client.js"></script>
<script>
async function run() {
  const client = await FHIR.oauth2.ready();
  const patient = await client.patient.read();
  const created = await client.create({
    resourceType: "Observation", status: "final",
    category: [{coding: [{system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "survey"}]}],
    code: {coding: [{system: "http://loinc.org", code: "70274-6"}]},
    subject: {reference: "Patient/" + client.patient.id},
    effectiveDateTime: "2026-01-05T10:00:00-05:00", valueInteger: 5,
  });
  const stored = await client.request("Observation/" + created.id);
  return {family: patient.name[0].family, encounter: client.encounter.id, user: client.getFhirUser(), id: stored.id,
    value: stored.valueInteger};
}
window.result = run().catch(error => ({error: String(error)}));
</script>"""


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        pass


@contextmanager
def running_app(folder: Path) -> Iterator[str]:
    """Serve the two pages of a browser app and fhirclient from npm."""
    (folder / "launch.html").write_text(LAUNCH_PAGE, encoding="utf-8")
    (folder / "index.html").write_text(APP_PAGE, encoding="utf-8")
    (folder / "fhir-client.js").write_bytes(get_npm_file("fhirclient/build/fhir-client.min.js").read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def launch_from_page(page: Page, ehr: RunningSandbox, app_url: str, button: str) -> None:
    page.goto(ehr.base_url)
    page.select_option("#patient", "pt-02")
    page.wait_for_function("document.getElementById('encounter').textContent.includes('2')")
    page.select_option("#client", "any-loopback-app")
    page.fill("#launch_uri", f"{app_url}/launch.html")
    page.get_by_role("button", name=button).click()


def check_result(result: dict[str, object], ehr: RunningSandbox) -> None:
    assert result == {
        "family": "O'Brien-Núñez",
        "encounter": "enc-02-now",
        "user": "Practitioner/prac-okafor",
        "id": result.get("id"),
        "value": 5,
    }
    with ehr.store.reading() as session:
        found = session.find("Observation", str(result["id"]))
    assert found is not None
    assert json.loads(found.body)["subject"] == {"reference": "Patient/pt-02"}


def test_launch_in_this_tab(tmp_path: Path) -> None:
    with running_app(tmp_path) as app_url, running_sandbox() as ehr, open_browser() as browser:
        page = browser.new_page()
        launch_from_page(page, ehr, app_url, "Launch in this tab")
        page.wait_for_url(f"{app_url}/index.html*")
        check_result(page.evaluate("window.result"), ehr)


def test_launch_in_a_new_tab(tmp_path: Path) -> None:
    with running_app(tmp_path) as app_url, running_sandbox() as ehr, open_browser() as browser:
        page = browser.new_page()
        with page.expect_popup() as popup:
            launch_from_page(page, ehr, app_url, "Launch in a new tab")
        popup.value.wait_for_url(f"{app_url}/index.html*")
        check_result(popup.value.evaluate("window.result"), ehr)


def test_launch_inside_the_chart(tmp_path: Path) -> None:
    with running_app(tmp_path) as app_url, running_sandbox() as ehr, open_browser() as browser:
        page = browser.new_page()
        launch_from_page(page, ehr, app_url, "Launch inside the chart")
        page.wait_for_selector("iframe")
        frame = page.frames[1]
        frame.wait_for_url(f"{app_url}/index.html*")
        check_result(frame.evaluate("window.result"), ehr)
        assert page.get_by_text("Zoë O'Brien-Núñez").is_visible()


def test_standalone_launch_through_the_pages(tmp_path: Path) -> None:
    with running_app(tmp_path) as app_url, running_sandbox() as ehr, open_browser() as browser:
        page = browser.new_page()
        standalone = LAUNCH_PAGE.replace('"launch openid', '"launch/patient launch/encounter openid').replace(
            "{clientId", f'{{iss: "{ehr.fhir_base_url}", clientId'
        )
        (tmp_path / "launch.html").write_text(standalone, encoding="utf-8")
        page.goto(f"{app_url}/launch.html")
        page.get_by_role("button", name="Continue").click()
        page.select_option("#patient", "pt-02")
        page.get_by_role("button", name="Continue").click()
        page.select_option("#encounter", "enc-02-now")
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{app_url}/index.html*")
        check_result(page.evaluate("window.result"), ehr)
