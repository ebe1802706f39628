"""Sign and write over real HTTP against the simulated EHR: its store and its request log are the truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from secrets import token_bytes
from typing import Any
from uuid import uuid4

import pytest

from fhir_mappings.administration import Party
from fhir_mappings.bundle import find_references
from fhir_mappings.result import Signer, Subject
from launch.capabilities import fetch_capabilities
from launch.context import LaunchContext
from launch.documents import DocumentCache
from launch.ehr import Ehr
from launch.ehr_profile import Use, get_ehr_profile
from launch.fhir_reader import FhirReader
from launch.scopes import MissingScopes, Scopes
from launch.session import ActiveLaunch, TokenSet
from launch.transport import Transport
from sandbox_ehr.issued_tokens import Authorization
from sandbox_ehr.launch_context import LaunchContext as SandboxContext
from sandbox_ehr.server import RunningSandbox, running_sandbox
from smart_app.model.approval import Approval
from smart_app.model.identity import PatientKey, User
from smart_app.model.ledger import RowState
from smart_app.model.patient_record import parse_patient_identity
from smart_app.storage.errors import LostClaim
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.claims import Claims
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.open_door import open_door
from smart_app.writeback.signing import sign
from smart_app.writeback.writer import write_approval
from tests.fakes.ehr_door import CLINICIAN
from tests.fakes.signing import keep, reviewed_result, reviewed_screening, sign_request

SCOPE = "launch patient/Patient.r patient/Encounter.rs " + " ".join(
    f"patient/{name}.crs" for name in ("Observation", "QuestionnaireResponse", "DocumentReference", "Provenance")
)
ROSA = PatientKey(ehr_id="sandbox", tenant="", patient_id="pt-01")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@dataclass
class Launched:
    """One launch of a patient at the simulated EHR, as far as write-back sees it."""

    sandbox: RunningSandbox
    ehr: Ehr
    transport: Transport
    active: ActiveLaunch
    patient: PatientKey
    encounter_id: str

    def door(self, *, active: ActiveLaunch | None = None, refresh: Any = lambda: None) -> EhrDoor:
        return open_door(
            active or self.active,
            self.ehr,
            self.transport,
            launch_id="launch-1",
            patient=self.patient,
            user=CLINICIAN,
            capabilities=fetch_capabilities(
                ehr=self.ehr, transport=self.transport, cache=DocumentCache(), now=self.active.started_at
            ),
            refresh=refresh,
        )

    def read(self, resource_type: str, resource_id: str) -> dict[str, Any]:
        return dict(FhirReader(self.active, self.ehr, self.transport).read(resource_type, resource_id).resource)

    def sign(self, units: Units, door: EhrDoor) -> Approval:
        screening = reviewed_screening(patient=self.patient, encounter_id=self.encounter_id)
        patient = self.read("Patient", self.patient.patient_id)
        result = reviewed_result(
            patient=Subject(
                reference=f"Patient/{self.patient.patient_id}",
                display="Rosa Delgado-Quinn",
                birth_date=patient["birthDate"],
            ),
            encounter=f"Encounter/{self.encounter_id}",
        )
        request = sign_request(
            door,
            screening,
            result=result,
            patient_identity=parse_patient_identity(patient),
            encounter_id=self.encounter_id,
            encounter_status=self.read("Encounter", self.encounter_id)["status"],
            signer_name=Signer(reference="Practitioner/prac-okafor", display="Amara Okafor, MD"),
            organization=Party(reference="Organization/org-alder-creek", display="Alder Creek"),
        )
        keep(units, screening)
        return sign(units, request, now=now(), new_id=uuid4, random_bytes=token_bytes)


def launch(sandbox: RunningSandbox, profile: str, **rules: Any) -> Launched:
    now = datetime.now(UTC)
    authorization = Authorization(
        family="family",
        client_id="smart-screening",
        scope=SCOPE,
        context=SandboxContext(patient="pt-01"),
        fhir_base_url=sandbox.fhir_base_url,
        redirect_uri="http://127.0.0.1:8000/callback",
        code_challenge="challenge",
        authorized_at=now,
    )
    secret = sandbox.app.server.tokens.issue("access_token", authorization, scope=SCOPE, lifetime=timedelta(minutes=10))
    ehr = Ehr(
        id="sandbox",
        name="Sandbox",
        fhir_base_url=sandbox.fhir_base_url,
        client_id="smart-screening",
        profile=replace(get_ehr_profile(profile), **rules),
        allow_private=(ip_network("127.0.0.0/8"),),
    )
    active = ActiveLaunch(
        ehr_id="sandbox",
        fhir_base_url=sandbox.fhir_base_url,
        context=LaunchContext(patient="pt-01"),
        scopes=Scopes.parse(SCOPE),
        missing_scopes=MissingScopes(),
        tokens=TokenSet(access_token=secret, refresh_token=None, expires_at=now + timedelta(minutes=10)),
        user=None,
        token_endpoint=f"{sandbox.base_url}/auth/token",
        revocation_endpoint=None,
        started_at=now,
    )
    transport = Transport(ehr)
    visits = FhirReader(active, ehr, transport).search("Encounter", [("patient", "pt-01")])
    return Launched(
        sandbox=sandbox,
        ehr=ehr,
        transport=transport,
        active=active,
        patient=ROSA,
        encounter_id=visits.resources[0].id,
    )


@pytest.fixture(params=["transaction", "single", "single-without-condition"])
def launched(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Iterator[Launched]:
    rules: dict[str, dict[str, Any]] = {
        "transaction": {},
        "single": {"transaction": Use.NEVER},
        "single-without-condition": {"transaction": Use.NEVER, "conditional_create": Use.NEVER},
    }
    launched = launch(sandbox, "hapi", **rules[request.param])
    yield launched
    launched.transport.close()


def now() -> datetime:
    return datetime.now(UTC)


def test_the_store_holds_each_resource_once_and_all_refer_to_the_right_ones(units: Units, launched: Launched) -> None:
    seen = len(launched.sandbox.store.requests())
    door = launched.door()
    approval = launched.sign(units, door)

    report = write_approval(units, approval.id, door, clock=now)

    assert (report.stop, {row.state for row in report.rows}) == (None, {RowState.WRITTEN})
    logged = launched.sandbox.store.requests()[seen:]
    written = [reference.partition("/_history")[0] for request in logged for reference in request.written]
    assert written == [f"{row.resource_type}/{row.resource_id}" for row in report.rows]
    assert Counter(reference.split("/")[0] for reference in written) == {
        "QuestionnaireResponse": 1,
        "Observation": 12,
        "DocumentReference": 1,
        "Provenance": 1,
    }
    stored = [launched.read(*reference.split("/")) for reference in written]
    references = {reference for resource in stored for reference in find_references(resource)}
    assert references - set(written) == {
        "Patient/pt-01",
        f"Encounter/{launched.encounter_id}",
        "Practitioner/prac-okafor",
        "Organization/org-alder-creek",
        "#software",
    }
    total = next(r for r in stored if r.get("code", {}).get("coding", [{}])[0].get("code") == "44261-6")
    assert total["valueQuantity"]["value"] == 13


def test_a_patient_who_was_merged_on_the_server_after_signing_gets_nothing(units: Units, launched: Launched) -> None:
    door = launched.door()
    approval = launched.sign(units, door)
    before = launched.read("Patient", "pt-01")
    seen = len(launched.sandbox.store.requests())
    merged = {**before, "link": [{"type": "replaced-by", "other": {"reference": "Patient/pt-02"}}]}
    launched.sandbox.store.put_raw(json.loads(json.dumps(merged)))
    try:
        report = write_approval(units, approval.id, door, clock=now)
    finally:
        launched.sandbox.store.put_raw(before)

    assert report.stop is not None
    assert report.stop.code == "patient-merged"
    assert not any(request.written for request in launched.sandbox.store.requests()[seen:])


def test_an_ended_token_is_refreshed_once_and_everything_is_written(units: Units, launched: Launched) -> None:
    fresh = launched.door()
    ended = replace(launched.active, tokens=replace(launched.active.tokens, access_token="ended"))
    door = launched.door(active=ended, refresh=lambda: fresh)
    approval = launched.sign(units, door)

    report = write_approval(units, approval.id, door, clock=now)

    assert report.finished
    assert {row.state for row in report.rows} == {RowState.WRITTEN}


def test_a_server_that_is_gone_leaves_everything_planned(units: Units) -> None:
    with running_sandbox() as short_lived:
        launched = launch(short_lived, "hapi")
        door = launched.door()
        approval = launched.sign(units, door)

    report = write_approval(units, approval.id, door, clock=now)
    launched.transport.close()

    assert report.stop is not None
    assert report.stop.transient
    assert {row.state for row in report.rows} <= {RowState.PLANNED, RowState.WAITING}


def test_signer_of_another_issuer_sends_nothing(units: Units, launched: Launched) -> None:
    door = launched.door()
    approval = launched.sign(units, door)
    other = User(issuer="https://other.example", subject=CLINICIAN.subject, fhir_user=CLINICIAN.fhir_user, name="x")

    report = write_approval(units, approval.id, replace(door, user=other), clock=now)

    assert report.stop is not None
    assert report.stop.code == "other-user"


def test_a_claim_lost_at_the_last_moment_stops_the_request_before_its_first_byte(
    units: Units, launched: Launched
) -> None:
    door = launched.door()
    approval = launched.sign(units, door)
    claims = Claims(units, approval, user=CLINICIAN, launch_id="launch-1", clock=now)
    row = claims.claim_ready(())
    assert row is not None
    claims.start_sending([row])
    seen = len(launched.sandbox.store.requests())

    with pytest.raises(LostClaim):
        door.writer.create(
            json.loads(row.resource), deadline=10, before_first_byte=lambda: claims.start_sending([row]) and None
        )

    assert len(launched.sandbox.store.requests()) == seen
