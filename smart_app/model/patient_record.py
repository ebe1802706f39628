"""Patient → PatientIdentity: one reading for the page that is signed and the guard that checks it (FHIR R4 Patient).

Both must read alike, or a difference of spelling would look like another patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_app.errors import AppError
from smart_app.model.identity import PatientIdentity

_MEDICAL_RECORD_NUMBER = "MR"  # http://terminology.hl7.org/CodeSystem/v2-0203
_NAME_USES = ("official", "usual", None)


class MalformedPatient(AppError):
    """The EHR's Patient lacks what a page must show, or holds it in another form than FHIR says."""

    code = "malformed-patient"
    title = "The EHR's record of this patient cannot be read"
    remedy = "Nothing can be given or signed here until the EHR shows a readable patient. Tell your IT department."
    http_status = 502


def parse_patient_identity(patient: Mapping[str, Any]) -> PatientIdentity:
    """Read what identifies a patient. ``patient`` is a parsed R4 Patient.

    Raises: MalformedPatient naming the element that is missing or mistyped (never its content).
    """
    identifiers = [entry for entry in _objects(patient, "identifier") if _text(entry, "value")]
    deceased = patient.get("deceasedBoolean", False)
    if not isinstance(deceased, bool):
        raise MalformedPatient(field="deceasedBoolean")
    active = patient.get("active", True)
    if not isinstance(active, bool):
        raise MalformedPatient(field="active")
    patient_id = _text(patient, "id")
    if not patient_id:
        raise MalformedPatient(field="id")
    return PatientIdentity(
        patient_id=patient_id,
        name=_name(patient),
        birth_date=_text(patient, "birthDate") or None,
        gender=_text(patient, "gender") or None,
        identifiers=tuple(sorted((_text(entry, "system"), _text(entry, "value")) for entry in identifiers)),
        mrn=_medical_record_number(identifiers),
        active=active,
        deceased=deceased or bool(_text(patient, "deceasedDateTime")),
        replaced_by=_replaced_by(patient),
    )


def _name(patient: Mapping[str, Any]) -> str:
    names = _objects(patient, "name")
    for use in _NAME_USES:
        for name in names:
            if use in (None, name.get("use")) and name.get("use") != "old" and (words := _words(name)):
                return words
    raise MalformedPatient(field="name")


def _words(name: Mapping[str, Any]) -> str:
    given = name.get("given", [])
    if not isinstance(given, list) or not all(isinstance(part, str) for part in given):
        raise MalformedPatient(field="name.given")
    parts = [_text(name, "family").strip(), " ".join(part.strip() for part in given if part.strip())]
    return ", ".join(part for part in parts if part) or _text(name, "text").strip()


def _medical_record_number(identifiers: list[Mapping[str, Any]]) -> str | None:
    for entry in identifiers:
        kind = entry.get("type", {})
        if not isinstance(kind, dict):
            raise MalformedPatient(field="identifier.type")
        if any(coding.get("code") == _MEDICAL_RECORD_NUMBER for coding in _objects(kind, "coding")):
            return _text(entry, "value")
    return next((_text(entry, "value") for entry in identifiers if entry.get("use") == "usual"), None)


def _replaced_by(patient: Mapping[str, Any]) -> str | None:
    for link in _objects(patient, "link"):
        if link.get("type") == "replaced-by":
            other = link.get("other", {})
            if not isinstance(other, dict):
                raise MalformedPatient(field="link.other")
            return _text(other, "reference") or "unnamed"
    return None


def _objects(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = parent.get(name, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise MalformedPatient(field=name)
    return found


def _text(parent: Mapping[str, Any], name: str) -> str:
    found = parent.get(name, "")
    if not isinstance(found, str):
        raise MalformedPatient(field=name)
    return found
