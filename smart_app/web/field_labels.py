"""What the pages call the fields of their forms: for the summary of what is wrong, and for what is given back."""

from __future__ import annotations

from typing import Final

LABELS: Final = {
    "done": "What was done",
    "risk_level": "Your risk level",
    "reasons": "Why",
    "plan": "Plan",
    "disposition": "Where the patient goes now",
    "outreach_plan": "How you will reach them",
    "assessor": "Who assessed",
    "assessed_at": "When assessed",
    "to_name": "Who has accepted",
    "accepted_at": "When accepted",
    "answer": "Answer now",
    "reason": "Reason",
    "text": "Text",
    "choice": "What happens with it",
    "choice_reason": "Reason, where it is not written",
    "deceased_confirmed": "The patient has died: confirm that this is to be filed",
    "informant": "Whose answers these are",
    "relationship": "Relationship to the patient",
    "mode": "How they are given",
    "language": "Language",
    "answered_at": "When answered",
    "encounter": "Visit",
    "knowingly": "Not validated at this age: confirm that you know",
    "although_deceased": "The patient has died: confirm that you know",
}


def label_of(field: str | None) -> str:
    """Give the label of a field, "" for one that stands on no page."""
    return LABELS.get(field or "", "")
