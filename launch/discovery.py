"""The EHR's SMART configuration (SMART App Launch 2.2, "Conformance": .well-known/smart-configuration).

The suffix goes after the whole FHIR base, also where the base has a path (RFC 8414 would put it before). Relative
addresses, which older servers give, are resolved against the FHIR base.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from launch.documents import DocumentCache
from launch.ehr import Ehr
from launch.errors import DiscoveryError, DiscoveryNotJson, EndpointNotAllowed, InvalidSmartConfiguration
from launch.fields import Fields, InvalidField, parse_json_object
from launch.transport import DOCUMENT_LIMITS, HttpResponse, Transport
from launch.urls import InvalidUrl, resolve_url, split_http_url

WELL_KNOWN = "/.well-known/smart-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartConfiguration:
    """What a SMART configuration says, as far as this app uses it. All addresses are absolute.

    `code_challenge_methods_supported` and `grant_types_supported` are empty where a 1.0 server leaves them out.
    """

    authorization_endpoint: str
    token_endpoint: str
    capabilities: frozenset[str]
    code_challenge_methods_supported: frozenset[str]
    grant_types_supported: frozenset[str] = frozenset()
    issuer: str | None = None
    jwks_uri: str | None = None
    revocation_endpoint: str | None = None
    introspection_endpoint: str | None = None
    management_endpoint: str | None = None
    token_endpoint_auth_methods_supported: frozenset[str] = frozenset()
    token_endpoint_auth_signing_alg_values_supported: frozenset[str] = frozenset()
    scopes_supported: frozenset[str] = frozenset()
    response_types_supported: frozenset[str] = frozenset()

    @property
    def supports_s256(self) -> bool:
        """Whether PKCE with S256 is advertised."""
        return "S256" in self.code_challenge_methods_supported


def parse_smart_configuration(body: bytes, *, fhir_base_url: str) -> SmartConfiguration:
    """Read the document. Raises DiscoveryNotJson, or InvalidSmartConfiguration naming the field."""
    try:
        values = parse_json_object(body)
    except InvalidField as exc:
        raise DiscoveryNotJson(exc.problem) from exc
    try:
        fields = Fields(values)
        return SmartConfiguration(
            authorization_endpoint=_insist(fields, "authorization_endpoint", fhir_base_url),
            token_endpoint=_insist(fields, "token_endpoint", fhir_base_url),
            capabilities=frozenset(fields.texts("capabilities")),
            code_challenge_methods_supported=_find_set(fields, "code_challenge_methods_supported"),
            grant_types_supported=_find_set(fields, "grant_types_supported"),
            issuer=fields.find_text("issuer"),
            jwks_uri=_find_address(fields, "jwks_uri", fhir_base_url),
            revocation_endpoint=_find_address(fields, "revocation_endpoint", fhir_base_url),
            introspection_endpoint=_find_address(fields, "introspection_endpoint", fhir_base_url),
            management_endpoint=_find_address(fields, "management_endpoint", fhir_base_url),
            token_endpoint_auth_methods_supported=_find_set(fields, "token_endpoint_auth_methods_supported"),
            token_endpoint_auth_signing_alg_values_supported=_find_set(
                fields, "token_endpoint_auth_signing_alg_values_supported"
            ),
            scopes_supported=_find_set(fields, "scopes_supported"),
            response_types_supported=_find_set(fields, "response_types_supported"),
        )
    except InvalidField as exc:
        raise InvalidSmartConfiguration(exc.problem, field=exc.field) from exc


def fetch_smart_configuration(
    ehr: Ehr, transport: Transport, cache: DocumentCache, now: datetime
) -> SmartConfiguration:
    """Read the configuration of an EHR, cached. Five seconds, one megabyte.

    Raises TransportError, DiscoveryError and its subclasses; EndpointNotAllowed, with the field, for an address that
    this EHR's entry does not allow.
    """

    def parse(response: HttpResponse) -> SmartConfiguration:
        if response.status != 200:
            raise DiscoveryError(f"HTTP {response.status}", ehr_id=ehr.id)
        try:
            return parse_smart_configuration(response.body, fhir_base_url=ehr.fhir_base_url)
        except DiscoveryError as exc:
            exc.ehr_id = ehr.id
            raise

    configuration = cache.fetch(
        ehr.fhir_base_url.rstrip("/") + WELL_KNOWN,
        parse,
        transport=transport,
        limits=DOCUMENT_LIMITS,
        accept="application/json",
        now=now,
    )
    check_endpoints(configuration, ehr)
    return configuration


def check_endpoints(configuration: SmartConfiguration, ehr: Ehr) -> None:
    """Refuse endpoints of a launch that are not on an allowed host. No network. Raises EndpointNotAllowed."""
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        url = getattr(configuration, name)
        if url is not None and not ehr.allows_endpoint(url):
            raise EndpointNotAllowed("is not on an allowed host", sent=False, ehr_id=ehr.id, field=name)


def _find_set(fields: Fields, name: str) -> frozenset[str]:
    return frozenset(fields.find_texts(name) or ())


def _find_address(fields: Fields, name: str, fhir_base_url: str) -> str | None:
    text = fields.find_text(name)
    if text is None:
        return None
    try:
        url = resolve_url(fhir_base_url, text)
        split_http_url(url)
    except (InvalidUrl, ValueError) as exc:
        raise fields.fault(name, "is not an address") from exc
    return url


def _insist(fields: Fields, name: str, fhir_base_url: str) -> str:
    url = _find_address(fields, name, fhir_base_url)
    if url is None:
        raise fields.fault(name, "is missing")
    return url
