"""Our audit events as FHIR R4 AuditEvents in the shape of IHE BALP (Basic Audit Log Patterns 1.1).

https://profiles.ihe.net/ITI/BALP/; http://hl7.org/fhir/R4/auditevent.html. Pure. The agent is the person at the EHR,
the source is the app; the patient is an entity of role 1 (Patient).
"""

from __future__ import annotations

from typing import Any

from smart_app.model.audit import AuditEvent
from smart_app.model.identity import PatientKey, User

_REST = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "code": "rest",
    "display": "RESTful Operation",
}
_APPLICATION = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110100"}
_OBJECT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_ACTIONS = "https://smart-screening.org/fhir/CodeSystem/audit-action"
_CRUDE = {
    "C": frozenset({"screening:started", "alert:opened", "approval:signed", "approval:co-signed", "launch:started"}),
    "R": frozenset({"chart:read", "screening:viewed", "alert:viewed", "data:exported"}),
    "D": frozenset({"data:purged"}),
    "E": frozenset({"launch:completed", "launch:ended", "row:sending", "row:result", "keys:rotated", "keys:retired"}),
}


def build_audit_event(seq: int, event: AuditEvent) -> dict[str, Any]:
    """Make the R4 AuditEvent of one event; ``seq`` is its place in the chain and its id."""
    entities = [*_patient_entity(event.patient), *_thing_entity(event)]
    resource: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(seq),
        "type": _REST,
        "subtype": [{"system": _ACTIONS, "code": event.action.value}],
        "action": next((code for code, actions in _CRUDE.items() if event.action.value in actions), "U"),
        "recorded": event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": "0" if event.outcome == "success" else "4",
        "outcomeDesc": event.outcome,
        "agent": [_agent(event.user, event.launch_id)],
        "source": {"observer": {"display": "smart-screening"}, "type": [_APPLICATION]},
    }
    return {**resource, "entity": entities} if entities else resource


def _agent(user: User | None, launch_id: str | None) -> dict[str, Any]:
    if user is None:
        return {"who": {"display": "smart-screening"}, "requestor": False}
    who: dict[str, Any] = {"identifier": {"system": user.issuer, "value": user.subject}}
    if user.fhir_user is not None:
        who["reference"] = user.fhir_user
    if user.name:
        who["display"] = user.name
    agent: dict[str, Any] = {"who": who, "requestor": True}
    return agent if launch_id is None else {**agent, "altId": launch_id}


def _patient_entity(key: PatientKey | None) -> list[dict[str, Any]]:
    if key is None:
        return []
    return [
        {
            "what": {"reference": f"Patient/{key.patient_id}"},
            "type": {"system": _OBJECT_TYPE, "code": "1", "display": "Person"},
            "role": {"system": _OBJECT_ROLE, "code": "1", "display": "Patient"},
            "detail": [
                {"type": "ehr", "valueString": key.ehr_id},
                *([{"type": "tenant", "valueString": key.tenant}] if key.tenant else []),
            ],
        }
    ]


def _thing_entity(event: AuditEvent) -> list[dict[str, Any]]:
    facts = {name: value for name, value in event.detail.items() if value is not None}
    if event.correlation_id is not None:
        facts["correlationId"] = event.correlation_id
    if event.entity is None and not facts:
        return []
    entity: dict[str, Any] = {"role": {"system": _OBJECT_ROLE, "code": "4", "display": "Domain Resource"}}
    if event.entity is not None:
        entity["what"] = {"identifier": {"value": event.entity}}
    if facts:
        entity["detail"] = [{"type": name, "valueString": str(value)} for name, value in sorted(facts.items())]
    return [entity]
