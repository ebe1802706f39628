"""In which form this EHR takes each kind of resource: its profile's rules as a WriteShape (FHIR R4, US Core 6.1)."""

from __future__ import annotations

from enum import StrEnum

from fhir_mappings.r4 import Coding
from fhir_mappings.systems import LOINC
from fhir_mappings.write_shape import (
    MENTAL_HEALTH_PROGRESS_NOTE,
    PLAIN_TEXT,
    PROGRESS_NOTE,
    XHTML,
    ResourceKind,
    WriteShape,
)
from launch.ehr_profile import EhrProfile


class WriteMethod(StrEnum):
    """How rows are sent: one atomic Bundle, or one create after the other."""

    TRANSACTION = "transaction"
    SINGLE = "single"


_CONTENT_TYPES = {known.partition(";")[0]: known for known in (PLAIN_TEXT, XHTML)}
_NOTE_TYPES = {known.code: known for known in (PROGRESS_NOTE, MENTAL_HEALTH_PROGRESS_NOTE)}


def choose_content_types(profile: EhrProfile) -> tuple[str, ...]:
    """Give the note's content types that the EHR takes and we make, best first; empty where there is none."""
    wanted = (part.partition(";")[0].strip().lower() for part in profile.note_content_types)
    known = [_CONTENT_TYPES[content_type] for content_type in wanted if content_type in _CONTENT_TYPES]
    return tuple(known[: profile.note_max_contents])


def choose_note_type(profile: EhrProfile, site_type: Coding | None) -> Coding:
    """Give the type of the note: the site's, else the one this EHR is known to take."""
    return site_type or _NOTE_TYPES.get(profile.note_type, Coding(system=LOINC, code=profile.note_type))


def build_shape(kind: ResourceKind, *, profile: EhrProfile, method: WriteMethod, note_type: Coding) -> WriteShape:
    """Give the shape of one kind.

    Sent one by one, the note refers to none of the others: a refused form must not hold back the one resource that has
    it all. In a transaction they stand or fall together, so it refers to them.
    """
    return WriteShape(
        kind=kind,
        note_content_types=choose_content_types(profile),
        note_type=note_type,
        doc_status=profile.note_doc_status,
        authenticator=profile.note_authenticator,
        related=method is WriteMethod.TRANSACTION,
    )
