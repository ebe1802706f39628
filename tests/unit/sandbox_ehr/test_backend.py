"""Launcher and authorization in front of another R4 server: what passes, what does not, and whose addresses stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from flask import Response

from sandbox_ehr.__main__ import main
from tests.unit.sandbox_ehr.app_driver import build_driver
from tests.unit.sandbox_ehr.fhir_client import SURVEY, encounter, observation, post_entry, transaction
from tests.unit.sandbox_ehr.open_server import OpenServer, running_open_server
from tests.unit.sandbox_ehr.wire import SECONDS, Wire, issue_token, open_wire

URN = "urn:uuid:00000000-0000-4000-8000-00000000000"


@dataclass
class Front:
    """The simulated EHR before an open server that holds pt-01 and pt-02."""

    wire: Wire
    server: OpenServer

    @property
    def base(self) -> str:
        return self.wire.ehr.fhir_base_url

    def send(self, method: str, path: str, body: Any = None, *, scope: str | None = None, **headers: str) -> Any:
        """Send as the client of pt-01, with the wire's wide scopes or with others."""
        secret = self.wire.secret if scope is None else issue_token(self.wire.ehr, scope=scope)
        return self.wire.send(method, path, body, seconds=SECONDS, Authorization=f"Bearer {secret}", **headers)

    def keep(self, resource: dict[str, Any]) -> str:
        """Put a resource into the server behind, past the EHR; give its reference."""
        return self.server.store.put_raw(resource).reference

    def kept(self, resource_type: str) -> list[dict[str, Any]]:
        """What the server behind holds of a type: the truth."""
        with self.server.store.reading() as session:
            keys = session.history(resource_type)
            return [json.loads(stored.body) for stored in session.fetch(keys) if not stored.deleted]


@contextmanager
def open_front(**config: Any) -> Iterator[Front]:
    with running_open_server() as server:
        for patient in ("pt-01", "pt-02"):
            server.store.put_raw({"resourceType": "Patient", "id": patient, "name": [{"family": patient}]})
            server.store.put_raw(encounter(patient))
        with open_wire(backend_url=server.url, **config) as wire:
            yield Front(wire=wire, server=server)


@pytest.fixture
def front() -> Iterator[Front]:
    with open_front() as opened:
        yield opened


PATIENT_SCOPE = "patient/*.cruds"


def foreign(**elements: Any) -> dict[str, Any]:
    return observation("pt-02", id="of-pt-02", **elements)


def test_a_create_lands_in_the_server_behind_under_an_address_of_this_one(front: Front) -> None:
    answer = front.send("POST", "Observation", observation("pt-01"))
    assert answer.status_code == 201
    location = answer.headers["Location"]
    assert location.startswith(f"{front.base}/Observation/")
    (kept,) = front.kept("Observation")
    assert kept["id"] == location.split("/")[-3]
    assert front.send("GET", f"Observation/{kept['id']}").json()["id"] == kept["id"]


def test_the_token_stays_here(front: Front) -> None:
    front.send("GET", "Patient/pt-01")
    front.send("POST", "Observation", observation("pt-01"))
    assert front.server.received
    assert not any("Authorization" in headers for headers in front.server.received)


def test_preferences_and_conditions_are_passed_on(front: Front) -> None:
    identified = observation("pt-01", identifier=[{"system": "urn:x", "value": "1"}])
    first = front.send("POST", "Observation", identified, If_None_Exist="identifier=urn:x|1", Prefer="return=minimal")
    assert (first.status_code, first.content) == (201, b"")
    second = front.send("POST", "Observation", identified, If_None_Exist="identifier=urn:x|1")
    assert second.status_code == 200
    assert len(front.kept("Observation")) == 1
    stale = front.send("PUT", f"Observation/{second.json()['id']}", second.json(), If_Match='W/"7"')
    assert stale.status_code == 412


def test_every_digit_of_a_decimal_passes_both_ways(front: Front) -> None:
    body = json.dumps(observation("pt-01", valueQuantity={"value": 0})).replace('"value": 0', '"value": 1.500')
    headers = front.wire.headers
    created = requests.post(f"{front.base}/Observation", data=body, headers=headers, timeout=10)
    assert '"value":1.500' in created.text
    found = front.send("GET", "Observation?patient=pt-01")
    assert '"value":1.500' in found.text


