"""The way back: each thing that can be wrong with it, by its code."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from launch.callback import complete_launch, find_state
from launch.documents import DocumentCache
from launch.errors import (
    AccessDenied,
    AuthorizationRefused,
    AuthorizationServerError,
    CallbackError,
    CodeAndError,
    IdTokenWrongIssuer,
    InteractionRequired,
    InvalidAuthorizationRequest,
    InvalidScope,
    InvalidTokenResponse,
    LaunchError,
    LoginRequired,
    MissingCode,
    MissingIdToken,
    MissingPatient,
    MissingState,
    NeededScopeMissing,
    PendingLaunchExpired,
    StateMismatch,
    TemporarilyUnavailable,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from launch.transport import Transport
from tests.fakes.fake_ehr import NOW, FakeEhr
from tests.fakes.launches import SIGNING_KEYS, begin, complete, pending_launch

WIRE_ERRORS: dict[str, type[LaunchError]] = {
    "access_denied": AccessDenied,
    "invalid_scope": InvalidScope,
    "invalid_request": InvalidAuthorizationRequest,
    "unauthorized_client": UnauthorizedClient,
    "unsupported_response_type": UnsupportedResponseType,
    "login_required": LoginRequired,
    "interaction_required": InteractionRequired,
    "server_error": AuthorizationServerError,
    "temporarily_unavailable": TemporarilyUnavailable,
    "something_new": AuthorizationRefused,
}


def come_back(fake: FakeEhr, transport: Transport, parameters: dict[str, list[str]], **overrides: Any) -> Any:
    pending = overrides.pop("pending", None) or pending_launch(fake)
    values: dict[str, Any] = {"ehr": transport.ehr, "transport": transport, "keys": SIGNING_KEYS, "now": NOW}
    return complete_launch(parameters, pending, **{**values, "jwks_cache": DocumentCache(), **overrides})


@pytest.mark.parametrize(("error", "kind"), WIRE_ERRORS.items())
def test_each_error_of_the_redirect_has_its_own_code(
    fake: FakeEhr, transport: Transport, error: str, kind: type[LaunchError]
) -> None:
    pending = pending_launch(fake)
    parameters = {"error": [error], "error_description": ["Jane Doe"], "state": [pending.state]}
    with pytest.raises(CallbackError) as caught:
        come_back(fake, transport, parameters, pending=pending)
    assert type(caught.value) is kind
    assert "Jane" not in str(caught.value)
    assert fake.requests == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"state": []}, MissingState),
        ({"state": [""]}, MissingState),
        ({"state": ["a", "b"]}, MissingState),
        ({"state": ["of-another-launch"]}, StateMismatch),
        ({"state": ["é"]}, StateMismatch),
        ({"code": []}, MissingCode),
        ({"code": [""]}, MissingCode),
        ({"code": ["a", "b"]}, MissingCode),
        ({"error": ["access_denied"]}, CodeAndError),
        ({"code": [], "error": ["a", "b"]}, CodeAndError),
    ],
)
def test_each_fault_of_the_redirect_is_refused_without_a_token_request(
    fake: FakeEhr, transport: Transport, change: dict[str, list[str]], kind: type[CallbackError]
) -> None:
    pending = pending_launch(fake)
    with pytest.raises(CallbackError) as caught:
        come_back(fake, transport, {"code": ["c"], "state": [pending.state], **change}, pending=pending)
    assert type(caught.value) is kind
    assert fake.requests == []


def test_repeated_error_is_refused(fake: FakeEhr, transport: Transport) -> None:
    pending = pending_launch(fake)
    with pytest.raises(AuthorizationRefused):
        come_back(fake, transport, {"state": [pending.state], "error": ["a", "b"]}, pending=pending)


def test_state_of_another_ehr_is_refused(fake: FakeEhr, transport: Transport) -> None:
    pending = pending_launch(fake, ehr_id="other")
    with pytest.raises(StateMismatch):
        come_back(fake, transport, {"code": ["c"], "state": [pending.state]}, pending=pending)


def test_launch_lives_ten_minutes(fake: FakeEhr, transport: Transport) -> None:
    pending = pending_launch(fake)
    parameters = {"code": ["c"], "state": [pending.state]}
    with pytest.raises(PendingLaunchExpired):
        come_back(fake, transport, parameters, pending=pending, now=NOW + timedelta(minutes=10))
    fake.claims = {"exp": int(NOW.timestamp()) + 3600}
    late = NOW + timedelta(minutes=9, seconds=59)
    assert come_back(fake, transport, parameters, pending=pending, now=late).started_at == late


def test_state_is_found_for_the_look_up() -> None:
    assert find_state({"state": ["s"]}) == "s"
    with pytest.raises(MissingState):
        find_state({})


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ({"patient": None}, MissingPatient),
        ({"id_token": None}, MissingIdToken),
        ({"scope": "openid launch"}, NeededScopeMissing),
        ({"scope": None}, InvalidTokenResponse),
    ],
)
def test_token_response_without_what_we_need(
    fake: FakeEhr, transport: Transport, token: dict[str, Any], kind: type[LaunchError]
) -> None:
    fake.token_values = token
    with pytest.raises(LaunchError) as caught:
        complete(fake, transport)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("token", "claims"),
    [
        ({"patient": None}, {}),
        ({"id_token": None}, {}),
        ({"scope": "openid launch"}, {}),
        ({}, {"iss": "https://evil.example"}),
        ({}, {"aud": "another-app"}),
    ],
)
def test_tokens_of_a_launch_that_is_refused_are_given_back(
    fake: FakeEhr, transport: Transport, token: dict[str, Any], claims: dict[str, Any]
) -> None:
    fake.token_values, fake.claims = {**token, "refresh_token": "refresh-1"}, claims
    with pytest.raises(LaunchError):
        complete(fake, transport)
    given_back = [request.form["token_type_hint"] for request in fake.recorded("POST", "/auth/revoke")]
    assert given_back == ["refresh_token", "access_token"]


def test_needed_scope_is_named(fake: FakeEhr, transport: Transport) -> None:
    fake.token_values = {"scope": ""}
    with pytest.raises(NeededScopeMissing) as caught:
        complete(fake, transport)
    assert caught.value.scopes == ("patient/Patient.r",)


def test_launch_without_encounter_is_active(fake: FakeEhr, transport: Transport) -> None:
    fake.token_values = {"encounter": None}
    assert complete(fake, transport).context.encounter is None


def test_refused_optional_scopes_are_listed(fake: FakeEhr, transport: Transport) -> None:
    fake.token_values = {"scope": "openid patient/Patient.read patient/Observation.read"}
    assert complete(fake, transport).missing_scopes.optional == (
        "patient/Encounter.rs",
        "patient/QuestionnaireResponse.rs",
        "user/Practitioner.r",
    )


def test_user_is_unknown_when_the_ehr_grants_no_openid(fake: FakeEhr, transport: Transport) -> None:
    fake.token_values = {"scope": "patient/Patient.r", "id_token": None}
    assert complete(fake, transport).user is None


def test_id_token_of_another_launch_is_refused(fake: FakeEhr, transport: Transport) -> None:
    fake.claims = {"nonce": "of-another-launch"}
    with pytest.raises(LaunchError) as caught:
        complete(fake, transport)
    assert caught.value.code == "id-token-nonce-mismatch"


def test_issuer_is_the_one_fixed_when_the_launch_began(fake: FakeEhr, transport: Transport) -> None:
    fake.claims = {"iss": "https://evil.example"}
    with pytest.raises(IdTokenWrongIssuer):
        complete(fake, transport)


def test_issuer_may_be_pinned_by_the_entry(fake: FakeEhr) -> None:
    """athenahealth signs with an issuer that is not its FHIR base."""
    issuer = f"{fake.origin}/auth"
    fake.claims = {"iss": issuer}
    transport = Transport(fake.ehr(issuer=issuer))
    begun = begin(fake, transport.ehr)
    assert (begun.pending.issuer, begun.pending.jwks_uri) == (issuer, None)
    with pytest.raises(LaunchError) as caught:
        complete(fake, transport)
    assert caught.value.code == "jwks-unavailable"
    assert fake.recorded("GET", "/auth/.well-known/openid-configuration")
    transport.close()


def test_id_token_without_any_known_issuer_is_refused(fake: FakeEhr, transport: Transport) -> None:
    pending = pending_launch(fake, issuer=None)
    with pytest.raises(IdTokenWrongIssuer):
        come_back(fake, transport, {"code": ["c"], "state": [pending.state]}, pending=pending)


def test_tenant_that_the_entry_requires_must_come(fake: FakeEhr) -> None:
    transport = Transport(fake.ehr(tenant_required=True))
    with pytest.raises(InvalidTokenResponse) as caught:
        complete(fake, transport)
    assert caught.value.field == "tenant"
    fake.token_values = {"tenant": "north"}
    assert complete(fake, transport).context.tenant == "north"
    transport.close()
