"""Bad input at the way in: addresses, state, codes, the EHR's refusals and identities that cannot be verified."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from smart_app.model.audit import AuditAction
from tests.fakes.captured_log import CapturedLog
from tests.fakes.http_browser import HttpBrowser, words_of
from tests.fakes.refusal import assert_refused
from tests.site import Site


@pytest.fixture
def browser(shared_site: Site) -> HttpBrowser:
    return HttpBrowser(shared_site)


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """Listen, and give the address: whoever connects is noticed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener, f"127.0.0.1:{listener.getsockname()[1]}"


def nobody_came(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def launches_refused(site: Site) -> list[tuple[str, str]]:
    """Correlation id and code of each refused launch in the audit, oldest first."""
    with site.units.read() as unit:
        events = [event for _, event in unit.audit.export() if event.action is AuditAction.LAUNCH_REFUSED]
    return [(event.correlation_id or "", event.outcome) for event in events]


@pytest.mark.parametrize(
    "spell",
    [
        "http://{stranger}/fhir",
        "http://{registered}@{stranger}/fhir",
        "http://{stranger}/fhir?x=http://{registered}/fhir",
        "http://{stranger}#http://{registered}/fhir",
        "//{stranger}/fhir",
        "{stranger}",
        "file:///etc/passwd",
        "http://[::1",
        "javascript:alert(1)",
        "http://{registered}/fhir/../other",
        "http://{registered}/FHIR",
        "http://{registered}.stranger.example/fhir",
        "http://{registered}/fhir\r\nX-Injected: 1",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("way_in", ["/launch", "/standalone"])
def test_an_unknown_iss_is_refused_without_any_network_call(
    way_in: str, spell: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    registered = urlsplit(browser.site.ehr.base_url).netloc
    asked_before = len(browser.site.ehr.store.requests())
    with listening() as (listener, stranger):
        iss = spell.format(registered=registered, stranger=stranger)
        page = browser.get(f"{way_in}?{urlencode({'iss': iss, 'launch': 'abc'})}", follow=False)

        assert page.status == 403
        assert "Code unknown-issuer, correlation id " in words_of(page)
        assert "This EHR is not registered" in page.root.xpath("//h1")[0].text_content()
        assert nobody_came(listener)
    assert len(browser.site.ehr.store.requests()) == asked_before
    (refused,) = log.events("refused")
    assert refused["reason_code"] == "unknown-issuer"
    assert refused["correlation_id"] in page.text
    assert iss not in page.text
    assert iss not in log.text
    assert "Set-Cookie" not in page.headers
    assert "X-Injected" not in page.headers


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "missing-iss"),
        ("?iss=&launch=abc", "missing-iss"),
        ("?iss={iss}&iss={iss}&launch=abc", "missing-iss"),
        ("?iss={iss}", "missing-launch"),
        ("?iss={iss}&launch=", "missing-launch"),
        ("?iss={iss}&launch=abc&launch=def", "missing-launch"),
    ],
)
def test_a_launch_needs_exactly_one_iss_and_one_launch(
    query: str, code: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    page = browser.get("/launch" + query.format(iss=browser.site.ehr.fhir_base_url), follow=False)

    assert_refused(page, log, 400, code)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "missing-state"),
        ("?code=abc", "missing-state"),
        ("?error=access_denied", "missing-state"),
        ("?code=abc&state=", "missing-state"),
        ("?code=abc&state=one&state=two", "missing-state"),
        ("?code=abc&state=forged", "state-mismatch"),
        ("?error=access_denied&state=forged", "state-mismatch"),
        ("?code=abc&state=" + "x" * 4000, "state-mismatch"),
        ("?code=abc&state=%00%ff", "state-mismatch"),
    ],
)
def test_a_callback_without_a_state_of_ours_is_refused(
    query: str, code: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    page = browser.get(f"/callback{query}")

    assert_refused(page, log, 400, code)
    assert "/launches/" not in page.url


def test_a_replayed_callback_is_refused_and_leaves_the_launch_it_opened_alone(
    browser: HttpBrowser, log: CapturedLog
) -> None:
    callback = browser.to_callback()
    home = browser.get(callback)
    assert home.status == 200

    replayed = browser.get(callback)

    assert_refused(replayed, log, 400, "state-mismatch")
    assert browser.get(home.url).status == 200


def test_a_callback_in_another_browser_is_refused_and_does_not_use_up_the_launch(
    browser: HttpBrowser, log: CapturedLog
) -> None:
    callback = browser.to_callback()

    stolen = HttpBrowser(browser.site).get(callback)

    assert_refused(stolen, log, 400, "state-mismatch")
    assert browser.get(callback).status == 200


def test_two_launches_in_one_browser_may_come_back_in_any_order(browser: HttpBrowser) -> None:
    first, second = browser.to_callback(patient="pt-01"), browser.to_callback(patient="pt-02")

    homes = [browser.get(second), browser.get(first)]

    names = [home.root.find_class("banner__name")[0].text_content().strip() for home in homes]
    assert "Delgado-Quinn" in names[1]
    assert "Delgado-Quinn" not in names[0]


def test_a_launch_that_comes_back_after_ten_minutes_is_refused(browser: HttpBrowser, log: CapturedLog) -> None:
    callback = browser.to_callback()
    browser.site.clock.move(minutes=11)

    assert_refused(browser.get(callback), log, 400, "launch-expired")


def test_a_callback_with_both_code_and_error_is_refused(browser: HttpBrowser, log: CapturedLog) -> None:
    callback = browser.to_callback()

    assert_refused(browser.get(f"{callback}&error=access_denied"), log, 400, "code-and-error")


def test_a_callback_with_neither_code_nor_error_is_refused(browser: HttpBrowser, log: CapturedLog) -> None:
    state = parse_qs(urlsplit(browser.to_authorize()).query)["state"][0]

    assert_refused(browser.get(f"/callback?state={state}"), log, 400, "missing-code")


def test_a_forged_code_is_refused_by_the_ehr_and_said(browser: HttpBrowser, log: CapturedLog) -> None:
    state = parse_qs(urlsplit(browser.to_authorize()).query)["state"][0]

    assert_refused(browser.get(f"/callback?state={state}&code=forged"), log, 502, "invalid-grant")


AT_AUTHORIZATION = [
    ("access_denied", 403, "access-denied"),
    ("invalid_request", 400, "invalid-authorization-request"),
    ("invalid_scope", 400, "invalid-scope"),
    ("unauthorized_client", 403, "unauthorized-client"),
    ("login_required", 401, "login-required"),
    ("interaction_required", 400, "interaction-required"),
    ("server_error", 502, "authorization-server-error"),
    ("temporarily_unavailable", 503, "temporarily-unavailable"),
]
AT_THE_TOKEN_ENDPOINT = [
    ("token_invalid_grant", 502, "invalid-grant"),
    ("token_invalid_client", 502, "invalid-client"),
    ("token_server_error", 502, "token-response-not-json"),
    ("token_html", 502, "token-response-not-json"),
    ("token_without_scope", 502, "invalid-token-response"),
    ("token_without_patient", 502, "missing-patient"),
    ("token_without_id_token", 502, "missing-id-token"),
]
IDENTITIES = [
    ("id_token_wrong_signature", 502, "id-token-bad-signature"),
    ("id_token_wrong_issuer", 502, "id-token-wrong-issuer"),
    ("id_token_wrong_audience", 502, "id-token-wrong-audience"),
    ("id_token_wrong_nonce", 502, "id-token-nonce-mismatch"),
    ("id_token_expired", 502, "id-token-expired"),
    ("id_token_unsigned", 502, "id-token-algorithm-refused"),
]


@pytest.mark.parametrize(("simulate", "status", "code"), AT_AUTHORIZATION + AT_THE_TOKEN_ENDPOINT + IDENTITIES)
def test_what_the_ehr_refuses_or_forges_opens_nothing_and_is_audited(
    simulate: str, status: int, code: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    page = browser.launch(simulate=simulate)

    assert_refused(page, log, status, code)
    assert page.url.startswith(f"{browser.site.app_url}/callback?")
    assert "Delgado" not in page.text
    assert not [cookie for cookie in browser.session.cookies if cookie.path.startswith("/launches/")]
    shown = page.root.xpath('//dt[.="Correlation id"]/following-sibling::dd[1]/text()')[0]
    assert (shown, code) in launches_refused(browser.site)


@pytest.mark.parametrize(
    ("error", "code"), [("access_denied", "access-denied"), ("no_such_error", "authorization-refused")]
)
def test_what_comes_with_an_error_is_not_believed(
    error: str, code: str, browser: HttpBrowser, log: CapturedLog
) -> None:
    """Anyone can send a browser to our callback: error_description is text of a stranger."""
    state = parse_qs(urlsplit(browser.to_authorize()).query)["state"][0]
    forged = {"state": state, "error": error, "error_description": "<script>alert(1)</script> call 555-0100"}

    page = browser.get(f"/callback?{urlencode(forged)}")

    assert page.status >= 400
    assert f'<dd class="mono">{code}</dd>' in page.text
    assert "<script>" not in page.text.replace('<script src="', "")
    assert "555-0100" not in log.text


def test_a_launch_without_an_encounter_opens_and_asks_for_the_visit(browser: HttpBrowser) -> None:
    home = browser.launch(simulate="token_without_encounter")

    assert home.status == 200
    assert "no visit open" in home.root.find_class("banner")[0].text_content()
