"""One launch of a patient at the simulated EHR over real HTTP, as far as write-back sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from secrets import token_bytes
from typing import Any
from uuid import uuid4

from fhir_mappings.administration import Party
from fhir_mappings.result import Signer, Subject
from launch.capabilities import fetch_capabilities
from launch.context import LaunchContext
from launch.documents import DocumentCache
from launch.ehr import Ehr
from launch.ehr_profile import get_ehr_profile
from launch.fhir_reader import FhirReader
from launch.scopes import MissingScopes, Scopes
from launch.session import ActiveLaunch, TokenSet
from launch.transport import Transport
from sandbox_ehr.accounts import Account
from sandbox_ehr.issued_tokens import Authorization
from sandbox_ehr.launch_context import LaunchContext as SandboxContext
from sandbox_ehr.server import RunningSandbox
from smart_app.model.approval import Approval
from smart_app.model.identity import PatientKey
from smart_app.model.patient_record import parse_patient_identity
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.open_door import open_door
from smart_app.writeback.signing import sign
from tests.fakes.ehr_door import CLINICIAN
from tests.fakes.signing import keep, reviewed_result, reviewed_screening, sign_request

SCOPE = "launch patient/Patient.r patient/Encounter.rs " + " ".join(
    f"patient/{name}.crs" for name in ("Observation", "QuestionnaireResponse", "DocumentReference", "Provenance")
)
OKAFOR = Account(account_id="okafor", name="Amara Okafor, MD", role="Physician", fhir_user="Practitioner/prac-okafor")
ROSA = PatientKey(ehr_id="sandbox", tenant="", patient_id="pt-01")


def now() -> datetime:
    return datetime.now(UTC)


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


def launch(
    sandbox: RunningSandbox, profile: str, *, persona: str | None = None, seconds: float = 15.0, **rules: Any
) -> Launched:
    """Launch pt-01; ``persona`` None: the configured one. ``seconds``: the longest silence between two reads."""
    now = sandbox.app.sandbox_config.clock()
    base = sandbox.fhir_base_url if persona is None else f"{sandbox.base_url}/personas/{persona}/fhir"
    authorization = Authorization(
        family="family",
        client_id="smart-screening",
        scope=SCOPE,
        context=SandboxContext(patient="pt-01", user=OKAFOR),
        fhir_base_url=base,
        redirect_uri="http://127.0.0.1:8000/callback",
        code_challenge="challenge",
        authorized_at=now,
    )
    secret = sandbox.app.server.tokens.issue("access_token", authorization, scope=SCOPE, lifetime=timedelta(minutes=10))
    ehr = Ehr(
        id="sandbox",
        name="Sandbox",
        fhir_base_url=base,
        client_id="smart-screening",
        profile=replace(get_ehr_profile(profile), **rules),
        allow_private=(ip_network("127.0.0.0/8"),),
    )
    active = ActiveLaunch(
        ehr_id="sandbox",
        fhir_base_url=base,
        context=LaunchContext(patient="pt-01"),
        scopes=Scopes.parse(SCOPE),
        missing_scopes=MissingScopes(),
        tokens=TokenSet(access_token=secret, refresh_token=None, expires_at=now + timedelta(minutes=10)),
        user=None,
        token_endpoint=f"{sandbox.base_url}/auth/token",
        revocation_endpoint=None,
        started_at=now,
    )
    transport = Transport(ehr, timeout=(3.05, seconds))
    visits = FhirReader(active, ehr, transport).search("Encounter", [("patient", "pt-01")])
    return Launched(
        sandbox=sandbox,
        ehr=ehr,
        transport=transport,
        active=active,
        patient=ROSA,
        encounter_id=visits.resources[0].id,
    )