def test_without_a_token_only_metadata_is_open(front: Front) -> None:
    statement = requests.get(f"{front.base}/metadata", timeout=10).json()
    assert statement["resourceType"] == "CapabilityStatement"
    assert requests.get(f"{front.base}/Patient/pt-01", timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "Observation/of-pt-02", None),
        ("GET", "Observation/of-pt-02/_history/1", None),
        ("GET", "Patient/pt-02", None),
        ("POST", "Observation", observation("pt-02")),
        ("PUT", "Observation/of-pt-02", foreign(status="amended")),
        ("PUT", "Observation/of-pt-02", observation("pt-01", id="of-pt-02")),
        ("PUT", "Observation/new", observation("pt-02", id="new")),
        ("DELETE", "Observation/of-pt-02", None),
        ("POST", "", transaction(post_entry(observation("pt-01")), post_entry(observation("pt-02")))),
        ("POST", "", transaction({"request": {"method": "DELETE", "url": "Observation/of-pt-02"}})),
        ("POST", "", transaction(post_entry(observation("pt-02")), kind="batch")),
    ],
)
def test_another_patient_is_out_of_reach_of_a_patient_scope(front: Front, method: str, path: str, body: Any) -> None:
    front.keep(foreign())
    before = front.kept("Observation")
    assert front.send(method, path, body, scope=PATIENT_SCOPE).status_code == 403
    assert front.kept("Observation") == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "Observation/of-pt-01", None),
        ("GET", "Observation?patient=pt-01", None),
        ("POST", "Observation", observation("pt-01")),
        ("PUT", "Observation/of-pt-01", observation("pt-01", id="of-pt-01")),
        ("DELETE", "Observation/of-pt-01", None),
    ],
)
@pytest.mark.parametrize("scope", ["patient/Patient.cruds", "openid"])
def test_a_type_without_a_scope_is_not_even_asked_for(
    front: Front, method: str, path: str, body: Any, scope: str
) -> None:
    front.keep(observation("pt-01", id="of-pt-01"))
    assert front.send(method, path, body, scope=scope).status_code == 403
    assert len(front.kept("Observation")) == 1


@pytest.mark.parametrize(
    ("right", "method", "path", "body"),
    [
        ("r", "GET", "Observation/of-pt-01", None),
        ("s", "GET", "Observation?patient=pt-01", None),
        ("c", "POST", "Observation", observation("pt-01")),
        ("u", "PUT", "Observation/of-pt-01", observation("pt-01", id="of-pt-01")),
        ("d", "DELETE", "Observation/of-pt-01", None),
    ],
)
def test_one_letter_of_a_scope_opens_one_interaction(
    front: Front, right: str, method: str, path: str, body: Any
) -> None:
    front.keep(observation("pt-01", id="of-pt-01"))
    others = "".join(letter for letter in "cruds" if letter != right)
    assert front.send(method, path, body, scope=f"patient/Observation.{others}").status_code == 403
    assert front.send(method, path, body, scope=f"patient/Observation.{right}").status_code < 300


def test_a_search_shows_this_patient_and_hides_how_many_others_there_are(front: Front) -> None:
    front.keep(observation("pt-01", id="of-pt-01"))
    front.keep(foreign())
    bundle = front.send("GET", "Observation", scope=PATIENT_SCOPE).json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["of-pt-01"]
    assert "total" not in bundle
    assert front.send("GET", "Observation", scope="user/*.cruds").json()["total"] == 2


def test_a_search_by_post_is_filtered_as_well(front: Front) -> None:
    front.keep(observation("pt-01", id="of-pt-01"))
    front.keep(foreign())
    secret = issue_token(front.wire.ehr, scope=PATIENT_SCOPE)
    answer = requests.post(
        f"{front.base}/Observation/_search",
        data={"status": "final"},
        headers={"Authorization": f"Bearer {secret}"},
        timeout=10,
    )
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == ["of-pt-01"]


def test_a_scope_with_criteria_reaches_what_matches_them(front: Front) -> None:
    front.keep(observation("pt-01", id="survey"))
    front.keep(observation("pt-01", id="other", category=[{"text": "other"}]))
    scope = f"patient/Observation.rs?category={SURVEY}"
    bundle = front.send("GET", "Observation?patient=pt-01", scope=scope).json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["survey"]
    assert front.send("GET", "Observation/other", scope=scope).status_code == 403


def test_what_is_included_needs_a_right_of_its_own(front: Front) -> None:
    front.keep(observation("pt-01", id="of-pt-01"))
    path = "Observation?patient=pt-01&_include=Observation:subject"
    narrow = front.send("GET", path, scope="patient/Observation.rs").json()
    assert [entry["resource"]["resourceType"] for entry in narrow["entry"]] == ["Observation"]
    wide = front.send("GET", path, scope="patient/Observation.rs patient/Patient.r").json()
    assert [entry["resource"]["resourceType"] for entry in wide["entry"]] == ["Observation", "Patient"]


