"""Design section 7 over HTTP: the headers of every route, the attributes of every cookie, and what may be framed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from uuid import UUID

import pytest
import requests

from smart_app.settings import Settings
from tests.fakes.http_browser import HttpBrowser, launch_id_of
from tests.site import Site, running_site

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
}
FRAME = {"Sec-Fetch-Dest": "iframe"}


@pytest.fixture
def browser(shared_site: Site) -> HttpBrowser:
    return HttpBrowser(shared_site)


@pytest.fixture(scope="module")
def https_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose proxy ends TLS: we are the proxy."""

    def behind_tls(settings: Settings) -> Settings:
        https = settings.app.base_url.replace("http://", "https://")
        return replace(settings, app=settings.app.model_copy(update={"base_url": https}))

    folder: Path = tmp_path_factory.mktemp("https")
    with running_site(folder, change_settings=behind_tls) as site:
        yield site


def policy_of(answer: requests.Response) -> dict[str, str]:
    parts = [part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";")]
    assert len(parts) == len({name for name, _, _ in parts}), "no directive twice"
    return {name: value for name, _, value in parts}


def cookies_of(answer: requests.Response) -> list[Morsel[str]]:
    lines = answer.raw.headers.getlist("Set-Cookie")
    found: list[Morsel[str]] = []
    for line in lines:
        # http.cookies of Python 3.11 does not know Partitioned.
        parsed = SimpleCookie(line.replace("; Partitioned", ""))
        found += parsed.values()
    assert len(found) == len(lines)
    return found


def test_every_route_and_every_refusal_carries_the_headers(shared_site: Site, browser: HttpBrowser) -> None:
    """Walk the routes: a route added without them fails here."""
    home = browser.launch()
    values = {
        "launch_id": launch_id_of(home), "screening_id": UUID(int=1), "alert_id": UUID(int=1), "path": "app.css",
        "resource_type": "Questionnaire", "resource_id": "phq-9",
    }  # fmt: skip
    walked = 0
    for rule in shared_site.app.url_map.iter_rules():
        built = rule.build({name: values[name] for name in rule.arguments})
        assert built is not None
        for method in (*sorted(rule.methods or ()), "PUT"):
            answer = browser.session.request(
                method, f"{shared_site.app_url}{built[1]}", allow_redirects=False, timeout=20
            )
            policy = policy_of(answer)
            assert {name: policy[name] for name in POLICY} == POLICY, rule.rule
            assert set(policy) == {*POLICY, "frame-ancestors"}
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in answer.headers
            if rule.endpoint not in {"static.file", "it.definition", "it.jwks"}:
                assert answer.headers["Cache-Control"] == "no-store", rule.rule
            walked += 1
    assert walked > 100
    assert browser.get("/no/such/page").headers["Cache-Control"] == "no-store"


def test_a_patients_page_is_framed_by_its_ehr_alone(shared_site: Site, browser: HttpBrowser) -> None:
    home = browser.launch()

    answer = browser.session.get(home.url, timeout=20)

    assert policy_of(answer)["frame-ancestors"] == shared_site.ehr.base_url


def test_the_page_for_an_unknown_iss_may_be_framed_by_anyone_and_sets_nothing(browser: HttpBrowser) -> None:
    page = browser.session.get(f"{browser.site.app_url}/launch?iss=https://x.example/fhir&launch=1", timeout=20)

    assert policy_of(page)["frame-ancestors"] == "*"
    assert cookies_of(page) == []
    assert "<script" not in page.text
    assert "<form" not in page.text


def test_the_launch_cookie_is_scoped_to_its_launch_and_closed_to_script(browser: HttpBrowser) -> None:
    callback = browser.session.get(browser.to_callback(), allow_redirects=False, timeout=20)

    launch, binding = sorted(cookies_of(callback), key=lambda cookie: cookie["path"] == "/")
    assert launch["path"] == "/".join(callback.headers["Location"].split("/")[:3]) + "/"
    assert launch["path"].startswith("/launches/")
    assert (launch["httponly"], launch["samesite"], launch["domain"]) == (True, "Lax", "")
    assert launch["max-age"] == ""
    assert launch["expires"] == "", "it ends with the browser"
    assert len(launch.value) >= 22, "128 bits or more"
    assert (binding.value, binding["max-age"]) == ("", "0"), "the round is over"


def test_behind_tls_cookies_are_secure_prefixed_and_lax(https_site: Site) -> None:
    browser = HttpBrowser(https_site)
    ordered = browser.session.get(https_site.launch_url(), allow_redirects=False, timeout=20)
    begun = browser.session.get(ordered.headers["Location"], allow_redirects=False, timeout=20)

    (binding,) = cookies_of(begun)
    assert binding.key.startswith("__Host-launch-")
    assert (binding["path"], binding["secure"], binding["httponly"]) == ("/", True, True)
    assert (binding["samesite"], binding["domain"], binding["max-age"]) == ("Lax", "", "600")
    assert "Partitioned" not in begun.headers["Set-Cookie"]
    assert begun.headers["Strict-Transport-Security"].startswith("max-age=")


def test_behind_tls_in_a_frame_cookies_are_partitioned_and_probed_first(https_site: Site) -> None:
    browser = HttpBrowser(https_site)
    ordered = browser.session.get(https_site.launch_url(), allow_redirects=False, timeout=20)
    asked = len(https_site.ehr.store.requests())

    probed = browser.session.get(ordered.headers["Location"], headers=FRAME, allow_redirects=False, timeout=20)
    (probe,) = cookies_of(probed)
    again = f"{https_site.app_url}{probed.headers['Location']}"
    without = requests.get(again, headers=FRAME, allow_redirects=False, timeout=20)
    cookie = {"Cookie": f"{probe.key}={probe.value}"}
    begun = requests.get(again, headers={**FRAME, **cookie}, allow_redirects=False, timeout=20)

    assert probe.key.startswith("__Host-probe-")
    assert without.status_code == 400
    assert "cookie-missing" in without.text
    assert 'target="_blank"' in without.text, "the unspent launch may go on in a window of its own"
    assert begun.status_code == 302
    assert begun.headers["Location"].startswith(f"{https_site.ehr.base_url}/auth/authorize?")
    for answer in (probed, begun):
        for line in answer.raw.headers.getlist("Set-Cookie"):
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned"} <= set(line.split("; "))
    assert len(https_site.ehr.store.requests()) == asked, "nothing of FHIR was asked for"


def test_no_page_sets_a_cookie_of_its_own(browser: HttpBrowser) -> None:
    home = browser.launch()

    for rest in ("", "history", "worklist", "encounter", "screenings/new?instrument=phq-9"):
        answer = browser.session.get(f"{browser.site.app_url}{browser.path(home, rest)}", timeout=20)
        assert cookies_of(answer) == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1"])
def test_a_forged_host_header_changes_no_address_of_a_page(host: str, browser: HttpBrowser) -> None:
    home = browser.launch()

    answer = browser.session.get(home.url, headers={"Host": host}, allow_redirects=False, timeout=20)

    assert host not in answer.text
    assert host not in str(answer.headers)
