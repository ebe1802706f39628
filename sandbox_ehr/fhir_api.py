"""The FHIR R4 RESTful API as a function of request and access, http://hl7.org/fhir/R4/http.html."""

from __future__ import annotations

from sandbox_ehr.fhir_request import Access, Clock, FhirHttpResponse, FhirRequest, SmartEndpoints
from sandbox_ehr.personas import Persona
from sandbox_ehr.store import FhirStore

__all__ = ["Access", "FhirApi", "FhirHttpResponse", "FhirRequest", "SmartEndpoints"]


class FhirApi:
    """Answers FHIR requests from a store, as the persona's EHR would.

    fhir_base_url: absolute, without a trailing slash; used in fullUrl, Location and paging links.
    """

    def __init__(
        self, *, store: FhirStore, persona: Persona, fhir_base_url: str, endpoints: SmartEndpoints, clock: Clock
    ) -> None:
        self._store = store
        self._persona = persona
        self._base = fhir_base_url.rstrip("/")
        self._endpoints = endpoints
        self._clock = clock

    def handle(self, request: FhirRequest, access: Access | None) -> FhirHttpResponse:
        """Answer one request; `access` is None where no token was sent (only `metadata` is open then, else 401).

        Never raises for anything that a client can send: every refusal is an OperationOutcome.
        """
        raise NotImplementedError
