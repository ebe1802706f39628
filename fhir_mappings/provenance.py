"""Build the Provenance of a signed result: patient informant, clinician verifier and author, software assembler.

Source: US Core 6.1 Provenance; provenance-1 wants onBehalfOf where `who` is a Practitioner or a Device, so there is no
Provenance without an organization. The software is a contained Device: no EHR takes a Device of ours.
"""

from collections.abc import Sequence
from typing import Final

from fhir_mappings.errors import MissingOrganization
from fhir_mappings.narrative import build_narrative
from fhir_mappings.r4 import Coding, Json, build_concept, build_reference, format_instant
from fhir_mappings.result import SignedResult
from fhir_mappings.systems import DATA_OPERATION, PROVENANCE_PARTICIPANT, RESULT_IDENTIFIER, US_CORE_PROVENANCE
from fhir_mappings.write_shape import WriteShape

_DISPLAYS: Final = {"author": "Author", "verifier": "Verifier", "informant": "Informant", "assembler": "Assembler"}
_CREATE: Final = Coding(system=DATA_OPERATION, code="CREATE", display="create")


def build_provenance(
    result: SignedResult, shape: WriteShape, identifier: str, *, targets: Sequence[str], source: str | None
) -> Json:
    """Build the Provenance of `targets`; `source` is the response they were extracted from, where it was written.

    Provenance has no identifier in R4: ours stands in meta.tag, which a server can search. Raises: MissingOrganization.
    """
    if result.organization is None:
        raise MissingOrganization("SignedResult.organization", "needed for agent.onBehalfOf")
    organization = build_reference(result.organization.reference, result.organization.display)
    signer = build_reference(result.signer.reference, result.signer.display)
    verifier = build_reference(result.verifier.reference, result.verifier.display)
    informant = result.administration.get_source(result.patient.party)
    resource: Json = {"resourceType": "Provenance"}
    meta: Json = {}
    if shape.profile:
        meta["profile"] = [US_CORE_PROVENANCE]
    if shape.include_identifier:
        meta["tag"] = [{"system": RESULT_IDENTIFIER, "code": identifier}]
    if meta:
        resource["meta"] = meta
    if shape.include_narrative:
        told = f"{result.instrument.short_name} result signed by {result.signer.display}."
        resource["text"] = build_narrative("Who signed, with what", paragraphs=[told])
    resource["contained"] = [_software(result.software_version)]
    resource["target"] = [build_reference(target) for target in targets]
    resource["occurredDateTime"] = result.administration.answered_at
    resource["recorded"] = format_instant(result.signed_at)
    resource["activity"] = build_concept(_CREATE)
    resource["agent"] = [
        _agent("author", signer, organization),
        _agent("verifier", verifier, organization),
        _agent("informant", build_reference(informant.reference, informant.display)),
        _agent("assembler", build_reference("#software", "smart-screening"), organization),
    ]
    if source is not None:
        resource["entity"] = [{"role": "source", "what": build_reference(source)}]
    return resource


def _software(version: str) -> Json:
    return {
        "resourceType": "Device",
        "id": "software",
        "deviceName": [{"name": "smart-screening", "type": "user-friendly-name"}],
        "version": [{"value": version}],
    }


def _agent(role: str, who: Json, on_behalf_of: Json | None = None) -> Json:
    coding = Coding(system=PROVENANCE_PARTICIPANT, code=role, display=_DISPLAYS[role])
    agent: Json = {"type": build_concept(coding), "who": who}
    return agent if on_behalf_of is None else {**agent, "onBehalfOf": on_behalf_of}
