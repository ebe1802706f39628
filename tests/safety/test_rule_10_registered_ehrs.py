"""Safety rule 10 over HTTP: registered EHRs on their own hosts only, no redirects, no private addresses by chance."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from launch.ehr import Ehr
from smart_app.settings import Settings
from tests.fakes.captured_log import CapturedLog
from tests.fakes.http_browser import HttpBrowser
from tests.fakes.interposed import Interposed, Said
from tests.fakes.refusal import assert_refused
from tests.functional.page_browser import Page
from tests.site import Site, running_site

DISCOVERY = "/fhir/.well-known/smart-configuration"


def with_ehr(change: Callable[[Ehr], Ehr]) -> Callable[[Settings], Settings]:
    return lambda settings: replace(settings, ehrs=tuple(change(ehr) for ehr in settings.ehrs))


@contextmanager
def never_called() -> Iterator[str]:
    """Listen on a port, and fail when anyone connects to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_rule_10_a_private_address_outside_of_the_allowed_range_is_never_connected_to(
    tmp_path: Path, log: CapturedLog
) -> None:
    ehr = Interposed()
    elsewhere = with_ehr(lambda entry: replace(entry, allow_private=(ip_network("10.0.0.0/8"),)))
    with running_site(tmp_path, change_settings=elsewhere, wrap_ehr=ehr.wrap) as site:
        page = HttpBrowser(site).launch()

        assert_refused(page, log, 502, "private-address-refused")
        assert ("GET", DISCOVERY) not in ehr.seen


def test_rule_10_a_registered_name_that_leads_to_this_machine_is_refused(tmp_path: Path, log: CapturedLog) -> None:
    """DNS under another's control must not make us talk to ourselves."""
    with never_called() as address:
        iss = address.replace("http://127.0.0.1", "https://localhost") + "/fhir"
        named = with_ehr(lambda entry: replace(entry, fhir_base_url=iss, allow_private=()))
        with running_site(tmp_path, change_settings=named) as site:
            browser = HttpBrowser(site)
            page = browser.get(f"/launch?iss={iss}&launch=abc", follow=False)

            assert_refused(page, log, 502, "private-address-refused")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", DISCOVERY),
        ("POST", "/auth/token"),
        ("GET", "/auth/jwks"),
        ("GET", "/fhir/Patient/pt-01"),
    ],
)
@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"])
def test_rule_10_no_redirect_is_followed(status: str, method: str, path: str, tmp_path: Path, log: CapturedLog) -> None:
    ehr = Interposed()
    with running_site(tmp_path, wrap_ehr=ehr.wrap) as site, never_called() as elsewhere:
        with ehr.saying(method, path, Said(status=status, headers={"Location": f"{elsewhere}/fhir/Patient/pt-01"})):
            page = HttpBrowser(site).launch()

        assert_refused(page, log, 502, shown_code(page))
        assert shown_code(page) in {"redirect-refused", "jwks-unavailable"}
        assert elsewhere not in page.text


def shown_code(page: Page) -> str:
    return str(page.root.xpath('//dt[.="Code"]/following-sibling::dd[1]/text()')[0])


def test_rule_10_a_next_page_elsewhere_is_not_fetched_and_the_history_is_said_to_be_incomplete(
    tmp_path: Path,
) -> None:
    ehr = Interposed()
    with running_site(tmp_path, wrap_ehr=ehr.wrap) as site, never_called() as elsewhere:
        browser = HttpBrowser(site)
        home = browser.launch()
        bundle = (
            b'{"resourceType": "Bundle", "type": "searchset", "entry": [], "link": '
            b'[{"relation": "next", "url": "' + elsewhere.encode() + b'/fhir/Observation?page=2"}]}'
        )
        with ehr.saying("GET", "/fhir/Observation", Said(body=[bundle])):
            page = browser.get(browser.path(home, "history"))

    assert page.status == 200
    shown = page.root.get_element_by_id("main").text_content()
    assert "may hold earlier results that were not read" in shown
    assert "No results yet" not in shown, "what was not read is never said to be nothing"


def test_rule_10_an_alias_of_a_registered_ehr_is_that_ehr_and_its_spelling_is_the_audience(tmp_path: Path) -> None:
    spelled = with_ehr(lambda ehr: replace(ehr, aliases=("https://proxy.example/fhir",)))
    with running_site(tmp_path, change_settings=spelled) as site:
        browser = HttpBrowser(site)

        begun = browser.get("/launch?iss=HTTPS://PROXY.example:443/fhir/&launch=abc", follow=False)

        assert begun.status == 302
        assert begun.headers["Location"].startswith(f"{site.ehr.base_url}/auth/authorize?")
        assert "aud=HTTPS%3A%2F%2FPROXY.example%3A443%2Ffhir%2F" in begun.headers["Location"]


def test_rule_10_the_registered_ehr_itself_is_launched(shared_site: Site) -> None:
    """The counterpart of the refusals above."""
    assert HttpBrowser(shared_site).launch().status == 200
