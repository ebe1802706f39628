"""Personas and the CapabilityStatement that follows from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from sandbox_ehr.errors import InvalidPersona
from sandbox_ehr.persona import INTERACTIONS, Persona
from sandbox_ehr.personas import list_personas, load_persona, parse_persona
from sandbox_ehr.search_parameters import RESOURCE_TYPES, SEARCH_PARAMETERS
from tests.unit.sandbox_ehr.fhir_client import (
    BASE,
    Ehr,
    observation,
    open_ehr,
    post_entry,
    response,
    transaction,
)


@pytest.mark.parametrize("name", list_personas())
def test_every_shipped_persona_loads_and_states_its_capabilities(name: str) -> None:
    persona = load_persona(name)
    with open_ehr(persona=persona) as ehr:
        statement = ehr.get("metadata", access=None).json
    CapabilityStatement.model_validate(statement)
    (rest,) = statement["rest"]
    stated = {row["type"]: {entry["code"] for entry in row["interaction"]} for row in rest["resource"]}
    assert stated == {name: set(offered) for name, offered in persona.interactions.items() if offered}
    system = {entry["code"] for entry in rest.get("interaction", [])}
    assert system == {name for name in ("batch", "transaction") if getattr(persona, name)}


def test_metadata_names_smart_and_its_endpoints(ehr: Ehr) -> None:
    statement = ehr.get("metadata", access=None).json
    security = statement["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    (oauth_uris,) = security["extension"]
    assert oauth_uris["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    assert {entry["url"]: entry["valueUri"] for entry in oauth_uris["extension"]} == {
        "authorize": "http://ehr.test/authorize",
        "token": "http://ehr.test/token",
        "revoke": "http://ehr.test/revoke",
    }
    assert (statement["fhirVersion"], statement["implementation"]["url"]) == ("4.0.1", BASE)


def test_every_search_parameter_stated_is_searchable(ehr: Ehr) -> None:
    sample = {"date": "2024", "quantity": "1", "number": "1"}
    for resource in ehr.get("metadata", access=None).json["rest"][0]["resource"]:
        assert {row["name"] for row in resource["searchParam"]} == set(SEARCH_PARAMETERS[resource["type"]])
        for row in resource["searchParam"]:
            ehr.search(resource["type"], (row["name"], sample.get(row["type"], "x")))


WRITES: list[Callable[[Ehr], int]] = [
    lambda ehr: ehr.post(observation()).status,
    lambda ehr: ehr.put({"resourceType": "Patient", "id": "ada"}).status,
    lambda ehr: ehr.put({"resourceType": "Patient", "id": "new"}).status,
    lambda ehr: ehr.delete("Patient/ada").status,
    lambda ehr: ehr.post(transaction(post_entry(observation())), "").status,
    lambda ehr: ehr.post(transaction(post_entry(observation()), kind="batch"), "").status,
]


@pytest.mark.parametrize("write", WRITES)
def test_the_read_only_persona_refuses_every_write(write: Callable[[Ehr], int]) -> None:
    with open_ehr(persona=load_persona("read-only")) as ehr:
        assert write(ehr) == 405
        assert ehr.get("Patient/ada").headers["ETag"] == 'W/"1"'
        assert (ehr.count("Observation"), ehr.count("Patient")) == (0, 2)
        assert all(not logged.written for logged in ehr.store.requests())


def test_the_open_persona_offers_everything() -> None:
    persona = load_persona("open")
    assert all(persona.offers(interaction, name) for name in RESOURCE_TYPES for interaction in INTERACTIONS)
    assert persona == Persona(name="open", title="Open sandbox")


SOURCED = "source = 'a page of the vendor'\nconfidence = 'source'"


def setting(table: str, key: str, value: str) -> str:
    return f"[{table}.{key}]\nvalue = {value}\n{SOURCED}\n"


def rule(requires: str, *, resource_type: str = "Observation", on: str = "['create']", more: str = "") -> str:
    return f'[[rules]]\ntype = "{resource_type}"\non = {on}\nrequires = "{requires}"\ntext = "No"\n{more}\n{SOURCED}\n'


NARROW = 'title = "Narrow EHR"\n' + "".join(
    [
        setting("fhir", "transaction", "false"),
        setting("fhir", "conditional_create", "false"),
        setting("fhir", "location", "'relative'"),
        setting("fhir", "create_body", "'empty'"),
        setting("fhir", "etag", "false"),
        setting("fhir", "page_size", "2"),
        setting("interactions", "default", "['read', 'search-type']"),
        setting("interactions", "Observation", "['create', 'read', 'search-type']"),
        setting("authorization", "scope_spelling", "'v1'"),
        setting("authorization", "token_lifetime_seconds", "570"),
        setting("authorization", "refresh_tokens", "false"),
        rule("category.coding.where(code = 'survey').exists()", more="status = 400"),
    ]
)


def test_a_persona_departs_in_what_it_states_and_only_there() -> None:
    persona = parse_persona("narrow", NARROW)
    with open_ehr(persona=persona) as ehr:
        reply = ehr.post(observation(), If_None_Exist="status=final")
        created = reply.headers["Location"].removeprefix("Observation/")
        assert (reply.status, reply.text, "ETag" in reply.headers) == (201, "", False)
        assert ehr.get(f"Observation/{created}").status == 200
        assert ehr.post(observation(), Prefer="return=representation").json["resourceType"] == "Observation"
        assert ehr.post(observation(), If_None_Exist="status=final").status == 201, "conditional create is not known"
        assert len(ehr.search("Observation").ids) == 2
        refused = ehr.post(observation(category=[{"text": "other"}]))
        assert (refused.status, refused.issue["details"]["text"]) == (400, "No")
        assert ehr.count("Observation") == 3
        assert ehr.post(response()).status == 405
        assert ehr.get("Observation/_history").status == 405
        assert ehr.post(transaction(post_entry(observation())), "").status == 405
        assert ehr.post(transaction(post_entry(observation()), kind="batch"), "").status == 200
    assert (persona.scope_spelling, persona.token_lifetime_seconds, persona.refresh_tokens) == ("v1", 570, False)


def test_a_persona_may_demand_an_element_that_r4_leaves_open() -> None:
    with open_ehr(persona=parse_persona("wary", rule("encounter.exists()"))) as ehr:
        assert ehr.post(observation()).status == 422
        assert ehr.post(observation(encounter={"reference": "Encounter/visit-ada"})).status == 201


def test_a_rule_on_updates_leaves_creates_alone() -> None:
    with open_ehr(persona=parse_persona("wary", rule("encounter.exists()", on="['update']"))) as ehr:
        created = ehr.post(observation()).json
        refused = ehr.put(created)
        assert refused.status == 422
        assert ehr.get(f"Observation/{created['id']}").headers["ETag"] == 'W/"1"'


def test_a_persona_may_give_no_location_at_all() -> None:
    with open_ehr(persona=parse_persona("mute", setting("fhir", "location", "'none'"))) as ehr:
        assert "Location" not in ehr.post(observation()).headers


def test_an_attribute_of_the_rule_reaches_the_outcome() -> None:
    more = "code = '59159'\nelement = 'Observation.encounter'\nissue = 'required'"
    text = setting("fhir", "outcome_system", "'urn:oid:1.2.3'") + rule("encounter.exists()", more=more)
    with open_ehr(persona=parse_persona("wary", text)) as ehr:
        assert ehr.post(observation()).issue == {
            "severity": "error",
            "code": "required",
            "details": {"text": "No", "coding": [{"system": "urn:oid:1.2.3", "code": "59159", "display": "No"}]},
            "expression": ["Observation.encounter"],
        }


@pytest.mark.parametrize(
    "text",
    [
        "colour = 1",
        "title = 1",
        setting("fhir", "locations", "'none'"),
        setting("fhir", "location", "'sometimes'"),
        setting("fhir", "transaction", "'yes'"),
        setting("fhir", "page_size", "true"),
        setting("fhir", "invalid_status", "418"),
        setting("fhir", "empty_bodies", "['403']"),
        setting("authorization", "scope_spelling", "'v3'"),
        setting("authorization", "scopes_supported", "[1]"),
        setting("interactions", "Gadget", "[]"),
        setting("interactions", "Patient", "['patch']"),
        setting("interactions", "Patient", "'read'"),
        setting("search", "Patient", "['colour']"),
        setting("search", "default", "[]"),
        setting("discards", "Patient", "['meta']"),
        "[fhir]\netag = false",
        "[fhir.etag]\nvalue = false\nsource = 'x'",
        "[fhir.etag]\nvalue = false\nsource = ' '\nconfidence = 'source'",
        "[fhir.etag]\nvalue = false\nsource = 'x'\nconfidence = 'fairly'",
        "[fhir.etag]\nvalue = false\nsource = 'x'\nconfidence = 'source'\nsince = 2026",
        "[[rules]]\ntype = 'Patient'",
        "[[rules]]\ntype = 'Patient'\non = ['create']\nrequires = 'true'\ntext = 'No'\nconfidence = 'source'",
        rule("true", resource_type="Gadget"),
        rule("true", on="['read']"),
        rule("true", on="[]"),
        rule("status = 'final' and ("),
        rule("status.colour()"),
        rule("status = %nobody"),
        rule("true", more="unless = 'x'"),
        "fhir = 1",
        "not toml",
    ],
)
def test_an_unknown_key_or_value_refuses_to_load(text: str) -> None:
    with pytest.raises(InvalidPersona):
        parse_persona("broken", text)


@pytest.mark.parametrize("text", [NARROW, setting("search", "Patient", "['name']"), setting("fhir", "etag", "false")])
def test_what_the_faulty_files_are_made_from_loads(text: str) -> None:
    assert parse_persona("sound", text).origins


def test_an_unknown_name_refuses_to_load() -> None:
    with pytest.raises(InvalidPersona):
        load_persona("../open")
