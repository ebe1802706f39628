"""The CapabilityStatement of a persona, http://hl7.org/fhir/R4/capabilitystatement.html.

`rest.security` names SMART and carries the `oauth-uris` extension, which older clients read instead of
`.well-known/smart-configuration`:
http://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox_ehr.fhir_request import SmartEndpoints
from sandbox_ehr.persona import INTERACTIONS, Interaction, Persona
from sandbox_ehr.search_parameters import SEARCH_PARAMETERS
from sandbox_ehr.store_session import format_instant

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def build_capability_statement(
    persona: Persona, fhir_base_url: str, endpoints: SmartEndpoints, *, now: datetime
) -> dict[str, Any]:
    """Say what this EHR offers: interactions and search parameters per type, transaction and batch."""
    offered = {name: found for name, found in sorted(persona.interactions.items()) if found}
    system = [name for name, there in (("transaction", persona.transaction), ("batch", persona.batch)) if there]
    rest: dict[str, Any] = {
        "mode": "server",
        "security": _build_security(endpoints),
        "resource": [_build_resource(persona, name, found) for name, found in offered.items()],
    }
    if system:
        rest["interaction"] = [{"code": name} for name in system]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": format_instant(now),
        "kind": "instance",
        "software": {"name": f"smart-screening sandbox_ehr: {persona.title}"},
        "implementation": {"description": persona.title, "url": fhir_base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [rest],
    }


def _build_security(endpoints: SmartEndpoints) -> dict[str, Any]:
    uris = {
        "authorize": endpoints.authorize,
        "token": endpoints.token,
        "introspect": endpoints.introspect,
        "revoke": endpoints.revoke,
        "register": endpoints.register,
        "manage": endpoints.manage,
    }
    return {
        "extension": [
            {"url": OAUTH_URIS, "extension": [{"url": name, "valueUri": uri} for name, uri in uris.items() if uri]}
        ],
        "service": [{"coding": [{"system": SECURITY_SERVICE, "code": "SMART-on-FHIR"}], "text": "OAuth2 using SMART"}],
    }


def _build_resource(persona: Persona, resource_type: str, offered: frozenset[Interaction]) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "type": resource_type,
        "interaction": [{"code": name} for name in sorted(INTERACTIONS & offered)],
        "versioning": "versioned-update" if persona.etag else "no-version",
        "readHistory": "vread" in offered,
        "updateCreate": persona.update_creates and "update" in offered,
        "conditionalCreate": persona.conditional_create and "create" in offered,
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "referencePolicy": ["literal", "logical", "enforced", "local"],
    }
    if "search-type" in offered:
        parameters = SEARCH_PARAMETERS[resource_type]
        resource["searchParam"] = [
            {"name": code, "definition": parameter.definition, "type": parameter.type}
            for code, parameter in parameters.items()
            if persona.has_parameter(resource_type, code)
        ]
        includes = [
            f"{resource_type}:{code}" for code, parameter in parameters.items() if parameter.type == "reference"
        ]
        if includes:
            resource["searchInclude"] = includes
    return resource
