"""What the EHR's FHIR server can do (FHIR R4 CapabilityStatement, `GET [base]/metadata`).

A promise, not a proof: profiles and granted scopes narrow it further.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from launch.documents import DocumentCache
from launch.ehr import Ehr
from launch.errors import MalformedResource, NotFhirJson, UnsupportedFhirVersion
from launch.fhir_exchange import FHIR_JSON, check_status
from launch.fields import Fields, InvalidField, parse_json_object
from launch.transport import CAPABILITIES_LIMITS, HttpResponse, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceCapability:
    """One resource type: interaction codes such as `create`, search parameter names, conditional create."""

    interactions: frozenset[str]
    search_params: frozenset[str]
    conditional_create: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the server of one EHR says it can do."""

    fhir_version: str
    software: str | None
    resources: Mapping[str, ResourceCapability]
    system_interactions: frozenset[str]

    def allows(self, resource_type: str, interaction: str) -> bool:
        """Whether the type lists the interaction (`read`, `search-type`, `create`, `update` …)."""
        resource = self.resources.get(resource_type)
        return resource is not None and interaction in resource.interactions

    def conditional_create(self, resource_type: str) -> bool:
        """Whether `If-None-Exist` is understood for the type."""
        resource = self.resources.get(resource_type)
        return resource is not None and resource.conditional_create

    def search_params(self, resource_type: str) -> frozenset[str]:
        """Names of the search parameters that the type lists."""
        resource = self.resources.get(resource_type)
        return frozenset() if resource is None else resource.search_params

    @property
    def transaction(self) -> bool:
        """Whether the server takes transactions."""
        return "transaction" in self.system_interactions

    @property
    def batch(self) -> bool:
        """Whether the server takes batches."""
        return "batch" in self.system_interactions


def parse_capabilities(body: bytes) -> Capabilities:
    """Read a CapabilityStatement. Raises NotFhirJson, MalformedResource, UnsupportedFhirVersion (not 4.0.x)."""
    try:
        values = parse_json_object(body)
    except InvalidField as exc:
        raise NotFhirJson(exc.problem) from exc
    try:
        fields = Fields(values)
        if fields.text("resourceType") != "CapabilityStatement":
            raise fields.fault("resourceType", "is another")
        version = fields.text("fhirVersion")
        if version != "4.0" and not version.startswith("4.0."):
            raise UnsupportedFhirVersion("is not 4.0", field="fhirVersion")
        software = fields.find_object("software")
        servers = [rest for rest in fields.objects("rest") if rest.text("mode") == "server"]
        if not servers:
            raise fields.fault("rest", "has no server")
        return Capabilities(
            fhir_version=version,
            software=None if software is None else software.find_text("name"),
            resources={
                resource.text("type"): _parse_resource(resource)
                for rest in servers
                for resource in rest.objects("resource")
            },
            system_interactions=frozenset(
                item.text("code") for rest in servers for item in rest.objects("interaction")
            ),
        )
    except InvalidField as exc:
        raise MalformedResource(exc.problem, field=exc.field) from exc


def fetch_capabilities(ehr: Ehr, transport: Transport, cache: DocumentCache, now: datetime) -> Capabilities:
    """Read the CapabilityStatement of an EHR, cached; no token is sent, it is public.

    Raises TransportError, FhirError and its subclasses, UnsupportedFhirVersion.
    """

    def parse(response: HttpResponse) -> Capabilities:
        check_status(response, ehr=ehr)
        try:
            return parse_capabilities(response.body)
        except (NotFhirJson, MalformedResource, UnsupportedFhirVersion) as exc:
            exc.ehr_id = ehr.id
            raise

    return cache.fetch(
        ehr.fhir_base_url.rstrip("/") + "/metadata",
        parse,
        transport=transport,
        limits=CAPABILITIES_LIMITS,
        accept=FHIR_JSON,
        now=now,
    )


def _parse_resource(resource: Fields) -> ResourceCapability:
    return ResourceCapability(
        interactions=frozenset(item.text("code") for item in resource.objects("interaction")),
        search_params=frozenset(item.text("name") for item in resource.objects("searchParam")),
        conditional_create=resource.find_flag("conditionalCreate") is True,
    )
