"""The authorization endpoint: every refusal, to the app or on a page, and what a person may choose."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from sandbox_ehr.simulated_errors import AUTHORIZE_ERRORS
from tests.unit.sandbox_ehr.app_driver import (
    BASE_URL,
    FHIR_BASE_URL,
    REDIRECT_URI,
    AppDriver,
    build_driver,
    open_driver,
    public_client,
    read_query,
)


@pytest.fixture(scope="module")
def driver() -> Iterator[AppDriver]:
    with open_driver() as driver:
        yield driver


def test_ehr_launch_gives_code_and_state(driver: AppDriver) -> None:
    answer = driver.authorize(driver.launch())
    assert answer.headers["Location"].startswith(f"{REDIRECT_URI}?")
    query = read_query(answer)
    assert query.keys() == {"code", "state"}
    assert query["state"] == "state-of-this-browser"


def test_authorize_takes_a_form_post(driver: AppDriver) -> None:
    form = driver.authorize_parameters(driver.launch())
    answer = driver.http.post("/auth/authorize", data=form, base_url=BASE_URL)
    assert "code" in read_query(answer)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": 'co"de'}, "unsupported_response_type"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "patient/Observation.sr"}, "invalid_scope"),
        ({"scope": "patient/Observation."}, "invalid_scope"),
        ({"scope": "nothing known"}, "invalid_scope"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "http://another.test/fhir"}, "invalid_request"),
        ({"aud": f"{FHIR_BASE_URL}/Patient"}, "invalid_request"),
        ({"aud": f"{BASE_URL}/personas/read-only/fhir"}, "invalid_request"),
        ({"launch": "0" * 64}, "invalid_request"),
        ({"launch": ""}, "invalid_request"),
        ({"launch": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
    ],
)
def test_faulty_request_goes_back_to_the_app_with_error_and_state(
    driver: AppDriver, changes: dict[str, str | None], error: str
) -> None:
    launch = driver.launch()
    answer = driver.authorize(launch, **changes)
    query = read_query(answer)
    assert answer.headers["Location"].startswith(f"{REDIRECT_URI}?")
    assert (query["error"], query["state"]) == (error, "state-of-this-browser")
    assert "code" not in query
    assert query["error_description"].isascii()
    assert "code" in read_query(driver.authorize(launch)), "a refused request does not use the launch up"


def test_missing_state_is_refused_without_inventing_one(driver: AppDriver) -> None:
    query = read_query(driver.authorize(driver.launch(), state=None))
    assert query["error"] == "invalid_request"
    assert "state" not in query


@pytest.mark.parametrize("name", ["scope", "aud", "launch", "state", "code_challenge", "nonce", "response_type"])
def test_repeated_parameter_is_refused(driver: AppDriver, name: str) -> None:
    parameters = driver.authorize_parameters(driver.launch())
    query = [*parameters.items(), (name, parameters[name])]
    answer = driver.http.get("/auth/authorize", query_string=query, base_url=BASE_URL)
    assert read_query(answer)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"redirect_uri": None},
        {"redirect_uri": f"{REDIRECT_URI}/"},
        {"redirect_uri": f"{REDIRECT_URI}?x=1"},
        {"redirect_uri": "https://evil.test/callback"},
        {"redirect_uri": 'https://evil.test/"\n'},
    ],
)
def test_unknown_client_or_redirect_uri_is_answered_here_and_never_redirected(
    driver: AppDriver, changes: dict[str, str | None]
) -> None:
    answer = driver.authorize(driver.launch(), **changes)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "evil.test" not in answer.text


def test_repeated_redirect_uri_is_answered_here(driver: AppDriver) -> None:
    query = [*driver.authorize_parameters(driver.launch()).items(), ("redirect_uri", REDIRECT_URI)]
    answer = driver.http.get("/auth/authorize", query_string=query, base_url=BASE_URL)
    assert answer.status_code == 400


def test_aud_may_end_in_a_slash(driver: AppDriver) -> None:
    assert "code" in read_query(driver.authorize(driver.launch(), aud=f"{FHIR_BASE_URL}/"))


def test_launch_is_used_up_by_one_authorization(driver: AppDriver) -> None:
    launch = driver.launch()
    driver.get_code(launch)
    assert read_query(driver.authorize(launch))["error"] == "invalid_request"


def test_launch_expires(driver: AppDriver) -> None:
    launch = driver.launch()
    driver.clock.forward(hours=1)
    assert read_query(driver.authorize(launch))["error"] == "invalid_request"


def test_launch_of_another_client_is_refused(driver: AppDriver) -> None:
    launch = driver.launch(client="secret-app")
    assert read_query(driver.authorize(launch))["error"] == "invalid_request"


@pytest.mark.parametrize("error", AUTHORIZE_ERRORS)
def test_simulated_error_reaches_the_app(driver: AppDriver, error: str) -> None:
    query = read_query(driver.authorize(driver.launch(simulate=error)))
    assert (query["error"], query["state"]) == (error, "state-of-this-browser")


def test_patient_account_may_not_open_another_chart(driver: AppDriver) -> None:
    launch = driver.launch(user="acct-delgado", patient="pt-02")
    assert read_query(driver.authorize(launch))["error"] == "access_denied"


def test_any_loopback_client_takes_every_port_of_this_machine_and_nothing_else() -> None:
    driver = build_driver(public_client(redirect_uris=("loopback",), launch_uri=None))
    for redirect_uri in ("http://127.0.0.1:4711/x", "http://localhost:1/", "http://[::1]:5/cb"):
        launch = driver.launch(launch_uri="http://localhost:4711/launch")
        answer = driver.authorize(launch, redirect_uri=redirect_uri)
        assert answer.headers["Location"].startswith(redirect_uri)
    for redirect_uri in (
        "http://127.0.0.1.evil.test/",
        "http://localhost@evil.test/",
        "ftp://localhost/",
        "//localhost",
    ):
        assert (
            driver.authorize(driver.launch(launch_uri="http://localhost/x"), redirect_uri=redirect_uri).status_code
            == 400
        )
    driver.app.close()


# Pages for a person


def choose(driver: AppDriver, page: TestResponse, **choice: str) -> TestResponse:
    match = re.search(r'name="request" value="([^"]+)"', page.text)
    assert match is not None, page.text
    return driver.http.post("/auth/choose", data={"request": match[1], **choice}, base_url=BASE_URL)


STANDALONE = "launch/patient launch/encounter openid fhirUser patient/Patient.r"


def test_standalone_launch_asks_user_patient_and_encounter(driver: AppDriver) -> None:
    page = driver.authorize(None, scope=STANDALONE)
    assert "Log in" in page.text
    page = choose(driver, page, user="prac-okafor")
    assert "Choose a patient" in page.text
    page = choose(driver, page, patient="pt-01")
    assert "enc-01-now" in page.text
    code = read_query(choose(driver, page, encounter="enc-01-now"))["code"]
    token = driver.token(code).get_json()
    assert (token["patient"], token["encounter"]) == ("pt-01", "enc-01-now")
    assert token["scope"] == STANDALONE


def test_standalone_launch_without_encounter_gives_none(driver: AppDriver) -> None:
    page = choose(driver, driver.authorize(None, scope=STANDALONE), user="prac-okafor")
    page = choose(driver, page, patient="pt-07")
    code = read_query(choose(driver, page, encounter="none"))["code"]
    assert "encounter" not in driver.token(code).get_json()


def test_standalone_launch_of_a_patient_goes_to_their_own_chart(driver: AppDriver) -> None:
    page = driver.authorize(None, scope="launch/patient openid fhirUser patient/Patient.r user/Patient.r")
    code = read_query(choose(driver, page, user="acct-delgado"))["code"]
    token = driver.token(code).get_json()
    assert token["patient"] == "pt-01"
    assert "user/Patient.r" not in token["scope"].split()


def test_choice_that_was_not_offered_changes_nothing(driver: AppDriver) -> None:
    page = choose(driver, driver.authorize(None, scope=STANDALONE), user="prac-okafor")
    page = choose(driver, page, patient="pt-02")
    page = choose(driver, page, encounter="enc-01-now")
    assert "Choose an encounter" in page.text


def test_refusal_on_the_page_reaches_the_app(driver: AppDriver) -> None:
    query = read_query(choose(driver, driver.authorize(None, scope=STANDALONE), deny="1"))
    assert (query["error"], query["state"]) == ("access_denied", "state-of-this-browser")


def test_page_works_once_and_for_ten_minutes(driver: AppDriver) -> None:
    page = driver.authorize(None, scope=STANDALONE)
    choose(driver, page, user="prac-okafor")
    assert choose(driver, page, user="prac-okafor").status_code == 400
    page = driver.authorize(None, scope=STANDALONE)
    driver.clock.forward(minutes=10)
    assert choose(driver, page, user="prac-okafor").status_code == 400


@pytest.mark.parametrize("how", ["launcher", "configuration", "prompt"])
def test_login_page_of_an_ehr_launch_asks_only_the_user(how: str) -> None:
    driver = build_driver(require_login=how == "configuration")
    launch = driver.launch(**({"login": "on"} if how == "launcher" else {}))
    page = driver.authorize(launch, **({"prompt": "login"} if how == "prompt" else {}))
    assert "Log in" in page.text
    token = driver.token(read_query(choose(driver, page, user="prac-bell"))["code"]).get_json()
    assert token["patient"] == "pt-01"
    driver.app.close()


@pytest.mark.parametrize(("scope", "error"), [(STANDALONE, "login_required")])
def test_prompt_none_fails_where_a_person_would_have_to_act(driver: AppDriver, scope: str, error: str) -> None:
    assert read_query(driver.authorize(None, scope=scope, prompt="none"))["error"] == error


def test_prompt_none_goes_through_in_an_ehr_launch(driver: AppDriver) -> None:
    assert "code" in read_query(driver.authorize(driver.launch(), prompt="none"))
