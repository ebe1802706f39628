"""Headers, CSRF, Origin and limits (design section 7)."""

from __future__ import annotations

from flask import Flask

from tests.unit.smart_app.web import page_samples as samples
from tests.unit.smart_app.web.web_driver import ISS, Browser, Calls, make_app

HOME = f"/launches/{samples.LAUNCH_ID}/"
FORM = f"{HOME}screenings/{samples.SCREENING}/form"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors "
)


def test_a_patient_page_is_framed_by_its_ehr_alone_and_never_stored(browser: Browser) -> None:
    headers = browser.get(HOME).headers

    assert headers["Content-Security-Policy"] == POLICY + "https://ehr.example"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


def test_an_ehr_without_framers_may_not_frame_its_own_launch(app: Flask) -> None:
    answer = Browser(app, secret=None).get("/launch?iss=https://other.example/fhir&launch=x")

    assert answer.headers["Content-Security-Policy"] == POLICY + "'none'"


def test_an_error_page_without_data_may_be_framed_by_every_registered_ehr(app: Flask) -> None:
    assert Browser(app, secret=None).get("/nowhere").headers["Content-Security-Policy"] == (
        POLICY + "https://ehr.example"
    )


def test_the_page_for_an_unknown_iss_is_bare_and_framable(app: Flask, calls: Calls) -> None:
    answer = Browser(app, secret=None).get("/launch?iss=https://evil.example&launch=x")

    assert answer.status_code == 403
    assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors *")
    assert "<link" not in answer.text
    assert "evil.example" not in answer.text
    assert "begin_launch" not in calls.names()


def test_plain_http_sends_no_hsts(calls: Calls) -> None:
    base_url = "http://localhost:8000"

    assert "Strict-Transport-Security" not in Browser(make_app(base_url), base_url=base_url).get("/healthz").headers


def test_a_form_without_csrf_token_is_refused(browser: Browser, calls: Calls) -> None:
    answer = browser.post(FORM, {"csrf_token": "", "device": "d"})

    assert answer.status_code == 400
    assert "form-not-trusted" in answer.text
    assert "hand_in" not in calls.names()


def test_a_token_dies_with_its_launch(app: Flask, calls: Calls) -> None:
    other = make_app(rate="600 per minute")
    token_of_another_key = Browser(other)
    token_of_another_key.get(HOME)
    browser = Browser(app, secret="another-secret-of-128-bits")
    browser.csrf = token_of_another_key.csrf

    answer = browser.post(FORM, {"device": "d"})

    assert answer.status_code == 400
    assert "hand_in" not in calls.names()


def test_a_form_from_another_site_is_refused_even_with_a_token(browser: Browser, calls: Calls) -> None:
    answer = browser.post(FORM, {"device": "d", "text": "planted"}, Origin="https://evil.example")

    assert answer.status_code == 403
    assert "cross-origin" in answer.text
    assert "planted" not in answer.text
    assert "hand_in" not in calls.names()


def test_fetch_metadata_stands_in_for_a_missing_origin(browser: Browser, calls: Calls) -> None:
    browser.get(HOME)
    answer = browser.client.post(
        FORM,
        data={"csrf_token": browser.csrf, "device": "d"},
        base_url=browser.base_url,
        headers={"Sec-Fetch-Site": "cross-site", "Referer": f"{browser.base_url}/"},
    )

    assert answer.status_code == 403
    assert "hand_in" not in calls.names()


def test_json_needs_its_token_in_the_header(browser: Browser, calls: Calls) -> None:
    answer = browser.post_json(FORM.replace("form", "answers"), {}, **{"X-CSRFToken": ""})

    assert answer.status_code == 400
    assert answer.json["code"] == "form-not-trusted"
    assert "save_answers" not in calls.names()


def test_a_body_of_more_than_a_megabyte_gets_its_own_page(browser: Browser, calls: Calls) -> None:
    answer = browser.post(FORM, {"device": "d", "text": "x" * 1_100_000})

    assert answer.status_code == 413
    assert "body-too-large" in answer.text
    assert "hand_in" not in calls.names()


def test_a_huge_body_is_refused_by_its_announced_length_alone(browser: Browser) -> None:
    browser.get(HOME)

    answer = browser.client.post(
        FORM,
        base_url=browser.base_url,
        content_type="application/x-www-form-urlencoded",
        headers={"Origin": browser.base_url},
        environ_overrides={"CONTENT_LENGTH": str(100 * 1024 * 1024)},
    )

    assert answer.status_code == 413


def test_the_rate_limit_counts_one_launch_not_its_neighbours(calls: Calls) -> None:
    app = make_app(rate="3 per minute")
    browser = Browser(app)
    for _ in range(3):
        assert browser.get(HOME).status_code == 200

    refused = browser.get(HOME)
    neighbour = browser.get(f"/launch?iss={ISS}&launch=another")

    assert refused.status_code == 429
    assert "too-many-requests" in refused.text
    assert neighbour.status_code == 302


def test_health_is_never_limited(calls: Calls) -> None:
    browser = Browser(make_app(rate="1 per minute"))

    assert [browser.get("/healthz").status_code for _ in range(3)] == [200, 200, 200]
