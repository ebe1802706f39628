"""Parses what the answering page sends: one save as JSON, or the whole form (safety rule 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from fhir_mappings.item_answer import LONGEST_TEXT
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import SavedStatus
from smart_app.screening.errors import InvalidField
from smart_app.screening.forms import DECLINED, PostedForm
from smart_app.web.answer_fields import find_answered, join_fields

_SEEN = "seen."
_KEEP = "keep."
_KEEP_SEEN = "keep_seen."
_MOST_ANSWERS = 200
_LONGEST = 200
_LARGEST = 1_000_000


def parse_saves(body: object) -> tuple[IncomingAnswer, ...]:
    """Parse ``{"device", "answers": [{link_id, status, code, sequence, seen_version}]}``. Raises: InvalidField."""
    values = _mapping(body, "body")
    device = _text(values, "device")
    answers = values.get("answers")
    if not isinstance(answers, list) or not 0 < len(answers) <= _MOST_ANSWERS:
        raise InvalidField(field="answers")
    return tuple(_parse_save(_mapping(answer, "answers"), device) for answer in answers)


def _parse_save(values: Mapping[str, Any], device: str) -> IncomingAnswer:
    try:
        status = SavedStatus(_text(values, "status"))
    except ValueError as error:
        raise InvalidField(field="status") from error
    return IncomingAnswer(
        link_id=_text(values, "link_id"),
        status=status,
        code=_text(values, "code", LONGEST_TEXT) if status is SavedStatus.ANSWERED else None,
        device=device,
        sequence=parse_number(values.get("sequence"), "sequence"),
        seen_version=parse_number(values.get("seen_version"), "seen_version"),
    )


def parse_form(form: MultiDict[str, str]) -> PostedForm:
    """Parse the whole form as a browser sends it, with or without our script. Raises: InvalidField.

    ``seen.<linkId>`` stands in the form for every item; ``item.<linkId>`` only where something is chosen. ``sequence``
    is the number of the last save that the page has sent: the form comes after it.
    """
    seen = {
        name.removeprefix(_SEEN): parse_number(value, "seen") for name, value in form.items() if name.startswith(_SEEN)
    }
    sent = {link_id: join_fields(form, link_id) for link_id in find_answered(form)}
    keep = {name.removeprefix(_KEEP): value for name, value in form.items() if name.startswith(_KEEP)}
    if len(seen) > _MOST_ANSWERS or any(choice not in {"saved", "posted"} for choice in keep.values()):
        raise InvalidField(field="form")
    return PostedForm(
        device=_text(form, "device"),
        codes={link_id: sent.get(link_id, "") for link_id in {**seen, **sent}},
        seen={link_id: seen.get(link_id, 0) for link_id in {**seen, **sent}},
        sequence=parse_number(form.get("sequence", "0"), "sequence") + 1,
        accept_missing=form.get("incomplete") == "yes",
        keep=keep,
        keep_seen={
            name.removeprefix(_KEEP_SEEN): parse_number(value, "keep_seen")
            for name, value in form.items()
            if name.startswith(_KEEP_SEEN)
        },
    )


def saves_of(posted: PostedForm) -> tuple[IncomingAnswer, ...]:
    """Make saves of what the form holds; a blank says nothing, for without our script nothing can be taken back."""
    return tuple(
        IncomingAnswer(
            link_id=link_id,
            status=SavedStatus.DECLINED if code == DECLINED else SavedStatus.ANSWERED,
            code=None if code == DECLINED else code,
            device=posted.device,
            sequence=posted.sequence,
            seen_version=posted.seen[link_id],
            whole_form=True,
        )
        for link_id, code in posted.codes.items()
        if code
    )


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidField(field=field)
    return value


def _text(values: Mapping[str, Any], field: str, longest: int = _LONGEST) -> str:
    value = values.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise InvalidField(field=field)
    return value


def parse_number(value: object, field: str) -> int:
    """Parse a count that a page of ours sent, 0 to a million. Raises: InvalidField."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not (text.isascii() and text.isdigit()) or len(text) > 7 or int(text) > _LARGEST:
        raise InvalidField(field=field)
    return int(text)
