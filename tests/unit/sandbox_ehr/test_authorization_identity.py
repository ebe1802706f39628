"""id_token, signing keys, discovery, and clients that sign assertions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from sandbox_ehr.client_authentication import ASSERTION_TYPE, JwksUnavailable
from tests.unit.sandbox_ehr.app_driver import (
    BASE_URL,
    FHIR_BASE_URL,
    AppDriver,
    build_driver,
    open_driver,
    public_client,
)

JWKS_URL = "https://app.test/.well-known/jwks.json"
EC = ECKey.generate_key("P-384", {"kid": "ec", "alg": "ES384", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
STRANGER = ECKey.generate_key("P-384", {"kid": "ec", "alg": "ES384", "use": "sig"})
TOKEN_ENDPOINT = f"{BASE_URL}/auth/token"


@pytest.fixture(scope="module")
def driver() -> Iterator[AppDriver]:
    with open_driver() as driver:
        yield driver


def verify_id_token(driver: AppDriver, id_token: str) -> jwt.Token:
    jwks = driver.http.get("/auth/jwks", base_url=BASE_URL).get_json()
    return jwt.decode(id_token, KeySet.import_key_set(jwks), algorithms=["RS256"])


def test_id_token_verifies_and_names_the_user(driver: AppDriver) -> None:
    token = verify_id_token(driver, driver.get_token()["id_token"])
    now = int(driver.clock.now.timestamp())
    assert token.claims == {
        "iss": FHIR_BASE_URL,
        "sub": "prac-okafor",
        "aud": "public-app",
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "name": "Dr. Amara Okafor",
        "nonce": "nonce-of-this-launch",
        "fhirUser": f"{FHIR_BASE_URL}/Practitioner/prac-okafor",
    }
    assert token.header["alg"] == "RS256"


@pytest.mark.parametrize(
    ("user", "patient", "fhir_user"),
    [
        ("acct-locum", "pt-01", None),
        ("acct-delgado", "pt-01", "Patient/pt-01"),
        ("acct-castellanos", "pt-05", "RelatedPerson/rel-castellanos"),
        ("prac-bell", "pt-01", "Practitioner/prac-bell"),
    ],
)
def test_fhir_user_is_what_the_account_stands_for(
    driver: AppDriver, user: str, patient: str, fhir_user: str | None
) -> None:
    response = driver.get_token(user=user, patient=patient)
    claims = verify_id_token(driver, response["id_token"]).claims
    assert claims.get("fhirUser") == (f"{FHIR_BASE_URL}/{fhir_user}" if fhir_user else None)
    assert "fhirUser" in response["scope"].split()


def test_no_id_token_without_openid_and_no_fhir_user_without_its_scope(driver: AppDriver) -> None:
    assert "id_token" not in driver.get_token(scope="launch fhirUser patient/Patient.r")
    claims = verify_id_token(driver, driver.get_token(scope="launch openid patient/Patient.r")["id_token"]).claims
    assert "fhirUser" not in claims


def test_nonce_comes_back_only_where_one_was_sent(driver: AppDriver) -> None:
    response = driver.token(driver.get_code(driver.launch(), nonce=None)).get_json()
    assert "nonce" not in verify_id_token(driver, response["id_token"]).claims


def test_rotated_keys_sign_anew_and_the_last_one_stays_published(driver: AppDriver) -> None:
    old = driver.get_token()["id_token"]
    kid = driver.app.rotate_keys()
    new = driver.get_token()["id_token"]
    assert verify_id_token(driver, new).header["kid"] == kid
    assert verify_id_token(driver, old).header["kid"] != kid
    driver.app.rotate_keys()
    with pytest.raises(JoseError):
        verify_id_token(driver, old)


@pytest.mark.parametrize(
    ("simulated", "claim", "value"),
    [
        ("id_token_wrong_issuer", "iss", "https://another-issuer.example/fhir"),
        ("id_token_wrong_audience", "aud", "another-client"),
        ("id_token_wrong_nonce", "nonce", "another-nonce"),
    ],
)
def test_simulated_wrong_claim(driver: AppDriver, simulated: str, claim: str, value: str) -> None:
    claims = verify_id_token(driver, driver.get_token(simulate=simulated)["id_token"]).claims
    assert claims[claim] == value


def test_simulated_expired_id_token(driver: AppDriver) -> None:
    claims = verify_id_token(driver, driver.get_token(simulate="id_token_expired")["id_token"]).claims
    assert claims["exp"] == int(driver.clock.now.timestamp()) - 3600


def test_simulated_forged_id_tokens_do_not_verify(driver: AppDriver) -> None:
    with pytest.raises(BadSignatureError):
        verify_id_token(driver, driver.get_token(simulate="id_token_wrong_signature")["id_token"])
    with pytest.raises(JoseError):
        verify_id_token(driver, driver.get_token(simulate="id_token_unsigned")["id_token"])


# Discovery


def test_smart_configuration_has_every_required_field(driver: AppDriver) -> None:
    answer = driver.http.get(
        "/fhir/.well-known/smart-configuration", base_url=BASE_URL, headers={"Accept": "text/html"}
    )
    document = answer.get_json()
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert document["issuer"] == FHIR_BASE_URL
    assert document["jwks_uri"] == f"{BASE_URL}/auth/jwks"
    assert document["authorization_endpoint"] == f"{BASE_URL}/auth/authorize"
    assert document["token_endpoint"] == TOKEN_ENDPOINT
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert {"launch-ehr", "authorize-post", "client-confidential-asymmetric", "permission-v2"} <= set(
        document["capabilities"]
    )


def test_openid_configuration_stands_below_the_issuer(driver: AppDriver) -> None:
    document = driver.http.get("/fhir/.well-known/openid-configuration", base_url=BASE_URL).get_json()
    assert document["issuer"] == FHIR_BASE_URL
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]


def test_every_persona_has_its_own_base(driver: AppDriver) -> None:
    path = "/personas/read-only/fhir"
    document = driver.http.get(f"{path}/.well-known/smart-configuration", base_url=BASE_URL).get_json()
    assert document["issuer"] == f"{BASE_URL}{path}"
    assert driver.http.get(f"{path}/metadata", base_url=BASE_URL).status_code == 200


def test_public_part_of_the_keys_only(driver: AppDriver) -> None:
    jwks = driver.http.get("/auth/jwks", base_url=BASE_URL).get_json()
    assert jwks["keys"]
    assert all(key.keys().isdisjoint({"d", "p", "q", "dp", "dq", "qi"}) for key in jwks["keys"])


# private_key_jwt


@pytest.fixture
def signer() -> Iterator[AppDriver]:
    def fetch(url: str) -> Mapping[str, Any]:
        if url != JWKS_URL:
            raise JwksUnavailable("nothing there")
        return {"keys": [EC.as_dict(private=False), RSA.as_dict(private=False)]}

    client = public_client(client_id="jwt-app", client_auth="private_key_jwt", jwks_url=JWKS_URL)
    driver = build_driver(client, client_id="jwt-app", fetch_jwks=fetch)
    yield driver
    driver.app.close()


def sign(
    driver: AppDriver,
    *,
    key: Key = EC,
    alg: str = "ES384",
    header: Mapping[str, Any] | None = None,
    without: str = "",
    **claims: Any,
) -> str:
    now = int(driver.clock.now.timestamp())
    all_claims = {"iss": "jwt-app", "sub": "jwt-app", "aud": TOKEN_ENDPOINT, "exp": now + 240, "jti": "jti-1", **claims}
    all_header = {"alg": alg, "kid": key.kid, "typ": "JWT", **(header or {})}
    all_claims.pop(without, None)
    all_header.pop(without, None)
    return jwt.encode(all_header, all_claims, key, algorithms=[alg], default_type=None)


def authenticate(driver: AppDriver, assertion: str | None, **changes: str | None) -> tuple[int, dict[str, Any]]:
    form: dict[str, Any] = {
        "client_id": None,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **changes,
    }
    answer = driver.token(driver.get_code(), **form)
    return answer.status_code, answer.get_json()


@pytest.mark.parametrize(("key", "alg"), [(EC, "ES384"), (RSA, "RS384")])
def test_signed_assertion_authenticates(signer: AppDriver, key: Key, alg: str) -> None:
    status, token = authenticate(signer, sign(signer, key=key, alg=alg))
    assert status == 200
    assert token["patient"] == "pt-01"


def test_assertion_may_come_with_its_client_id_and_jku(signer: AppDriver) -> None:
    assertion = sign(signer, header={"jku": JWKS_URL})
    assert authenticate(signer, assertion, client_id="jwt-app")[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "someone"},
        {"sub": "someone"},
        {"aud": f"{BASE_URL}/auth"},
        {"aud": [TOKEN_ENDPOINT, "https://other.test"]},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**20},
        {"jti": ""},
        {"jti": 7},
        {"nbf": 10**11},
        {"header": {"typ": "JOSE"}},
        {"header": {"kid": "rsa"}},
        {"header": {"kid": "unknown"}},
        {"header": {"jku": "https://evil.test/jwks"}},
        {"key": STRANGER},
        {"key": RSA, "alg": "RS256"},
        {"without": "iss"},
        {"without": "sub"},
        {"without": "aud"},
        {"without": "exp"},
        {"without": "jti"},
        {"without": "kid"},
        {"without": "typ"},
    ],
)
def test_faulty_assertion_is_refused(signer: AppDriver, changes: dict[str, Any]) -> None:
    status, body = authenticate(signer, sign(signer, **changes))
    assert (status, body["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(("ahead", "status"), [(300, 200), (331, 401), (1, 200), (-31, 401)])
def test_assertion_lives_five_minutes_at_most(signer: AppDriver, ahead: int, status: int) -> None:
    exp = int(signer.clock.now.timestamp()) + ahead
    assert authenticate(signer, sign(signer, exp=exp))[0] == status


def test_jti_works_once(signer: AppDriver) -> None:
    assertion = sign(signer)
    assert authenticate(signer, assertion)[0] == 200
    assert authenticate(signer, assertion)[1]["error"] == "invalid_client"
    assert authenticate(signer, sign(signer))[1]["error_description"] == "jti was used before"
    assert authenticate(signer, sign(signer, jti="jti-2"))[0] == 200


@pytest.mark.parametrize("assertion", [None, "", "no.jwt", "a.b.c", "e30.e30.", "é"])
def test_what_is_no_assertion_is_refused(signer: AppDriver, assertion: str | None) -> None:
    assert authenticate(signer, assertion)[1]["error"] == "invalid_client"


def test_assertion_needs_its_type(signer: AppDriver) -> None:
    assert authenticate(signer, sign(signer), client_assertion_type="urn:other")[1]["error"] == "invalid_client"


def test_client_id_must_be_the_subject(signer: AppDriver) -> None:
    assert authenticate(signer, sign(signer), client_id="other")[1]["error"] == "invalid_client"


def test_jwks_that_cannot_be_fetched_is_told() -> None:
    def fetch(_url: str) -> Mapping[str, Any]:
        raise JwksUnavailable("the JWKS address answered 404")

    client = public_client(client_id="jwt-app", client_auth="private_key_jwt", jwks_url=JWKS_URL)
    driver = build_driver(client, client_id="jwt-app", fetch_jwks=fetch)
    assert authenticate(driver, sign(driver))[1]["error_description"] == "the JWKS address answered 404"
    driver.app.close()


def test_keys_may_be_registered_in_line_and_private_ones_are_never_used() -> None:
    for private, status in ((False, 200), (True, 401)):
        jwks = {"keys": [EC.as_dict(private=private)]}
        driver = build_driver(
            public_client(client_id="jwt-app", client_auth="private_key_jwt", jwks=jwks), client_id="jwt-app"
        )
        assert authenticate(driver, sign(driver))[0] == status
        driver.app.close()
