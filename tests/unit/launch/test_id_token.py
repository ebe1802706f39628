"""The id_token: one thing broken at a time, each with its own code."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, RSAKey

from launch.documents import DocumentCache
from launch.ehr import Ehr, NonceRule
from launch.ehr_profile import get_ehr_profile
from launch.errors import (
    IdTokenAlgorithmRefused,
    IdTokenBadSignature,
    IdTokenError,
    IdTokenExpired,
    IdTokenKeyUnknown,
    IdTokenMalformed,
    IdTokenMissingClaim,
    IdTokenNonceMismatch,
    IdTokenNotYetValid,
    IdTokenWrongAudience,
    IdTokenWrongIssuer,
    InvalidFhirUser,
    JwksUnavailable,
)
from launch.id_token import VerifiedIdToken, verify_id_token
from launch.jwks import JwksSource
from launch.transport import Transport
from tests.fakes.fake_ehr import EC_KEY, NOW, OTHER_RSA_KEY, RSA_KEY, Answer, FakeEhr, sign_id_token
from tests.unit.launch.mistypes import NUMBER, TEXT, cases

BASE = "https://ehr.example/r4"
ISSUER = "https://auth.example"
EHR = Ehr(id="e", name="E", fhir_base_url=BASE, client_id="app", profile=get_ehr_profile("generic"))
SECONDS = int(NOW.timestamp())
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "user-1",
    "aud": "app",
    "exp": SECONDS + 300,
    "iat": SECONDS,
    "nonce": "nonce-1",
    "fhirUser": f"{BASE}/Practitioner/dr-1",
    "name": "Dr. Ada Ngata",
}


FREE_KEY = RSAKey.generate_key(2048, parameters={"kid": "free"})


@dataclass
class Keys:
    """Keys in memory; `later` are there only after reading again."""

    now: tuple[Key, ...] = (RSA_KEY, EC_KEY)
    later: tuple[Key, ...] = ()
    asked: list[bool] = field(default_factory=list)

    def keys(self, *, refetch: bool) -> tuple[Key, ...]:
        self.asked.append(refetch)
        return self.now + (self.later if refetch else ())


def verify(token: str, *, keys: Keys | None = None, ehr: Ehr = EHR, **overrides: Any) -> VerifiedIdToken:
    values = {"issuer": ISSUER, "nonce": "nonce-1", "now": NOW, **overrides}
    return verify_id_token(token, ehr=ehr, keys=keys or Keys(), **values)


def test_valid_token_gives_the_user() -> None:
    assert verify(sign_id_token(CLAIMS)) == VerifiedIdToken(
        issuer=ISSUER,
        subject="user-1",
        fhir_user="Practitioner/dr-1",
        name="Dr. Ada Ngata",
        issued_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
    )


@pytest.mark.parametrize("claim", CLAIMS)
def test_each_claim_dropped(claim: str) -> None:
    token = sign_id_token({name: value for name, value in CLAIMS.items() if name != claim})
    if claim in ("nonce", "fhirUser", "name"):
        assert verify(token).subject == "user-1"
        return
    with pytest.raises(IdTokenMissingClaim) as caught:
        verify(token)
    assert caught.value.field == claim


@pytest.mark.parametrize(
    ("claim", "value"),
    cases(
        iss=TEXT,
        sub=TEXT,
        nonce=TEXT,
        fhirUser=TEXT,
        name=TEXT,
        aud=("", 1, True, {}, [1], [""]),
        exp=(*NUMBER, 1e300),
        iat=(*NUMBER, 1e300),
        nbf=(*NUMBER, 1e300),
        azp=TEXT,
    ),
)
def test_each_claim_mistyped(claim: str, value: Any) -> None:
    with pytest.raises(IdTokenMalformed) as caught:
        verify(sign_id_token({**CLAIMS, claim: value}))
    assert caught.value.field == claim
    assert caught.value.ehr_id == "e"


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"iss": "https://evil.example"}, IdTokenWrongIssuer),
        ({"iss": ISSUER + "/"}, IdTokenWrongIssuer),
        ({"aud": "other"}, IdTokenWrongAudience),
        ({"aud": []}, IdTokenWrongAudience),
        ({"aud": ["app", "other"]}, IdTokenWrongAudience),
        ({"aud": ["app", "other"], "azp": "other"}, IdTokenWrongAudience),
        ({"azp": "other"}, IdTokenWrongAudience),
        ({"exp": SECONDS - 60}, IdTokenExpired),
        ({"iat": SECONDS + 61}, IdTokenNotYetValid),
        ({"nbf": SECONDS + 61}, IdTokenNotYetValid),
        ({"nonce": "nonce-2"}, IdTokenNonceMismatch),
        ({"fhirUser": "https://evil.example/Practitioner/1"}, InvalidFhirUser),
        ({"fhirUser": "Organization/1"}, InvalidFhirUser),
        ({"fhirUser": "dr-1"}, InvalidFhirUser),
    ],
)
def test_each_check_refuses_with_its_own_code(changed: dict[str, Any], kind: type[IdTokenError]) -> None:
    with pytest.raises(IdTokenError) as caught:
        verify(sign_id_token({**CLAIMS, **changed}))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": SECONDS - 59},
        {"iat": SECONDS + 60},
        {"nbf": SECONDS + 60},
        {"aud": ["app"]},
        {"aud": ["app", "other"], "azp": "app"},
        {"fhirUser": "Practitioner/dr-1"},
        {"fhirUser": "RelatedPerson/dr-1"},
    ],
)
def test_what_lies_within_the_rules_is_accepted(changed: dict[str, Any]) -> None:
    assert verify(sign_id_token({**CLAIMS, **changed})).subject == "user-1"


def test_nonce_may_be_required() -> None:
    strict = Ehr(id="e", name="E", fhir_base_url=BASE, client_id="app", profile=EHR.profile, nonce=NonceRule.REQUIRE)
    token = sign_id_token({name: value for name, value in CLAIMS.items() if name != "nonce"})
    with pytest.raises(IdTokenNonceMismatch):
        verify(token, ehr=strict)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [("Practitioner/dr-1", "Practitioner/dr-1"), ("https://people.example/ada", None), ("Group/1", None)],
)
def test_profile_claim_counts_only_as_a_reference_to_a_person(profile: str, expected: str | None) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != "fhirUser"}
    assert verify(sign_id_token({**claims, "profile": profile})).fhir_user == expected


def test_fhir_user_may_be_below_an_alias_of_the_base() -> None:
    old = "https://old.example/r4"
    ehr = Ehr(id="e", name="E", fhir_base_url=BASE, client_id="app", profile=EHR.profile, aliases=(old,))
    token = sign_id_token({**CLAIMS, "fhirUser": f"{old}/Practitioner/dr-1"})
    assert verify(token, ehr=ehr).fhir_user == "Practitioner/dr-1"


def test_name_may_come_in_two_claims() -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != "name"}
    assert verify(sign_id_token({**claims, "given_name": "Ada", "family_name": "Ngata"})).name == "Ada Ngata"


# Signature


def unsigned(header: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(CLAIMS).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_with_public_key() -> str:
    """The classic confusion: the RSA public key used as an HMAC secret."""
    signed = unsigned({"alg": "HS256", "kid": "ehr-1"}).rpartition(".")[0]
    signature = hmac.digest(RSA_KEY.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda: unsigned({"alg": "none"}),
        lambda: unsigned({"alg": "None", "kid": "ehr-1"}),
        hmac_with_public_key,
        lambda: sign_id_token(CLAIMS, key=FREE_KEY, alg="RS512"),
        lambda: sign_id_token(CLAIMS, key=FREE_KEY, alg="PS256"),
    ],
)
def test_algorithm_outside_the_list_is_refused(make: Callable[[], str]) -> None:
    keys = Keys()
    with pytest.raises(IdTokenAlgorithmRefused):
        verify(make(), keys=keys)
    assert keys.asked == []


def test_every_algorithm_of_the_list_is_accepted() -> None:
    p256 = ECKey.generate_key("P-256", parameters={"kid": "p256"})
    keys = Keys(now=(EC_KEY, p256, FREE_KEY))
    for key, algorithm in ((FREE_KEY, "RS256"), (FREE_KEY, "RS384"), (p256, "ES256"), (EC_KEY, "ES384")):
        assert verify(sign_id_token(CLAIMS, key=key, alg=algorithm), keys=keys).subject == "user-1"


def test_forged_signature_is_refused() -> None:
    forged = RSAKey.generate_key(2048, parameters={"kid": "ehr-1"})
    with pytest.raises(IdTokenBadSignature):
        verify(sign_id_token(CLAIMS, key=forged))


def test_changed_payload_is_refused() -> None:
    header, _, signature = sign_id_token(CLAIMS).split(".")
    payload = base64.urlsafe_b64encode(json.dumps({**CLAIMS, "sub": "user-2"}).encode()).rstrip(b"=").decode()
    with pytest.raises(IdTokenBadSignature):
        verify(f"{header}.{payload}.{signature}")


def test_unknown_key_id_reads_the_set_again_once() -> None:
    keys = Keys(later=(OTHER_RSA_KEY,))
    assert verify(sign_id_token(CLAIMS, key=OTHER_RSA_KEY), keys=keys).subject == "user-1"
    assert keys.asked == [False, True]
    keys = Keys()
    with pytest.raises(IdTokenKeyUnknown):
        verify(sign_id_token(CLAIMS, key=OTHER_RSA_KEY), keys=keys)
    assert keys.asked == [False, True]


def test_token_without_key_id_is_tried_with_every_fitting_key() -> None:
    token = jwt.encode({"alg": "RS256"}, CLAIMS, RSA_KEY, algorithms=["RS256"])
    assert verify(token, keys=Keys(now=(OTHER_RSA_KEY, EC_KEY, RSA_KEY))).subject == "user-1"


@pytest.mark.parametrize(
    "key",
    [
        RSAKey.import_key({**RSA_KEY.as_dict(private=False), "use": "enc"}),
        RSAKey.import_key({**RSA_KEY.as_dict(private=False), "alg": "RS512"}),
        ECKey.import_key({**EC_KEY.as_dict(private=False), "kid": "ehr-1"}),
    ],
)
def test_key_of_another_use_algorithm_or_type_does_not_fit(key: Key) -> None:
    with pytest.raises(IdTokenKeyUnknown):
        verify(sign_id_token(CLAIMS), keys=Keys(now=(key,)))


def test_key_that_is_not_for_verifying_does_not_verify() -> None:
    values = {name: value for name, value in RSA_KEY.as_dict(private=False).items() if name != "use"}
    key = RSAKey.import_key({**values, "key_ops": ["encrypt"]})
    with pytest.raises(IdTokenBadSignature):
        verify(sign_id_token(CLAIMS), keys=Keys(now=(key,)))


def test_rsa_key_below_2048_bits_does_not_fit() -> None:
    with pytest.warns(match="2048"):
        short = RSAKey.generate_key(1024, parameters={"kid": "short"})
    token = sign_id_token(CLAIMS, key=short)
    with pytest.raises(IdTokenKeyUnknown):
        verify(token, keys=Keys(now=(short,)))


def test_address_of_a_key_in_the_token_is_not_followed(fake: FakeEhr, transport: Transport) -> None:
    token = sign_id_token(
        CLAIMS, key=OTHER_RSA_KEY, jku=f"{fake.origin}/evil", jwk=OTHER_RSA_KEY.as_dict(private=False)
    )
    source = JwksSource(
        issuer=ISSUER, jwks_uri=f"{fake.origin}/auth/jwks", transport=transport, cache=DocumentCache(), now=NOW
    )
    with pytest.raises(IdTokenKeyUnknown):
        verify_id_token(token, ehr=EHR, issuer=ISSUER, nonce="nonce-1", keys=source, now=NOW)
    assert {request.path for request in fake.requests} == {"/auth/jwks"}


@pytest.mark.parametrize("header", [{"kid": "ehr-1"}, {"alg": ["RS256"]}, {"alg": None}, {"alg": "RS256", "kid": 1}])
def test_header_without_a_proper_algorithm_or_key_id_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises((IdTokenMalformed, IdTokenAlgorithmRefused)):
        verify(unsigned(header, b"x"))


def test_long_and_unknown_headers_are_accepted_and_critical_ones_are_not() -> None:
    assert verify(sign_id_token(CLAIMS, x5c=["x" * 3000])).subject == "user-1"
    for critical, accepted in (({}, True), ({"crit": ["x"]}, False)):
        signed = unsigned({"alg": "RS256", "kid": "ehr-1", "x": 1, **critical}).rpartition(".")[0]
        signature = RSA_KEY.private_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        token = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        if accepted:
            assert verify(token).subject == "user-1"
            continue
        with pytest.raises(IdTokenBadSignature):
            verify(token)


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "é.b.c", "e30.e30.e30", "x" * 20_001])
def test_what_is_not_a_jwt_is_malformed_or_refused(token: str) -> None:
    with pytest.raises((IdTokenMalformed, IdTokenAlgorithmRefused)):
        verify(token)


@given(st.text())
def test_any_text_is_an_id_token_error(token: str) -> None:
    with pytest.raises(IdTokenError):
        verify(token)


def test_payload_that_is_not_an_object_is_malformed() -> None:
    token = jws.serialize_compact({"alg": "RS256", "kid": "ehr-1"}, b"[1]", RSA_KEY, algorithms=["RS256"])
    with pytest.raises(IdTokenMalformed):
        verify(token)


# The issuer's keys over the network


def source(fake: FakeEhr, transport: Transport, **overrides: Any) -> JwksSource:
    values: dict[str, Any] = {"issuer": fake.origin, "jwks_uri": f"{fake.origin}/auth/jwks", "transport": transport}
    return JwksSource(**{**values, "cache": DocumentCache(), "now": NOW, **overrides})


def test_keys_are_read_once_and_again_on_demand(fake: FakeEhr, transport: Transport) -> None:
    keys = source(fake, transport)
    for refetch in (False, False, True):
        assert [key.kid for key in keys.keys(refetch=refetch)] == ["ehr-1"]
    assert len(fake.requests) == 2


def test_keys_we_cannot_use_are_left_out(fake: FakeEhr, transport: Transport) -> None:
    listed = [{"kty": "OKP", "crv": "Ed25519", "x": "x"}, {"kty": "RSA"}, {}, RSA_KEY.as_dict(private=False)]
    fake.on("GET", "/auth/jwks", Answer.json({"keys": listed}))
    assert [key.kid for key in source(fake, transport).keys(refetch=False)] == ["ehr-1"]


JWK_FIELDS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "d", "key_ops"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(
    st.dictionaries(
        JWK_FIELDS, st.sampled_from(["RSA", "EC", "P-256", "P-999", "", "AQAB"]) | st.integers() | st.lists(st.text())
    )
)
def test_broken_key_never_breaks_the_set(fake: FakeEhr, transport: Transport, values: dict[str, Any]) -> None:
    for base in ({}, RSA_KEY.as_dict(private=False), EC_KEY.as_dict(private=False)):
        fake.on("GET", "/auth/jwks", Answer.json({"keys": [{**base, **values}, OTHER_RSA_KEY.as_dict(private=False)]}))
        assert "ehr-2" in [key.kid for key in source(fake, transport).keys(refetch=True)]


def test_jwks_uri_is_found_through_openid_configuration(fake: FakeEhr, transport: Transport) -> None:
    document = {"issuer": f"{fake.origin}/tenant/", "jwks_uri": f"{fake.origin}/auth/jwks"}
    fake.on("GET", "/tenant/.well-known/openid-configuration", Answer.json(document))
    keys = source(fake, transport, issuer=f"{fake.origin}/tenant/", jwks_uri=None)
    assert [key.kid for key in keys.keys(refetch=False)] == ["ehr-1"]


@pytest.mark.parametrize(
    "document",
    [
        Answer(status=404),
        Answer.html(),
        Answer.json({"jwks_uri": "http://127.0.0.1/x"}),
        Answer.json({"issuer": "https://evil.example", "jwks_uri": "http://127.0.0.1/x"}),
    ],
)
def test_unusable_openid_configuration(fake: FakeEhr, transport: Transport, document: Answer) -> None:
    fake.on("GET", "/.well-known/openid-configuration", document)
    with pytest.raises(JwksUnavailable):
        source(fake, transport, jwks_uri=None).keys(refetch=False)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer.html(),
        Answer.json({}),
        Answer.json({"keys": {}}),
        Answer.json({"keys": ["x"]}),
        Answer.json([]),
    ],
)
def test_unusable_jwks(fake: FakeEhr, transport: Transport, answer: Answer) -> None:
    fake.on("GET", "/auth/jwks", answer)
    with pytest.raises(JwksUnavailable) as caught:
        source(fake, transport).keys(refetch=False)
    assert caught.value.ehr_id == "fake"


def test_jwks_on_a_foreign_host_is_not_called(fake: FakeEhr, transport: Transport) -> None:
    with pytest.raises(JwksUnavailable):
        source(fake, transport, jwks_uri="https://evil.example/jwks").keys(refetch=False)


def test_openid_configuration_of_another_issuer_is_not_used(fake: FakeEhr, transport: Transport) -> None:
    document = {"issuer": "https://evil.example", "jwks_uri": f"{fake.origin}/auth/jwks"}
    fake.on("GET", "/.well-known/openid-configuration", Answer.json(document))
    with pytest.raises(JwksUnavailable):
        source(fake, transport, jwks_uri=None).keys(refetch=False)
    assert fake.recorded("GET", "/auth/jwks") == []
