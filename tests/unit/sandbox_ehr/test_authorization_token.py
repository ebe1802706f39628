"""The token endpoint: code, PKCE, context, refresh, introspection, revocation, and what a token opens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox_ehr.issued_tokens import OFFLINE_LIFETIME, ONLINE_LIFETIME
from tests.unit.sandbox_ehr.app_driver import (
    BASE_URL,
    SCOPE,
    SECRET,
    VERIFIER,
    AppDriver,
    basic_header,
    build_driver,
    open_driver,
    public_client,
)


@pytest.fixture(scope="module")
def driver() -> Iterator[AppDriver]:
    with open_driver() as driver:
        yield driver


def test_token_response_has_what_smart_asks_and_stays_out_of_caches(driver: AppDriver) -> None:
    answer = driver.token(driver.get_code(driver.launch()))
    token = answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    secrets = {name: token.pop(name) for name in ("access_token", "id_token")}
    assert all(secrets.values())
    assert token == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": SCOPE,
        "patient": "pt-01",
        "encounter": "enc-01-now",
        "need_patient_banner": True,
        "smart_style_url": f"{BASE_URL}/static/smart-style.json",
    }


def test_context_of_the_launcher_comes_with_the_token() -> None:
    driver = build_driver(tenant="clinic-7")
    token = driver.get_token(
        encounter="enc-01-b",
        intent="screening",
        questionnaire="http://example.org/q|1",
        app_context="phq-9",
        banner="false",
    )
    assert token["encounter"] == "enc-01-b"
    assert token["intent"] == "screening"
    assert token["tenant"] == "clinic-7"
    assert token["appContext"] == "phq-9"
    assert token["need_patient_banner"] is False
    assert token["fhirContext"] == [{"canonical": "http://example.org/q|1", "type": "Questionnaire"}]
    driver.app.close()


@pytest.mark.parametrize("parameters", [{"encounter": "none"}, {"patient": "pt-07"}, {"patient": "pt-11"}])
def test_launch_without_encounter_gives_none(driver: AppDriver, parameters: dict[str, str]) -> None:
    assert "encounter" not in driver.get_token(**parameters)


def test_frame_takes_the_banner_upon_itself(driver: AppDriver) -> None:
    answer = driver.http.get("/launch?patient=pt-01&client=public-app&frame=1", base_url=BASE_URL)
    launch = answer.headers["Location"].split("launch=")[1].split("&")[0]
    assert driver.token(driver.get_code(launch)).get_json()["need_patient_banner"] is False


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": 'é"'}, 400, "unsupported_grant_type"),
        ({"code": None}, 400, "invalid_request"),
        ({"code": "unknown"}, 400, "invalid_grant"),
        ({"redirect_uri": None}, 400, "invalid_grant"),
        ({"redirect_uri": "https://app.test/other"}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_request"),
        ({"code_verifier": "short"}, 400, "invalid_request"),
        ({"code_verifier": VERIFIER.replace("0", "1")}, 400, "invalid_grant"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "secret-app"}, 401, "invalid_client"),
    ],
)
def test_faulty_token_request_is_refused_as_rfc_6749_says(
    driver: AppDriver, changes: dict[str, Any], status: int, error: str
) -> None:
    answer = driver.token(driver.get_code(), **changes)
    assert (answer.status_code, answer.get_json()["error"]) == (status, error)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.get_json().keys() <= {"error", "error_description"}
    assert answer.get_json().get("error_description", "").isascii()


def test_repeated_parameter_is_refused(driver: AppDriver) -> None:
    body = f"grant_type=authorization_code&code={driver.get_code()}&code=again&client_id=public-app"
    answer = driver.http.post(
        "/auth/token", data=body, content_type="application/x-www-form-urlencoded", base_url=BASE_URL
    )
    assert answer.get_json()["error"] == "invalid_request"


def test_parameters_in_the_address_do_not_count(driver: AppDriver) -> None:
    query = {"grant_type": "authorization_code", "code": driver.get_code(), "client_id": "public-app"}
    answer = driver.http.post("/auth/token", query_string=query, base_url=BASE_URL)
    assert answer.get_json()["error"] == "invalid_request"


def test_code_works_for_one_minute(driver: AppDriver) -> None:
    code = driver.get_code()
    driver.clock.forward(seconds=60)
    assert driver.token(code).get_json()["error"] == "invalid_grant"


def test_replayed_code_is_refused_and_takes_back_what_the_first_use_gave(driver: AppDriver) -> None:
    code = driver.get_code()
    token = driver.token(code).get_json()
    assert driver.read("Patient/pt-01", token["access_token"]).status_code == 200
    assert driver.token(code).get_json()["error"] == "invalid_grant"
    assert driver.read("Patient/pt-01", token["access_token"]).status_code == 401


def test_code_is_used_up_by_a_wrong_verifier(driver: AppDriver) -> None:
    code = driver.get_code()
    driver.token(code, code_verifier=VERIFIER.replace("0", "1"))
    assert driver.token(code).get_json()["error"] == "invalid_grant"


def test_code_of_another_client_is_refused_and_stays_good_for_its_own(driver: AppDriver) -> None:
    code = driver.get_code()
    stolen = driver.token(code, client_id=None, headers=basic_header("secret-app", SECRET))
    assert stolen.get_json()["error"] == "invalid_grant"
    assert driver.token(code).status_code == 200


def test_secret_client_authenticates_by_basic_and_by_nothing_else() -> None:
    driver = build_driver(client_id="secret-app")
    good = driver.token(driver.get_code(), client_id=None, headers=basic_header("secret-app", SECRET))
    assert good.status_code == 200
    for headers in (
        {},
        basic_header("secret-app", "wrong"),
        basic_header("nobody", SECRET),
        {"Authorization": "Basic ?"},
    ):
        answer = driver.token(driver.get_code(), client_id="secret-app", headers=headers)
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    in_body = driver.token(driver.get_code(), client_secret=SECRET)
    assert in_body.get_json()["error"] == "invalid_client"
    both = driver.token(driver.get_code(), client_secret=SECRET, headers=basic_header("secret-app", SECRET))
    assert both.get_json()["error"] == "invalid_request"
    driver.app.close()


def test_secret_client_needs_its_verifier_too() -> None:
    driver = build_driver(client_id="secret-app")
    headers = basic_header("secret-app", SECRET)
    for verifier in (None, VERIFIER.replace("0", "1")):
        assert driver.token(driver.get_code(), code_verifier=verifier, headers=headers).status_code == 400
    driver.app.close()


# Scopes


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("launch patient/Patient.read patient/*.write", "launch patient/Patient.read patient/*.write"),
        ("launch patient/Patient.r unknown system/Patient.r", "launch patient/Patient.r"),
        ("launch user/Practitioner.r user/*.*", "launch user/Practitioner.r user/*.*"),
        ("launch patient/Observation.rs?category=survey", "launch patient/Observation.rs?category=survey"),
        ("patient/Patient.r user/Practitioner.r", "user/Practitioner.r"),
        ("launch offline_access openid profile", "launch offline_access openid profile"),
        ("launch launch patient/Patient.r patient/Patient.r", "launch patient/Patient.r"),
    ],
)
def test_granted_scope_is_what_can_be_given_of_what_was_asked(driver: AppDriver, asked: str, granted: str) -> None:
    assert driver.get_token(scope=asked)["scope"] == granted


def test_patient_is_in_the_response_only_where_the_launch_was_asked_for(driver: AppDriver) -> None:
    token = driver.get_token(scope="openid user/Patient.r")
    assert "patient" not in token
    assert "encounter" not in token


@pytest.mark.parametrize(
    ("withhold", "granted"),
    [
        ("patient/Patient.r", "launch patient/Observation.crs patient/Condition.write"),
        ("Observation.c", "launch patient/Patient.r patient/Observation.rs patient/Condition.write"),
        ("Condition.cud", "launch patient/Patient.r patient/Observation.crs"),
        ("Condition.d Observation.crs", "launch patient/Patient.r patient/Condition.cu"),
    ],
)
def test_withheld_scope_narrows_the_grant(driver: AppDriver, withhold: str, granted: str) -> None:
    asked = "launch patient/Patient.r patient/Observation.crs patient/Condition.write"
    assert driver.get_token(scope=asked, withhold=withhold)["scope"] == granted


def test_registration_may_limit_the_scopes() -> None:
    driver = build_driver(public_client(scope="launch patient/Patient.r"))
    assert driver.get_token()["scope"] == "launch patient/Patient.r"
    driver.app.close()


def test_token_opens_what_its_scope_says_at_its_own_base(driver: AppDriver) -> None:
    access_token = driver.get_token()["access_token"]
    assert driver.read("Patient/pt-01", access_token).status_code == 200
    assert driver.read("Condition?patient=pt-01", access_token).status_code == 403
    headers = {"Authorization": f"Bearer {access_token}"}
    elsewhere = driver.http.get("/personas/read-only/fhir/Patient/pt-01", headers=headers, base_url=BASE_URL)
    assert elsewhere.status_code == 401
    assert driver.http.get("/fhir/Patient/pt-01", base_url=BASE_URL).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer unknown", "Basic eDp5", "Bearer  "])
def test_unusable_token_is_refused_with_an_outcome(driver: AppDriver, header: str) -> None:
    answer = driver.http.get("/fhir/Patient/pt-01", headers={"Authorization": header}, base_url=BASE_URL)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert answer.get_json(force=True)["issue"][0]["code"] == "login"


def test_token_expires(driver: AppDriver) -> None:
    access_token = driver.get_token()["access_token"]
    driver.clock.forward(seconds=3599)
    assert driver.read("Patient/pt-01", access_token).status_code == 200
    driver.clock.forward(seconds=1)
    assert driver.read("Patient/pt-01", access_token).status_code == 401


# Refresh


@pytest.mark.parametrize("access", ["online_access", "offline_access"])
def test_refresh_rotates_and_keeps_the_context(driver: AppDriver, access: str) -> None:
    first = driver.get_token(scope=f"{SCOPE} {access}")
    second = driver.refresh(first["refresh_token"]).get_json()
    assert second["patient"] == "pt-01"
    assert second["scope"] == first["scope"]
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert "id_token" not in second
    assert driver.refresh(second["refresh_token"]).status_code == 200


def test_no_refresh_token_unless_asked_for(driver: AppDriver) -> None:
    assert "refresh_token" not in driver.get_token()


def test_reused_refresh_token_revokes_the_family(driver: AppDriver) -> None:
    first = driver.get_token(scope=f"{SCOPE} offline_access")
    second = driver.refresh(first["refresh_token"]).get_json()
    assert driver.refresh(first["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert driver.refresh(second["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert driver.read("Patient/pt-01", second["access_token"]).status_code == 401


def test_refresh_may_narrow_the_scope_and_get_it_back(driver: AppDriver) -> None:
    first = driver.get_token(scope=f"{SCOPE} offline_access")
    narrow = driver.refresh(first["refresh_token"], scope="patient/Patient.r").get_json()
    assert narrow["scope"] == "patient/Patient.r"
    assert driver.read("Observation?patient=pt-01", narrow["access_token"]).status_code == 403
    assert driver.refresh(narrow["refresh_token"]).get_json()["scope"] == first["scope"]


def test_refresh_may_not_widen_the_scope_and_keeps_the_token(driver: AppDriver) -> None:
    refresh_token = driver.get_token(scope=f"{SCOPE} offline_access")["refresh_token"]
    assert driver.refresh(refresh_token, scope="patient/*.cruds").get_json()["error"] == "invalid_scope"
    assert driver.refresh(refresh_token).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"refresh_token": None}, "invalid_request"),
        ({"refresh_token": "unknown"}, "invalid_grant"),
        ({"client_id": "nobody"}, "invalid_client"),
    ],
)
def test_faulty_refresh_is_refused(driver: AppDriver, changes: dict[str, str | None], error: str) -> None:
    refresh_token = driver.get_token(scope=f"{SCOPE} offline_access")["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "public-app", **changes}
    assert driver.post_auth("token", form).get_json()["error"] == error


def test_refresh_token_of_another_client_is_refused_and_stays_good(driver: AppDriver) -> None:
    refresh_token = driver.get_token(scope=f"{SCOPE} offline_access")["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    stolen = driver.post_auth("token", form, headers=basic_header("secret-app", SECRET))
    assert stolen.get_json()["error"] == "invalid_grant"
    assert driver.refresh(refresh_token).status_code == 200


@pytest.mark.parametrize(
    ("access", "lifetime"), [("online_access", ONLINE_LIFETIME), ("offline_access", OFFLINE_LIFETIME)]
)
def test_rotation_does_not_prolong_the_refresh_token(driver: AppDriver, access: str, lifetime: object) -> None:
    refresh_token = driver.get_token(scope=f"{SCOPE} {access}")["refresh_token"]
    driver.clock.now += lifetime / 2  # type: ignore[operator]
    second = driver.refresh(refresh_token).get_json()["refresh_token"]
    driver.clock.now += lifetime / 2  # type: ignore[operator]
    assert driver.refresh(second).get_json()["error"] == "invalid_grant"


# Introspection and revocation


def test_introspection_describes_an_active_token_to_its_client() -> None:
    driver = build_driver(client_id="secret-app")
    basic = basic_header("secret-app", SECRET)
    token = driver.token(driver.get_code(), client_id=None, headers=basic).get_json()
    answer = driver.post_auth("introspect", {"token": token["access_token"]}, headers=basic)
    described = answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert described == {
        "active": True,
        "scope": SCOPE,
        "client_id": "secret-app",
        "iss": f"{BASE_URL}/fhir",
        "iat": int(driver.clock.now.timestamp()),
        "exp": int(driver.clock.now.timestamp()) + 3600,
        "token_type": "Bearer",
        "sub": "prac-okafor",
        "fhirUser": f"{BASE_URL}/fhir/Practitioner/prac-okafor",
        "patient": "pt-01",
        "encounter": "enc-01-now",
        "need_patient_banner": True,
        "smart_style_url": f"{BASE_URL}/static/smart-style.json",
    }
    driver.clock.forward(hours=1)
    expired = driver.post_auth("introspect", {"token": token["access_token"]}, headers=basic)
    assert expired.get_json() == {"active": False}
    driver.app.close()


def test_introspection_tells_nothing_to_others(driver: AppDriver) -> None:
    access_token = driver.get_token()["access_token"]
    foreign = driver.post_auth("introspect", {"token": access_token}, headers=basic_header("secret-app", SECRET))
    assert foreign.get_json() == {"active": False}
    unauthenticated = driver.post_auth("introspect", {"token": access_token, "client_id": "public-app"})
    assert (unauthenticated.status_code, unauthenticated.get_json()["error"]) == (401, "invalid_client")
    missing = driver.post_auth("introspect", {}, headers=basic_header("secret-app", SECRET))
    assert missing.get_json()["error"] == "invalid_request"


def test_revoked_access_token_opens_nothing(driver: AppDriver) -> None:
    token = driver.get_token(scope=f"{SCOPE} offline_access")
    answer = driver.post_auth("revoke", {"token": token["access_token"], "client_id": "public-app"})
    assert answer.status_code == 200
    assert driver.read("Patient/pt-01", token["access_token"]).status_code == 401
    assert driver.refresh(token["refresh_token"]).status_code == 200


def test_revoked_refresh_token_takes_the_access_token_along(driver: AppDriver) -> None:
    token = driver.get_token(scope=f"{SCOPE} offline_access")
    driver.post_auth("revoke", {"token": token["refresh_token"], "client_id": "public-app"})
    assert driver.read("Patient/pt-01", token["access_token"]).status_code == 401
    assert driver.refresh(token["refresh_token"]).get_json()["error"] == "invalid_grant"


def test_revocation_of_an_unknown_token_succeeds_and_of_a_foreign_one_does_nothing(driver: AppDriver) -> None:
    assert driver.post_auth("revoke", {"token": "unknown", "client_id": "public-app"}).status_code == 200
    access_token = driver.get_token()["access_token"]
    driver.post_auth("revoke", {"token": access_token}, headers=basic_header("secret-app", SECRET))
    assert driver.read("Patient/pt-01", access_token).status_code == 200


# Simulated errors


@pytest.mark.parametrize(
    ("simulated", "status", "text"),
    [
        ("token_invalid_grant", 400, '"invalid_grant"'),
        ("token_invalid_client", 401, '"invalid_client"'),
        ("token_server_error", 500, "<h1>"),
        ("token_html", 200, "<h1>"),
    ],
)
def test_simulated_token_error(driver: AppDriver, simulated: str, status: int, text: str) -> None:
    answer = driver.token(driver.get_code(driver.launch(simulate=simulated)))
    assert answer.status_code == status
    assert text in answer.text
    assert "access_token" not in answer.text


@pytest.mark.parametrize("name", ["scope", "patient", "encounter", "id_token"])
def test_simulated_gap_in_the_token_response(driver: AppDriver, name: str) -> None:
    assert driver.get_token().keys() - driver.get_token(simulate=f"token_without_{name}").keys() == {name}
