"""A launch from redirect to ActiveLaunch, over a real connection."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from launch.ehr import Ehr
from launch.transport import Transport
from tests.fakes.fake_ehr import CLIENT_ID, NOW, REDIRECT_URI, FakeEhr, s256
from tests.fakes.launches import begin, complete


def test_ehr_launch_sends_exactly_these_authorize_parameters(fake: FakeEhr, ehr: Ehr) -> None:
    begun = begin(fake, ehr, iss=fake.fhir_base_url + "/")
    parts = urlsplit(begun.authorize_url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{fake.origin}/auth/authorize"
    assert dict(parse_qsl(parts.query, strict_parsing=True)) == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": "launch openid fhirUser patient/Patient.r patient/Encounter.rs patient/Observation.rs "
        "patient/QuestionnaireResponse.rs user/Practitioner.r",
        "state": begun.pending.state,
        "launch": "launch-1",
        "aud": fake.fhir_base_url + "/",
        "nonce": begun.pending.nonce,
        "code_challenge": s256(begun.pending.code_verifier),
        "code_challenge_method": "S256",
    }
    assert len(parse_qsl(parts.query)) == 10


def test_complete_launch_gives_user_context_and_scopes(fake: FakeEhr, transport: Transport) -> None:
    active = complete(fake, transport)
    assert active.context.patient == "pat-1"
    assert active.context.encounter == "enc-1"
    assert active.user is not None
    assert (active.user.issuer, active.user.subject) == (fake.fhir_base_url, "user-1")
    assert active.user.fhir_user == "Practitioner/dr-1"
    assert active.scopes.allows("Observation", "s")
    assert active.missing_scopes.optional == ()
    assert active.tokens.expires_at == NOW + timedelta(hours=1)
    assert "access-1" not in repr(active)
