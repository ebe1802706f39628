"""What a client may send without breaking anything, what two of them may do at once, and how personas differ."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_ehr.client_authentication import ASSERTION_TYPE, JwksUnavailable, fetch_jwks
from sandbox_ehr.personas import load_persona
from sandbox_ehr.scope_grant import MalformedScope, ScopeGrant, spell_v1
from tests.unit.sandbox_ehr.app_driver import (
    BASE_URL,
    FHIR_BASE_URL,
    SCOPE,
    SECRET,
    AppDriver,
    basic_header,
    build_driver,
    open_driver,
    public_client,
)

# Any text


@pytest.fixture(scope="module")
def shared() -> Iterator[AppDriver]:
    with open_driver() as driver:
        yield driver


PARAMETERS = [
    *("response_type", "client_id", "redirect_uri", "scope", "state", "aud", "launch", "nonce", "prompt"),
    *("code_challenge", "code_challenge_method", "request", "user", "patient", "encounter", "deny"),
    *("grant_type", "code", "code_verifier", "refresh_token", "token", "token_type_hint"),
    *("client_assertion", "client_assertion_type", "client_secret", "client", "persona", "simulate", "at", "family"),
]
VALUES = st.sampled_from(
    [
        "code",
        "public-app",
        "secret-app",
        "authorization_code",
        "refresh_token",
        FHIR_BASE_URL,
        "S256",
        ASSERTION_TYPE,
        "pt-01",
    ]
) | st.text(max_size=40)
FORMS = st.lists(st.tuples(st.sampled_from(PARAMETERS), VALUES), max_size=12)
HEADERS = st.sampled_from(["Basic ", "Bearer ", "Basic", "basic  ", ""]).flatmap(
    lambda scheme: st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=30).map(scheme.__add__)
)


@settings(max_examples=150, deadline=None)
@given(form=FORMS, path=st.sampled_from(["token", "introspect", "revoke", "authorize", "choose"]), header=HEADERS)
def test_no_form_breaks_an_endpoint(shared: AppDriver, form: list[tuple[str, str]], path: str, header: str) -> None:
    body: dict[str, list[str]] = {}
    for name, value in form:
        body.setdefault(name, []).append(value)
    answer = shared.http.post(f"/auth/{path}", data=body, headers={"Authorization": header}, base_url=BASE_URL)
    assert answer.status_code in {200, 302, 400, 401}
    if path == "token":
        assert answer.get_json()["error"].isascii()


@settings(max_examples=150, deadline=None)
@given(query=FORMS, path=st.sampled_from(["/", "/launch", "/frame", "/auth/authorize"]))
def test_no_query_breaks_a_page(shared: AppDriver, query: list[tuple[str, str]], path: str) -> None:
    answer = shared.http.get(path, query_string=query, base_url=BASE_URL)
    assert answer.status_code in {200, 302, 400, 404}


@pytest.mark.parametrize("credentials", ["/////w==", "é", "a", "Og=="])
def test_basic_header_that_cannot_be_decoded_is_invalid_client(shared: AppDriver, credentials: str) -> None:
    headers = {"Authorization": f"Basic {credentials}"}
    for endpoint in ("token", "introspect", "revoke"):
        form = {"grant_type": "authorization_code", "code": "x", "token": "x"}
        answer = shared.post_auth(endpoint, form, headers=headers)
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "EC", "kid": "ec", "crv": "P-384"},
        {"kty": "EC", "kid": "ec", "crv": "P-384", "x": "!", "y": 1},
        {"kty": "EC", "kid": "ec", "crv": "none", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "ec", "crv": "P-384", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "ec", "crv": "P-384", "x": "AA", "y": "AA", "use": 7},
        "no object",
    ],
)
@pytest.mark.parametrize("wrap", [lambda jwk: {"keys": [jwk]}, lambda jwk: {"keys": jwk}, lambda _jwk: {}])
def test_unreadable_jwks_is_invalid_client(jwk: Any, wrap: Any) -> None:
    client = public_client(client_id="jwt-app", client_auth="private_key_jwt", jwks_url="https://app.test/jwks")
    driver = build_driver(client, client_id="jwt-app", seeded=False, fetch_jwks=lambda _url: wrap(jwk))

    def encode(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    parts = ['{"alg":"ES384","kid":"ec","typ":"JWT"}', '{"sub":"jwt-app"}']
    assertion = ".".join([*map(encode, parts), "AAAA"])
    form = {
        "grant_type": "authorization_code",
        "code": "x",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }
    answer = driver.post_auth("token", form)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
    driver.app.close()


# Two at once


def test_of_two_uses_of_one_code_at_once_only_one_gets_a_token_and_loses_it() -> None:
    with open_driver() as driver:
        code, barrier = driver.get_code(), Barrier(2)

        def redeem() -> dict[str, Any]:
            barrier.wait()
            return dict(driver.token(code).get_json())

        with ThreadPoolExecutor(2) as pool:
            answers = [future.result() for future in [pool.submit(redeem) for _ in range(2)]]
        tokens = [answer["access_token"] for answer in answers if "access_token" in answer]
        assert len(tokens) == 1
        assert {answer.get("error") for answer in answers} == {None, "invalid_grant"}


def test_of_two_uses_of_one_refresh_token_at_once_one_fails() -> None:
    with open_driver() as driver:
        refresh_token, barrier = driver.get_token(scope=f"{SCOPE} offline_access")["refresh_token"], Barrier(2)

        def refresh() -> int:
            barrier.wait()
            return driver.refresh(refresh_token).status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(future.result() for future in [pool.submit(refresh) for _ in range(2)]) == [200, 400]


# Personas


def test_persona_sets_lifetime_spelling_and_refresh() -> None:
    with open_driver() as driver:
        persona = replace(load_persona("open"), token_lifetime_seconds=570, scope_spelling="v1", refresh_tokens=False)
        driver.app.server.personas = {FHIR_BASE_URL: persona}
        token = driver.get_token(scope=f"{SCOPE} offline_access")
        assert token["expires_in"] == 570
        assert "refresh_token" not in token
        granted = "launch openid fhirUser patient/Patient.read patient/Observation.read patient/Observation.write"
        assert token["scope"] == granted
        driver.clock.forward(seconds=570)
        assert driver.read("Patient/pt-01", token["access_token"]).status_code == 401


@pytest.mark.parametrize(
    ("scope", "spelled"),
    [
        ("launch patient/Patient.r", "launch patient/Patient.read"),
        ("patient/*.cruds", "patient/*.read patient/*.write"),
        ("user/Observation.c?category=survey", "user/Observation.write"),
        ("patient/Patient.read patient/Patient.*", "patient/Patient.read patient/Patient.*"),
        ("", ""),
    ],
)
def test_v1_spelling(scope: str, spelled: str) -> None:
    assert spell_v1(scope) == spelled


@given(asked=st.text(st.sampled_from("launch patient/user/O*.crudsread?=write "), max_size=60))
def test_grant_never_holds_what_was_not_asked(asked: str) -> None:
    rule = ScopeGrant(is_ehr_launch=True, has_patient=True, is_staff=True)
    try:
        granted = rule.grant(asked)
    except MalformedScope:
        return
    assert set(granted.split()) <= set(asked.split())


# JWKS over the network


class _KeyHandler(BaseHTTPRequestHandler):
    """Answers by path: what a careless or hostile JWKS address may do."""

    def do_GET(self) -> None:
        bodies = {"/jwks": b'{"keys": []}', "/list": b"[]", "/html": b"<html>", "/huge": b" " * 100_001}
        self.send_response({"/jwks": 200, "/list": 200, "/html": 200, "/huge": 200, "/moved": 302}.get(self.path, 404))
        if self.path == "/moved":
            self.send_header("Location", "/jwks")
        body = bodies.get(self.path, b"")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        pass


@pytest.fixture(scope="module")
def key_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _KeyHandler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_jwks_is_fetched(key_server: str) -> None:
    assert fetch_jwks(f"{key_server}/jwks") == {"keys": []}


@pytest.mark.parametrize("path", ["/list", "/html", "/huge", "/moved", "/missing"])
def test_what_is_no_jwks_is_said_to_be_none(key_server: str, path: str) -> None:
    with pytest.raises(JwksUnavailable, match="JWKS"):
        fetch_jwks(key_server + path)


def test_unreachable_jwks_is_said_to_be_so() -> None:
    with pytest.raises(JwksUnavailable, match="reached"):
        fetch_jwks("http://127.0.0.1:1/jwks")


def test_client_secret_with_every_kind_of_character_authenticates() -> None:
    driver = build_driver(client_id="secret-app")
    answer = driver.token(driver.get_code(), client_id=None, headers=basic_header("secret-app", SECRET))
    assert answer.status_code == 200
    driver.app.close()
