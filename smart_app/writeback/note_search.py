"""Find a signed note by its visible line ``Reference SS-XXXX-XXXX``, where identifiers do not come back (Epic).

FHIR R4 DocumentReference search by patient and category, then each content is read (attachment.data, or its Binary).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Any

from fhir_mappings.r4 import parse_json_strict
from launch.capabilities import Capabilities
from launch.fhir_reader import FhirResource, Read
from launch.urls import find_reference
from smart_app.model.approval import Approval
from smart_app.model.ledger import LedgerRow
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.guard import refers_to_patient

MOST_READ = 200
"""Binaries that one look-up reads: the other launches at this EHR share its connections."""

_PLAIN = "text/plain"
_UNREAD = frozenset({"text/html", "application/xhtml+xml", "text/rtf", "application/rtf", ""})
"""What an EHR may make of a plain text that it was given, and what names no kind: not read, it tells nothing."""


def find_note_search(row: LedgerRow, approval: Approval, capabilities: Capabilities) -> list[tuple[str, str]]:
    """Give the narrowest search by patient, category and period that this EHR lists; empty where it has none.

    A parameter narrows only what the note itself states: what is not in it must not hide it.
    """
    listed = capabilities.search_params(row.resource_type)
    if "patient" not in listed:
        return []
    note = parse_json_strict(row.resource.encode())
    params = [("patient", approval.patient.patient_id)]
    codes = [coding for concept in note.get("category", []) for coding in concept.get("coding", [])]
    if codes and "category" in listed:
        params.append(("category", f"{codes[0].get('system', '')}|{codes[0]['code']}"))
    start = note.get("context", {}).get("period", {}).get("start")
    if start and "period" in listed:
        # A day earlier: a date has no zone, and the EHR's need not be ours.
        params.append(("period", f"ge{date.fromisoformat(start[:10]) - timedelta(days=1)}"))
    return params


def tell_own_notes(notes: Sequence[FhirResource], approval: Approval, door: EhrDoor) -> tuple[bool | None, ...]:
    """Tell of each whether it is a note of our patient with our line as a line of its own; None: it cannot be read.

    What stands in a Binary is read in one wave, under one deadline; beyond ``MOST_READ`` it stays unread.
    """
    attachments = [list(_attachments(note, approval, door)) for note in notes]
    binaries = dict.fromkeys(_find_binary(attachment, door) for own in attachments for attachment in own)
    wanted = {one: Read(resource_type="Binary", id=one) for one in binaries if one is not None}
    contents = door.reader.read_together(dict(islice(wanted.items(), MOST_READ))) if wanted else {}
    line = f"Reference {approval.reference_code}"
    return tuple(
        _has_line(
            line, [_read_text(attachment, contents.get(_find_binary(attachment, door) or "")) for attachment in own]
        )
        for own in attachments
    )


def _has_line(wanted: str, texts: Sequence[str | None]) -> bool | None:
    if any(text is not None and wanted in (line.strip() for line in text.splitlines()) for text in texts):
        return True
    return None if None in texts else False


def _attachments(note: FhirResource, approval: Approval, door: EhrDoor) -> Iterator[Mapping[str, Any]]:
    """Give what may hold our text: nothing of another patient's, and no scan."""
    subject, contents = note.resource.get("subject"), note.resource.get("content")
    if note.resource_type != "DocumentReference" or not isinstance(contents, list):
        return
    if not refers_to_patient(subject, approval.patient.patient_id, door.fhir_base_url):
        return
    found = [content.get("attachment") for content in contents if isinstance(content, Mapping)]
    texts = [one for one in found if isinstance(one, Mapping) and _media_type(one) in {_PLAIN, *_UNREAD}]
    # Where the EHR gives our text both as it was sent and in rich text, the former is enough.
    yield from [one for one in texts if _media_type(one) == _PLAIN] or texts


def _media_type(attachment: Mapping[str, Any]) -> str:
    return str(attachment.get("contentType", "")).partition(";")[0].strip().lower()


def _find_binary(attachment: Mapping[str, Any], door: EhrDoor) -> str | None:
    """Give the id of the Binary that holds the text, None where it stands here or elsewhere."""
    url = attachment.get("url")
    if _media_type(attachment) != _PLAIN or attachment.get("data") is not None or not isinstance(url, str):
        return None
    found = find_reference(url, fhir_base_url=door.fhir_base_url)
    return found.id if found is not None and found.resource_type == "Binary" else None


def _read_text(attachment: Mapping[str, Any], binary: object) -> str | None:
    """Give the text of a plain-text attachment; None where it cannot be read."""
    data = attachment.get("data")
    if data is None and isinstance(binary, FhirResource):
        data = binary.resource.get("data")
    if _media_type(attachment) != _PLAIN or not isinstance(data, str):
        return None
    try:
        # FHIR's base64Binary may be broken into lines.
        return b64decode("".join(data.split()), validate=True).decode("utf-8", errors="replace")
    except ValueError:
        return None
