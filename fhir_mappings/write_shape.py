"""What a write plan hands to the builders: which kinds of resource to make, and in which form this EHR takes them."""

from dataclasses import dataclass
from enum import StrEnum

from fhir_mappings.r4 import Coding
from fhir_mappings.systems import LOINC


class ResourceKind(StrEnum):
    """The kinds of resource that signing can write, in write order."""

    QUESTIONNAIRE_RESPONSE = "questionnaire-response"
    OBSERVATION_ITEM = "observation-item"
    OBSERVATION_DIFFICULTY = "observation-difficulty"
    OBSERVATION_TOTAL = "observation-total"
    OBSERVATION_PANEL = "observation-panel"
    DOCUMENT_REFERENCE = "document-reference"
    PROVENANCE = "provenance"

    @property
    def resource_type(self) -> str:
        """The FHIR resource type."""
        return _RESOURCE_TYPES[self]


_RESOURCE_TYPES = {
    ResourceKind.QUESTIONNAIRE_RESPONSE: "QuestionnaireResponse",
    ResourceKind.OBSERVATION_ITEM: "Observation",
    ResourceKind.OBSERVATION_DIFFICULTY: "Observation",
    ResourceKind.OBSERVATION_TOTAL: "Observation",
    ResourceKind.OBSERVATION_PANEL: "Observation",
    ResourceKind.DOCUMENT_REFERENCE: "DocumentReference",
    ResourceKind.PROVENANCE: "Provenance",
}

PROGRESS_NOTE = Coding(system=LOINC, code="11506-3", display="Progress note")
"""One of US Core's common clinical notes, and the type that most EHRs take."""

MENTAL_HEALTH_PROGRESS_NOTE = Coding(system=LOINC, code="34904-3", display="Mental health Progress note")

PLAIN_TEXT = "text/plain;charset=utf-8"
XHTML = "application/xhtml+xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteShape:
    """How one kind of resource is written.

    `profile`: claim the US Core profile in meta.profile. `include_identifier`: send our identifier.
    `include_narrative`: send resource.text. The rest is for the note alone: its content types in order ("text/plain…"
    and XHTML are known), its LOINC type, its category, DocumentReference.docStatus (None: left out, for an EHR that
    refuses it), .authenticator and .context.related.
    """

    kind: ResourceKind
    profile: bool = True
    include_identifier: bool = True
    include_narrative: bool = True
    note_content_types: tuple[str, ...] = (PLAIN_TEXT, XHTML)
    note_type: Coding = PROGRESS_NOTE
    note_category: bool = True
    doc_status: str | None = "final"
    authenticator: bool = True
    related: bool = True


ALL_SHAPES: tuple[WriteShape, ...] = tuple(WriteShape(kind=kind) for kind in ResourceKind)
"""Everything, in the form that a server without restrictions takes."""
