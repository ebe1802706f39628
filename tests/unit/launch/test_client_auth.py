"""Client authentication and our own keys."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from launch.client_auth import ASSERTION_TYPE, authenticate, build_client_assertion
from launch.ehr import ClientAuth, Ehr
from launch.ehr_profile import get_ehr_profile
from launch.errors import InvalidSigningKeys
from launch.signing_keys import SigningKey, SigningKeys
from tests.fakes.fake_ehr import NOW
from tests.fakes.launches import SIGNING_KEYS
from tests.unit.launch.mistypes import TEXT

TOKEN_ENDPOINT = "https://auth.example/token"
SECONDS = int(NOW.timestamp())


def make_ehr(**overrides: Any) -> Ehr:
    values: dict[str, Any] = {"id": "e", "name": "E", "fhir_base_url": "https://ehr.example/r4", "client_id": "app"}
    return Ehr(**{**values, "profile": get_ehr_profile("generic"), **overrides})


def decode(assertion: str) -> Any:
    keys = KeySet.import_key_set({"keys": SIGNING_KEYS.public_jwks()["keys"]})
    return jwt.decode(assertion, keys, algorithms=["ES384", "RS384"])


def test_public_client_sends_its_id_in_the_body() -> None:
    body, headers = authenticate(make_ehr(), "grant_type=x", {}, token_endpoint=TOKEN_ENDPOINT, keys=None, now=NOW)
    assert (body, headers) == ("grant_type=x&client_id=app", {})


def test_secret_goes_into_the_basic_header_and_nowhere_else() -> None:
    ehr = make_ehr(client_auth=ClientAuth.CLIENT_SECRET_BASIC, client_secret="s:e/c")
    body, headers = authenticate(ehr, "grant_type=x", {"A": "b"}, token_endpoint=TOKEN_ENDPOINT, keys=None, now=NOW)
    assert body == "grant_type=x"
    assert headers == {"A": "b", "Authorization": "Basic " + base64.b64encode(b"app:s:e/c").decode()}


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_assertion_says_exactly_this(alg: str) -> None:
    ehr = make_ehr(client_auth=ClientAuth.PRIVATE_KEY_JWT, signing_alg=alg)
    token = decode(build_client_assertion(ehr, token_endpoint=TOKEN_ENDPOINT, keys=SIGNING_KEYS, now=NOW, jti="j-1"))
    kid = next(key["kid"] for key in SIGNING_KEYS.public_jwks()["keys"] if key["alg"] == alg)
    assert token.header == {"alg": alg, "kid": kid, "typ": "JWT"}
    assert token.claims == {
        "iss": "app", "sub": "app", "aud": TOKEN_ENDPOINT, "exp": SECONDS + 240, "iat": SECONDS, "jti": "j-1",
    }  # fmt: skip


def test_two_requests_have_two_assertion_ids_short_enough_for_every_vendor() -> None:
    ehr = make_ehr(client_auth=ClientAuth.PRIVATE_KEY_JWT)
    seen = set()
    for _ in range(2):
        body, headers = authenticate(ehr, "a=b", {}, token_endpoint=TOKEN_ENDPOINT, keys=SIGNING_KEYS, now=NOW)
        form = dict(part.split("=", 1) for part in body.split("&"))
        assert form.keys() == {"a", "client_assertion_type", "client_assertion"}
        assert form["client_assertion_type"].replace("%3A", ":") == ASSERTION_TYPE
        assert headers == {}
        seen.add(decode(form["client_assertion"]).claims["jti"])
    assert len(seen) == 2
    assert max(map(len, seen)) <= 151


def test_assertion_without_keys_is_our_own_fault() -> None:
    ehr = make_ehr(client_auth=ClientAuth.PRIVATE_KEY_JWT)
    with pytest.raises(InvalidSigningKeys):
        authenticate(ehr, "", {}, token_endpoint=TOKEN_ENDPOINT, keys=None, now=NOW)


# Keys


def test_public_set_has_what_an_ehr_needs_and_nothing_private() -> None:
    keys = SIGNING_KEYS.public_jwks()["keys"]
    by_alg = {key["alg"]: key for key in keys}
    assert by_alg["ES384"].keys() == {"kty", "kid", "alg", "use", "crv", "x", "y"}
    assert by_alg["RS384"].keys() == {"kty", "kid", "alg", "use", "n", "e"}
    assert by_alg["ES384"]["crv"] == "P-384"
    assert len({key["kid"] for key in keys}) == 2
    assert SIGNING_KEYS.to_json() not in repr(SIGNING_KEYS.signing_key("ES384", NOW))


def test_keys_survive_their_file() -> None:
    again = SigningKeys.from_json(SIGNING_KEYS.to_json())
    assert again.public_jwks() == SIGNING_KEYS.public_jwks()
    ehr = make_ehr(client_auth=ClientAuth.PRIVATE_KEY_JWT)
    assert decode(build_client_assertion(ehr, token_endpoint=TOKEN_ENDPOINT, keys=again, now=NOW, jti="j")).claims


def test_new_key_is_published_at_once_and_signs_later() -> None:
    rotated = SIGNING_KEYS.rotate(NOW, activate_after=timedelta(days=1))
    old, new = SIGNING_KEYS.signing_key("ES384", NOW).kid, rotated.signing_key("ES384", NOW + timedelta(days=1)).kid
    assert old != new
    assert rotated.signing_key("ES384", NOW + timedelta(hours=23)).kid == old
    assert {key["kid"] for key in rotated.public_jwks()["keys"]} >= {old, new}
    assert len(rotated) == 4


def test_replaced_key_is_pruned_only_after_its_time() -> None:
    rotated = SIGNING_KEYS.rotate(NOW, activate_after=timedelta(days=1))
    assert len(rotated.prune(NOW + timedelta(days=7, hours=23))) == 4
    pruned = rotated.prune(NOW + timedelta(days=8))
    assert len(pruned) == 2
    assert pruned.signing_key("RS384", NOW + timedelta(days=8)).kid not in {
        key["kid"] for key in SIGNING_KEYS.public_jwks()["keys"]
    }


def test_key_that_is_not_yet_active_does_not_sign() -> None:
    with pytest.raises(InvalidSigningKeys):
        SigningKeys.generate(NOW).signing_key("ES384", NOW - timedelta(seconds=1))


def test_set_needs_a_key_and_different_ids() -> None:
    with pytest.raises(InvalidSigningKeys):
        SigningKeys([])
    key = SIGNING_KEYS.signing_key("ES384", NOW)
    with pytest.raises(InvalidSigningKeys) as caught:
        SigningKeys([key, SigningKey(kid=key.kid, alg=key.alg, key=key.key, activate_at=NOW)])
    assert caught.value.field == "kid"


STORED: dict[str, Any] = next(key for key in json.loads(SIGNING_KEYS.to_json())["keys"] if key["alg"] == "ES384")


@pytest.mark.parametrize("field", ["kty", "kid", "alg", "activate_at", "crv", "x", "y", "d"])
def test_stored_key_with_a_field_dropped_is_refused(field: str) -> None:
    values = {name: value for name, value in STORED.items() if name != field}
    with pytest.raises(InvalidSigningKeys) as caught:
        SigningKeys.from_json(json.dumps({"keys": [values]}))
    assert caught.value.field is not None
    assert caught.value.field.startswith("keys[0].")


@pytest.mark.parametrize("field", ["kty", "kid", "alg", "activate_at", "crv", "x", "y", "d"])
@pytest.mark.parametrize("value", TEXT)
def test_stored_key_with_a_field_mistyped_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidSigningKeys):
        SigningKeys.from_json(json.dumps({"keys": [{**STORED, field: value}]}))


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (OctKey.generate_key(256), "HS256"),
        (ECKey.generate_key("P-256"), "ES384"),
        (RSAKey.generate_key(2048), "ES384"),
        (RSAKey.generate_key(2048), "RS256"),
    ],
)
def test_stored_key_of_another_kind_is_refused(key: Any, alg: str) -> None:
    values = {**key.as_dict(private=True), "kid": "k", "alg": alg, "activate_at": NOW.isoformat()}
    with pytest.raises(InvalidSigningKeys):
        SigningKeys.from_json(json.dumps({"keys": [values]}))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": {}}', '{"keys": ["x"]}', '{"keys": []}'])
def test_file_that_is_not_a_key_set_is_refused(text: str) -> None:
    with pytest.raises(InvalidSigningKeys):
        SigningKeys.from_json(text)
