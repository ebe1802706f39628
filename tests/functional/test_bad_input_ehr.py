"""Bad input from the EHR: HTML for JSON, broken Patients, redirects, endless bodies, foreign endpoints."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from smart_app import worker
from tests.fakes.captured_log import CapturedLog
from tests.fakes.http_browser import HttpBrowser, words_of
from tests.fakes.interposed import Endless, Interposed, Said
from tests.fakes.refusal import assert_refused
from tests.site import Site, running_site

PATIENT = "/fhir/Patient/pt-01"
DISCOVERY = "/fhir/.well-known/smart-configuration"
HTML = Said(content_type="text/html", body=[b"<html><body>Maintenance: Rosa Delgado-Quinn</body></html>"])
PT_01: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "pt-01",
    "name": [{"use": "official", "family": "Quinn", "given": ["Rosa"]}],
    "birthDate": "1992-03-14",
    "gender": "female",
}


def fhir(values: object) -> Said:
    return Said(body=[json.dumps(values).encode()])


@pytest.fixture
def ehr() -> Interposed:
    return Interposed()


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, ehr: Interposed) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), wrap_ehr=ehr.wrap) as site:
        yield site


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Interposed]]:
    """One site for the tests that leave nothing behind: the app remembers no Patient that it refused."""
    ehr = Interposed()
    with running_site(tmp_path_factory.mktemp("steady"), wrap_ehr=ehr.wrap) as site:
        yield site, ehr


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (HTML, (502, "not-fhir-json")),
        (Said(body=[b'{"resourceType": "Patient", "id": "pt-01"']), (502, "not-fhir-json")),
        (Said(body=[b'\xff\xfe{"resourceType":"Patient"}']), (502, "not-fhir-json")),
        (Said(body=[b"[" * 100_000]), (502, "not-fhir-json")),
        (fhir({**PT_01, "name": [{"family": "Rosa\ud800"}]}), (502, "not-fhir-json")),
        (fhir({**PT_01, "extension": [{"url": "\udfff"}]}), (502, "not-fhir-json")),
        (Said(body=[]), (502, "not-fhir-json")),
        (fhir([PT_01]), (502, "not-fhir-json")),
        (fhir({**PT_01, "resourceType": "Practitioner"}), (502, "malformed-resource")),
        (fhir({**PT_01, "id": "pt-02"}), (502, "malformed-resource")),
        (fhir({**PT_01, "id": None}), (502, "malformed-resource")),
        (fhir({**PT_01, "name": "Rosa"}), (502, "malformed-patient")),
        (fhir({**PT_01, "name": [None]}), (502, "malformed-patient")),
        (fhir({**PT_01, "name": [{"family": 7}]}), (502, "malformed-patient")),
        (fhir({**PT_01, "name": []}), (502, "malformed-patient")),
        (fhir({**PT_01, "birthDate": 19920314}), (502, "malformed-patient")),
        (fhir({**PT_01, "gender": ["female"]}), (502, "malformed-patient")),
        (fhir({**PT_01, "identifier": {"value": "1"}}), (502, "malformed-patient")),
        (fhir({**PT_01, "identifier": [{"value": "1", "type": "MR"}]}), (502, "malformed-patient")),
        (fhir({**PT_01, "link": [{"type": "replaced-by", "other": "pt-02"}]}), (502, "malformed-patient")),
        (fhir({**PT_01, "deceasedBoolean": "false"}), (502, "malformed-patient")),
        (Said(status="404 Not Found", body=[b"{}"]), (404, "not-found")),
        (Said(status="410 Gone", body=[b"{}"]), (410, "gone")),
        (Said(status="302 Found", headers={"Location": "https://elsewhere.example/"}), (502, "redirect-refused")),
    ],
)
def test_a_patient_that_cannot_be_read_opens_nothing(
    said: Said, expected: tuple[int, str], steady: tuple[Site, Interposed], log: CapturedLog
) -> None:
    site, ehr = steady
    browser = HttpBrowser(site)
    with ehr.saying("GET", PATIENT, said):
        page = browser.launch()

    assert_refused(page, log, *expected)
    assert "Rosa" not in page.text
    assert "Rosa" not in log.text
    assert not [cookie for cookie in browser.session.cookies if cookie.path.startswith("/launches/")]
    assert browser.launch().status == 200


def test_no_age_is_made_of_a_birth_date_that_is_no_date(site: Site, ehr: Interposed) -> None:
    with ehr.saying("GET", PATIENT, fhir({**PT_01, "birthDate": "1992-02-31"})):
        page = HttpBrowser(site).launch()

    assert page.status == 200
    assert " y)" not in page.root.find_class("banner")[0].text_content()


def test_markup_in_a_name_stays_text(site: Site, ehr: Interposed) -> None:
    hostile = "O'Neill\"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}"
    with ehr.saying("GET", PATIENT, fhir({**PT_01, "name": [{"family": hostile}]})):
        browser = HttpBrowser(site)
        home = browser.launch()
        review = browser.give(home, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    for page in (home, review):
        assert hostile in words_of(page)
        assert not page.root.xpath("//img[@src='x'] | //script[not(@src)]")


def test_a_body_of_100_mb_is_cut_off(site: Site, ehr: Interposed, log: CapturedLog) -> None:
    body = Endless()
    with ehr.saying("GET", PATIENT, Said(body=body)):
        page = HttpBrowser(site).launch()

    assert_refused(page, log, 502, "too-large")
    assert body.read < 20_000_000


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (HTML, "discovery-not-json"),
        (Said(body=[b'"a string"']), "discovery-not-json"),
        (Said(body=[b"{}"]), "invalid-smart-configuration"),
        (Said(status="404 Not Found"), "discovery-failed"),
        (Said(status="302 Found", headers={"Location": "http://127.0.0.1:1/"}), "redirect-refused"),
        (Said(body=Endless()), "too-large"),
    ],
)
def test_a_discovery_that_cannot_be_read_stops_before_the_browser_leaves(
    said: Said, code: str, site: Site, ehr: Interposed, log: CapturedLog
) -> None:
    with ehr.saying("GET", DISCOVERY, said):
        page = HttpBrowser(site).launch()

    assert_refused(page, log, 502, code)
    assert page.url.startswith(f"{site.app_url}/launch?")
    assert ("GET", "/auth/authorize") not in ehr.seen


@pytest.mark.parametrize("endpoint", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_rule_10_an_endpoint_on_a_foreign_host_is_refused_and_never_called(
    endpoint: str, site: Site, ehr: Interposed, log: CapturedLog
) -> None:
    browser = HttpBrowser(site)
    honest = browser.get(f"{site.ehr.base_url}{DISCOVERY}").text
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        foreign = f"http://127.0.0.1:{listener.getsockname()[1]}/token"
        with ehr.saying("GET", DISCOVERY, fhir({**json.loads(honest), endpoint: foreign})):
            page = browser.launch()
        with pytest.raises(BlockingIOError):
            listener.accept()

    assert_refused(page, log, 502, "endpoint-not-allowed")
    assert foreign not in page.text
    assert foreign not in log.text


def test_rule_10_a_token_is_never_sent_to_a_foreign_host_to_be_revoked(site: Site, ehr: Interposed) -> None:
    browser = HttpBrowser(site)
    honest = json.loads(browser.get(f"{site.ehr.base_url}{DISCOVERY}").text)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        foreign = f"http://127.0.0.1:{listener.getsockname()[1]}/revoke"
        with ehr.saying("GET", DISCOVERY, fhir({**honest, "revocation_endpoint": foreign})):
            home = browser.launch()
        ended = browser.send(home.form("/log-out"))
        worker.run_round(site.app.extensions["smart_screening"])
        with pytest.raises(BlockingIOError):
            listener.accept()

    assert ended.status == 200


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Said(content_type="text/html", body=[b"<html>Sign in</html>"]), "token-response-not-json"),
        (Said(content_type="application/json", body=[b"[]"]), "token-response-not-json"),
        (Said(content_type="application/json", body=[b"{}"]), "invalid-token-response"),
        (Said(content_type="application/json", body=Endless()), "too-large"),
        (Said(status="307 Temporary Redirect", headers={"Location": "http://127.0.0.1:1/"}), "redirect-refused"),
    ],
)
def test_a_token_response_that_cannot_be_read_opens_nothing(
    said: Said, code: str, site: Site, ehr: Interposed, log: CapturedLog
) -> None:
    with ehr.saying("POST", "/auth/token", said):
        page = HttpBrowser(site).launch()

    assert_refused(page, log, 502, code)


def test_what_the_ehr_says_in_its_error_is_neither_shown_nor_logged(
    site: Site, ehr: Interposed, log: CapturedLog
) -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "error", "code": "security", "diagnostics": "No access to Rosa Delgado-Quinn, SIM-0001"}
        ],
    }
    with ehr.saying("GET", PATIENT, Said(status="403 Forbidden", body=[json.dumps(outcome).encode()])):
        page = HttpBrowser(site).launch()

    assert_refused(page, log, 403, "forbidden")
    assert "SIM-0001" not in page.text
    assert "SIM-0001" not in log.text


def test_an_ehr_that_breaks_in_mid_form_loses_no_answer(site: Site, ehr: Interposed, log: CapturedLog) -> None:
    browser = HttpBrowser(site)
    home = browser.launch()
    form = browser.start(home)
    site.clock.move(minutes=6)
    with ehr.saying("GET", PATIENT, HTML):
        saved = browser.save(form, "phq9-1", 2)
        assert saved.json()["saves"][0]["kind"] == "saved"
        refused = browser.get(home.url)
        assert_refused(refused, log, 502, "not-fhir-json")
        handed_in = browser.fill(form, 2, 1, 0, 0, 0, 0, 0, 0, 0)
        assert_refused(handed_in, log, 502, "not-fhir-json")

    again = browser.get(home.url)
    assert again.status == 200
    (link,) = [href for href in again.root.xpath("//a/@href") if href.endswith("/review")][:1]
    review = browser.get(link)
    assert "3 of 27" in words_of(review)


def test_garbage_after_a_signature_is_said_as_not_known_and_nothing_is_lost(site: Site, ehr: Interposed) -> None:
    browser = HttpBrowser(site)
    review = browser.give(browser.launch(), 1, 1, 1, 1, 1, 0, 0, 0, 0)
    with ehr.saying("POST", "/fhir", HTML), ehr.saying("POST", "/fhir/", HTML):
        outcome = browser.send(review.form("/sign", choice="write"))

    assert urlsplit(outcome.url).path.endswith("/outcome")
    assert outcome.status == 200
    assert "Maintenance" not in outcome.text
    assert "not known" in words_of(outcome).lower()
    assert site.resources("Observation") == []
