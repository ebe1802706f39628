"""Approvals: what was signed, by whom, for whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, RowMapping, select

from smart_app.model.approval import Approval, WriteChoice
from smart_app.model.identity import PatientIdentity, PatientKey, User
from smart_app.storage.cipher import Cipher, SealedField
from smart_app.storage.errors import UnknownApproval
from smart_app.storage.repository import Repository, is_patient, patient_of, patient_values
from smart_app.storage.tables import approvals as table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    patient_identity: PatientIdentity
    signer: User
    content_hash: str
    displayed_hash: str
    choice_reason: str
    note_text: str
    plan_text: str
    deceased_confirmed: bool
    co_signed_by: User | None
    awaiting_name: str = ""
    encounter_status: str | None = None
    visit_confirmed: bool = False


_SECRETS = SealedField(kind="approval", column="sealed", adapter=TypeAdapter(_Secrets))


class Approvals(Repository):
    """Approvals by id, screening and patient."""

    def add(self, approval: Approval) -> None:
        """Keep a new approval. Raises AlreadyExists, also for a reference code in use."""
        self._insert(table, {"id": approval.id, "version": approval.version, **self._values(approval)})

    def get(self, approval_id: UUID) -> Approval:
        """Give one. Raises UnknownApproval."""
        found = self._all(table.c.id == approval_id)
        if not found:
            raise UnknownApproval(field="approval_id")
        return found[0]

    def find_for_screening(self, screening_id: UUID) -> Approval | None:
        """Give the newest approval of a screening, None when it was never signed."""
        return next(iter(self._all(table.c.screening_id == screening_id)), None)

    def for_patient(self, key: PatientKey) -> tuple[Approval, ...]:
        """Give a patient's approvals, newest first."""
        return self._all(is_patient(table, key))

    def awaiting_co_signature(self, ehr_id: str) -> tuple[Approval, ...]:
        """Give the approvals of one EHR that wait for their supervisor, newest first."""
        return self._all(table.c.ehr_id == ehr_id, table.c.awaiting.is_not(None), table.c.co_signed_at.is_(None))

    def save(self, approval: Approval) -> Approval:
        """Save under the version that was read; give it with its new version. Raises StaleVersion."""
        values = self._values(approval)
        version = self._update_version(table, table.c.id == approval.id, approval.version, values)
        return replace(approval, version=version)

    def _all(self, *where: ColumnElement[bool]) -> tuple[Approval, ...]:
        newest_first = select(table).where(*where).order_by(table.c.signed_at.desc(), table.c.id)
        return tuple(self._approval(row) for row in self._connection.execute(newest_first).mappings())

    def _values(self, approval: Approval) -> dict[str, Any]:
        secrets = _Secrets(
            patient_identity=approval.patient_identity,
            signer=approval.signer,
            content_hash=approval.content_hash,
            displayed_hash=approval.displayed_hash,
            choice_reason=approval.choice_reason,
            note_text=approval.note_text,
            plan_text=approval.plan_text,
            deceased_confirmed=approval.deceased_confirmed,
            co_signed_by=approval.co_signed_by,
            awaiting_name=approval.awaiting_name,
            encounter_status=approval.encounter_status,
            visit_confirmed=approval.visit_confirmed,
        )
        return {
            "screening_id": approval.screening_id,
            **patient_values(approval.patient),
            "encounter_id": approval.encounter_id,
            "signer_issuer": approval.signer.issuer,
            "signer_subject": approval.signer.subject,
            "signed_at": approval.signed_at,
            "launch_id": approval.launch_id,
            "reference_code": approval.reference_code,
            "choice": approval.choice,
            "awaiting": approval.awaiting,
            "co_signed_at": approval.co_signed_at,
            "sealed": _SECRETS.seal(self._cipher, approval.id, secrets),
        }

    def _approval(self, row: RowMapping) -> Approval:
        secrets = _SECRETS.open(self._cipher, row["id"], row["sealed"])
        return Approval(
            id=row["id"],
            screening_id=row["screening_id"],
            patient=patient_of(row),
            patient_identity=secrets.patient_identity,
            encounter_id=row["encounter_id"],
            signer=secrets.signer,
            signed_at=row["signed_at"],
            launch_id=row["launch_id"],
            reference_code=row["reference_code"],
            content_hash=secrets.content_hash,
            displayed_hash=secrets.displayed_hash,
            choice=WriteChoice(row["choice"]),
            choice_reason=secrets.choice_reason,
            note_text=secrets.note_text,
            plan_text=secrets.plan_text,
            deceased_confirmed=secrets.deceased_confirmed,
            awaiting=row["awaiting"],
            awaiting_name=secrets.awaiting_name,
            encounter_status=secrets.encounter_status,
            visit_confirmed=secrets.visit_confirmed,
            co_signed_by=secrets.co_signed_by,
            co_signed_at=row["co_signed_at"],
            version=row["version"],
        )


def erase_approval_texts(cipher: Cipher, approval_id: UUID, sealed: bytes) -> bytes:
    """Give an approval's sealed part without its note and plan: who signed, when and over which hash stays."""
    secrets = _SECRETS.open(cipher, approval_id, sealed)
    return _SECRETS.seal(cipher, approval_id, replace(secrets, note_text="", plan_text=""))
