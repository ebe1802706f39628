"""What is audited: launch, read, save, sign, write, correction, refusal, alert view and action (design section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from smart_app.model.identity import PatientKey, User


class AuditAction(StrEnum):
    """``subject:action``; the list only grows. A launch is audited from its callback on: anybody can start one."""

    LAUNCH_STARTED = "launch:started"
    LAUNCH_COMPLETED = "launch:completed"
    LAUNCH_REFUSED = "launch:refused"
    LAUNCH_ENDED = "launch:ended"
    CHART_READ = "chart:read"
    SCREENING_STARTED = "screening:started"
    ANSWER_SAVED = "answer:saved"
    ANSWER_CONFLICT = "answer:conflict"
    SCREENING_HANDED_IN = "screening:handed-in"
    SCREENING_VIEWED = "screening:viewed"
    SCREENING_REOPENED = "screening:reopened"
    SCREENING_STOPPED = "screening:stopped"
    SCREENING_REJECTED = "screening:rejected"
    ENCOUNTER_CHOSEN = "encounter:chosen"
    NOTE_SAVED = "note:saved"
    ALERT_OPENED = "alert:opened"
    ALERT_RAISED = "alert:raised"
    ALERT_VIEWED = "alert:viewed"
    ALERT_ACTED = "alert:acted"
    ALERT_CLOSED = "alert:closed"
    ALERT_HANDED_OVER = "alert:handed-over"
    SIGNED = "approval:signed"
    SIGN_REFUSED = "approval:refused"
    CO_SIGNED = "approval:co-signed"
    VISIT_CONFIRMED = "approval:visit-confirmed"
    ROW_SENDING = "row:sending"
    ROW_RESULT = "row:result"
    ROW_STOPPED = "row:stopped"
    ROW_DECIDED = "row:decided"
    ACCESS_REFUSED = "access:refused"
    EXPORTED = "data:exported"
    PURGED = "data:purged"
    KEYS_ROTATED = "keys:rotated"
    KEYS_RETIRED = "keys:retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One line of the audit. ``detail`` holds codes, ids, counts and hashes: never an answer or free text."""

    action: AuditAction
    at: datetime
    outcome: str = "success"
    user: User | None = None
    patient: PatientKey | None = None
    launch_id: str | None = None
    entity: str | None = None
    correlation_id: str | None = None
    detail: dict[str, str | int | bool | None] = field(default_factory=dict)
