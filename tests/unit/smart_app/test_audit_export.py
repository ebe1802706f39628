"""Exported audit events are valid R4 AuditEvents that say who did what to whom, and hold no name of a patient."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fhir.resources.R4B.auditevent import AuditEvent as R4AuditEvent

from smart_app.audit_export import build_audit_event
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.identity import PatientKey, User

NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
FULL = AuditEvent(
    action=AuditAction.SIGNED,
    at=NOW,
    user=User(issuer="https://ehr.example", subject="s-1", fhir_user="Practitioner/7", name="Miriam Okafor, MD"),
    patient=PatientKey(ehr_id="clinic", tenant="north", patient_id="p-1"),
    launch_id="launch-1",
    entity="approval/1",
    correlation_id="c-1",
    detail={"rows": 12, "late": False, "none": None},
)


@pytest.mark.parametrize("action", list(AuditAction))
def test_every_action_becomes_a_valid_audit_event(action: AuditAction) -> None:
    resource = build_audit_event(7, AuditEvent(action=action, at=NOW))
    R4AuditEvent.model_validate(resource)
    assert resource["subtype"][0]["code"] == action.value
    assert resource["action"] in "CRUDE"


def test_a_full_event_says_who_did_what_to_whom() -> None:
    resource = build_audit_event(7, FULL)
    R4AuditEvent.model_validate(resource)
    assert resource["id"] == "7"
    assert resource["recorded"] == "2026-11-23T10:30:00.000Z"
    assert (resource["action"], resource["outcome"]) == ("C", "0")
    [agent] = resource["agent"]
    assert agent["who"] == {
        "identifier": {"system": "https://ehr.example", "value": "s-1"},
        "reference": "Practitioner/7",
        "display": "Miriam Okafor, MD",
    }
    patient, thing = resource["entity"]
    assert patient["what"] == {"reference": "Patient/p-1"}
    assert {"type": "tenant", "valueString": "north"} in patient["detail"]
    assert thing["what"] == {"identifier": {"value": "approval/1"}}
    assert {detail["type"] for detail in thing["detail"]} == {"rows", "late", "correlationId"}


def test_a_refusal_is_no_success() -> None:
    resource = build_audit_event(1, AuditEvent(action=AuditAction.ACCESS_REFUSED, at=NOW, outcome="not-allowed"))
    assert (resource["outcome"], resource["outcomeDesc"]) == ("4", "not-allowed")
    assert resource["agent"] == [{"who": {"display": "smart-screening"}, "requestor": False}]
