"""The checks of Inferno's SMART client suite (STU 2.2), made by us on the requests that a fake EHR recorded.

The suite itself needs Ruby and a validator service. Each test is one of its checks; where a check concerns all
three client kinds it runs for each.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc import jws, jwt
from joserfc.jwk import KeySet

from launch.ehr import ClientAuth
from tests.fakes.captured_launch import LAUNCH, CapturedLaunch, capture_launch
from tests.fakes.fake_ehr import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, FakeEhr, Recorded, s256
from tests.fakes.launches import SIGNING_KEYS


@pytest.fixture
def fake() -> Iterator[FakeEhr]:
    server = FakeEhr()
    yield server
    server.close()


@pytest.fixture(params=list(ClientAuth))
def launched(fake: FakeEhr, request: pytest.FixtureRequest) -> CapturedLaunch:
    return capture_launch(fake, request.param)


@pytest.fixture
def public(fake: FakeEhr) -> CapturedLaunch:
    return capture_launch(fake, ClientAuth.PUBLIC)


@pytest.fixture
def symmetric(fake: FakeEhr) -> CapturedLaunch:
    return capture_launch(fake, ClientAuth.CLIENT_SECRET_BASIC)


@pytest.fixture(params=["ES384", "RS384"])
def asymmetric(fake: FakeEhr, request: pytest.FixtureRequest) -> CapturedLaunch:
    return capture_launch(fake, ClientAuth.PRIVATE_KEY_JWT, signing_alg=request.param)


def assertion(request: Recorded) -> Any:
    """Header and claims of the client assertion, verified with our public key set."""
    keys = KeySet.import_key_set({"keys": SIGNING_KEYS.public_jwks()["keys"]})
    return jwt.decode(request.form["client_assertion"], keys, algorithms=["ES384", "RS384"])


# Registration and access


@pytest.mark.requirement("inferno-registration")
@pytest.mark.requirement("smart-2.2.0@22")
def test_redirect_uri_is_https_and_the_key_set_has_valid_keys() -> None:
    assert urlsplit(REDIRECT_URI).scheme == "https"
    assert len(KeySet.import_key_set({"keys": SIGNING_KEYS.public_jwks()["keys"]}).keys) == 2


@pytest.mark.requirement("inferno-access")
def test_launched_app_makes_a_fhir_request(launched: CapturedLaunch) -> None:
    assert [request.path for request in launched.reads][:1] == ["/fhir/Patient/pat-1"]


# Authorization request


@pytest.mark.requirement("inferno-authorize-response-type")
@pytest.mark.requirement("smart-2.2.0@32")
def test_response_type_is_code(launched: CapturedLaunch) -> None:
    assert launched.authorize["response_type"] == "code"


@pytest.mark.requirement("inferno-authorize-client-id")
@pytest.mark.requirement("smart-2.2.0@33")
def test_client_id_is_the_registered_one(launched: CapturedLaunch) -> None:
    assert launched.authorize["client_id"] == CLIENT_ID


@pytest.mark.requirement("inferno-authorize-redirect-uri")
@pytest.mark.requirement("smart-2.2.0@34")
@pytest.mark.requirement("smart-2.2.0@21")
def test_redirect_uri_is_exactly_the_registered_one(launched: CapturedLaunch) -> None:
    assert launched.authorize["redirect_uri"] == REDIRECT_URI


@pytest.mark.requirement("inferno-authorize-launch")
@pytest.mark.requirement("smart-2.2.0@35")
@pytest.mark.requirement("smart-2.2.0@161")
def test_launch_is_the_one_that_the_ehr_issued(launched: CapturedLaunch) -> None:
    assert launched.authorize["launch"] == LAUNCH


@pytest.mark.requirement("inferno-authorize-state")
@pytest.mark.requirement("smart-2.2.0@3")
def test_state_is_there(launched: CapturedLaunch) -> None:
    assert launched.authorize["state"]


@pytest.mark.requirement("inferno-authorize-aud")
@pytest.mark.requirement("smart-2.2.0@41")
def test_aud_is_exactly_the_fhir_base(launched: CapturedLaunch) -> None:
    assert launched.authorize["aud"] == launched.active.fhir_base_url


@pytest.mark.requirement("inferno-authorize-code-challenge")
@pytest.mark.requirement("smart-2.2.0@44")
def test_code_challenge_is_there(launched: CapturedLaunch) -> None:
    assert len(launched.authorize["code_challenge"]) == 43


@pytest.mark.requirement("inferno-authorize-code-challenge-method")
@pytest.mark.requirement("smart-2.2.0@45")
def test_code_challenge_method_is_s256(launched: CapturedLaunch) -> None:
    assert launched.authorize["code_challenge_method"] == "S256"


@pytest.mark.requirement("inferno-authorize-scope")
@pytest.mark.requirement("smart-2.2.0@37")
def test_scope_is_there(launched: CapturedLaunch) -> None:
    assert "patient/Patient.r" in launched.authorize["scope"].split()


# Token request


@pytest.mark.requirement("inferno-token-grant-type")
@pytest.mark.requirement("smart-2.2.0@67")
def test_grant_type_is_authorization_code(launched: CapturedLaunch) -> None:
    assert launched.token.form["grant_type"] == "authorization_code"


@pytest.mark.requirement("inferno-token-code")
@pytest.mark.requirement("smart-2.2.0@68")
def test_code_is_the_one_issued(launched: CapturedLaunch) -> None:
    assert launched.token.form["code"] == "code-1"


@pytest.mark.requirement("inferno-token-redirect-uri")
@pytest.mark.requirement("smart-2.2.0@69")
def test_redirect_uri_is_that_of_the_authorization_request(launched: CapturedLaunch) -> None:
    assert launched.token.form["redirect_uri"] == launched.authorize["redirect_uri"]


@pytest.mark.requirement("inferno-token-code-verifier")
@pytest.mark.requirement("smart-2.2.0@70")
def test_code_verifier_hashes_to_the_challenge(launched: CapturedLaunch) -> None:
    assert s256(launched.token.form["code_verifier"]) == launched.authorize["code_challenge"]


@pytest.mark.requirement("inferno-token-public-client-id")
@pytest.mark.requirement("smart-2.2.0@71")
@pytest.mark.requirement("smart-2.2.0@63")
def test_public_client_sends_its_id_and_no_authentication(public: CapturedLaunch) -> None:
    assert public.token.form["client_id"] == CLIENT_ID
    assert "authorization" not in public.token.headers
    assert "client_assertion" not in public.token.form


@pytest.mark.requirement("inferno-token-basic-header")
@pytest.mark.requirement("smart-2.2.0@345")
def test_symmetric_client_sends_exactly_id_and_secret_by_basic(symmetric: CapturedLaunch) -> None:
    scheme, _, credentials = symmetric.token.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(credentials).decode()) == ("Basic", f"{CLIENT_ID}:{CLIENT_SECRET}")


@pytest.mark.requirement("inferno-token-assertion-type")
@pytest.mark.requirement("smart-2.2.0@333")
def test_asymmetric_client_names_the_assertion_type(asymmetric: CapturedLaunch) -> None:
    expected = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert asymmetric.token.form["client_assertion_type"] == expected


@pytest.mark.requirement("inferno-token-assertion-header")
@pytest.mark.requirement("smart-2.2.0@321")
@pytest.mark.requirement("smart-2.2.0@323")
@pytest.mark.requirement("smart-2.2.0@325")
def test_assertion_header_has_algorithm_key_and_type_and_no_jku(asymmetric: CapturedLaunch) -> None:
    header = jws.extract_compact(asymmetric.token.form["client_assertion"].encode()).headers()
    assert header.keys() == {"alg", "kid", "typ"}
    assert header["alg"] in ("ES384", "RS384")
    assert header["typ"] == "JWT"


@pytest.mark.requirement("inferno-token-assertion-claims")
@pytest.mark.requirement("smart-2.2.0@327")
@pytest.mark.requirement("smart-2.2.0@328")
@pytest.mark.requirement("smart-2.2.0@329")
def test_assertion_claims_name_the_client_and_the_token_endpoint(fake: FakeEhr, asymmetric: CapturedLaunch) -> None:
    claims = assertion(asymmetric.token).claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT_ID, CLIENT_ID, fake.token_endpoint)
    assert claims["exp"]
    assert claims["jti"]


@pytest.mark.requirement("inferno-token-assertion-jti")
@pytest.mark.requirement("smart-2.2.0@332")
@pytest.mark.requirement("smart-2.2.0@319")
def test_assertion_id_was_not_used_before(asymmetric: CapturedLaunch) -> None:
    assert assertion(asymmetric.token).claims["jti"] != assertion(asymmetric.refresh).claims["jti"]


@pytest.mark.requirement("inferno-token-assertion-kid")
@pytest.mark.requirement("smart-2.2.0@322")
def test_assertion_key_is_one_key_of_the_set(asymmetric: CapturedLaunch) -> None:
    kids = [key["kid"] for key in SIGNING_KEYS.public_jwks()["keys"]]
    header = jws.extract_compact(asymmetric.token.form["client_assertion"].encode()).headers()
    assert kids.count(header["kid"]) == 1


@pytest.mark.requirement("inferno-token-assertion-signature")
@pytest.mark.requirement("smart-2.2.0@320")
@pytest.mark.requirement("smart-2.2.0@334")
@pytest.mark.requirement("smart-2.2.0@307")
def test_assertion_signature_verifies_with_our_public_keys(asymmetric: CapturedLaunch) -> None:
    assert assertion(asymmetric.token).claims["sub"] == CLIENT_ID


# Refresh and use


@pytest.mark.requirement("inferno-refresh-grant-type")
@pytest.mark.requirement("smart-2.2.0@105")
def test_refresh_grant_type(launched: CapturedLaunch) -> None:
    assert launched.refresh.form["grant_type"] == "refresh_token"


@pytest.mark.requirement("inferno-refresh-token")
@pytest.mark.requirement("smart-2.2.0@106")
def test_refresh_token_is_the_one_issued(launched: CapturedLaunch) -> None:
    assert launched.refresh.form["refresh_token"] == "refresh-1"


@pytest.mark.requirement("inferno-refresh-authentication")
@pytest.mark.requirement("smart-2.2.0@64")
def test_refresh_authenticates_as_the_code_grant_does(launched: CapturedLaunch) -> None:
    authentication = {"client_id", "client_assertion", "client_assertion_type"}
    assert launched.refresh.form.keys() & authentication == launched.token.form.keys() & authentication
    assert launched.refresh.headers.get("authorization") == launched.token.headers.get("authorization")
    shown = launched.token.form.keys() & authentication or launched.token.headers.get("authorization")
    assert shown


@pytest.mark.requirement("inferno-token-use")
@pytest.mark.requirement("smart-2.2.0@93")
def test_issued_token_is_used_as_bearer(launched: CapturedLaunch) -> None:
    used = [request.headers["authorization"] for request in launched.reads]
    assert used == ["Bearer access-1", "Bearer access-1", "Bearer access-2"]
