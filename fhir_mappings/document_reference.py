"""Build the note as a DocumentReference; the text itself says who signed it and when, for an EHR may drop the rest.

Sources: US Core 6.1 DocumentReference; US Core 9 "Writing clinical notes" (author, encounter, stable identifier).
"""

from base64 import b64encode
from collections.abc import Sequence

from fhir_mappings.errors import UnsupportedContentType
from fhir_mappings.narrative import build_narrative, build_note_document, printable
from fhir_mappings.note import sign_note_text
from fhir_mappings.r4 import Coding, Json, build_concept, build_reference, format_instant
from fhir_mappings.result import SignedResult
from fhir_mappings.systems import RESULT_IDENTIFIER, US_CORE_DOCUMENT, US_CORE_DOCUMENT_CATEGORY
from fhir_mappings.write_shape import XHTML, WriteShape

_CLINICAL_NOTE = Coding(system=US_CORE_DOCUMENT_CATEGORY, code="clinical-note", display="Clinical Note")


def build_document_reference(result: SignedResult, shape: WriteShape, identifier: str, related: Sequence[str]) -> Json:
    """Build the signed note.

    `related` are references to the results it speaks of. Raises: UnsupportedContentType for an unknown content type.
    """
    signed_at = format_instant(result.signed_at)
    signer = build_reference(result.signer.reference, result.signer.display)
    title = f"{result.instrument.short_name} screening note"
    resource: Json = {"resourceType": "DocumentReference"}
    if shape.profile:
        resource["meta"] = {"profile": [US_CORE_DOCUMENT]}
    if shape.include_narrative:
        by = (
            result.signer.display
            if result.co_signer is None
            else f"{result.signer.display}, {result.co_signer.display}"
        )
        signed = f"Signed by {by}. Reference {result.reference_code}."
        resource["text"] = build_narrative(title, paragraphs=[signed])
    if shape.include_identifier:
        resource["identifier"] = [{"system": RESULT_IDENTIFIER, "value": identifier}]
    resource["status"] = "current"
    if shape.doc_status is not None:
        resource["docStatus"] = shape.doc_status
    resource["type"] = build_concept(shape.note_type)
    if shape.note_category:
        resource["category"] = [build_concept(_CLINICAL_NOTE)]
    resource["subject"] = build_reference(result.patient.reference, result.patient.display)
    resource |= {"date": signed_at, "author": [signer]}
    if shape.authenticator:
        resource["authenticator"] = build_reference(result.verifier.reference, result.verifier.display)
    resource["description"] = title
    resource["content"] = [
        {"attachment": _attachment(result, content_type, title, signed_at)} for content_type in shape.note_content_types
    ]
    context: Json = {}
    if result.encounter is not None:
        context["encounter"] = [build_reference(result.encounter)]
    answered_at = result.administration.answered_at
    context["period"] = {"start": answered_at, "end": answered_at}
    if shape.related and related:
        context["related"] = [build_reference(reference) for reference in related]
    return {**resource, "context": context}


def _attachment(result: SignedResult, content_type: str, title: str, created: str) -> Json:
    text = printable(sign_note_text(result))
    language = result.instrument.language
    if content_type.partition(";")[0] == "text/plain":
        content = text.encode()
    elif content_type == XHTML:
        content = build_note_document(title, text, language)
    else:
        raise UnsupportedContentType("WriteShape.note_content_types", "neither plain text nor XHTML")
    return {
        "contentType": content_type,
        "language": language,
        "data": b64encode(content).decode("ascii"),
        "title": title,
        "creation": created,
    }
