"""Token endpoint: messages compared whole, answers broken one field at a time, refresh, revocation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.context import LaunchContext
from launch.ehr import ClientAuth
from launch.errors import (
    ConnectionBroken,
    InvalidClient,
    InvalidGrant,
    InvalidTokenRequest,
    InvalidTokenResponse,
    LaunchError,
    NoRefreshToken,
    PatientChanged,
    RedirectRefused,
    TokenError,
    TokenInvalidScope,
    TokenResponseNotJson,
    TokenUnauthorizedClient,
    TooLarge,
    UnsupportedGrantType,
)
from launch.session import ActiveLaunch, TokenSet
from launch.tokens import RevocationResult, exchange_code, parse_token_response, refresh_tokens, revoke_tokens
from launch.transport import Transport
from tests.fakes.fake_ehr import CLIENT_ID, CLIENT_SECRET, NOW, REDIRECT_URI, Answer, FakeEhr
from tests.fakes.launches import SIGNING_KEYS, active_launch, pending_launch
from tests.unit.launch.mistypes import FLAG, NUMBER, OBJECTS, TEXT, cases

BASE = "https://ehr.example/r4"
VALID: dict[str, Any] = {
    "access_token": "access-1",
    "token_type": "Bearer",
    "expires_in": 3600,
    "scope": "patient/*.rs",
    "refresh_token": "refresh-1",
    "id_token": "header.payload.signature",
    "patient": "pat-1",
    "encounter": "enc-1",
    "fhirContext": [{"reference": "ImagingStudy/1"}],
    "intent": "summary",
    "tenant": "north",
    "need_patient_banner": False,
    "smart_style_url": "https://ehr.example/style.json",
    "appContext": "phq-9",
}
REQUIRED = {"access_token", "token_type", "scope"}


def parse(values: object, **overrides: Any) -> Any:
    return parse_token_response(json.dumps(values).encode(), fhir_base_url=BASE, now=NOW, **overrides)


def test_valid_response_is_read_whole() -> None:
    answer = parse(VALID)
    assert answer.tokens == TokenSet(
        access_token="access-1", refresh_token="refresh-1", expires_at=NOW + timedelta(hours=1)
    )
    assert answer.scopes.text == "patient/*.rs"
    assert answer.id_token == "header.payload.signature"
    assert answer.context.patient == "pat-1"
    assert not answer.context.need_patient_banner


@pytest.mark.parametrize("field", VALID)
def test_each_field_dropped(field: str) -> None:
    values = {name: value for name, value in VALID.items() if name != field}
    if field not in REQUIRED:
        assert parse(values).tokens.access_token == "access-1"
        return
    with pytest.raises(InvalidTokenResponse) as caught:
        parse(values)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    cases(
        access_token=(*TEXT, "a b", "a\r\nX: y", "é"),
        refresh_token=(*TEXT, "a b"),
        token_type=(*TEXT, "mac", "DPoP"),
        expires_in=(*NUMBER, 0, -1),
        scope=(1, True, [], {}),
        id_token=TEXT,
        patient=(*TEXT, "a/b", "../1", ".", "x" * 65),
        encounter=(*TEXT, "a/b"),
        fhirContext=OBJECTS,
        intent=(*TEXT, "x" * 2001),
        tenant=TEXT,
        need_patient_banner=FLAG,
        smart_style_url=(*TEXT, "javascript:1", "/style.json"),
        appContext=TEXT,
    ),
)
def test_each_field_mistyped(field: str, value: Any) -> None:
    with pytest.raises(InvalidTokenResponse) as caught:
        parse({**VALID, field: value})
    assert caught.value.field is not None
    assert caught.value.field.split("[")[0] == field


def test_token_type_is_compared_without_case_and_an_empty_scope_is_a_scope() -> None:
    assert parse({**VALID, "token_type": "bearer", "scope": ""}).scopes.text == ""


def test_unsaid_lifetime_is_short_and_a_silly_one_is_cut() -> None:
    assert parse({**VALID, "expires_in": None}).tokens.expires_at == NOW + timedelta(minutes=5)
    assert parse({**VALID, "expires_in": 1e12}).tokens.expires_at == NOW + timedelta(days=1)


@given(
    st.dictionaries(
        st.sampled_from(sorted(VALID)), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
    )
)
def test_any_object_is_read_or_a_token_error(values: dict[str, Any]) -> None:
    try:
        answer = parse(values)
    except TokenError:
        return
    assert answer.tokens.access_token == values["access_token"]


# Requests


def test_code_exchange_of_a_public_client_sends_exactly_this(fake: FakeEhr, transport: Transport) -> None:
    pending = pending_launch(fake)
    exchange_code("code-1", pending, ehr=transport.ehr, transport=transport, keys=None, now=NOW)
    request = fake.requests[0]
    assert request.form == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "redirect_uri": REDIRECT_URI,
        "code_verifier": pending.code_verifier,
        "client_id": CLIENT_ID,
    }
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["accept"] == "application/json"
    assert "authorization" not in request.headers


def test_code_exchange_with_a_secret_has_no_client_id_in_the_body(fake: FakeEhr) -> None:
    ehr = fake.ehr(client_auth=ClientAuth.CLIENT_SECRET_BASIC)
    exchange_code("code-1", pending_launch(fake), ehr=ehr, transport=Transport(ehr), keys=None, now=NOW)
    assert fake.requests[0].form.keys() == {"grant_type", "code", "redirect_uri", "code_verifier"}
    assert fake.requests[0].headers["authorization"].startswith("Basic ")
    assert CLIENT_SECRET.encode() not in fake.requests[0].body


ERRORS = [
    (Answer.json({"error": "invalid_grant"}, status=400), InvalidGrant),
    (Answer.json({"error": "invalid_client"}, status=401), InvalidClient),
    (Answer.json({"error": "invalid_client"}, status=400), InvalidClient),
    (Answer(status=401), InvalidClient),
    (Answer.json({"error": "invalid_request"}, status=400), InvalidTokenRequest),
    (Answer.json({"error": "unauthorized_client"}, status=400), TokenUnauthorizedClient),
    (Answer.json({"error": "unsupported_grant_type"}, status=400), UnsupportedGrantType),
    (Answer.json({"error": "invalid_scope"}, status=400), TokenInvalidScope),
    (Answer.json({"error": "something_new"}, status=400), TokenError),
    (Answer.json({"error": ["x"]}, status=400), TokenResponseNotJson),
    (Answer.html(status=502), TokenResponseNotJson),
    (Answer.html(), TokenResponseNotJson),
    (Answer(body=b""), TokenResponseNotJson),
    (Answer(status=302, headers={"Location": "https://evil.example"}), RedirectRefused),
    (Answer(body=b"x" * 1_000_001), TooLarge),
    (Answer(abort=True), ConnectionBroken),
]


@pytest.mark.parametrize(("answer", "kind"), ERRORS)
def test_each_refusal_has_its_error_and_the_code_is_sent_once(
    fake: FakeEhr, transport: Transport, answer: Answer, kind: type[LaunchError]
) -> None:
    pending = pending_launch(fake)
    fake.on("POST", "/auth/token", answer)
    with pytest.raises(LaunchError) as caught:
        exchange_code("code-1", pending, ehr=transport.ehr, transport=transport, keys=None, now=NOW)
    assert type(caught.value) is kind
    assert caught.value.ehr_id == "fake"
    assert len(fake.requests) == 1


def test_description_of_a_refusal_is_not_repeated(fake: FakeEhr, transport: Transport) -> None:
    fake.on("POST", "/auth/token", Answer.json({"error": "invalid_grant", "error_description": "Jane Doe"}, status=400))
    with pytest.raises(InvalidGrant) as caught:
        exchange_code("code-1", pending_launch(fake), ehr=transport.ehr, transport=transport, keys=None, now=NOW)
    assert "Jane" not in str(caught.value)


def test_invalid_client_tells_how_far_our_clock_is_off(fake: FakeEhr, transport: Transport) -> None:
    fake.on("POST", "/auth/token", Answer.json({"error": "invalid_client"}, status=401))
    with pytest.raises(InvalidClient) as caught:
        exchange_code(
            "code-1",
            pending_launch(fake),
            ehr=transport.ehr,
            transport=transport,
            keys=None,
            now=NOW + timedelta(minutes=7),
        )
    assert caught.value.clock_difference == 420.0


# Refresh


def refresh(fake: FakeEhr, transport: Transport, active: ActiveLaunch | None = None, **answer: Any) -> ActiveLaunch:
    values = {"access_token": "access-2", "token_type": "Bearer", "expires_in": 600, **answer}
    fake.on("POST", "/auth/token", Answer.json(values))
    return refresh_tokens(
        active or active_launch(fake), ehr=transport.ehr, transport=transport, keys=SIGNING_KEYS, now=NOW
    )


def test_refresh_sends_exactly_this_and_keeps_what_the_answer_leaves_out(fake: FakeEhr, transport: Transport) -> None:
    active = active_launch(fake)
    refreshed = refresh(fake, transport, active)
    assert fake.requests[0].form == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "client_id": CLIENT_ID,
    }
    tokens = TokenSet(access_token="access-2", refresh_token="refresh-1", expires_at=NOW + timedelta(minutes=10))
    assert refreshed == replace(active, tokens=tokens)


def test_rotated_refresh_token_replaces_the_old_one(fake: FakeEhr, transport: Transport) -> None:
    assert refresh(fake, transport, refresh_token="refresh-2").tokens.refresh_token == "refresh-2"


@pytest.mark.parametrize(("field", "value"), [("patient", "pat-2"), ("encounter", "enc-2"), ("tenant", "south")])
def test_refresh_that_answers_for_another_context_ends_the_launch(
    fake: FakeEhr, transport: Transport, field: str, value: str
) -> None:
    with pytest.raises(PatientChanged) as caught:
        refresh(fake, transport, refresh_token="refresh-2", **{"patient": "pat-1", field: value})
    assert caught.value.field == field
    given_back = [request.form["token"] for request in fake.recorded("POST", "/auth/revoke")]
    assert given_back == ["refresh-2", "access-2"]


def test_refresh_that_repeats_the_context_is_fine(fake: FakeEhr, transport: Transport) -> None:
    context = LaunchContext(patient="pat-1", encounter="enc-1")
    assert refresh(fake, transport, patient="pat-1", encounter="enc-1").context == context


def test_narrower_scope_after_refresh_is_noted(fake: FakeEhr, transport: Transport) -> None:
    refreshed = refresh(fake, transport, scope="patient/Patient.r")
    assert not refreshed.scopes.allows("Observation", "c")
    assert refreshed.missing_scopes.optional == ("patient/*.cruds",)


def test_launch_without_refresh_token_cannot_be_refreshed(fake: FakeEhr, transport: Transport) -> None:
    tokens = TokenSet(access_token="access-1", refresh_token=None, expires_at=NOW)
    with pytest.raises(NoRefreshToken):
        refresh(fake, transport, active_launch(fake, tokens=tokens))
    assert fake.requests == []


def test_refused_refresh_is_sent_once(fake: FakeEhr, transport: Transport) -> None:
    fake.on("POST", "/auth/token", Answer.json({"error": "invalid_grant"}, status=400))
    with pytest.raises(InvalidGrant):
        refresh_tokens(active_launch(fake), ehr=transport.ehr, transport=transport, keys=None, now=NOW)
    assert len(fake.requests) == 1


# Revocation


@pytest.mark.parametrize("client_auth", list(ClientAuth))
def test_revocation_authenticates_as_the_token_request_does(fake: FakeEhr, client_auth: ClientAuth) -> None:
    ehr = fake.ehr(client_auth=client_auth)
    result = revoke_tokens(
        active_launch(fake), ehr=ehr, transport=Transport(ehr), keys=SIGNING_KEYS, now=NOW, jti=lambda: "j"
    )
    assert result is RevocationResult.REVOKED
    first, second = fake.recorded("POST", "/auth/revoke")
    assert (first.form["token"], first.form["token_type_hint"]) == ("refresh-1", "refresh_token")
    assert (second.form["token"], second.form["token_type_hint"]) == ("access-1", "access_token")
    extra = {
        ClientAuth.PUBLIC: {"client_id"},
        ClientAuth.CLIENT_SECRET_BASIC: set(),
        ClientAuth.PRIVATE_KEY_JWT: {"client_assertion", "client_assertion_type"},
    }[client_auth]
    assert first.form.keys() - {"token", "token_type_hint"} == extra
    assert ("authorization" in first.headers) == (client_auth is ClientAuth.CLIENT_SECRET_BASIC)


@pytest.mark.parametrize("answer", [Answer(status=503), Answer(abort=True), Answer(status=302)])
def test_failed_revocation_is_a_result(fake: FakeEhr, transport: Transport, answer: Answer) -> None:
    fake.on("POST", "/auth/revoke", answer)
    result = revoke_tokens(active_launch(fake), ehr=transport.ehr, transport=transport, keys=None, now=NOW)
    assert result is RevocationResult.FAILED


def test_revocation_that_the_ehr_does_not_offer_is_a_result(fake: FakeEhr, transport: Transport) -> None:
    active = active_launch(fake, revocation_endpoint=None)
    result = revoke_tokens(active, ehr=transport.ehr, transport=transport, keys=None, now=NOW)
    assert (result, fake.requests) == (RevocationResult.NOT_OFFERED, [])
