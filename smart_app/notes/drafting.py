"""Compose the note's text: the assembled draft, or the clinician's own with the alerts' state kept true (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_mappings.note import build_note_text, check_note_facts
from fhir_mappings.result import AlertSummary, ScreeningResult
from smart_app.model.note import NoteDraft

_ALERT = "Alert: "
_FACTS = {
    "note.score": "The note no longer states the score, its range or the screen as the result has them.",
    "note.item": "The note no longer states the risk item as it was answered.",
    "note.age": "The note no longer says that the ranges are not established at this age.",
    "note.suicide": "The note no longer says that suicide was not asked, or that the form has no risk rules.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedNote:
    """The text as it would be signed now. ``version`` 0: never edited. ``problems`` block signing."""

    text: str
    edited: bool
    version: int
    problems: tuple[str, ...]


def compose_note(result: ScreeningResult, draft: NoteDraft | None) -> ComposedNote:
    """Give the note. An unedited one follows the result; in an edited one only the alerts' lines do."""
    if draft is None or not draft.edited:
        text = build_note_text(result)
        return ComposedNote(text=text, edited=False, version=draft.version if draft else 0, problems=())
    text = renew_alert_lines(draft.text, result.alerts)
    return ComposedNote(text=text, edited=True, version=draft.version, problems=find_problems(text, result))


def renew_alert_lines(text: str, alerts: tuple[AlertSummary, ...]) -> str:
    """Bring each line "Alert: …" up to date, with the words ticked for the note since.

    Where the lines no longer match the alerts one to one, the text is left alone and find_problems says so.
    """
    lines = text.split("\n")
    places = [place for place, line in enumerate(lines) if line.startswith(_ALERT)]
    if len(places) != len(alerts):
        return text
    for place, alert in reversed(list(zip(places, alerts, strict=True))):
        missing = [detail for detail in alert.details if detail not in lines]
        lines[place : place + 1] = [f"{_ALERT}{alert.state}", *missing]
    return "\n".join(lines)


def find_problems(text: str, result: ScreeningResult) -> tuple[str, ...]:
    """Give what an edited note no longer says as the result has it, in words for the page."""
    problems = [_FACTS[re.sub(r"\(.*", "", issue.expression)] for issue in check_note_facts(text, result)]
    problems += [
        f'The note must say how the alert stands: "{_ALERT}{alert.state}"'
        for alert in result.alerts
        if f"{_ALERT}{alert.state}" not in text
    ]
    return tuple(dict.fromkeys(problems))
