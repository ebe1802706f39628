"""The self-test of an EHR: one thing broken at a time, each graded with a reason and a remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from launch.capabilities import Capabilities, ResourceCapability
from launch.discovery import SmartConfiguration
from launch.ehr import ClientAuth, Ehr
from launch.ehr_profile import get_ehr_profile
from launch.errors import LaunchError
from launch.scopes import Feature
from smart_app.ehr_check import Check, Grade, check_capabilities, check_configuration, check_failure, worst

EHR = Ehr(
    id="clinic",
    name="Clinic",
    fhir_base_url="https://ehr.example/fhir",
    client_id="app",
    profile=get_ehr_profile("generic"),
)
CONFIGURATION = SmartConfiguration(
    authorization_endpoint="https://ehr.example/authorize",
    token_endpoint="https://ehr.example/token",
    capabilities=frozenset({"launch-ehr", "client-public", "sso-openid-connect"}),
    code_challenge_methods_supported=frozenset({"S256"}),
    issuer="https://ehr.example",
    jwks_uri="https://ehr.example/jwks",
    scopes_supported=frozenset({"openid", "patient/*.rs", "user/*.rs", "patient/Observation.c"}),
)
TYPES = ("Patient", "Encounter", "Observation", "QuestionnaireResponse", "DocumentReference", "Provenance")
ALL = ResourceCapability(
    interactions=frozenset({"read", "search-type", "create"}), search_params=frozenset(), conditional_create=False
)
CAPABILITIES = Capabilities(
    fhir_version="4.0.1",
    software=None,
    resources=dict.fromkeys(TYPES, ALL),
    system_interactions=frozenset({"transaction"}),
)
FEATURES = frozenset({Feature.BASE, Feature.WRITE_OBSERVATIONS})


def not_ok(checks: tuple[Check, ...]) -> list[tuple[str, Grade]]:
    assert all(check.remedy for check in checks if check.grade is not Grade.OK)
    return [(check.name, check.grade) for check in checks if check.grade is not Grade.OK]


def test_an_ehr_that_offers_everything_is_ok() -> None:
    checks = (*check_configuration(EHR, CONFIGURATION, FEATURES), *check_capabilities(EHR, CAPABILITIES))
    assert not_ok(checks) == []
    assert worst(checks) is Grade.OK


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"code_challenge_methods_supported": frozenset({"plain"})}, [("PKCE", Grade.ERROR)]),
        (
            {"capabilities": frozenset({"client-public", "sso-openid-connect"})},
            [("Launch", Grade.WARNING)],
        ),
        (
            {"capabilities": frozenset({"launch-ehr", "sso-openid-connect"})},
            [("Client authentication", Grade.WARNING)],
        ),
        ({"jwks_uri": None}, [("Who signs", Grade.WARNING)]),
        ({"issuer": None}, [("Who signs", Grade.WARNING)]),
        (
            {"scopes_supported": frozenset({"patient/Observation.crs", "patient/Encounter.rs", "user/*.rs"})},
            [],
        ),
        (
            {"scopes_supported": frozenset({"patient/*.rs"})},
            [("Scope patient/Observation.c", Grade.WARNING)],
        ),
        ({"scopes_supported": frozenset()}, []),
    ],
)
def test_each_lack_of_the_configuration_is_graded(changes: dict[str, Any], found: list[tuple[str, Grade]]) -> None:
    checks = check_configuration(EHR, replace(CONFIGURATION, **changes), FEATURES)
    assert not_ok(checks) == found


def test_a_patient_scope_that_is_missing_is_an_error() -> None:
    lacking = replace(CONFIGURATION, scopes_supported=frozenset({"patient/Observation.crs"}))
    assert ("Scope patient/Patient.r", Grade.ERROR) in not_ok(check_configuration(EHR, lacking, FEATURES))


def test_a_site_that_knows_its_ehr_takes_s256_for_granted() -> None:
    tolerant = replace(EHR, require_s256_advertised=False)
    silent = replace(CONFIGURATION, code_challenge_methods_supported=frozenset())
    assert not_ok(check_configuration(tolerant, silent, FEATURES)) == [("PKCE", Grade.WARNING)]


def test_the_registered_way_of_authentication_is_looked_for() -> None:
    signed = replace(EHR, client_auth=ClientAuth.PRIVATE_KEY_JWT)
    offered = replace(CONFIGURATION, token_endpoint_auth_methods_supported=frozenset({"private_key_jwt"}))
    assert not_ok(check_configuration(signed, offered, FEATURES)) == []
    assert not_ok(check_configuration(signed, CONFIGURATION, FEATURES)) == [("Client authentication", Grade.WARNING)]


@pytest.mark.parametrize(
    ("resource_type", "interactions", "found"),
    [
        ("Patient", {"search-type"}, [("Patient reads", Grade.ERROR)]),
        ("Patient", {"read"}, []),
        ("Encounter", {"read"}, [("Encounter reads", Grade.WARNING)]),
        ("Observation", {"read", "search-type"}, [("Observation create", Grade.WARNING)]),
        ("DocumentReference", set(), [("DocumentReference create", Grade.WARNING)]),
    ],
)
def test_each_lack_of_the_capabilities_is_graded(
    resource_type: str, interactions: set[str], found: list[tuple[str, Grade]]
) -> None:
    less = replace(ALL, interactions=frozenset(interactions))
    capabilities = replace(CAPABILITIES, resources={**CAPABILITIES.resources, resource_type: less})
    assert not_ok(check_capabilities(EHR, capabilities)) == found


def test_without_transactions_and_conditional_create_the_look_up_is_named() -> None:
    single = replace(CAPABILITIES, system_interactions=frozenset())
    assert not_ok(check_capabilities(EHR, single)) == [("At most one copy", Grade.WARNING)]
    conditional = {**CAPABILITIES.resources, "Observation": replace(ALL, conditional_create=True)}
    assert not_ok(check_capabilities(EHR, replace(single, resources=conditional))) == []


def test_a_document_that_cannot_be_read_is_an_error_with_its_code() -> None:
    check = check_failure("SMART configuration", LaunchError("HTTP 404", field="body"))
    assert (check.grade, check.reason) == (Grade.ERROR, "launch-error: body: HTTP 404")
    assert worst([check]) is Grade.ERROR
