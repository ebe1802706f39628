"""The fields of one item in a posted form, joined into its answer as our script does (smart_app/web/static/form.js)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from werkzeug.datastructures import MultiDict

from fhir_mappings.item_answer import OTHER
from smart_app.screening.forms import DECLINED

_ITEM: Final = "item."
# What stands in a field of its own: words beside options, that options are boxes, the unit of a number, a time of day.
_OTHER: Final = "other."
_MANY: Final = "many."
_UNIT: Final = "unit."
_CLOCK: Final = "clock."


def find_answered(form: MultiDict[str, str]) -> tuple[str, ...]:
    """Give the linkIds for which the form holds a field of an answer, in its order."""
    return tuple(dict.fromkeys(name.partition(".")[2] for name in form if name.startswith((_ITEM, _OTHER))))


def join_fields(form: MultiDict[str, str], link_id: str) -> str:
    """Give an item's answer as one text: DECLINED, or its lines, unit, time and further words; "" for a blank."""
    values = [value.replace("\r\n", "\n").strip() for value in form.getlist(_ITEM + link_id)]
    if DECLINED in values:
        return DECLINED
    text = "\n".join(value for value in values if value)
    other = form.get(_OTHER + link_id, "").replace("\r\n", "\n").strip()
    if other:
        several = form.get(_MANY + link_id) is not None
        text = "\n".join([*([text] if text and several else []), *(OTHER + line for line in other.split("\n"))])
    if text and (clock := form.get(_CLOCK + link_id, "")):
        text = f"{text}T{clock}"
    if text and (unit := form.get(_UNIT + link_id, "")):
        text = f"{text} {unit}"
    return text


def fields_of(form: MultiDict[str, str], link_id: str) -> Iterator[tuple[str, str]]:
    """Give every field of an item's answer as it was sent, to be sent once more."""
    for prefix in (_ITEM, _OTHER, _MANY, _UNIT, _CLOCK):
        for value in form.getlist(prefix + link_id):
            yield prefix + link_id, value
