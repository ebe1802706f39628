"""Personas and the CapabilityStatement that follows from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from sandbox_ehr.errors import InvalidPersona
from sandbox_ehr.personas import INTERACTIONS, Persona, list_personas, load_persona, parse_persona
from sandbox_ehr.search_parameters import RESOURCE_TYPES, SEARCH_PARAMETERS
from tests.unit.sandbox_ehr.fhir_client import (
    BASE,
    SURVEY,
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


EPIC_LIKE = f"""
title = "Narrow EHR"
[fhir]
transaction = false
batch = true
conditional_create = false
location = "relative"
create_body = "empty"
etag = false
page_size = 2
[interactions]
default = ["read", "search-type"]
Observation = ["create", "read", "search-type"]
[authorization]
scope_spelling = "v1"
token_lifetime_seconds = 570
refresh_tokens = false
[[refusals]]
type = "Observation"
interaction = "create"
unless = "category={SURVEY}"
status = 400
issue = "business-rule"
text = "59188: no mapped row"
"""


def test_a_persona_departs_in_what_it_states_and_only_there() -> None:
    persona = parse_persona("narrow", EPIC_LIKE)
    with open_ehr(persona=persona) as ehr:
        reply = ehr.post(observation(), If_None_Exist="status=final")
        created = reply.headers["Location"].removeprefix("Observation/")
        assert (reply.status, reply.text, "ETag" in reply.headers) == (201, "", False)
        assert ehr.get(f"Observation/{created}").status == 200
        assert ehr.post(observation(), Prefer="return=representation").json["resourceType"] == "Observation"
        assert ehr.post(observation(), If_None_Exist="status=final").status == 201, "conditional create is not known"
        assert len(ehr.search("Observation").ids) == 2
        refused = ehr.post(observation(category=[{"text": "other"}]))
        assert (refused.status, refused.issue["details"]["text"]) == (400, "59188: no mapped row")
        assert ehr.count("Observation") == 3
        assert ehr.post(response()).status == 405
        assert ehr.get("Observation/_history").status == 405
        assert ehr.post(transaction(post_entry(observation())), "").status == 405
        assert ehr.post(transaction(post_entry(observation()), kind="batch"), "").status == 200
    assert (persona.scope_spelling, persona.token_lifetime_seconds, persona.refresh_tokens) == ("v1", 570, False)


def test_a_persona_may_demand_an_element_that_r4_leaves_open() -> None:
    rule = (
        "[[refusals]]\ntype='Observation'\ninteraction='create'\ntext='No encounter'\nunless='encounter:missing=false'"
    )
    with open_ehr(persona=parse_persona("wary", rule)) as ehr:
        assert ehr.post(observation()).status == 422
        assert ehr.post(observation(encounter={"reference": "Encounter/visit-ada"})).status == 201


def test_a_persona_may_give_no_location_at_all() -> None:
    with open_ehr(persona=parse_persona("mute", '[fhir]\nlocation = "none"')) as ehr:
        assert "Location" not in ehr.post(observation()).headers


@pytest.mark.parametrize(
    "text",
    [
        "colour = 1",
        "title = 1",
        "[fhir]\nlocations = 'none'",
        "[fhir]\nlocation = 'sometimes'",
        "[fhir]\ntransaction = 'yes'",
        "[fhir]\npage_size = true",
        "[authorization]\nscope_spelling = 'v3'",
        "[interactions]\nGadget = []",
        "[interactions]\nPatient = ['patch']",
        "[interactions]\nPatient = 'read'",
        "[[refusals]]\ntype = 'Patient'",
        "[[refusals]]\ntype = 'Gadget'\ninteraction = 'create'\ntext = 'x'",
        "[[refusals]]\ntype = 'Patient'\ninteraction = 'read'\ntext = 'x'",
        "[[refusals]]\ntype = 'Patient'\ninteraction = 'create'\ntext = 'x'\nunless = 'x'",
        "fhir = 1",
        "not toml",
    ],
)
def test_an_unknown_key_or_value_refuses_to_load(text: str) -> None:
    with pytest.raises(InvalidPersona, match="broken"):
        parse_persona("broken", text)


def test_an_unknown_name_refuses_to_load() -> None:
    with pytest.raises(InvalidPersona):
        load_persona("../open")


def test_a_persona_file_is_checked_against_the_search_parameters_it_uses() -> None:
    text = "[[refusals]]\ntype = 'Patient'\ninteraction = 'create'\ntext = 'x'\nunless = 'colour=red'"
    with pytest.raises(InvalidPersona):
        parse_persona("broken", text)
