"""Cookies of a launch: names, paths and attributes as the browser's rules demand (design section 7)."""

from __future__ import annotations

from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import pytest
from flask import Flask

from smart_app.model.launch_session import SessionStanding
from smart_app.screening.launching import FinishedLaunch
from tests.unit.smart_app.web import page_samples as samples
from tests.unit.smart_app.web.web_driver import ANSWERS, ISS, SECRET, Browser, Calls, acting, make_app

LAUNCH = f"/launch?iss={ISS}&launch=xyz"
HOME = f"/launches/{samples.LAUNCH_ID}/"
FRAME = {"Sec-Fetch-Dest": "iframe"}


def cookies_of(answer: Any) -> dict[str, Any]:
    """Parse the Set-Cookie headers of an answer by cookie name."""
    parsed: dict[str, Any] = {}
    for line in answer.headers.getlist("Set-Cookie"):
        # http.cookies of Python 3.11 does not know Partitioned yet, so it is read beside.
        for name, morsel in SimpleCookie(line.replace("; Partitioned", "")).items():
            parsed[name] = (morsel, "; Partitioned" in line)
    return parsed


def test_launch_binds_the_browser_with_a_host_cookie_named_after_state(app: Flask) -> None:
    browser = Browser(app, secret=None)

    answer = browser.get(LAUNCH)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("https://ehr.example/authorize")
    ((name, (cookie, partitioned)),) = cookies_of(answer).items()
    assert name.startswith("__Host-launch-")
    assert "st4te" not in name
    assert (cookie.value, cookie["path"], cookie["domain"]) == ("b1nding", "/", "")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not partitioned
    assert cookie["max-age"] == "600"


def test_callback_hands_binding_over_and_scopes_the_launch_cookie_to_its_path(app: Flask, calls: Calls) -> None:
    browser = Browser(app, secret=None)
    browser.get(LAUNCH)

    answer = browser.get("/callback?code=c&state=st4te")

    _, given = calls.last("finish_launch")
    assert given["binding"] == "b1nding"
    assert given["params"] == {"code": ["c"], "state": ["st4te"]}
    cookies = cookies_of(answer)
    cookie, partitioned = cookies["__Secure-launch"]
    assert (cookie.value, cookie["path"], cookie["samesite"]) == (SECRET, HOME, "Lax")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["max-age"] == ""
    assert not partitioned
    binding = next(cookie for name, (cookie, _) in cookies.items() if name.startswith("__Host-"))
    assert binding["max-age"] == "0"
    assert answer.headers["Location"] == HOME


@pytest.mark.requirement("smart-2.2.0@6")
@pytest.mark.parametrize("name", ["next", "redirect_uri", "iss", "return_to", "url"])
def test_callback_forwards_nothing_of_what_came_to_another_address(app: Flask, calls: Calls, name: str) -> None:
    browser = Browser(app, secret=None)
    browser.get(LAUNCH)

    answer = browser.get(f"/callback?code=c&state=st4te&{name}=https://elsewhere.example/")

    assert answer.headers["Location"] == HOME
    assert "elsewhere" not in answer.text


@pytest.mark.requirement("smart-2.2.0@61")
def test_the_cookie_of_another_state_is_not_taken_as_the_binding(app: Flask, calls: Calls) -> None:
    browser = Browser(app, secret=None)
    browser.get(LAUNCH)

    browser.get("/callback?code=c&state=another")

    assert calls.last("finish_launch")[1]["binding"] is None


def test_in_a_frame_cookies_are_partitioned_and_sent_across_sites(app: Flask, calls: Calls) -> None:
    calls.answers["finish_launch"] = FinishedLaunch(
        launch_id=samples.LAUNCH_ID,
        secret=SECRET,
        framed=True,
        who=acting(SessionStanding.LIVE, "test"),
        instrument_id=None,
    )
    browser = Browser(app, secret=None)

    cookie, partitioned = cookies_of(browser.get("/callback?code=c&state=st4te", **FRAME))["__Secure-launch"]

    assert cookie["samesite"] == "None"
    assert cookie["secure"]
    assert partitioned


def test_in_a_frame_the_launch_first_probes_for_cookies_then_goes_on(app: Flask, calls: Calls) -> None:
    browser = Browser(app, secret=None)

    probe = browser.get(LAUNCH, **FRAME)
    assert "begin_launch" not in calls.names()
    answer = browser.get(probe.headers["Location"], **FRAME)

    assert answer.headers["Location"].startswith("https://ehr.example/authorize")
    assert calls.last("begin_launch")[1]["framed"] is True
    assert calls.last("begin_launch")[1]["launch"] == "xyz"


def test_a_frame_without_cookies_offers_the_unspent_launch_in_a_new_window(app: Flask, calls: Calls) -> None:
    browser = Browser(app, secret=None)
    probe = browser.get(LAUNCH, **FRAME)
    for cookie in cookies_of(probe):
        browser.client.delete_cookie(cookie, domain="screening.example")

    answer = browser.get(probe.headers["Location"], **FRAME)

    assert answer.status_code == 400
    assert "begin_launch" not in calls.names()
    link = answer.text.split('target="_blank"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert "launch=xyz" in link
    assert "probe" not in link


def test_on_plain_http_loopback_prefixes_and_secure_give_way(calls: Calls) -> None:
    base_url = "http://127.0.0.1:8000"
    browser = Browser(make_app(base_url), secret=None, base_url=base_url)

    ((name, (cookie, _)),) = cookies_of(browser.get(LAUNCH)).items()
    launch_cookie, _ = cookies_of(browser.get("/callback?code=c&state=st4te"))["launch"]

    assert name.startswith("launch-")
    assert not cookie["secure"]
    assert launch_cookie["path"] == HOME


def test_log_out_takes_the_cookie_away(browser: Browser, calls: Calls) -> None:
    answer = browser.post(f"{HOME}log-out")

    cookie, _ = cookies_of(answer)["__Secure-launch"]
    assert (cookie.value, cookie["path"], cookie["max-age"]) == ("", HOME, "0")
    assert "log_out" in calls.names()
    assert "Zoë" not in answer.text


def test_the_launch_id_alone_opens_nothing(app: Flask, calls: Calls) -> None:
    answer = Browser(app, secret=None).get(HOME)

    assert answer.status_code == 401
    assert "Zoë" not in answer.text
    assert "view_home" not in calls.names()


def test_the_secret_of_one_launch_does_not_open_another(app: Flask) -> None:
    browser = Browser(app)
    browser.client.set_cookie("__Secure-launch", SECRET, domain="screening.example", path="/launches/other/")

    assert browser.get("/launches/other/").status_code == 401


def test_pages_set_no_cookie_of_their_own(browser: Browser) -> None:
    assert browser.get(HOME).headers.getlist("Set-Cookie") == []


def test_a_launch_that_asks_for_an_instrument_leads_to_its_form(app: Flask, calls: Calls) -> None:
    calls.answers["finish_launch"] = replace(ANSWERS["finish_launch"], instrument_id="gad-7")

    answer = Browser(app, secret=None).get("/callback?code=c&state=st4te")

    assert answer.headers["Location"] == f"{HOME}screenings/{samples.SCREENING}/form"
