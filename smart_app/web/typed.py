"""What a person typed, given back on a refusal page, so that an expired session costs nobody their words.

Only fields of ours are shown, and only to a page of ours: a form that another site sent is not shown at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import request
from werkzeug.datastructures import MultiDict

from fhir_mappings.instrument import Instrument, Item
from fhir_mappings.item_answer import OTHER
from smart_app.library import Library
from smart_app.screening.forms import DECLINED
from smart_app.web.answer_fields import fields_of, find_answered, join_fields
from smart_app.web.field_labels import LABELS

_HIDDEN = ("device", "sequence", "instrument", "version", "displayed_hash", "back", "do")
_TEXTS = (
    "text",
    "risk_level",
    "reasons",
    "plan",
    "outreach_plan",
    "to_name",
    "reason",
    "choice_reason",
    "relationship",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedRow:
    """One thing typed: a free text that can still be edited, or a chosen answer in words."""

    label: str
    value: str
    name: str = ""
    hidden: tuple[tuple[str, str], ...] = ()

    @property
    def editable(self) -> bool:
        """Tell whether it is a text."""
        return bool(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The refused form, ready to be sent once more to the same address."""

    action: str
    csrf: str
    rows: tuple[TypedRow, ...]


def find_typed(library: Library, csrf: str) -> Typed | None:
    """Give back what the refused request carried, None when it carried nothing a person typed."""
    form = request.form
    rows = [*_answers(form, library.find(form.get("instrument", ""))), *_texts(form)]
    if not rows:
        return None
    hidden = tuple((name, form[name]) for name in _HIDDEN if name in form)
    hidden += tuple((name, value) for name, value in form.items() if name.startswith("seen."))
    first = TypedRow(label=rows[0].label, value=rows[0].value, name=rows[0].name, hidden=rows[0].hidden + hidden)
    return Typed(action=request.path, csrf=csrf, rows=(first, *rows[1:]))


def _answers(form: MultiDict[str, str], instrument: Instrument | None) -> list[TypedRow]:
    rows = []
    for link_id in find_answered(form):
        item = None if instrument is None else instrument.by_link_id.get(link_id)
        text = join_fields(form, link_id)
        if item is not None and text:
            label = f"Question {item.number}" if item.number else item.text
            rows.append(TypedRow(label=label, value=_words(item, text), hidden=tuple(fields_of(form, link_id))))
    return rows


def _words(item: Item, text: str) -> str:
    """Give the words of what was chosen; what was typed as it was typed, also where the item does not take it."""
    if text == DECLINED:
        return "Declined to answer"
    lines = text.split("\n") if item.options else [text]
    return "; ".join(item.by_code[line].text if line in item.by_code else line.removeprefix(OTHER) for line in lines)


def _texts(form: MultiDict[str, str]) -> list[TypedRow]:
    return [TypedRow(label=LABELS[name], value=form[name], name=name) for name in _TEXTS if form.get(name, "").strip()]
