"""What SMART App Launch 2.2 demands of a client beyond the checks of Inferno's suite."""

from __future__ import annotations

import ast
import base64
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from launch.discovery import WELL_KNOWN, fetch_smart_configuration
from launch.documents import DocumentCache
from launch.ehr import ClientAuth
from launch.errors import IdTokenError, InvalidEhr, LaunchError, PrivateAddressRefused, StateMismatch
from launch.scopes import Feature, Scopes, compute_scopes
from launch.transport import DOCUMENT_LIMITS, Transport
from tests.fakes.captured_launch import CapturedLaunch, capture_launch
from tests.fakes.fake_ehr import CLIENT_ID, NOW, OTHER_RSA_KEY, Answer, FakeEhr, sign_id_token
from tests.fakes.launches import SIGNING_KEYS, complete

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = [path for package in ("launch", "fhir_mappings", "smart_app") for path in (ROOT / package).rglob("*.py")]
ALL_ASKED = [
    item.scope
    for standalone in (False, True)
    for item in compute_scopes(Feature, standalone=standalone, capabilities=["context-standalone-encounter"])
]
LAUNCH_SCOPES = {scope for scope in ALL_ASKED if scope.startswith("launch")}
RESOURCE_SCOPES = {scope for scope in ALL_ASKED if "." in scope}


@pytest.fixture
def fake() -> Iterator[FakeEhr]:
    server = FakeEhr()
    yield server
    server.close()


@pytest.fixture
def transport(fake: FakeEhr) -> Iterator[Transport]:
    made = Transport(fake.ehr())
    yield made
    made.close()


def claims_of(captured: CapturedLaunch) -> tuple[dict[str, Any], dict[str, Any]]:
    keys = KeySet.import_key_set({"keys": SIGNING_KEYS.public_jwks()["keys"]})
    token = jwt.decode(captured.token.form["client_assertion"], keys, algorithms=["ES384", "RS384"])
    return dict(token.header), dict(token.claims)


# App protection


@pytest.mark.requirement("smart-2.2.0@1")
def test_nothing_goes_over_plain_http_to_a_public_server(fake: FakeEhr) -> None:
    with pytest.raises(InvalidEhr):
        fake.ehr(fhir_base_url="http://ehr.example/fhir", allow_private=())
    https_only = fake.ehr(fhir_base_url="https://ehr.example/fhir", allow_private=())
    assert not https_only.allows_endpoint("http://ehr.example/token")
    inside = Transport(fake.ehr(fhir_base_url="http://ehr.example/fhir"), resolve=lambda host, port: ("8.8.8.8",))
    with pytest.raises(PrivateAddressRefused):
        inside.get("http://ehr.example/fhir/metadata", limits=DOCUMENT_LIMITS)


