"""The stale-context guard: is what was signed still true, by what the EHR says now (safety rule 2).

``check_door`` compares user, EHR, tenant and patient without a network call; ``check_still_true`` reads Patient and
Encounter again (FHIR R4). It runs before each send, from the EHR, never from what the launch remembers.
"""

from __future__ import annotations

from collections.abc import Mapping

from launch.errors import (
    BreakTheGlass,
    Forbidden,
    Gone,
    LaunchError,
    NotFound,
    Unauthorized,
)
from launch.fhir_reader import FhirResource, Read, Search, SearchResult
from launch.urls import find_reference
from smart_app.model.approval import Approval
from smart_app.model.patient_record import MalformedPatient, parse_patient_identity
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.stops import (
    CANNOT_CHECK,
    CHART_PROTECTED,
    ENCOUNTER_CANCELLED,
    ENCOUNTER_CHANGED,
    ENCOUNTER_GONE,
    ENCOUNTER_OF_ANOTHER,
    NO_RIGHT_TO_CHECK,
    NOT_CO_SIGNED,
    OTHER_EHR,
    OTHER_PATIENT,
    OTHER_USER,
    PATIENT_CHANGED,
    PATIENT_DECEASED,
    PATIENT_GONE,
    PATIENT_INACTIVE,
    PATIENT_MERGED,
    PATIENT_UNREADABLE,
    TOKEN_ENDED,
    GuardStop,
)

USABLE_ENCOUNTER = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave", "finished"})
"""Encounter.status that a result may belong to: a change among these may be confirmed. A visit that was cancelled or
entered in error takes no result."""


def check_door(approval: Approval, door: EhrDoor) -> GuardStop | None:
    """Compare the launch with what was signed: EHR, tenant, patient, user; a signature that still waits stops too."""
    if door.patient.ehr_id != approval.patient.ehr_id:
        return OTHER_EHR
    if door.patient != approval.patient:
        return OTHER_PATIENT
    if not approval.is_signed_by(door.user):
        return OTHER_USER
    return NOT_CO_SIGNED if approval.waits else None


def check_still_true(approval: Approval, door: EhrDoor) -> GuardStop | None:
    """Read Patient and Encounter again, together, and compare them with what was signed.

    Never raises for what an EHR does: what cannot be checked stops the send.
    """
    wanted: dict[str, Read | Search] = {"patient": Read(resource_type="Patient", id=approval.patient.patient_id)}
    if approval.encounter_id is not None:
        wanted["encounter"] = Read(resource_type="Encounter", id=approval.encounter_id)
    found = door.reader.read_together(wanted)
    stop = _check_patient(approval, found["patient"])
    if stop is not None or approval.encounter_id is None:
        return stop
    return _check_encounter(approval, found["encounter"], door.fhir_base_url)


_Found = FhirResource | SearchResult | LaunchError


def _check_patient(approval: Approval, found: _Found) -> GuardStop | None:
    if not isinstance(found, FhirResource):
        return _stop_of(found, gone=PATIENT_GONE)
    try:
        now = parse_patient_identity(found.resource)
    except MalformedPatient:
        return PATIENT_UNREADABLE
    signed = approval.patient_identity
    stops = {
        PATIENT_MERGED: now.replaced_by is not None,
        PATIENT_INACTIVE: not now.active and signed.active,
        PATIENT_CHANGED: (now.patient_id, now.name, now.birth_date, now.identifiers)
        != (signed.patient_id, signed.name, signed.birth_date, signed.identifiers),
        PATIENT_DECEASED: now.deceased and not approval.deceased_confirmed,
    }
    return next((stop for stop, stands in stops.items() if stands), None)


def _check_encounter(approval: Approval, found: _Found, fhir_base_url: str) -> GuardStop | None:
    if not isinstance(found, FhirResource):
        return _stop_of(found, gone=ENCOUNTER_GONE)
    if not refers_to_patient(found.resource.get("subject"), approval.patient.patient_id, fhir_base_url):
        return ENCOUNTER_OF_ANOTHER
    status = found.resource.get("status")
    if status not in USABLE_ENCOUNTER:
        return ENCOUNTER_CANCELLED
    return None if status == approval.encounter_status or approval.visit_confirmed else ENCOUNTER_CHANGED


def refers_to_patient(subject: object, patient_id: str, fhir_base_url: str) -> bool:
    """Tell whether a Reference points at this patient of this EHR; anything that cannot be read does not."""
    text = subject.get("reference") if isinstance(subject, Mapping) else None
    found = find_reference(text, fhir_base_url=fhir_base_url) if isinstance(text, str) else None
    return found is not None and (found.resource_type, found.id) == ("Patient", patient_id)


def _stop_of(found: SearchResult | LaunchError, *, gone: GuardStop) -> GuardStop:
    kinds: tuple[tuple[type[LaunchError], GuardStop], ...] = (
        (NotFound, gone),
        (Gone, gone),
        (Unauthorized, TOKEN_ENDED),
        (BreakTheGlass, CHART_PROTECTED),
        (Forbidden, NO_RIGHT_TO_CHECK),
    )
    return next((stop for kind, stop in kinds if isinstance(found, kind)), CANNOT_CHECK)
