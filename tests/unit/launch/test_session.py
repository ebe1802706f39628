"""Stored launches: everything comes back, and "broken" is told from "none"."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.authorize import BegunLaunch, LaunchRequest
from launch.context import ContextIdentifier, FhirContextItem, LaunchContext
from launch.errors import BrokenSession
from launch.fhir_reader import FhirResource
from launch.id_token import VerifiedIdToken
from launch.scopes import MissingScopes, RequestedScope, Scopes
from launch.session import ActiveLaunch, PendingLaunch, TokenSet
from launch.tokens import parse_token_response
from launch.transport import HttpResponse
from tests.fakes.fake_ehr import NOW

PENDING = PendingLaunch(
    state="state-1",
    ehr_id="north",
    iss="https://ehr.example/r4/",
    launch="launch-1",
    redirect_uri="https://app.example/callback",
    scopes_asked=(RequestedScope(scope="patient/Patient.r", reason="name", needed=True),),
    code_verifier="verifier-1",
    nonce="nonce-1",
    issuer="https://auth.example",
    jwks_uri="https://auth.example/jwks",
    token_endpoint="https://auth.example/token",
    revocation_endpoint="https://auth.example/revoke",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=10),
)
ACTIVE = ActiveLaunch(
    ehr_id="north",
    fhir_base_url="https://ehr.example/r4",
    context=LaunchContext(
        patient="pat-1",
        encounter="enc-1",
        fhir_context=(
            FhirContextItem(reference="ImagingStudy/1", role="https://ehr.example/role"),
            FhirContextItem(canonical="https://forms.example/phq-9|1.0", type="Questionnaire"),
            FhirContextItem(identifier=ContextIdentifier(system="urn:x", value="7")),
        ),
        intent="summary",
        tenant="north",
        need_patient_banner=False,
        smart_style_url="https://ehr.example/style.json",
        app_context="phq-9",
    ),
    scopes=Scopes.parse("patient/*.rs"),
    missing_scopes=MissingScopes(optional=("patient/Observation.c",)),
    tokens=TokenSet(access_token="access-1", refresh_token="refresh-1", expires_at=NOW + timedelta(hours=1)),
    user=VerifiedIdToken(
        issuer="https://auth.example",
        subject="user-1",
        fhir_user="Practitioner/dr-1",
        name="Zoë O'Neil",
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
    ),
    token_endpoint="https://auth.example/token",
    revocation_endpoint=None,
    started_at=NOW,
)
KINDS: list[tuple[Any, dict[str, Any]]] = [
    (PendingLaunch, json.loads(PENDING.to_json())),
    (ActiveLaunch, json.loads(ACTIVE.to_json())),
]
OPTIONAL = {"launch", "issuer", "jwks_uri", "revocation_endpoint", "scopes_asked", "scope", "user"}


def test_launches_come_back_as_they_were() -> None:
    assert PendingLaunch.from_json(PENDING.to_json()) == PENDING
    assert ActiveLaunch.from_json(ACTIVE.to_json()) == ACTIVE
    bare = replace(ACTIVE, user=None, context=LaunchContext(), scopes=Scopes.parse(""))
    assert ActiveLaunch.from_json(bare.to_json()) == bare


def test_secrets_are_not_in_the_repr() -> None:
    for secret in ("state-1", "launch-1", "verifier-1", "nonce-1", "access-1", "refresh-1"):
        assert secret not in repr(PENDING) + repr(ACTIVE)


def test_no_token_and_no_resource_is_in_the_repr_of_an_answer() -> None:
    body = b'{"access_token":"access-1","token_type":"Bearer","scope":"","refresh_token":"refresh-1","id_token":"ey.1"}'
    answer = HttpResponse(status=200, headers={"Set-Cookie": "cookie-1"}, body=body)
    tokens = parse_token_response(body, fhir_base_url="https://ehr.example/r4", now=NOW)
    begun = BegunLaunch(authorize_url="https://ehr.example/authorize?state=state-1", pending=PENDING)
    request = LaunchRequest(iss="https://ehr.example/r4", launch="launch-1")
    resource = FhirResource(
        resource_type="Patient", id="1", version_id=None, resource={"name": "Delgado"}, body=b"Delgado"
    )

    text = "".join(map(repr, (answer, tokens, begun, request, resource)))

    for secret in ("access-1", "refresh-1", "ey.1", "cookie-1", "state-1", "launch-1", "Delgado"):
        assert secret not in text


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, values in KINDS for field in values])
def test_each_field_dropped(kind: Any, field: str) -> None:
    values = {name: value for name, value in dict(KINDS)[kind].items() if name != field}
    if field in OPTIONAL:
        assert kind.from_json(json.dumps(values))
        return
    with pytest.raises(BrokenSession) as caught:
        kind.from_json(json.dumps(values))
    assert caught.value.field == field


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, values in KINDS for field in values])
@pytest.mark.parametrize("wrong", [1.5, True, ["x"], {"x": 1}])
def test_each_field_mistyped(kind: Any, field: str, wrong: Any) -> None:
    with pytest.raises(BrokenSession) as caught:
        kind.from_json(json.dumps({**dict(KINDS)[kind], field: wrong}))
    assert caught.value.field is not None


def test_one_kind_is_not_read_as_the_other() -> None:
    with pytest.raises(BrokenSession) as caught:
        ActiveLaunch.from_json(PENDING.to_json())
    assert caught.value.field == "kind"


@pytest.mark.parametrize("moment", ["2026-11-24T12:00:00", "yesterday", ""])
def test_time_without_zone_is_broken(moment: str) -> None:
    with pytest.raises(BrokenSession):
        PendingLaunch.from_json(json.dumps({**KINDS[0][1], "created_at": moment}))


@given(st.text())
def test_any_text_is_broken(text: str) -> None:
    with pytest.raises(BrokenSession):
        PendingLaunch.from_json(text)


def test_token_ends_a_little_before_its_time() -> None:
    tokens = ACTIVE.tokens
    assert not tokens.is_expired(NOW + timedelta(minutes=59))
    assert tokens.is_expired(NOW + timedelta(minutes=59, seconds=30))