@pytest.mark.requirement("smart-2.2.0@1", "smart-2.2.0@318")
def test_tls_is_1_2_or_later_with_the_certificate_checked(monkeypatch: pytest.MonkeyPatch, fake: FakeEhr) -> None:
    """The context that urllib3 makes for our connection, caught at the moment of the handshake."""
    contexts: list[ssl.SSLContext] = []

    def stop(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
        contexts.append(self)
        raise ssl.SSLError("seen enough")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", stop)
    base = f"https://127.0.0.1:{fake.port}/fhir"
    with pytest.raises(LaunchError):
        Transport(fake.ehr(fhir_base_url=base), sleep=lambda _: None).get(f"{base}/x", limits=DOCUMENT_LIMITS)
    assert contexts
    assert all(context.minimum_version >= ssl.TLSVersion.TLSv1_2 for context in contexts)
    assert all(context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname for context in contexts)


@pytest.mark.requirement("smart-2.2.0@2", "smart-2.2.0@40")
def test_state_is_256_random_bits_and_new_each_time(fake: FakeEhr) -> None:
    states = [capture_launch(fake).authorize["state"]]
    fake.requests.clear()
    fake.token_values = {}
    states.append(capture_launch(fake).authorize["state"])
    assert states[0] != states[1]
    assert [len(base64.urlsafe_b64decode(state + "=")) for state in states] == [32, 32]


@pytest.mark.requirement("smart-2.2.0@4", "smart-2.2.0@39", "smart-2.2.0@60")
def test_another_state_is_refused_before_the_code_is_used(fake: FakeEhr, transport: Transport) -> None:
    with pytest.raises(StateMismatch):
        complete(fake, transport, parameters={"code": ["code-1"], "state": ["of-an-attacker"]})
    assert fake.recorded("POST", "/auth/token") == []


@pytest.mark.requirement("smart-2.2.0@5")
def test_product_has_no_way_to_run_input_as_code() -> None:
    forbidden = {"eval", "exec", "compile", "__import__"}
    modules = {"pickle", "marshal", "shelve"}
    found = []
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in forbidden:
                found.append(f"{path.name}:{node.lineno}")
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                found += [f"{path.name}:{node.lineno}"] if names & modules else []
    assert found == []


# Registration and keys


@pytest.mark.requirement("smart-2.2.0@23")
def test_client_with_a_secret_must_have_one(fake: FakeEhr) -> None:
    with pytest.raises(InvalidEhr):
        fake.ehr(client_auth=ClientAuth.CLIENT_SECRET_BASIC, client_secret=None)


@pytest.mark.requirement("smart-2.2.0@290", "smart-2.2.0@293", "smart-2.2.0@294", "smart-2.2.0@313")
def test_public_keys_are_a_jwk_set_with_bare_keys() -> None:
    keys = SIGNING_KEYS.public_jwks()["keys"]
    assert keys
    for key in keys:
        assert key["kty"]
        assert key["kid"]
        assert not key.keys() & {"x5c", "x5u", "d", "p", "q", "k"}


@pytest.mark.requirement("smart-2.2.0@314", "smart-2.2.0@315")
def test_public_keys_carry_the_numbers_of_their_kind() -> None:
    by_kind = {key["kty"]: key for key in SIGNING_KEYS.public_jwks()["keys"]}
    assert by_kind["RSA"].keys() >= {"n", "e"}
    assert by_kind["EC"].keys() >= {"crv", "x", "y"}


@pytest.mark.requirement("smart-2.2.0@308", "smart-2.2.0@309")
@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_both_algorithms_sign(fake: FakeEhr, algorithm: str) -> None:
    captured = capture_launch(fake, ClientAuth.PRIVATE_KEY_JWT, signing_alg=algorithm)
    assert claims_of(captured)[0]["alg"] == algorithm


@pytest.mark.requirement("smart-2.2.0@330", "smart-2.2.0@331")
def test_assertion_ends_within_five_minutes(fake: FakeEhr) -> None:
    expires = claims_of(capture_launch(fake, ClientAuth.PRIVATE_KEY_JWT))[1]["exp"]
    assert isinstance(expires, int)
    assert 0 < expires - NOW.timestamp() <= 300


# Discovery


@pytest.mark.requirement("smart-2.2.0@29")
def test_configuration_is_read_below_the_base_as_json(fake: FakeEhr) -> None:
    capture_launch(fake)
    (request,) = [request for request in fake.requests if request.path.endswith(WELL_KNOWN)]
    assert (request.method, request.path) == ("GET", "/fhir/.well-known/smart-configuration")
    assert request.headers["accept"] == "application/json"


@pytest.mark.requirement("smart-2.2.0@379")
def test_relative_endpoints_are_resolved_against_the_base(fake: FakeEhr, transport: Transport) -> None:
    document = {**fake.configuration(), "token_endpoint": "oauth/token"}
    fake.on("GET", "/fhir/.well-known/smart-configuration", Answer.json(document))
    configuration = fetch_smart_configuration(transport.ehr, transport, DocumentCache(), NOW)
    assert configuration.token_endpoint == f"{fake.fhir_base_url}/oauth/token"


# Authorization request


@pytest.mark.requirement("smart-2.2.0@13")
def test_pkce_is_sent_also_where_it_is_not_advertised(fake: FakeEhr) -> None:
    document = {**fake.configuration(), "code_challenge_methods_supported": []}
    fake.on("GET", "/fhir/.well-known/smart-configuration", Answer.json(document))
    assert capture_launch(fake, require_s256_advertised=False).authorize["code_challenge_method"] == "S256"


@pytest.mark.requirement("smart-2.2.0@50", "smart-2.2.0@51")
def test_parameters_are_in_the_query_of_one_address(fake: FakeEhr) -> None:
    captured = capture_launch(fake)
    parts = urlsplit(captured.authorize_url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == fake.configuration()["authorization_endpoint"]
    assert dict(parse_qsl(parts.query, strict_parsing=True)) == captured.authorize
    assert parts.fragment == ""


@pytest.mark.requirement("smart-2.2.0@36")
def test_standalone_launch_sends_no_launch(fake: FakeEhr) -> None:
    captured = capture_launch(fake, launch=None)
    assert "launch" not in captured.authorize
    assert captured.authorize["aud"] == fake.fhir_base_url


@pytest.mark.requirement("smart-2.2.0@150", "smart-2.2.0@152", "smart-2.2.0@153", "smart-2.2.0@166")
def test_standalone_launch_asks_for_patient_and_encounter(fake: FakeEhr) -> None:
    captured = capture_launch(fake, launch=None, capabilities=("context-standalone-encounter",))
    assert {"launch/patient", "launch/encounter"} <= set(captured.authorize["scope"].split())


@pytest.mark.requirement("smart-2.2.0@151", "smart-2.2.0@155")
def test_launch_scopes_are_in_lower_case() -> None:
    assert {"launch", "launch/patient", "launch/encounter"} == LAUNCH_SCOPES


@pytest.mark.requirement("smart-2.2.0@47", "smart-2.2.0@196")
def test_identity_is_asked_for(fake: FakeEhr) -> None:
    assert {"openid", "fhirUser"} <= set(capture_launch(fake).authorize["scope"].split())


@pytest.mark.requirement("smart-2.2.0@211")
def test_no_maximum_age_is_asked_for(fake: FakeEhr) -> None:
    assert not capture_launch(fake).authorize.keys() & {"max_age", "auth_time", "claims"}


@pytest.mark.requirement("smart-2.2.0@215")
def test_online_access_is_asked_for_only_when_switched_on() -> None:
    assert "online_access" in [item.scope for item in compute_scopes([Feature.ONLINE_ACCESS])]
    assert "online_access" not in [item.scope for item in compute_scopes([])]


@pytest.mark.requirement("smart-2.2.0@135", "smart-2.2.0@137", "smart-2.2.0@141")
@pytest.mark.parametrize("scope", sorted(RESOURCE_SCOPES))
def test_each_scope_that_is_asked_for_follows_the_grammar(scope: str) -> None:
    assert re.fullmatch(r"(patient|user)/[A-Z][A-Za-z]+\.(?=.)c?r?u?d?s?", scope)


@pytest.mark.requirement("smart-2.2.0@120", "smart-2.2.0@121", "smart-2.2.0@122", "smart-2.2.0@125")
@pytest.mark.parametrize(
    ("feature", "resource_type", "letters"),
    [
        (Feature.BASE, "Patient", "r"),
        (Feature.BASE, "Observation", "rs"),
        (Feature.WRITE_OBSERVATIONS, "Observation", "crs"),
        (Feature.UPDATE_OBSERVATIONS, "Observation", "rus"),
        (Feature.WRITE_NOTES, "DocumentReference", "c"),
    ],
)
def test_letters_ask_for_what_the_app_does_and_no_more(feature: Feature, resource_type: str, letters: str) -> None:
    asked = Scopes.parse(" ".join(item.scope for item in compute_scopes([feature])))
    assert {letter for letter in "cruds" if asked.allows(resource_type, letter)} == set(letters)


@pytest.mark.requirement("smart-2.2.0@132")
def test_narrowed_scope_of_a_site_is_asked_for_as_written() -> None:
    narrowed = "patient/DocumentReference.rs?category=clinical-note"
    assert compute_scopes([], extra=[narrowed])[-1].scope == narrowed


# Token request


@pytest.mark.requirement("smart-2.2.0@62")
def test_token_request_is_a_posted_form(fake: FakeEhr) -> None:
    captured = capture_launch(fake)
    assert captured.token.method == "POST"
    assert captured.token.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.requirement("smart-2.2.0@72")
@pytest.mark.parametrize("client_auth", [ClientAuth.CLIENT_SECRET_BASIC, ClientAuth.PRIVATE_KEY_JWT])
def test_confidential_client_leaves_its_id_out_of_the_body(fake: FakeEhr, client_auth: ClientAuth) -> None:
    assert "client_id" not in capture_launch(fake, client_auth).token.form


@pytest.mark.requirement("smart-2.2.0@317")
def test_assigned_client_id_is_used_by_every_kind(fake: FakeEhr) -> None:
    assert capture_launch(fake).token.form["client_id"] == CLIENT_ID
    fake.requests.clear()
    fake.token_values = {}
    assert claims_of(capture_launch(fake, ClientAuth.PRIVATE_KEY_JWT))[1]["iss"] == CLIENT_ID


@pytest.mark.requirement("smart-2.2.0@108")
def test_refresh_asks_for_no_scope_and_so_for_nothing_new(fake: FakeEhr) -> None:
    assert "scope" not in capture_launch(fake).refresh.form


# Identity


@pytest.mark.requirement("smart-2.2.0@201")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-app"},
        {"exp": int(NOW.timestamp()) - 61},
        {"iat": int(NOW.timestamp()) + 61},
        {"nonce": "of-another-launch"},
    ],
)
def test_launch_with_an_id_token_that_is_not_valid_is_refused(
    fake: FakeEhr, transport: Transport, claims: dict[str, Any]
) -> None:
    fake.claims = claims
    with pytest.raises(IdTokenError):
        complete(fake, transport)


