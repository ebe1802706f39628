"""Find a signed note by its visible line ``Reference SS-XXXX-XXXX``, where identifiers do not come back (Epic).

FHIR R4 DocumentReference search by patient and category, then each content is read (attachment.data, or its Binary).
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from fhir_mappings.r4 import parse_json_strict
from launch.capabilities import Capabilities
from launch.errors import LaunchError
from launch.fhir_reader import FhirResource, Read
from launch.urls import find_reference
from smart_app.model.approval import Approval
from smart_app.model.ledger import LedgerRow
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.guard import refers_to_patient


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


def has_reference_line(note: FhirResource, approval: Approval, door: EhrDoor) -> bool | None:
    """Tell whether a note of our patient has our line as a line of its own; None where its content cannot be read."""
    subject = note.resource.get("subject")
    if note.resource_type != "DocumentReference" or not refers_to_patient(
        subject, approval.patient.patient_id, door.fhir_base_url
    ):
        return False
    wanted = f"Reference {approval.reference_code}"
    texts = [_read_text(attachment, door) for attachment in _attachments(note.resource)]
    if any(text is not None and wanted in (line.strip() for line in text.splitlines()) for text in texts):
        return True
    return None if None in texts else False


def _attachments(note: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    contents = note.get("content")
    for content in contents if isinstance(contents, list) else []:
        attachment = content.get("attachment") if isinstance(content, Mapping) else None
        if isinstance(attachment, Mapping):
            yield attachment


def _read_text(attachment: Mapping[str, Any], door: EhrDoor) -> str | None:
    """Give the text of a plain-text attachment, "" of any other; None where it cannot be read."""
    if not str(attachment.get("contentType", "")).lower().startswith("text/plain"):
        return ""
    content = attachment.get("data")
    if content is None:
        content = _read_binary(attachment.get("url"), door)
    if not isinstance(content, str):
        return None
    try:
        return b64decode(content, validate=True).decode("utf-8", errors="replace")
    except NotBase64:
        return None


def _read_binary(url: object, door: EhrDoor) -> object:
    found = find_reference(url, fhir_base_url=door.fhir_base_url) if isinstance(url, str) else None
    if found is None or found.resource_type != "Binary":
        return None
    read = door.reader.read_together({"content": Read(resource_type="Binary", id=found.id)})["content"]
    return None if isinstance(read, LaunchError) or not isinstance(read, FhirResource) else read.resource.get("data")
