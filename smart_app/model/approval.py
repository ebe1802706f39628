"""An Approval: what a clinician signed, by content hash, and as whom for whom (design section 6, "What is signed")."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from smart_app.model.identity import PatientIdentity, PatientKey, User


class WriteChoice(StrEnum):
    """Safety rule 13: write; the site's restricted note type; or not write, with a reason."""

    WRITE = "write"
    RESTRICTED = "restricted"
    KEEP = "keep"
    COPY_BY_HAND = "copy-by-hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A signature over planned resources.

    ``content_hash`` covers the planned resources with urn:uuid references and the identifiers fixed at signing;
    ``displayed_hash`` covers what the page showed. ``patient_identity`` is what the guard compares before each send.
    ``encounter_status`` is the visit's Encounter.status as signed, None without a visit; where it has changed, nothing
    is sent before a signer says that the result belongs to that visit all the same (``visit_confirmed``).
    ``awaiting`` is the supervisor whose co-signature must come first (a trainee's signature), None otherwise;
    ``awaiting_name`` their name, "" where nobody knew it.
    """

    id: UUID
    screening_id: UUID
    patient: PatientKey
    patient_identity: PatientIdentity
    encounter_id: str | None
    signer: User
    signed_at: datetime
    launch_id: str
    reference_code: str
    content_hash: str
    displayed_hash: str
    choice: WriteChoice
    choice_reason: str
    note_text: str
    plan_text: str
    encounter_status: str | None = None
    deceased_confirmed: bool = False
    visit_confirmed: bool = False
    awaiting: str | None = None
    awaiting_name: str = ""
    co_signed_by: User | None = None
    co_signed_at: datetime | None = None
    version: int = 1

    @property
    def signers(self) -> tuple[User, ...]:
        """Everybody whose signature it carries: a row goes out only under the token of one of them."""
        return (self.signer,) if self.co_signed_by is None else (self.signer, self.co_signed_by)

    @property
    def waits(self) -> bool:
        """True while the supervisor's signature is awaited: nothing is sent before it."""
        return self.awaiting is not None and self.co_signed_at is None

    def is_signed_by(self, user: User) -> bool:
        """Tell whether this person is one of the signers."""
        return any(signer.same_person(user) for signer in self.signers)
