"""The smallest valid thing of each kind; a test overrides only what it is about. Synthetic people only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from smart_app.model.alert import ActionKind, Alert, AlertAction, Assessment, Disposition
from smart_app.model.approval import Approval, WriteChoice
from smart_app.model.identity import PatientIdentity, PatientKey, User
from smart_app.model.launch_session import LaunchSession
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.model.note import NoteDraft
from smart_app.model.screening import Giving, SavedAnswer, SavedStatus, Screening, ScreeningState

NOW = datetime(2026, 11, 23, 10, 30, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PATIENT = PatientKey(ehr_id="clinic", tenant="", patient_id="p-1")
CLINICIAN = User(issuer="https://ehr.example", subject="s-1", fhir_user="Practitioner/7", name="Miriam Okafor, MD")
ASSISTANT = User(issuer="https://ehr.example", subject="s-2", fhir_user="Practitioner/8", name="Ana Lindqvist")

_numbers = count(1)


def new_id() -> UUID:
    return UUID(int=next(_numbers))


def make_session(**changes: Any) -> LaunchSession:
    values: dict[str, Any] = {
        "id": f"launch-{next(_numbers)}",
        "secret_hash": "ab" * 32,
        "ehr_id": "clinic",
        "patient": PATIENT,
        "user": CLINICIAN,
        "role_codes": ("http://snomed.info/sct|309343006",),
        "encounter_id": "e-1",
        "launch": '{"tokens": "TOKEN-MARKER"}',
        "framed": True,
        "started_at": NOW,
        "last_seen_at": NOW,
    }
    return LaunchSession(**{**values, **changes})


def make_saved(link_id: str = "phq9-9", version: int = 1, code: str = "LA6569-3", **changes: Any) -> SavedAnswer:
    values: dict[str, Any] = {
        "link_id": link_id,
        "version": version,
        "device": "page-a",
        "sequence": version,
        "status": SavedStatus.ANSWERED,
        "code": code,
        "saved_at": NOW,
        "saved_by": ASSISTANT,
    }
    return SavedAnswer(**{**values, **changes})


def make_screening(**changes: Any) -> Screening:
    giving = Giving(
        informant="proxy",
        relationship="mother RELATION-MARKER",
        mode="paper",
        administered_by="Ana Lindqvist",
        language="en",
        interpreter=True,
        answered_at="2026-11-22",
    )
    values: dict[str, Any] = {
        "id": new_id(),
        "patient": PATIENT,
        "instrument_id": "phq-9",
        "canonical": "https://smart-screening.org/fhir/Questionnaire/phq-9|1.0.0",
        "state": ScreeningState.IN_PROGRESS,
        "giving": giving,
        "encounter_id": "e-1",
        "started_by": ASSISTANT,
        "started_at": NOW,
        "updated_at": NOW,
    }
    return Screening(**{**values, **changes})


def make_alert(screening: Screening, **changes: Any) -> Alert:
    assessment = Assessment(
        assessor="Miriam Okafor, MD",
        assessed_at=NOW,
        risk_level="low LEVEL-MARKER",
        reasons="REASON-MARKER",
        plan="PLAN-MARKER",
        disposition=Disposition.LEFT,
        outreach_plan="call tomorrow OUTREACH-MARKER",
        done=("asked about means",),
        into_note=True,
    )
    outreach = AlertAction(kind=ActionKind.OUTREACH, by=CLINICIAN, at=NOW, text="ACTION-MARKER", assessment=assessment)
    values: dict[str, Any] = {
        "id": new_id(),
        "screening_id": screening.id,
        "patient": screening.patient,
        "instrument_id": screening.instrument_id,
        "rule_id": "phq9-item-9",
        "link_id": "phq9-9",
        "kind": "risk-answer",
        "level": "any positive answer",
        "reason": "Item 9 above 0 ALERT-MARKER",
        "source": "Kroenke 2001",
        "opened_at": NOW,
        "opened_by_version": 2,
        "actions": (outreach,),
    }
    return Alert(**{**values, **changes})


def make_note(screening: Screening, **changes: Any) -> NoteDraft:
    values: dict[str, Any] = {
        "screening_id": screening.id,
        "text": "PHQ-9 total 13 NOTE-MARKER",
        "edited": True,
        "updated_by": CLINICIAN,
        "updated_at": NOW,
    }
    return NoteDraft(**{**values, **changes})


def make_identity() -> PatientIdentity:
    return PatientIdentity(
        patient_id="p-1",
        name="Zoë NAME-MARKER",
        birth_date="1980-02-29",
        gender="female",
        identifiers=(("urn:mrn", "MRN-MARKER"),),
        mrn="MRN-MARKER",
        deceased=True,
        active=False,
        replaced_by="p-2",
    )


def make_approval(screening: Screening, **changes: Any) -> Approval:
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": new_id(),
        "screening_id": screening.id,
        "patient": screening.patient,
        "patient_identity": make_identity(),
        "encounter_id": "e-1",
        "signer": CLINICIAN,
        "signed_at": NOW,
        "launch_id": "launch-1",
        "reference_code": f"SS-0000-{number:04d}",
        "content_hash": "c0" * 32,
        "displayed_hash": "d1" * 32,
        "choice": WriteChoice.RESTRICTED,
        "choice_reason": "WHY-MARKER",
        "note_text": "SIGNED-MARKER",
        "plan_text": "WRITES-MARKER",
        "encounter_status": "in-progress",
        "deceased_confirmed": True,
        "visit_confirmed": True,
        "awaiting": "Practitioner/9",
        "awaiting_name": "Henrik Lindqvist, MD",
        "co_signed_by": CLINICIAN,
        "co_signed_at": NOW + MINUTE,
    }
    return Approval(**{**values, **changes})


def make_row(approval: Approval, ordinal: int = 0, **changes: Any) -> LedgerRow:
    identifier = new_id()
    values: dict[str, Any] = {
        "id": new_id(),
        "approval_id": approval.id,
        "ordinal": ordinal,
        "key": f"observation:phq9-{ordinal}",
        "kind": "observation-item",
        "resource_type": "Observation",
        "full_url": f"urn:uuid:{identifier}",
        "identifier_value": str(identifier),
        "resource": '{"resourceType":"Observation","note":"RESOURCE-MARKER"}',
        "content_hash": "e2" * 32,
        "depends_on": ("questionnaire-response",),
        "state": RowState.PLANNED,
    }
    return LedgerRow(**{**values, **changes})
