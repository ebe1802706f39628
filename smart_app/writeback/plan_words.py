"""The words of the write plan, which the clinician reads before signing and the approval keeps (safety rule 13)."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_mappings.r4 import Coding
from fhir_mappings.write_shape import XHTML, ResourceKind
from launch.ehr_profile import EhrProfile
from smart_app.model.approval import WriteChoice
from smart_app.writeback.obstacles import Obstacle
from smart_app.writeback.shapes import choose_content_types

CHOICE_LABELS = {
    WriteChoice.WRITE: "Write it to the chart",
    WriteChoice.RESTRICTED: "Write only a note of the site's restricted type",
    WriteChoice.KEEP: "Do not write it; keep it in this app",
    WriteChoice.COPY_BY_HAND: "Do not write it; I copy what is needed by hand",
}

_NOT_WRITTEN = "Nothing is written, so that the portal shows nothing of it."
RELEASE_NOTICES = {
    WriteChoice.WRITE: "The patient, and any proxy, may read this at once in the portal.",
    WriteChoice.RESTRICTED: "Who may read the restricted note type, and when, is set in the EHR.",
    WriteChoice.KEEP: _NOT_WRITTEN,
    WriteChoice.COPY_BY_HAND: _NOT_WRITTEN,
}
UNDECIDED = "Depends on your choice"
UNDECIDED_RELEASE = "If it is written, the patient, and any proxy, may read it at once in the portal."

_LABELS = {
    ResourceKind.QUESTIONNAIRE_RESPONSE: "Answers as given",
    ResourceKind.OBSERVATION_DIFFICULTY: "Difficulty item",
    ResourceKind.OBSERVATION_PANEL: "Panel",
    ResourceKind.DOCUMENT_REFERENCE: "Note",
    ResourceKind.PROVENANCE: "Who signed, with what",
}

_OBSTACLES = {
    Obstacle.SWITCHED_OFF: "Switched off at this site.",
    Obstacle.EHR_UNKNOWN: "Cannot: the EHR did not say what it takes.",
    Obstacle.KNOWN_NOT_TO_WORK: "Cannot: this EHR takes no {type} from apps.",
    Obstacle.OWN_KINDS_ONLY: "Cannot: from apps this EHR takes {type} only of kinds that it has set up itself.",
    Obstacle.NOT_LISTED: "Cannot: this EHR takes no {type}.",
    Obstacle.NO_SCOPE: "Cannot: this launch has no right to write {type}.",
    Obstacle.NO_CONTENT_TYPE: "Cannot: this EHR takes none of the forms in which the note can be made.",
    Obstacle.NO_ENCOUNTER: "Cannot: this EHR takes a note only with a visit, and none is chosen.",
    Obstacle.NO_TIME: "Cannot: this EHR takes a note only with a time of day, and the answers have a date alone.",
    Obstacle.NO_PRACTITIONER: "Cannot: this EHR takes a note only of a provider, and it does not know you as one.",
    Obstacle.CO_SIGNED: "Cannot: this EHR takes a note only from its author, and yours is sent with the co-signature.",
    Obstacle.TOO_LONG: "Cannot: the note is longer than this EHR takes.",
    Obstacle.NO_ORGANIZATION: "Cannot: neither visit nor settings name the organization that {type} needs.",
    Obstacle.NOTHING_WRITTEN: "Nothing else is written that it could speak of.",
    Obstacle.RESTRICTED: "Not written: only the restricted note is.",
    Obstacle.KEPT_HERE: "Not written, by choice. Kept in this app.",
    Obstacle.COPIED_BY_HAND: "Not written, by choice. To be copied by hand; kept in this app.",
}
_COMPLETE = frozenset({Obstacle.KEPT_HERE, Obstacle.COPIED_BY_HAND})


def kind_label(kind: ResourceKind, *, count: int, score_words: str) -> str:
    """Name a kind as the page does: "Total 13", "9 items"."""
    if kind is ResourceKind.OBSERVATION_TOTAL:
        return score_words
    if kind is ResourceKind.OBSERVATION_ITEM:
        return "1 item" if count == 1 else f"{count} items"
    return _LABELS[kind]


def chart_as(kind: ResourceKind, *, count: int, profile: EhrProfile, note_type: Coding) -> str:
    """Say what it is in the chart: "Clinical note (Progress note), plain text, signed: DocumentReference"."""
    match kind:
        case ResourceKind.DOCUMENT_REFERENCE:
            forms = " and ".join("XHTML" if form == XHTML else "plain text" for form in choose_content_types(profile))
            status = "signed" if profile.note_doc_status == "final" else profile.note_doc_status
            parts = [f"Clinical note ({note_type.display or note_type.code})", forms, status]
            return f"{', '.join(part for part in parts if part)}: DocumentReference"
        case ResourceKind.QUESTIONNAIRE_RESPONSE:
            return "Completed form: QuestionnaireResponse"
        case ResourceKind.PROVENANCE:
            return "Provenance"
        case _:
            return f"{'Survey result' if count < 2 else f'{count} survey results'}: Observation"


def obstacle_words(obstacle: Obstacle, kind: ResourceKind, *, note_written: bool) -> str:
    """Say why a kind is not written, and where its content stands instead."""
    sentence = _OBSTACLES[obstacle].format(type=kind.resource_type)
    if obstacle in _COMPLETE:
        return sentence
    if note_written:
        return f"{sentence} Said in the note, kept in this app."
    return f"{sentence} Kept in this app, to copy or print."


def minor_notice(age: int | None, majority: int) -> str:
    """Say why nothing is preset; empty for an adult."""
    if age is None:
        return "The birth date is not known, so that this may be a minor: choose what happens with the result."
    if age >= majority:
        return ""
    return f"This patient is under {majority}: a parent or other proxy may read what is written. Choose each time."


def visit_notices(has_encounter: bool, launch_visit_set_aside: bool) -> tuple[str, ...]:
    """Say to which visit what is written does not belong."""
    notices = []
    if launch_visit_set_aside:
        notices.append("The visit from which the EHR opened the app could not be read: nothing is written to it.")
    if not has_encounter:
        notices.append("No visit is chosen: what is written belongs to the patient's chart, but to no visit.")
    return tuple(notices)


def plan_text(lines: Iterable[tuple[str, str, bool, str]], notices: Iterable[str]) -> str:
    """Give the plan as text: a line each of (label, chart_as, writes, reason), then notices; the approval keeps it."""
    planned = [
        f"{label} ({chart}): {'write' if writes else 'not written. ' + reason}"
        for label, chart, writes, reason in lines
    ]
    return "\n".join([*planned, *notices])
