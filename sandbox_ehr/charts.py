"""The charts as the launcher and the pickers list them: who the patients are and which encounters they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox_ehr.chart_source import ChartSource

MRN_TYPE = "MR"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartEntry:
    """One patient as a line of a list. birth_date: as in the record, maybe partial. Both it and mrn may be empty."""

    patient_id: str
    name: str
    birth_date: str
    gender: str
    mrn: str
    deceased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterEntry:
    """One encounter as a line of a list. date: calendar date of its start, empty where not recorded."""

    encounter_id: str
    title: str
    status: str
    date: str


class Charts:
    """Reads lists for people from the charts."""

    def __init__(self, source: ChartSource) -> None:
        self._source = source

    def list_patients(self) -> list[ChartEntry]:
        """Give every active patient in the order in which they were added."""
        patients = [
            _parse_patient(patient) for patient in self._source.search("Patient") if patient.get("active") is not False
        ]
        return sorted(patients, key=lambda entry: (len(entry.patient_id), entry.patient_id))

    def find_patient(self, patient_id: str) -> ChartEntry | None:
        """Give one patient, or None."""
        patient = self._source.find("Patient", patient_id)
        return None if patient is None else _parse_patient(patient)

    def list_encounters(self, patient_id: str) -> list[EncounterEntry]:
        """Give a patient's encounters, newest first."""
        found = self._source.search("Encounter", ("patient", f"Patient/{patient_id}"))
        return sorted((_parse_encounter(encounter) for encounter in found), key=lambda entry: entry.date, reverse=True)

    def find_current_encounter(self, patient_id: str) -> str | None:
        """Give the id of the newest encounter in progress, or None."""
        current = (entry.encounter_id for entry in self.list_encounters(patient_id) if entry.status == "in-progress")
        return next(current, None)


def _parse_patient(patient: dict[str, Any]) -> ChartEntry:
    names = patient.get("name") or [{}]
    official = next((name for name in names if name.get("use") == "official"), names[0])
    parts = [*official.get("given", ()), official.get("family", "")]
    mrn = (
        identifier.get("value", "")
        for identifier in patient.get("identifier", ())
        if any(coding.get("code") == MRN_TYPE for coding in identifier.get("type", {}).get("coding", ()))
    )
    return ChartEntry(
        patient_id=patient["id"],
        name=" ".join(part for part in parts if part) or "No name recorded",
        birth_date=patient.get("birthDate", ""),
        gender=patient.get("gender", "not recorded"),
        mrn=next(mrn, ""),
        deceased=bool(patient.get("deceasedDateTime") or patient.get("deceasedBoolean")),
    )


def _parse_encounter(encounter: dict[str, Any]) -> EncounterEntry:
    types = encounter.get("type") or [{}]
    return EncounterEntry(
        encounter_id=encounter["id"],
        title=types[0].get("text") or "Encounter",
        status=encounter.get("status", "unknown"),
        date=encounter.get("period", {}).get("start", "")[:10],
    )
