"""Discovery documents.

Source: SMART App Launch 2.2 conformance, https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html; OpenID Connect
Discovery 1.0 section 3.
"""

from __future__ import annotations

from typing import Any

from sandbox_ehr.client_authentication import ALGORITHMS
from sandbox_ehr.fhir_request import SmartEndpoints
from sandbox_ehr.persona import Persona
from sandbox_ehr.scope_grant import CONTEXT_SCOPES, IDENTITY_SCOPES, REFRESH_SCOPES
from sandbox_ehr.signing_keys import ALGORITHM

AUTH_METHODS = ["client_secret_basic", "private_key_jwt"]

_CAPABILITIES = [
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
]
_REFRESH_CAPABILITIES = ["permission-offline", "permission-online"]


def build_smart_configuration(
    *, fhir_base_url: str, jwks_uri: str, endpoints: SmartEndpoints, persona: Persona
) -> dict[str, Any]:
    """Give the smart-configuration of one FHIR base."""
    return {
        "issuer": fhir_base_url,
        "jwks_uri": jwks_uri,
        "authorization_endpoint": endpoints.authorize,
        "token_endpoint": endpoints.token,
        "introspection_endpoint": endpoints.introspect,
        "revocation_endpoint": endpoints.revoke,
        "management_endpoint": endpoints.manage,
        "grant_types_supported": _grant_types(persona),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "scopes_supported": _scopes(persona),
        "capabilities": _capabilities(persona),
    }


def build_openid_configuration(
    *, fhir_base_url: str, jwks_uri: str, endpoints: SmartEndpoints, persona: Persona
) -> dict[str, Any]:
    """Give the OpenID configuration of the issuer, which is the FHIR base."""
    return {
        "issuer": fhir_base_url,
        "jwks_uri": jwks_uri,
        "authorization_endpoint": endpoints.authorize,
        "token_endpoint": endpoints.token,
        "response_types_supported": ["code"],
        "grant_types_supported": _grant_types(persona),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["none", *AUTH_METHODS],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": _scopes(persona),
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "name", "fhirUser", "profile"],
    }


def _grant_types(persona: Persona) -> list[str]:
    return ["authorization_code", *(["refresh_token"] if persona.refresh_tokens else [])]


def _capabilities(persona: Persona) -> list[str]:
    offered = [*_CAPABILITIES, *(_REFRESH_CAPABILITIES if persona.refresh_tokens else ())]
    return [name for name in offered if name not in persona.capabilities_missing]


def _scopes(persona: Persona) -> list[str]:
    if persona.scopes_supported:
        return list(persona.scopes_supported)
    resource_scopes = [
        f"{level}/*.{letters}" for level in ("patient", "user") for letters in ("cruds", "read", "write")
    ]
    return [*CONTEXT_SCOPES, *IDENTITY_SCOPES, *(REFRESH_SCOPES if persona.refresh_tokens else ()), *resource_scopes]
