"""Sign a reviewed result: Approval, ledger rows, screening and audit in one commit (design: "What is signed")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from fhir_mappings.administration import Party
from fhir_mappings.result import ScreeningResult, Signer
from smart_app.model.approval import Approval
from smart_app.model.identity import PatientIdentity, User
from smart_app.model.screening import Screening
from smart_app.writeback.plan import WritePlan

if TYPE_CHECKING:
    from smart_app.storage.unit_of_work import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """Everything a signature rests on.

    ``screening`` and ``result`` as displayed; ``plan`` made for the clinician's choice; ``displayed_hash`` as the form
    posted it, ``current_hash`` as the page would show it now. ``signer`` is the user, ``signer_name`` the reference
    and name that go into the resources. ``awaiting`` names a supervisor whose co-signature must come first.
    """

    screening: Screening
    result: ScreeningResult = field(repr=False)
    plan: WritePlan
    patient_identity: PatientIdentity = field(repr=False)
    encounter_id: str | None
    signer: User
    signer_name: Signer
    organization: Party | None
    launch_id: str
    note_text: str = field(repr=False)
    displayed_hash: str
    current_hash: str
    choice_reason: str = field(default="", repr=False)
    deceased_confirmed: bool = False
    awaiting: str | None = None
    software_version: str


def sign(
    units: Units,
    request: SignRequest,
    *,
    now: datetime,
    new_id: Callable[[], UUID],
    random_bytes: Callable[[int], bytes],
) -> Approval:
    """Sign. Refused when the page has changed, an alert is open, or a choice or its reason is missing.

    A refusal is audited in a transaction of its own. Raises: ChangedSinceShown, AlertStillOpen, ChoiceMissing,
    MissingField, IllegalMove, StaleVersion.
    """
    raise NotImplementedError
