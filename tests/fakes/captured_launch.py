"""One whole launch against the fake EHR, as an observer at the EHR's side sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from launch.authorize import begin_launch
from launch.callback import complete_launch
from launch.discovery import fetch_smart_configuration
from launch.documents import DocumentCache
from launch.ehr import ClientAuth
from launch.fhir_reader import FhirReader
from launch.scopes import Feature, compute_scopes
from launch.session import ActiveLaunch
from launch.tokens import refresh_tokens
from launch.transport import Transport
from tests.fakes.fake_ehr import NOW, REDIRECT_URI, Answer, FakeEhr, Recorded
from tests.fakes.launches import SIGNING_KEYS

LAUNCH = "5f2d9c7be1a04f6c8d3b5a7e9f0c1d2e5f2d9c7be1a04f6c8d3b5a7e9f0c1d2e"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedLaunch:
    """Parameters of the authorization request, the token, refresh and FHIR requests, and the resulting launch."""

    authorize_url: str
    authorize: dict[str, str]
    token: Recorded
    refresh: Recorded
    reads: list[Recorded]
    active: ActiveLaunch


def capture_launch(
    fake: FakeEhr,
    client_auth: ClientAuth = ClientAuth.PUBLIC,
    *,
    launch: str | None = LAUNCH,
    capabilities: tuple[str, ...] = (),
    **ehr_overrides: Any,
) -> CapturedLaunch:
    """Discover, authorize, exchange, read Patient and user, refresh, read again."""
    ehr = fake.ehr(client_auth=client_auth, **ehr_overrides)
    fake.on("GET", "/fhir/Patient/pat-1", Answer.fhir({"resourceType": "Patient", "id": "pat-1"}))
    fake.on("GET", "/fhir/Practitioner/dr-1", Answer.fhir({"resourceType": "Practitioner", "id": "dr-1"}))
    transport = Transport(ehr)
    try:
        configuration = fetch_smart_configuration(ehr, transport, DocumentCache(), NOW)
        begun = begin_launch(
            ehr=ehr,
            iss=fake.fhir_base_url,
            launch=launch,
            redirect_uri=REDIRECT_URI,
            scopes=compute_scopes(
                [Feature.WRITE_OBSERVATIONS, Feature.UPDATE_NOTES, Feature.ONLINE_ACCESS],
                standalone=launch is None,
                capabilities=capabilities,
            ),
            configuration=configuration,
            now=NOW,
        )
        active = complete_launch(
            fake.authorize(begun.authorize_url),
            begun.pending,
            ehr=ehr,
            transport=transport,
            keys=SIGNING_KEYS,
            jwks_cache=DocumentCache(),
            now=NOW,
        )
        reader = FhirReader(active, ehr, transport)
        reader.read("Patient", active.context.patient or "")
        assert active.user is not None
        reader.read(*(active.user.fhir_user or "").split("/"))
        fake.token_values = {"access_token": "access-2"}
        refreshed = refresh_tokens(active, ehr=ehr, transport=transport, keys=SIGNING_KEYS, now=NOW)
        FhirReader(refreshed, ehr, transport).read("Patient", "pat-1")
    finally:
        transport.close()
    parsed = parse_qs(urlsplit(begun.authorize_url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in parsed.values())
    token, refresh = fake.recorded("POST", "/auth/token")
    return CapturedLaunch(
        authorize_url=begun.authorize_url,
        authorize={name: values[0] for name, values in parsed.items()},
        token=token,
        refresh=refresh,
        reads=[request for request in fake.requests if "authorization" in request.headers and request.method == "GET"],
        active=active,
    )
