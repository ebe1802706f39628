"""What the form says while it is filled in: saved, progress, total, risk; and who gives it, and how."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TypedDict
from zoneinfo import ZoneInfo

from fhir_mappings.administration import Informant, Mode
from fhir_mappings.answers import is_enabled
from fhir_mappings.instrument import Instrument, Item
from fhir_mappings.scores import Score
from smart_app.model.alert import Alert
from smart_app.model.screening import Giving, SavedAnswer, SavedStatus, Screening
from smart_app.screening.answers import enabled_answers, score_screening
from smart_app.screening.wording import say_figure, say_time
from smart_app.services import Services

INFORMANT_LABELS = {
    Informant.PATIENT: "The patient",
    Informant.ASSISTED: "The patient, with help",
    Informant.PROXY: "Somebody else for the patient (proxy)",
}
MODE_LABELS = {
    Mode.INTERVIEW: "Asked in person",
    Mode.HANDED_OVER_DEVICE: "By the patient on this device",
    Mode.OWN_DEVICE: "By the patient on their own device",
    Mode.TELEPHONE: "By telephone",
    Mode.VIDEO: "By video",
    Mode.PAPER: "On paper, entered here",
}
_ANSWERED_BY = {
    Informant.PATIENT: "Answered by the patient",
    Informant.ASSISTED: "Answered by the patient with help",
    Informant.PROXY: "Answered for the patient by a proxy",
}
_HOW = {
    Mode.INTERVIEW: "asked in person",
    Mode.HANDED_OVER_DEVICE: "on this device",
    Mode.OWN_DEVICE: "on their own device",
    Mode.TELEPHONE: "by telephone",
    Mode.VIDEO: "by video",
    Mode.PAPER: "on paper, entered later",
}


class Progress(TypedDict):
    """How far a form is: numbers and words."""

    answered: int
    count: int
    progress: str


def say_giving(giving: Giving, languages: dict[str, str]) -> str:
    """Give "Answered by the patient, asked in person, in English, with an interpreter"."""
    informant = Informant(giving.informant)
    parts = [_ANSWERED_BY[informant]]
    if informant is Informant.PROXY and giving.relationship:
        parts[0] += f" ({giving.relationship})"
    parts += [_HOW[Mode(giving.mode)], f"in {languages.get(giving.language, giving.language)}"]
    if giving.interpreter:
        parts.append("with an interpreter")
    return ", ".join(parts)


def say_saved(saved: SavedAnswer | None, now: datetime, zone: ZoneInfo) -> str:
    """Give what stands beside an item: "Saved 10:33", "Not answered"."""
    if saved is None or saved.status is SavedStatus.CLEARED:
        return "Not answered"
    local = saved.saved_at.astimezone(zone)
    day = "" if local.date() == now.astimezone(zone).date() else f"{local:%d %b} "
    word = "Declined to answer, saved" if saved.status is SavedStatus.DECLINED else "Saved"
    if saved.carried is not None:
        word = f"Carried from {saved.carried.short_name}, saved"
    return f"{word} {day}{say_time(saved.saved_at, zone)}"


def say_progress(instrument: Instrument, screening: Screening) -> Progress:
    """Count items with an answer or a refusal among those that are asked; not one that is blank and need not apply."""
    answers = enabled_answers(instrument, screening)
    asked = [
        item
        for item in instrument.items
        if item.is_given
        and is_enabled(item, answers)
        and (item.link_id in answers or not item.may_be_left_by(screening.gender))
    ]
    answered = sum(item.link_id in answers for item in asked)
    return Progress(answered=answered, count=len(asked), progress=f"{answered} of {len(asked)} answered")


def find_not_asked(instrument: Instrument, screening: Screening) -> tuple[str, ...]:
    """Give the linkIds of the items that the answers given so far do not call for."""
    answers = enabled_answers(instrument, screening)
    return tuple(item.link_id for item in instrument.items if item.is_given and not is_enabled(item, answers))


def say_total(app: Services, instrument: Instrument, screening: Screening) -> str:
    """Give the totals once every scored item is answered, "" before that."""
    report = score_screening(app, instrument, screening, screening.identity, handed_in=False)
    if any(score.value is None or score.missing_rule is not None for score in report.scores):
        return ""
    pairs = zip(instrument.scores, report.scores, strict=True)
    return "; ".join(_say_score(definition.label, score) for definition, score in pairs)


def _say_score(label: str, score: Score) -> str:
    if score.is_level:
        return f"{label}: {say_figure(score)}"
    return f"{label} {say_figure(score)}" + (f", {score.band.chart_label}" if score.band else "")


def say_risk_notice(instrument: Instrument, alerts: Collection[Alert]) -> str:
    """Give the line of the alert region for alerts that have opened, "" without one."""
    numbers = sorted({name_item(instrument, alert.link_id) for alert in alerts})
    if not numbers:
        return ""
    return f"Risk answer, {' and '.join(numbers)}: action is needed in this visit. An alert is open and stays open."


def name_item(instrument: Instrument, link_id: str) -> str:
    """Give "item 9"."""
    item: Item | None = instrument.by_link_id.get(link_id)
    return f"item {item.number}" if item is not None else "an item"
