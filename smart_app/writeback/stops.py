"""Why nothing is sent now, or not all: each stop with its code, what happened and what to do (safety rule 2)."""

from __future__ import annotations

from dataclasses import dataclass

from smart_app.writeback.signed import NotAsSigned

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
ENCOUNTER_CHANGED = GuardStop(
    code="encounter-changed",
    title="The visit is no longer as it was when this was signed: it has begun, changed or ended since",
    remedy="Nothing was sent. If the result belongs to this visit, confirm that and choose “Finish writing”.",
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
NOT_AS_SIGNED = GuardStop(code=NotAsSigned.code, title=NotAsSigned.title, remedy=NotAsSigned.remedy)
EHR_UNREACHABLE = GuardStop(
    code="ehr-unreachable",
    title="The EHR could not be reached",
    remedy="Nothing is lost: what is left is sent when it can be reached, or choose “Finish writing”.",
    transient=True,
)
EHR_BUSY = GuardStop(
    code="ehr-busy",
    title="The EHR asked us to send later",
    remedy="Nothing is lost: what is left is sent later, or choose “Finish writing” in a few minutes.",
    transient=True,
)
STILL_SENDING = GuardStop(
    code="still-sending",
    title="Sending takes longer than a page can wait",
    remedy="Nothing is lost: the rest is sent in the background, or choose “Finish writing”.",
    transient=True,
)

_BY_CODE = {
    stop.code: stop
    for stop in (
        OTHER_EHR,
        OTHER_PATIENT,
        OTHER_USER,
        NOT_CO_SIGNED,
        PATIENT_GONE,
        PATIENT_MERGED,
        PATIENT_INACTIVE,
        PATIENT_CHANGED,
        PATIENT_DECEASED,
        PATIENT_UNREADABLE,
        ENCOUNTER_GONE,
        ENCOUNTER_OF_ANOTHER,
        ENCOUNTER_CANCELLED,
        ENCOUNTER_CHANGED,
        CHART_PROTECTED,
        NO_RIGHT_TO_CHECK,
        TOKEN_ENDED,
        CANNOT_CHECK,
        NOT_AS_SIGNED,
        EHR_UNREACHABLE,
        EHR_BUSY,
        STILL_SENDING,
    )
}


_BY_ANSWER = {"not-sent": EHR_UNREACHABLE, "too-many-requests": EHR_BUSY, "unauthorized": TOKEN_ENDED}
"""What an answer that put a row back unsent (``result_table``) means for the run."""


def find_stop(code: str) -> GuardStop | None:
    """Give the stop that an unsent row's ``reason_code`` names, None where it names no stop."""
    return _BY_CODE.get(code) or _BY_ANSWER.get(code)