def test_a_history_is_filtered_as_well(front: Front) -> None:
    front.keep(observation("pt-01", id="of-pt-01"))
    front.keep(foreign())
    bundle = front.send("GET", "Observation/_history", scope=PATIENT_SCOPE).json()
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["of-pt-01"]


def test_pages_are_followed_here_and_filtered_here(front: Front) -> None:
    for number in range(5):
        front.keep(observation("pt-01", id=f"own-{number}"))
        front.keep(observation("pt-02", id=f"foreign-{number}"))
    secret = issue_token(front.wire.ehr, scope=PATIENT_SCOPE)
    headers = {"Authorization": f"Bearer {secret}"}
    url: str | None = f"{front.base}/Observation?_count=3"
    seen: list[str] = []
    while url is not None:
        bundle = requests.get(url, headers=headers, timeout=10).json()
        assert all(entry["fullUrl"].startswith(f"{front.base}/") for entry in bundle.get("entry", ()))
        seen += [entry["resource"]["id"] for entry in bundle.get("entry", ())]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        assert url is None or url.startswith(f"{front.base}?")
    assert sorted(seen) == [f"own-{number}" for number in range(5)]


def test_what_stands_inside_a_resource_is_not_rewritten(front: Front) -> None:
    note = f"See {front.server.url}/Observation/1"
    front.keep(observation("pt-01", id="of-pt-01", note=[{"text": note}]))
    bundle = front.send("GET", "Observation?patient=pt-01").json()
    assert bundle["entry"][0]["resource"]["note"] == [{"text": note}]


def test_a_transaction_passes_whole_with_its_provenance(front: Front) -> None:
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": f"{URN}1"}],
        "recorded": "2026-03-01T12:00:00Z",
        "agent": [{"who": {"display": "Dr. Doe"}}],
    }
    bundle = transaction(post_entry(provenance, f"{URN}2"), post_entry(observation("pt-01"), f"{URN}1"))
    answer = front.send("POST", "", bundle, scope=PATIENT_SCOPE)
    assert answer.status_code == 200, answer.text
    assert [entry["response"]["status"] for entry in answer.json()["entry"]] == ["201 Created"] * 2
    (kept,) = front.kept("Provenance")
    (total,) = front.kept("Observation")
    assert kept["target"] == [{"reference": f"Observation/{total['id']}"}]
    written = front.wire.ehr.store.requests()[-1].written
    assert sorted(name.partition("/")[0] for name in written) == ["Observation", "Provenance"]


def test_a_provenance_of_another_patient_is_out_of_reach(front: Front) -> None:
    front.keep(foreign())
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": "Observation/of-pt-02"}],
        "recorded": "2026-03-01T12:00:00Z",
        "agent": [{"who": {"display": "Dr. Doe"}}],
    }
    assert front.send("POST", "Provenance", provenance, scope=PATIENT_SCOPE).status_code == 403
    provenance["target"] = [{"reference": front.keep(observation("pt-01", id="of-pt-01"))}]
    assert front.send("POST", "Provenance", provenance, scope=PATIENT_SCOPE).status_code == 201


def test_a_conditional_create_shows_its_match_to_readers_only(front: Front) -> None:
    identified = observation("pt-01", identifier=[{"system": "urn:x", "value": "1"}])
    front.keep(observation("pt-02", id="of-pt-02", identifier=[{"system": "urn:x", "value": "1"}]))
    answer = front.send("POST", "Observation", identified, scope=PATIENT_SCOPE, If_None_Exist="identifier=urn:x|1")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_match_within_a_transaction_is_shown_to_readers_only(front: Front) -> None:
    identifier = [{"system": "urn:x", "value": "1"}]
    front.keep(observation("pt-02", id="of-pt-02", identifier=identifier))
    bundle = transaction(
        post_entry(observation("pt-01", identifier=identifier), ifNoneExist="identifier=urn:x|1"),
        post_entry(observation("pt-01")),
    )
    answer = front.send("POST", "", bundle, scope=PATIENT_SCOPE, Prefer="return=representation")
    matched, created = answer.json()["entry"]
    assert (matched["response"]["status"], "resource" in matched) == ("200 OK", False)
    assert created["resource"]["subject"] == {"reference": "Patient/pt-01"}


@pytest.mark.parametrize(
    "path",
    [
        "Patient/$everything",
        "Patient/pt-01/$everything",
        "Patient/..",
        "Patient/%2e%2e/metadata",
        "_history",
        "AllergyIntolerance/1",
        "Patient/pt-01/Observation",
    ],
)
def test_operations_other_types_and_ways_up_do_not_pass(front: Front, path: str) -> None:
    session = requests.Session()
    request = requests.Request("GET", front.base, headers=front.wire.headers).prepare()
    request.url = f"{front.base}/{path}"
    assert session.send(request, timeout=10).status_code in {404, 405}
    assert front.server.received == []


