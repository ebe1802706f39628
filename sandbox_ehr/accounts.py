"""Who can log in to the simulated EHR. No passwords: every account is synthetic, and the pages say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AccountKind = Literal["staff", "patient", "related-person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One login.

    account_id: opaque; the `sub` of the id_token. fhir_user: relative reference that the id_token's `fhirUser` names,
    None for the
    account without one. patient_id: the only chart a patient or related person may open. role: shown beside the name.
    """

    account_id: str
    name: str
    role: str
    kind: AccountKind = "staff"
    fhir_user: str | None = None
    patient_id: str | None = None

    def may_open(self, patient_id: str) -> bool:
        """Tell whether this account may open the chart: staff any, others only their own."""
        return self.kind == "staff" or self.patient_id == patient_id
