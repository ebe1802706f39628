"""Answers of every item type: as they are saved, as the page shows them and as it sends them.

Source: http://hl7.org/fhir/R4/questionnaire.html (item types). The saved text of an answer is that of
fhir_mappings/item_answer.py; a time of day without time zone is the clinic's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from fhir_mappings.answer_value import AnswerValue, Quantity, say_value
from fhir_mappings.answers import Answer, Answers, AnswerStatus
from fhir_mappings.errors import MappingError
from fhir_mappings.instrument import Instrument, Item
from fhir_mappings.item_answer import OTHER, parse_answer_text
from fhir_mappings.r4 import Coding
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import SavedAnswer
from smart_app.screening.views import FieldView, OptionView

_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")
_INPUTS = {"integer": "number", "decimal": "number", "date": "date", "time": "time", "string": "text"}


def read_saved(item: Item, saved: SavedAnswer) -> Answer | None:
    """Give the answer that a save holds; None where the item does not take it."""
    try:
        values = parse_answer_text(item, saved.code or "")
    except MappingError:
        return None
    return _answer(item, values, saved.saved_at)


def find_fixed(instrument: Instrument) -> Answers:
    """Give the answers that nobody gives: the initial values of hidden and read-only items."""
    return {
        item.link_id: _answer(item, item.initial, None)
        for item in instrument.items
        if item.initial and not item.is_given
    }


def _answer(item: Item, values: tuple[AnswerValue, ...], at: datetime | None) -> Answer:
    first = values[0]
    if item.is_single_choice and isinstance(first, Coding):
        return Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=first, at=at)
    return Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, values=values, at=at)


def complete_text(instrument: Instrument, link_id: str, text: str, zone: ZoneInfo) -> str:
    """Give what a page sent with the clinic's time zone, where it is a date with a time and has none."""
    item = instrument.by_link_id.get(link_id)
    if item is None or item.type != "dateTime":
        return text
    return "\n".join(_with_zone(line, zone) for line in text.split("\n"))


def complete_saves(instrument: Instrument, incoming: Sequence[IncomingAnswer], zone: ZoneInfo) -> list[IncomingAnswer]:
    """Give the saves of a page with their times completed."""
    return [
        answer
        if answer.code is None
        else replace(answer, code=complete_text(instrument, answer.link_id, answer.code, zone))
        for answer in incoming
    ]


def _with_zone(text: str, zone: ZoneInfo) -> str:
    if not _LOCAL.fullmatch(text):
        return text
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).isoformat(timespec="seconds")
    except ValueError:
        return text  # no day of the calendar: refused where it is read


def build_truths(item: Item, chosen: str | None) -> tuple[OptionView, ...]:
    """Give Yes and No to choose from, for a boolean."""
    if item.type != "boolean":
        return ()
    return tuple(
        OptionView(code=code, label=label, points="", chosen=code == chosen)
        for code, label in (("true", "Yes"), ("false", "No"))
    )


def build_field(item: Item, text: str) -> FieldView | None:
    """Give the field of an item by what stands in it; None where one option is chosen and nothing typed."""
    kind = _kind(item)
    if kind == "radios":
        return None
    lines = text.split("\n") if item.repeats else [text]
    other = "\n".join(line.removeprefix(OTHER) for line in lines if line.startswith(OTHER))
    value, second = text, ""
    if kind == "quantity":
        value, _, second = text.partition(" ")
    elif kind == "moment":
        value, second = text[:10], text[11:16]
        text = f"{value}T{second}" if second else value
    return FieldView(
        kind=kind,
        saved=text,
        value=value,
        second=second,
        chosen=tuple(lines),
        other=other if item.type == "open-choice" else None,
        units=tuple((unit.code, unit.display or unit.code) for unit in item.units),
        least=_limit(item.min_value),
        most=_limit(item.max_value),
        longest=None if item.repeats else item.max_length,  # of repeated answers each may be so long, not all lines
        whole=item.type == "integer",
        hint=_hint(item),
    )


def _kind(item: Item) -> str:
    if item.options:
        return "boxes" if item.repeats else "open" if item.type == "open-choice" else "radios"
    if item.type == "boolean":
        return "radios"
    if item.repeats or item.type in ("text", "open-choice"):
        return "area"
    return {"quantity": "quantity", "dateTime": "moment"}.get(item.type, _INPUTS.get(item.type, "text"))


def _limit(value: AnswerValue | None) -> str:
    if value is None:
        return ""
    return str(value.value) if isinstance(value, Quantity) else say_value(value)


def _hint(item: Item) -> str:
    """Say what the item takes, so far as the field does not show it."""
    low, high = (None if limit is None else say_value(limit) for limit in (item.min_value, item.max_value))
    parts = []
    if low is not None and high is not None:
        parts.append(f"{low} to {high}")
    elif low is not None or high is not None:
        parts.append(f"at least {low}" if high is None else f"at most {high}")
    if item.repeats and not item.options:
        parts.append("one a line")
    if item.max_length is not None:
        parts.append(f"up to {item.max_length} characters")
    words = ", ".join(parts)
    return words[:1].upper() + words[1:]