@pytest.mark.requirement("smart-2.2.0@201", "smart-2.2.0@218")
def test_launch_with_an_id_token_signed_by_another_key_is_refused(fake: FakeEhr, transport: Transport) -> None:
    fake.on(
        "POST",
        "/auth/token",
        lambda _: Answer.json(
            {**fake.token_response(), "id_token": sign_id_token(fake.id_token_claims(), key=OTHER_RSA_KEY)}
        ),
    )
    with pytest.raises(IdTokenError):
        complete(fake, transport)


@pytest.mark.requirement("smart-2.2.0@218")
def test_keys_are_found_through_the_issuers_openid_configuration(fake: FakeEhr) -> None:
    issuer = f"{fake.origin}/auth"
    fake.claims = {"iss": issuer}
    document = {"issuer": issuer, "jwks_uri": f"{fake.origin}/auth/jwks"}
    fake.on("GET", "/auth/.well-known/openid-configuration", Answer.json(document))
    captured = capture_launch(fake, issuer=issuer)
    assert captured.active.user is not None
    assert captured.active.user.issuer == issuer


@pytest.mark.requirement("smart-2.2.0@202")
def test_fhir_user_is_read_as_a_resource(fake: FakeEhr) -> None:
    assert "/fhir/Practitioner/dr-1" in [request.path for request in capture_launch(fake).reads]
