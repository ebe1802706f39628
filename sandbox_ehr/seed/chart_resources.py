"""A chart file as FHIR R4 resources in US Core shape.

Source: http://hl7.org/fhir/us/core/STU6.1/; : Patient, Encounter, Condition, MedicationRequest and vital signs.
Screening results: screening_resources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox_ehr.seed.dates import SeedCalendar, write_date_time
from sandbox_ehr.seed.site_resources import US_CORE, Resource, staff_names

HL7 = "http://terminology.hl7.org/CodeSystem"
_LANGUAGES = {"en": "English", "vi": "Vietnamese"}
_ENCOUNTER_CLASSES = {"AMB": "ambulatory", "VR": "virtual"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartBuilder:
    """Builds from one chart file. chart, site: as parsed from JSON."""

    chart: Mapping[str, Any]
    site: Mapping[str, Any]
    calendar: SeedCalendar

    def build(self) -> Iterator[Resource]:
        """Give the resources in an order in which every reference points backwards."""
        yield self._patient()
        for encounter in self.chart.get("encounters", ()):
            yield self._encounter(encounter)
        for number, condition in enumerate(self.chart.get("conditions", ()), 1):
            yield self._condition(number, condition)
        for number, medication in enumerate(self.chart.get("medications", ()), 1):
            yield self._medication_request(number, medication)
        if "home_readings" in self.chart:
            yield from self._home_readings(self.chart["home_readings"])

    @property
    def patient_id(self) -> str:
        """The id of the Patient."""
        return str(self.chart["id"])

    def reference_patient(self) -> dict[str, str]:
        """Refer to the patient by name, as EHRs do."""
        name = self.chart["names"][0]
        return {"reference": f"Patient/{self.patient_id}", "display": " ".join([*name["given"], name["family"]])}

    def _reference_staff(self, practitioner_id: str) -> dict[str, str]:
        return {"reference": f"Practitioner/{practitioner_id}", "display": staff_names(self.site)[practitioner_id]}

    def _patient(self) -> Resource:
        chart = self.chart
        patient: Resource = {
            "resourceType": "Patient",
            "id": self.patient_id,
            "meta": {"profile": [f"{US_CORE}/us-core-patient"]},
            "identifier": [
                {
                    "use": "usual",
                    "type": {
                        "coding": [{"system": f"{HL7}/v2-0203", "code": "MR", "display": "Medical record number"}],
                        "text": "Medical record number",
                    },
                    "system": self.site["systems"]["mrn"],
                    "value": chart["mrn"],
                }
            ],
            "active": "replaced_by" not in chart,
            "name": chart["names"],
            "gender": chart["gender"],
            "birthDate": self.calendar.birth_date(chart["age"], chart["birthday"]),
        }
        if "deceased_days_ago" in chart:
            patient["deceasedDateTime"] = self.calendar.day(chart["deceased_days_ago"])
        if "replaced_by" in chart:
            patient["link"] = [{"other": {"reference": f"Patient/{chart['replaced_by']}"}, "type": "replaced-by"}]
        if "language" in chart:
            code = chart["language"]
            coding = {"system": "urn:ietf:bcp:47", "code": code, "display": _LANGUAGES[code]}
            patient["communication"] = [{"language": {"coding": [coding], "text": _LANGUAGES[code]}, "preferred": True}]
        if chart.get("interpreter"):
            patient["extension"] = [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired",
                    "valueBoolean": True,
                }
            ]
        return patient

    def _encounter(self, encounter: Mapping[str, Any]) -> Resource:
        practitioner = self._reference_staff(encounter["practitioner"])
        if "minutes_ago" in encounter:
            start = self.calendar.minutes_ago(encounter["minutes_ago"])
            status, period = "in-progress", {"start": write_date_time(start)}
        else:
            start = self.calendar.moment(encounter["days_ago"], encounter["at"])
            end = start + timedelta(minutes=encounter["minutes"])
            status, period = "finished", {"start": write_date_time(start), "end": write_date_time(end)}
        class_code = encounter.get("class", "AMB")
        participation = {"system": f"{HL7}/v3-ParticipationType", "code": "PPRF", "display": "primary performer"}
        return {
            "resourceType": "Encounter",
            "id": encounter["id"],
            "meta": {"profile": [f"{US_CORE}/us-core-encounter"]},
            "status": status,
            "class": {
                "system": f"{HL7}/v3-ActCode",
                "code": class_code,
                "display": _ENCOUNTER_CLASSES[class_code],
            },
            "type": [{"coding": [self.site["visit_kinds"][encounter["kind"]]], "text": encounter["kind"]}],
            "subject": self.reference_patient(),
            "participant": [{"type": [{"coding": [participation]}], "period": period, "individual": practitioner}],
            "period": period,
            "location": [{"location": {"reference": f"Location/{self.site['location']['id']}"}}],
            "serviceProvider": {
                "reference": f"Organization/{self.site['organization']['id']}",
                "display": self.site["organization"]["name"],
            },
        }

    def _condition(self, number: int, condition: Mapping[str, Any]) -> Resource:
        codings = [dict(zip(("system", "code"), code.split("|"), strict=True)) for code in condition["codes"]]
        return {
            "resourceType": "Condition",
            "id": f"{self.patient_id}-condition-{number}",
            "meta": {"profile": [f"{US_CORE}/us-core-condition-problems-health-concerns"]},
            "clinicalStatus": {"coding": [{"system": f"{HL7}/condition-clinical", "code": condition["status"]}]},
            "verificationStatus": {"coding": [{"system": f"{HL7}/condition-ver-status", "code": "confirmed"}]},
            "category": [
                {
                    "coding": [
                        {
                            "system": f"{HL7}/condition-category",
                            "code": "problem-list-item",
                            "display": "Problem List Item",
                        }
                    ]
                }
            ],
            "code": {"coding": codings, "text": condition["text"]},
            "subject": self.reference_patient(),
            "onsetDateTime": self.calendar.day(condition["days_ago"]),
            "recordedDate": self.calendar.day(condition["days_ago"]),
        }

    def _medication_request(self, number: int, medication: Mapping[str, Any]) -> Resource:
        concept: dict[str, Any] = {"text": medication["text"]}
        if "rxnorm" in medication:
            rxnorm = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": medication["rxnorm"]}
            concept["coding"] = [rxnorm]
        return {
            "resourceType": "MedicationRequest",
            "id": f"{self.patient_id}-medication-{number}",
            "meta": {"profile": [f"{US_CORE}/us-core-medicationrequest"]},
            "status": medication["status"],
            "intent": "order",
            "medicationCodeableConcept": concept,
            "subject": self.reference_patient(),
            "authoredOn": self.calendar.day(medication["days_ago"]),
            "requester": self._reference_staff(medication["prescriber"]),
            "dosageInstruction": [{"text": medication["dose"]}],
        }

    def _home_readings(self, readings: Mapping[str, Any]) -> Iterator[Resource]:
        """Give pulse, blood pressure and weight of each reading, wandering a little and without chance."""
        for number in range(readings["count"]):
            drift = number * 7 % 11 - 5
            moment = self.calendar.moment(readings["newest_days_ago"] + number * readings["every_days"], "08:00")
            effective = write_date_time(moment)
            yield self._vital_sign(
                f"pulse-{number}", "us-core-heart-rate", _loinc("8867-4", "Heart rate"), effective,
                {"valueQuantity": _quantity(readings["pulse"] + drift, "beats/minute", "/min")},
            )  # fmt: skip
            yield self._vital_sign(
                f"bp-{number}", "us-core-blood-pressure", _loinc("85354-9", "Blood pressure panel"), effective,
                {
                    "component": [
                        {
                            "code": _loinc(code, display),
                            "valueQuantity": _quantity(readings[key] + drift, "mmHg", "mm[Hg]"),
                        }
                        for code, display, key in (
                            ("8480-6", "Systolic blood pressure", "systolic"),
                            ("8462-4", "Diastolic blood pressure", "diastolic"),
                        )
                    ]
                },
            )  # fmt: skip
            yield self._vital_sign(
                f"weight-{number}", "us-core-body-weight", _loinc("29463-7", "Body weight"), effective,
                {"valueQuantity": _quantity(readings["weight_kg"] + Decimal(drift) / 10, "kg", "kg")},
            )  # fmt: skip

    def _vital_sign(
        self, name: str, profile: str, code: dict[str, Any], effective: str, value: Mapping[str, Any]
    ) -> Resource:
        category = {"system": f"{HL7}/observation-category", "code": "vital-signs", "display": "Vital Signs"}
        return {
            "resourceType": "Observation",
            "id": f"{self.patient_id}-{name}",
            "meta": {"profile": [f"{US_CORE}/{profile}"]},
            "status": "final",
            "category": [{"coding": [category]}],
            "code": code,
            "subject": self.reference_patient(),
            "effectiveDateTime": effective,
            "performer": [self.reference_patient()],
            **value,
        }


def _loinc(code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": code, "display": display}], "text": display}


def _quantity(value: int | Decimal, unit: str, code: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": code}
