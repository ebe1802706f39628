"""What signing writes to the chart, in write order: the SDC extraction of one screening result.

Source: SDC 4.0 observation-based extraction (http://hl7.org/fhir/uv/sdc/extraction.html), US Core 6.1 screening
assessment guidance. References among the planned resources are `urn:uuid:`; ids and times are arguments.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from fhir_mappings.answers import is_enabled
from fhir_mappings.bundle import (
    build_transaction,
    content_hash,
    find_references,
    replace_references,
    restore_references,
)
from fhir_mappings.document_reference import build_document_reference
from fhir_mappings.note import find_age_lines
from fhir_mappings.observation import (
    ObservationFrame,
    build_item_observation,
    build_panel_observation,
    build_score_observation,
)
from fhir_mappings.planned import PlannedResource, search_of
from fhir_mappings.provenance import build_provenance
from fhir_mappings.questionnaire_response import build_response
from fhir_mappings.r4 import Json, build_reference, format_instant
from fhir_mappings.result import SignedResult
from fhir_mappings.risk import find_advice
from fhir_mappings.wording import describe_advice
from fhir_mappings.write_shape import ALL_SHAPES, ResourceKind, WriteShape

__all__ = [
    "PlannedResource",
    "build_chart_resources",
    "build_transaction",
    "content_hash",
    "replace_references",
    "restore_references",
    "shapes_for",
]

RESPONSE_KEY = "questionnaire-response"
PANEL_KEY = "observation:panel"
DOCUMENT_KEY = "document-reference"
PROVENANCE_KEY = "provenance"


def shapes_for(result: SignedResult) -> tuple[WriteShape, ...]:
    """Give all shapes that this result can fill: without an organization there is no Provenance."""
    return tuple(
        shape for shape in ALL_SHAPES if shape.kind is not ResourceKind.PROVENANCE or result.organization is not None
    )


def build_chart_resources(
    result: SignedResult, shapes: Iterable[WriteShape], ids: Callable[[str], UUID]
) -> tuple[PlannedResource, ...]:
    """Build every resource that the shapes ask for, in write order: each depends only on those before it.

    Shapes: one WriteShape per kind at most; a kind without shape is not written, and nothing refers to it. `ids` gives
    the UUID of a key, the same each time. Raises: MissingOrganization for a Provenance without organization.
    """
    return tuple(_Extraction(result, shapes, ids).run())


@dataclass(frozen=True, slots=True)
class _Draft:
    """A resource that is planned, and the UUID, as text, that its full URL and its identifier share."""

    key: str
    shape: WriteShape
    identifier: str
    resource: Json

    @property
    def full_url(self) -> str:
        return f"urn:uuid:{self.identifier}"


class _Extraction:
    """One pass in write order; later resources refer to the drafts before them."""

    def __init__(self, result: SignedResult, shapes: Iterable[WriteShape], ids: Callable[[str], UUID]) -> None:
        self.result = result
        self.shapes = {shape.kind: shape for shape in shapes}
        self.ids = ids
        self.drafts: list[_Draft] = []

    def run(self) -> Iterator[PlannedResource]:
        self._response()
        self._observations()
        self._document()
        self._provenance()
        keys = {draft.full_url: draft.key for draft in self.drafts}
        for draft in self.drafts:
            references = find_references(draft.resource)
            yield PlannedResource(
                key=draft.key,
                kind=draft.shape.kind,
                full_url=draft.full_url,
                resource=draft.resource,
                identifier_value=draft.identifier,
                depends_on=tuple(dict.fromkeys(keys[reference] for reference in references if reference in keys)),
                search=search_of(draft.shape, draft.identifier),
            )

    def _response(self) -> None:
        shape = self.shapes.get(ResourceKind.QUESTIONNAIRE_RESPONSE)
        if shape is None:
            return
        result = self.result
        identifier = str(self.ids(RESPONSE_KEY))
        resource = build_response(
            result.instrument,
            result.answers,
            status="completed",
            subject=result.patient.party,
            encounter=result.answered_encounter or result.encounter,
            administration=result.administration,
            report=result.report,
            identifier=identifier if shape.include_identifier else None,
            profile=shape.profile,
            narrative=shape.include_narrative,
        )
        self.drafts.append(_Draft(RESPONSE_KEY, shape, identifier, resource))

    def _observations(self) -> None:
        frame = self._frame()
        members = [*self._item_observations(frame), *self._score_observations(frame)]
        self.drafts.extend(members)
        shape = self.shapes.get(ResourceKind.OBSERVATION_PANEL)
        if shape is not None and members:
            identifier = str(self.ids(PANEL_KEY))
            urls = [member.full_url for member in members]
            resource = build_panel_observation(self.result.instrument, urls, frame, shape=shape, identifier=identifier)
            self.drafts.append(_Draft(PANEL_KEY, shape, identifier, resource))

    def _frame(self) -> ObservationFrame:
        result = self.result
        source = result.administration.get_source(result.patient.party)
        return ObservationFrame(
            subject=build_reference(result.patient.reference, result.patient.display),
            encounter=result.answered_encounter or result.encounter,
            effective=result.administration.answered_at,
            issued=format_instant(result.signed_at),
            performers=(
                build_reference(source.reference, source.display),
                build_reference(result.signer.reference, result.signer.display),
            ),
            derived_from=self._url_of(RESPONSE_KEY),
            informant=result.administration.informant,
        )

    def _item_observations(self, frame: ObservationFrame) -> Iterator[_Draft]:
        for item in self.result.instrument.items:
            kind = ResourceKind.OBSERVATION_ITEM if item.required else ResourceKind.OBSERVATION_DIFFICULTY
            shape = self.shapes.get(kind)
            if shape is None or not is_enabled(item, self.result.answers):
                continue
            answer = self.result.answers.get(item.link_id)
            for place in range(max(1, 0 if answer is None else len(answer.given))):
                key = f"observation:{item.link_id}{f':{place + 1}' if place else ''}"
                identifier = str(self.ids(key))
                resource = build_item_observation(
                    item, self.result.answers, frame, shape=shape, identifier=identifier, place=place
                )
                if resource is not None:
                    yield _Draft(key, shape, identifier, resource)

    def _score_observations(self, frame: ObservationFrame) -> Iterator[_Draft]:
        shape = self.shapes.get(ResourceKind.OBSERVATION_TOTAL)
        if shape is None:
            return
        result = self.result
        # What an answer calls for besides a risk alert stands with the first score, mostly the total.
        advice = [describe_advice(rule) for rule in find_advice(result.instrument, result.answers)]
        cautions = find_age_lines(result)
        for definition, score in zip(result.instrument.scores, result.report.scores, strict=True):
            key = f"observation:{definition.link_id}"
            identifier = str(self.ids(key))
            resource = build_score_observation(
                result.instrument,
                definition,
                score,
                frame,
                shape=shape,
                identifier=identifier,
                # An alert also stands for a risk answer that was changed since.
                has_alert=bool(result.report.alerts or result.alerts),
                cautions=[*advice, *cautions],
            )
            advice = []
            yield _Draft(key, shape, identifier, resource)

    def _document(self) -> None:
        shape = self.shapes.get(ResourceKind.DOCUMENT_REFERENCE)
        if shape is None:
            return
        identifier = str(self.ids(DOCUMENT_KEY))
        related = [url for key in (RESPONSE_KEY, PANEL_KEY) if (url := self._url_of(key)) is not None]
        resource = build_document_reference(self.result, shape, identifier, related)
        self.drafts.append(_Draft(DOCUMENT_KEY, shape, identifier, resource))

    def _provenance(self) -> None:
        shape = self.shapes.get(ResourceKind.PROVENANCE)
        if shape is None or not self.drafts:
            return
        identifier = str(self.ids(PROVENANCE_KEY))
        targets: Sequence[str] = [draft.full_url for draft in self.drafts]
        resource = build_provenance(self.result, shape, identifier, targets=targets, source=self._url_of(RESPONSE_KEY))
        self.drafts.append(_Draft(PROVENANCE_KEY, shape, identifier, resource))

    def _url_of(self, key: str) -> str | None:
        return next((draft.full_url for draft in self.drafts if draft.key == key), None)
