"""The stale-context guard: is what was signed still true, by what the EHR says now (safety rule 2).

``check_door`` compares user, EHR, tenant and patient without a network call; ``check_still_true`` reads Patient and
Encounter again (FHIR R4). It runs before each send, from the EHR, never from what the launch remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

USABLE_ENCOUNTER = frozenset({"planned", "arrived", "triaged", "in-progress", "onleave", "finished"})
"""Encounter.status that a result may belong to. A visit that ends between signing and sending is the usual course;
one that was cancelled or entered in error is not."""

_LOOK_AGAIN = "Nothing was sent. Look at the chart in the EHR; if the result belongs there, sign it anew."
_TRY_LATER = "Nothing was sent and nothing is lost. Choose “Finish writing” in a moment."


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardStop:
    """Why nothing is sent now: a stable code, what happened, what to do. ``transient``: trying again may help."""

    code: str
    title: str
    remedy: str
    transient: bool = False


OTHER_EHR = GuardStop(code="other-ehr", title="This launch belongs to another EHR", remedy=_LOOK_AGAIN)
OTHER_PATIENT = GuardStop(code="other-patient", title="This launch belongs to another patient", remedy=_LOOK_AGAIN)
OTHER_USER = GuardStop(
    code="other-user",
    title="Only the person who signed can send this",
    remedy="It is sent when they open this patient's chart again and choose “Finish writing”.",
    transient=True,
)
NOT_CO_SIGNED = GuardStop(
    code="not-co-signed",
    title="A co-signature is awaited",
    remedy="Nothing is sent before the supervisor has co-signed.",
    transient=True,
)
PATIENT_GONE = GuardStop(code="patient-gone", title="The EHR no longer has this patient's record", remedy=_LOOK_AGAIN)
PATIENT_MERGED = GuardStop(
    code="patient-merged", title="This patient's record was merged into another", remedy=_LOOK_AGAIN
)
PATIENT_INACTIVE = GuardStop(
    code="patient-inactive", title="This patient's record is no longer in use", remedy=_LOOK_AGAIN
)
PATIENT_CHANGED = GuardStop(
    code="patient-changed",
    title="Name, birth date or identifiers of this patient have changed since signing",
    remedy=_LOOK_AGAIN,
)
PATIENT_DECEASED = GuardStop(
    code="patient-deceased",
    title="The EHR now says that this patient has died",
    remedy="Nothing was sent. If the result still belongs in the chart, sign it anew and confirm this on the page.",
)
PATIENT_UNREADABLE = GuardStop(
    code="patient-unreadable",
    title="The EHR's record of this patient cannot be read",
    remedy="Nothing was sent. Tell your IT department.",
)
ENCOUNTER_GONE = GuardStop(code="encounter-gone", title="The EHR no longer has this visit", remedy=_LOOK_AGAIN)
ENCOUNTER_OF_ANOTHER = GuardStop(
    code="encounter-of-another-patient", title="The visit belongs to another patient", remedy=_LOOK_AGAIN
)
ENCOUNTER_CANCELLED = GuardStop(
    code="encounter-cancelled", title="The visit was cancelled or entered in error", remedy=_LOOK_AGAIN
)
CHART_PROTECTED = GuardStop(
    code="chart-protected",
    title="The chart is protected",
    remedy="Nothing was sent. Open the chart in the EHR and give the reason it asks for, then choose “Finish writing”.",
    transient=True,
)
NO_RIGHT_TO_CHECK = GuardStop(
    code="no-right-to-check",
    title="The EHR does not let this app check the patient",
    remedy="Nothing was sent. Open the app again from the chart; if it happens again, tell your IT department.",
    transient=True,
)
TOKEN_ENDED = GuardStop(
    code="token-ended",
    title="The access that the EHR gave has ended",
    remedy="What is left is sent when you open this patient's chart again and choose “Finish writing”.",
    transient=True,
)
CANNOT_CHECK = GuardStop(
    code="cannot-check",
    title="The EHR did not answer when patient and visit were checked",
    remedy=_TRY_LATER,
    transient=True,
)


def check_door(approval: Approval, door: EhrDoor) -> GuardStop | None:
    """Compare the launch with what was signed: EHR, tenant, patient, user; a signature that still waits stops too."""
    if door.patient.ehr_id != approval.patient.ehr_id:
        return OTHER_EHR
    if door.patient != approval.patient:
        return OTHER_PATIENT
    signers = [person for person in (approval.signer, approval.co_signed_by) if person is not None]
    if not any(door.user.same_person(person) for person in signers):
        return OTHER_USER
    if approval.awaiting is not None and approval.co_signed_at is None:
        return NOT_CO_SIGNED
    return None


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
    return None if found.resource.get("status") in USABLE_ENCOUNTER else ENCOUNTER_CANCELLED


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