def test_a_bundle_with_reads_or_searches_is_refused_whole(front: Front) -> None:
    read = {"request": {"method": "GET", "url": "Observation?patient=pt-02"}}
    bundle = transaction(post_entry(observation("pt-01")), read, kind="batch")
    assert front.send("POST", "", bundle).status_code == 405
    assert front.kept("Observation") == []


def test_refusals_of_the_server_behind_pass_as_they_came(front: Front) -> None:
    refused = front.send("POST", "Observation", observation("pt-01", status="bogus"))
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["Observation.status"]
    assert front.send("GET", "Observation/nowhere").status_code == 404
    assert not any(logged.written for logged in front.wire.ehr.store.requests())


@pytest.mark.parametrize(
    "answer",
    [
        Response("<h1>Welcome</h1>", content_type="text/html"),
        Response("{}", content_type="application/fhir+json"),
        Response('{"resourceType": "Patient", "id": "pt-02"}', content_type="application/fhir+json"),
        Response('{"resourceType": "Binary", "id": "pt-01"}', content_type="application/fhir+json"),
        Response("[1]", content_type="application/fhir+json"),
    ],
)
@pytest.mark.parametrize("path", ["Patient/pt-01", "Patient?name=x"])
def test_an_answer_that_is_not_what_was_asked_for_does_not_pass(front: Front, path: str, answer: Response) -> None:
    front.server.answer = answer
    assert front.send("GET", path, scope="user/*.cruds patient/*.cruds").status_code == 403


@pytest.mark.parametrize(
    "parts",
    [
        {"entry": None},
        {"entry": {}},
        {"entry": [None]},
        {"entry": [{"resource": 3}]},
        {"entry": [{"response": None}]},
        {"link": [3]},
    ],
)
def test_a_malformed_bundle_of_the_server_behind_ends_in_a_502_and_is_logged(
    front: Front, parts: dict[str, Any]
) -> None:
    body = json.dumps({"resourceType": "Bundle", **parts})
    front.server.answer = Response(body, content_type="application/fhir+json")
    assert front.send("GET", "Observation?patient=pt-01").status_code == 502
    assert front.send("POST", "", transaction(post_entry(observation("pt-01")))).status_code == 502
    assert [logged["status"] for logged in front.wire.log()] == [502, 502]
    assert requests.get(f"{front.wire.ehr.base_url}/", timeout=10).status_code == 502


def test_the_launcher_offers_the_patients_of_the_server_behind(front: Front) -> None:
    page = requests.get(f"{front.wire.ehr.base_url}/", timeout=10).text
    assert 'value="pt-01"' in page
    assert 'value="pt-03"' not in page


def test_a_whole_launch_reads_and_writes_the_seeded_server_behind() -> None:
    with running_open_server() as server:
        driver = build_driver(backend_url=server.url, seed_backend=True)
        scope = "launch openid fhirUser patient/Patient.r patient/Observation.c user/Practitioner.r"
        token = driver.get_token(scope=scope)
        assert token["patient"] == "pt-01"
        assert token["encounter"]
        for path in ("Patient/pt-01", "Practitioner/prac-okafor"):
            assert driver.read(path, token["access_token"]).status_code == 200
        assert driver.read("Patient/pt-02", token["access_token"]).status_code == 403
        driver.app.close()


def test_a_seed_that_is_refused_says_by_what(capsys: pytest.CaptureFixture[str]) -> None:
    with running_open_server() as server:
        server.answer = Response(status=403)
        arguments = ["--port", "0", "--fhir-backend", server.url, "--seed-backend"]
        assert main(arguments) == 1
    assert "refused Organization/" in capsys.readouterr().err


def test_faults_strike_before_the_server_behind_too(front: Front) -> None:
    front.wire.order("reset-after-commit", match={"method": "POST"})
    with pytest.raises(requests.ConnectionError):
        front.send("POST", "Observation", observation("pt-01"))
    (kept,) = front.kept("Observation")
    (logged,) = front.wire.log()
    assert (logged["outcome"], logged["written"]) == ("no answer", [f"Observation/{kept['id']}/_history/1"])
    front.wire.order("patient-merged", patient="pt-01", into="pt-02")
    assert front.send("GET", "Patient/pt-01").json()["link"][0]["type"] == "replaced-by"


def test_a_search_of_the_server_behind_may_lag(front: Front) -> None:
    front.wire.order("lagging-search", seconds=30)
    created = front.send("POST", "Observation", observation("pt-01")).json()["id"]
    assert created not in front.wire.search()
    front.wire.clock.forward(seconds=31)
    assert created in front.wire.search()
