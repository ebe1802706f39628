"""PyPI fhirclient, the SMART project's own Python client, against the simulated EHR."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import requests
from fhirclient.client import FHIRClient
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient

from sandbox_ehr.server import RunningSandbox, running_sandbox

REDIRECT_URI = "http://localhost:4712/callback"
SCOPE = "openid fhirUser offline_access patient/Patient.read patient/Observation.read patient/Observation.write"


def launch_client(ehr: RunningSandbox) -> FHIRClient:
    """Launch from the launcher's link and authorize, following redirects as a browser would."""
    query = "patient=pt-02&user=prac-okafor&client=any-loopback-app&launch_uri=http://localhost:4712/launch"
    launched = requests.get(f"{ehr.base_url}/launch?{query}", allow_redirects=False, timeout=5)
    parameters = parse_qs(urlsplit(launched.headers["Location"]).query)
    client = FHIRClient(
        settings={
            "app_id": "any-loopback-app",
            "api_base": parameters["iss"][0],
            "redirect_uri": REDIRECT_URI,
            "launch_token": parameters["launch"][0],
            "scope": SCOPE,
        }
    )
    assert not client.prepare(), "the client finds the endpoints, and that it has to authorize"
    authorized = requests.get(client.authorize_url, allow_redirects=False, timeout=5)
    client.handle_callback(authorized.headers["Location"])
    return client


def build_observation(patient_id: str) -> Observation:
    return Observation(
        {
            "resourceType": "Observation",
            "status": "final",
            "category": [
                {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "survey"}]}
            ],
            "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
            "subject": {"reference": f"Patient/{patient_id}"},
            "effectiveDateTime": "2026-01-05T10:00:00-05:00",
            "valueInteger": 7,
        }
    )


def test_launch_read_create_and_search() -> None:
    with running_sandbox() as ehr:
        client = launch_client(ehr)
        assert client.ready
        assert client.launch_context["patient"] == "pt-02"
        assert client.launch_context["encounter"] == "enc-02-now"
        assert client.human_name(client.patient.name[0]) == "Zoë O'Brien-Núñez"

        created = build_observation("pt-02").create(client.server)
        stored = Observation.read(created["id"], client.server)
        assert stored.valueInteger == 7
        with ehr.store.reading() as session:
            found = session.find("Observation", created["id"])
        assert found is not None
        assert json.loads(found.body)["subject"] == {"reference": "Patient/pt-02"}

        search = Observation.where({"patient": "pt-02", "code": "http://loinc.org|70274-6"})
        assert {result.valueInteger for result in search.perform_resources_iter(client.server)} == {13, 17}


def test_refresh_gives_a_token_that_still_reads_the_patient() -> None:
    with running_sandbox() as ehr:
        client = launch_client(ehr)
        first = client.server.auth.access_token
        assert client.reauthorize()
        assert client.server.auth.access_token != first
        assert Patient.read("pt-02", client.server).id == "pt-02"
