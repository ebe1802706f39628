"""Who: the patient key, the patient as the EHR shows them, the user (SMART App Launch 2.2, "fhirUser")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientKey:
    """One patient of one EHR: every record about a patient carries all three parts.

    ``tenant`` is the SMART launch context parameter of that name, "" where the EHR sends none.
    """

    ehr_id: str
    tenant: str
    patient_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientIdentity:
    """What identifies a patient on a page and in the guard before each send (design: safety rule 2).

    ``identifiers`` are (system, value) pairs, sorted; ``mrn`` is the one shown. Dates are FHIR strings.
    """

    patient_id: str
    name: str
    birth_date: str | None
    gender: str | None
    identifiers: tuple[tuple[str, str], ...]
    mrn: str | None
    active: bool = True
    deceased: bool = False
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The person at the EHR: (issuer, subject) is the identity; ``fhir_user`` is a reference such as Practitioner/1."""

    issuer: str
    subject: str
    fhir_user: str | None
    name: str

    @property
    def resource_type(self) -> str | None:
        """Type of ``fhir_user`` (Practitioner, PractitionerRole, Patient, RelatedPerson, Person) or None."""
        return self.fhir_user.split("/", 1)[0] if self.fhir_user else None

    @property
    def is_patient_side(self) -> bool:
        """True for a Patient or RelatedPerson: never lets them reach a clinician's page (design section 7)."""
        return self.resource_type in {"Patient", "RelatedPerson"}

    def same_person(self, other: User) -> bool:
        """Compare by (issuer, subject): names and fhirUser may change their spelling."""
        return (self.issuer, self.subject) == (other.issuer, other.subject)
