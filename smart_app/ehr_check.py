"""Grade an EHR by what it publishes: OK, WARNING or ERROR, each with its reason and what to do. Pure.

Sources: SMART App Launch 2.2 conformance, https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html; FHIR R4
CapabilityStatement, http://hl7.org/fhir/R4/capabilitystatement.html. What an EHR says is not yet what it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from launch.capabilities import Capabilities
from launch.discovery import SmartConfiguration
from launch.ehr import ClientAuth, Ehr
from launch.errors import LaunchError
from launch.scopes import Feature, Scopes, compute_scopes, parse_resource_scope


class Grade(StrEnum):
    """How bad it is: an ERROR keeps the app from opening; a WARNING makes it smaller."""

    OK = "OK"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what was looked at, the grade, why, and what to do ("" when all is well)."""

    name: str
    grade: Grade
    reason: str
    remedy: str = ""


_WRITES = (
    ("QuestionnaireResponse", "answers"),
    ("Observation", "scores"),
    ("DocumentReference", "the note"),
    ("Provenance", "who signed what"),
)
_READS = (("Patient", Grade.ERROR), ("Encounter", Grade.WARNING), ("Observation", Grade.WARNING))
_ASK_VENDOR = "Ask the EHR's vendor; the app works without and says so on the sign page."


def check_failure(name: str, error: LaunchError) -> Check:
    """Give the check that could not be made, because the document could not be read."""
    reason = ": ".join(part for part in (error.code, error.field, error.problem) if part)
    return Check(name=name, grade=Grade.ERROR, reason=reason, remedy=error.remedy)


def check_configuration(ehr: Ehr, configuration: SmartConfiguration, features: Iterable[Feature]) -> tuple[Check, ...]:
    """Grade the SMART configuration."""
    return (
        Check(name="SMART configuration", grade=Grade.OK, reason="found, and its addresses are on allowed hosts"),
        _check_s256(ehr, configuration),
        _check_launch(configuration),
        _check_client_auth(ehr, configuration),
        _check_identity(configuration),
        *_check_scopes(configuration, features),
    )


def check_capabilities(ehr: Ehr, capabilities: Capabilities) -> tuple[Check, ...]:
    """Grade the CapabilityStatement."""
    version = Check(name="FHIR version", grade=Grade.OK, reason=capabilities.fhir_version)
    return (version, *_check_reads(capabilities), *_check_writes(capabilities), _check_safety(ehr, capabilities))


def worst(checks: Iterable[Check]) -> Grade:
    """Give the worst grade, OK for none."""
    order = list(Grade)
    return max((check.grade for check in checks), key=order.index, default=Grade.OK)


def _check_s256(ehr: Ehr, configuration: SmartConfiguration) -> Check:
    if configuration.supports_s256:
        return Check(name="PKCE", grade=Grade.OK, reason="S256 is advertised")
    return Check(
        name="PKCE",
        grade=Grade.ERROR if ehr.require_s256_advertised else Grade.WARNING,
        reason="S256 is not advertised; the app uses it in any case",
        remedy="If the EHR is known to ignore or accept it, set require_s256_advertised = false for it.",
    )


def _check_launch(configuration: SmartConfiguration) -> Check:
    kinds = configuration.capabilities & {"launch-ehr", "launch-standalone"}
    if "launch-ehr" in kinds:
        return Check(name="Launch", grade=Grade.OK, reason=", ".join(sorted(kinds)))
    return Check(
        name="Launch",
        grade=Grade.WARNING,
        reason="launch-ehr is not among its capabilities",
        remedy="Ask the vendor whether apps can be opened from a chart; a standalone launch asks for the patient.",
    )


def _check_client_auth(ehr: Ehr, configuration: SmartConfiguration) -> Check:
    offered = configuration.token_endpoint_auth_methods_supported
    capability = {
        ClientAuth.PUBLIC: "client-public",
        ClientAuth.CLIENT_SECRET_BASIC: "client-confidential-symmetric",
        ClientAuth.PRIVATE_KEY_JWT: "client-confidential-asymmetric",
    }[ehr.client_auth]
    if ehr.client_auth in offered or capability in configuration.capabilities:
        return Check(name="Client authentication", grade=Grade.OK, reason=f"{ehr.client_auth} is offered")
    return Check(
        name="Client authentication",
        grade=Grade.WARNING,
        reason=f"{ehr.client_auth} is not among what it offers",
        remedy="Compare client_auth with the registration at the EHR.",
    )


def _check_identity(configuration: SmartConfiguration) -> Check:
    if "sso-openid-connect" in configuration.capabilities and configuration.jwks_uri and configuration.issuer:
        return Check(name="Who signs", grade=Grade.OK, reason="id_tokens with issuer and keys")
    return Check(
        name="Who signs",
        grade=Grade.WARNING,
        reason="sso-openid-connect, issuer or jwks_uri is missing: nobody is identified, so nobody can sign",
        remedy="Ask the vendor to switch on OpenID Connect with fhirUser for this app.",
    )


def _check_scopes(configuration: SmartConfiguration, features: Iterable[Feature]) -> Iterator[Check]:
    if not configuration.scopes_supported:
        yield Check(
            name="Scopes",
            grade=Grade.OK,
            reason="not listed; what is granted is compared at each launch with what is asked",
        )
        return
    listed = Scopes.parse(" ".join(configuration.scopes_supported))
    for asked in compute_scopes(features):
        scope = parse_resource_scope(asked.scope)
        if scope is None:
            continue
        if all(listed.allows(scope.resource_type, letter) for letter in scope.letters):
            continue
        yield Check(
            name=f"Scope {asked.scope}",
            grade=Grade.ERROR if asked.needed else Grade.WARNING,
            reason=f"is not listed; it is asked for {asked.reason}",
            remedy="Some EHRs list only part of what they grant: compare with a real launch.",
        )


def _check_reads(capabilities: Capabilities) -> Iterator[Check]:
    for resource_type, grade in _READS:
        missing = [name for name in ("read", "search-type") if not capabilities.allows(resource_type, name)]
        if resource_type == "Patient":
            missing = [name for name in missing if name == "read"]
        if missing:
            yield Check(
                name=f"{resource_type} reads",
                grade=grade,
                reason=f"{' and '.join(missing)} not listed",
                remedy=_ASK_VENDOR,
            )
        else:
            yield Check(name=f"{resource_type} reads", grade=Grade.OK, reason="listed")


def _check_writes(capabilities: Capabilities) -> Iterator[Check]:
    for resource_type, what in _WRITES:
        if capabilities.allows(resource_type, "create"):
            yield Check(name=f"{resource_type} create", grade=Grade.OK, reason=f"{what} can be written, it says")
        else:
            yield Check(
                name=f"{resource_type} create",
                grade=Grade.WARNING,
                reason=f"not listed: {what} cannot be written",
                remedy=_ASK_VENDOR,
            )


def _check_safety(ehr: Ehr, capabilities: Capabilities) -> Check:
    if capabilities.transaction:
        return Check(
            name="At most one copy", grade=Grade.OK, reason="transactions: a result is written whole or not at all"
        )
    if capabilities.conditional_create("Observation"):
        return Check(name="At most one copy", grade=Grade.OK, reason="conditional create")
    return Check(
        name="At most one copy",
        grade=Grade.WARNING,
        reason="neither transactions nor conditional create: a write of unknown outcome is looked up",
        remedy=f"Profile {ehr.profile.name} proves absence by: {ehr.profile.absence_proof}.",
    )
