"""Requests that no browser of ours sends: addresses beside ours, a forged Host, and sessions that are over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest

from smart_app.settings import Settings
from tests.fakes.captured_log import CapturedLog
from tests.fakes.http_browser import HttpBrowser, launch_id_of, screening_id_of
from tests.functional.page_browser import Page
from tests.site import Site, running_site

NAME = "Delgado"


def raw_answer(site: Site, target: str, host: str) -> tuple[int, str]:
    """Send a request line as it stands: a client library would tidy it up."""
    where = urlsplit(site.app_url)
    with closing(socket.create_connection((where.hostname or "", where.port or 80), timeout=20)) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    return int(head.split()[1]), head


def session_pages(site: Site, page: Page) -> Iterator[str]:
    """Give every address of a launch that GET opens, with the ids of a real screening and alert."""
    with site.units.read() as unit:
        screening = unit.screenings.get(UUID(screening_id_of(page)))
        alert = unit.alerts.for_screening(screening.id)[0]
    values = {"launch_id": launch_id_of(page), "screening_id": screening.id, "alert_id": alert.id}
    for rule in site.app.url_map.iter_rules():
        if rule.rule.startswith("/launches/") and "GET" in (rule.methods or ()):
            built = rule.build({name: values[name] for name in rule.arguments})
            assert built is not None
            yield built[1]


@pytest.mark.parametrize(
    "target", ["/launches/{id}", "/launches//{id}/", "//launches//{id}/", "http://evil.example/launches/{id}"]
)
def test_an_address_beside_ours_never_leads_to_the_callers_host(target: str, site: Site, browser: HttpBrowser) -> None:
    launch_id = launch_id_of(browser.launch())

    status, head = raw_answer(site, target.format(id=launch_id), "evil.example")

    assert status in {401, 404}
    assert "evil.example" not in head


@pytest.mark.parametrize("body", ["[" * 200_000, '{"a":' * 100_000], ids=["lists", "objects"])
def test_json_nested_a_hundred_thousand_deep_is_refused_and_no_fault_of_ours(
    body: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    form = browser.start(browser.launch())
    element = form.root.get_element_by_id("form")

    answer = browser.session.post(
        f"{browser.site.app_url}{element.get('data-save')}",
        data=body,
        headers={"Content-Type": "application/json", "X-CSRFToken": browser.token(form)["csrf_token"]},
        timeout=60,
    )

    assert answer.status_code == 422
    assert log.events("unforeseen-error") == []


@pytest.mark.parametrize("over", ["idle", "absolute", "logged out"])
def test_a_session_that_is_over_shows_nothing_of_the_patient_on_any_page(
    over: str, site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), 3, 3, 3, 3, 3, 3, 3, 3, 3)
    addresses = list(session_pages(site, review))
    shown = [address for address in addresses if NAME in browser.get(address).text]
    assert len(shown) > 5
    if over == "logged out":
        browser.send((browser.path(review, "log-out"), browser.token(review)))
    else:
        site.clock.move(minutes=21 if over == "idle" else 601)

    for address in addresses:
        page = browser.get(address, follow=False)
        assert page.status == 401, address
        assert NAME not in page.text, address
        assert page.headers["Cache-Control"] == "no-store", address


def test_our_own_origin_is_known_however_the_settings_spell_it(tmp_path: Path, log: CapturedLog) -> None:
    """Browsers send a lower-case host and no default port."""

    def spelled(settings: Settings) -> Settings:
        return replace(settings, app=settings.app.model_copy(update={"base_url": "https://App.Example:443"}))

    with running_site(tmp_path, change_settings=spelled) as site:
        browser = HttpBrowser(site)
        for origin, code in (("https://app.example", "launch-not-open"), ("https://app.example:8443", "cross-origin")):
            page = browser.send(("/launches/x/log-out", {"text": "typed words"}), headers={"Origin": origin})
            assert log.events("refused")[-1]["reason_code"] == code
            assert ("typed words" in page.text) == (code == "launch-not-open")


def test_a_header_is_not_made_of_what_a_launch_names(site: Site) -> None:
    iss = quote(site.settings.ehrs[0].fhir_base_url, safe="")
    for query in (
        f"iss={iss}&launch=a%0d%0aX-Made:1",
        f"iss={iss}%0d%0aX-Made:1&launch=a",
        f"iss={iss}&launch=a&probe=a%0d%0aX-Made:1",
    ):
        for framed in ("127.0.0.1", "127.0.0.1\r\nSec-Fetch-Dest: iframe"):
            _, head = raw_answer(site, f"/launch?{query}", framed)
            assert "\nX-Made" not in head
