"""The way to the authorization endpoint."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from launch.authorize import LaunchRequest, parse_launch_request
from launch.ehr import Ehr
from launch.ehr_profile import get_ehr_profile
from launch.errors import EndpointNotAllowed, LaunchError, MissingIss, MissingLaunch, S256NotAdvertised
from launch.scopes import compute_scopes
from tests.fakes.fake_ehr import CLIENT_ID, NOW, REDIRECT_URI, FakeEhr, s256
from tests.fakes.launches import begin, configuration_of


def test_ehr_launch_sends_exactly_these_parameters(fake: FakeEhr, ehr: Ehr) -> None:
    begun = begin(fake, ehr, iss=fake.fhir_base_url + "/")
    parts = urlsplit(begun.authorize_url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{fake.origin}/auth/authorize"
    assert len(parse_qsl(parts.query)) == 10
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


def test_pending_launch_remembers_what_the_callback_needs(fake: FakeEhr, ehr: Ehr) -> None:
    pending = begin(fake, ehr).pending
    assert (pending.ehr_id, pending.iss, pending.launch) == ("fake", fake.fhir_base_url, "launch-1")
    assert (pending.issuer, pending.jwks_uri) == (fake.fhir_base_url, f"{fake.origin}/auth/jwks")
    assert (pending.token_endpoint, pending.redirect_uri) == (fake.token_endpoint, REDIRECT_URI)
    assert pending.revocation_endpoint == f"{fake.origin}/auth/revoke"
    assert (pending.created_at, pending.expires_at) == (NOW, NOW + timedelta(minutes=10))
    assert len({pending.state, pending.nonce, pending.code_verifier}) == 3


def test_query_of_the_endpoint_itself_is_kept(fake: FakeEhr, ehr: Ehr) -> None:
    configuration = configuration_of(fake, authorization_endpoint=f"{fake.origin}/auth/authorize?site=7")
    query = parse_qs(urlsplit(begin(fake, ehr, configuration=configuration).authorize_url).query)
    assert (query["site"], query["aud"]) == (["7"], [fake.fhir_base_url])


@pytest.mark.parametrize(
    ("capabilities", "profile", "spelled"),
    [
        (["permission-v1", "permission-v2"], "generic", "patient/Patient.r"),
        (["permission-v1"], "generic", "patient/Patient.read"),
        ([], "generic", "patient/Patient.read"),
        (["permission-v2"], "smart-health-it", "patient/Patient.read"),
    ],
)
def test_scopes_are_spelled_as_the_ehr_reads_them(
    fake: FakeEhr, capabilities: list[str], profile: str, spelled: str
) -> None:
    ehr = fake.ehr(profile=get_ehr_profile(profile))
    url = begin(fake, ehr, configuration=configuration_of(fake, capabilities=capabilities)).authorize_url
    assert spelled in parse_qs(urlsplit(url).query)["scope"][0].split()


def test_s256_must_be_advertised_unless_the_entry_says_otherwise(fake: FakeEhr, ehr: Ehr) -> None:
    configuration = configuration_of(fake, code_challenge_methods_supported=["plain"])
    with pytest.raises(S256NotAdvertised):
        begin(fake, ehr, configuration=configuration)
    url = begin(fake, fake.ehr(require_s256_advertised=False), configuration=configuration).authorize_url
    assert parse_qs(urlsplit(url).query)["code_challenge_method"] == ["S256"]


def test_foreign_endpoint_is_refused_and_a_foreign_revocation_endpoint_is_left_out(fake: FakeEhr, ehr: Ehr) -> None:
    with pytest.raises(EndpointNotAllowed) as caught:
        begin(fake, ehr, configuration=configuration_of(fake, authorization_endpoint="https://evil.example/authorize"))
    assert caught.value.field == "authorization_endpoint"
    without = configuration_of(fake, revocation_endpoint="https://evil.example/revoke")
    assert begin(fake, ehr, configuration=without).pending.revocation_endpoint is None


def test_standalone_launch_has_no_launch_parameter(fake: FakeEhr, ehr: Ehr) -> None:
    begun = begin(fake, ehr, launch=None, scopes=compute_scopes([], standalone=True))
    query = parse_qs(urlsplit(begun.authorize_url).query)
    assert "launch" not in query
    assert query["scope"][0].startswith("launch/patient openid fhirUser ")
    assert begun.pending.launch is None


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({}, MissingIss),
        ({"launch": ["l"]}, MissingIss),
        ({"iss": [""], "launch": ["l"]}, MissingIss),
        ({"iss": ["a", "b"], "launch": ["l"]}, MissingIss),
        ({"iss": ["i"]}, MissingLaunch),
        ({"iss": ["i"], "launch": [""]}, MissingLaunch),
        ({"iss": ["i"], "launch": ["l", "m"]}, MissingLaunch),
    ],
)
def test_launch_request_needs_each_parameter_once(parameters: Any, kind: type[LaunchError]) -> None:
    with pytest.raises(kind):
        parse_launch_request(parameters)


def test_launch_request_is_read_as_received() -> None:
    assert parse_launch_request({"iss": ["https://ehr.example/r4/"], "launch": ["l"], "x": ["y"]}) == LaunchRequest(
        iss="https://ehr.example/r4/", launch="l"
    )
