"""Scopes and the patient compartment, SMART App Launch 2.2 "scopes and launch context"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_ehr.access import parse_scopes
from sandbox_ehr.fhir_request import Access
from tests.unit.sandbox_ehr.fhir_client import EVERYTHING, SURVEY, Ehr, Reply, observation, open_ehr, response

VITALS = {"coding": [{"system": SURVEY.split("|")[0], "code": "vital-signs"}]}


def ada(scope: str) -> Access:
    return Access(scope=scope, client_id="app", patient="ada", user="Practitioner/dr")


@pytest.mark.parametrize(
    ("scope", "rights"),
    [
        ("patient/Observation.rs", "rs"),
        ("patient/Observation.cruds", "cruds"),
        ("user/Observation.c", "c"),
        ("patient/Observation.read", "rs"),
        ("patient/Observation.write", "cud"),
        ("patient/Observation.*", "cruds"),
        ("patient/*.read", "rs"),
    ],
)
def test_both_spellings_of_scopes_are_understood(scope: str, rights: str) -> None:
    (parsed,) = parse_scopes(f"openid {scope} launch/patient")
    assert parsed.rights == frozenset(rights)


@pytest.mark.parametrize(
    "scope",
    [
        "patient/Observation",
        "patient/Observation.",
        "patient/Observation.sr",
        "patient/Observation.rx",
        "patient/Observation.rs?",
        "patient/Observation.rs?category",
        "patient/Observation.read?category=x",
        "Patient/Observation.rs",
        "clinic/Observation.rs",
        "patient/Observation.rs,user/Patient.r",
    ],
)
def test_a_malformed_scope_grants_nothing(ehr: Ehr, scope: str) -> None:
    assert parse_scopes(scope) == ()
    assert ehr.get("Observation", access=ada(scope)).status == 403


def test_without_a_token_only_metadata_is_open(ehr: Ehr) -> None:
    for path in ("Patient/ada", "Patient", "", "Nonsense"):
        reply = ehr.get(path, access=None)
        assert (reply.status, reply.issue["code"]) == (401, "login")
    assert ehr.get("metadata", access=None).status == 200


DEEDS: dict[str, tuple[str, Callable[[Ehr, Access], Reply]]] = {
    "create": ("c", lambda ehr, access: ehr.post(observation(), access=access)),
    "read": ("r", lambda ehr, access: ehr.get("Observation/o", access=access)),
    "vread": ("r", lambda ehr, access: ehr.get("Observation/o/_history/1", access=access)),
    "update": ("u", lambda ehr, access: ehr.put(observation(id="o", status="amended"), access)),
    "delete": ("d", lambda ehr, access: ehr.delete("Observation/o", access)),
    "search": ("s", lambda ehr, access: ehr.get("Observation", access=access)),
    "history": ("r", lambda ehr, access: ehr.get("Observation/o/_history", access=access)),
    "type-history": ("s", lambda ehr, access: ehr.get("Observation/_history", access=access)),
}


@settings(deadline=None)
@given(
    rights=st.sets(st.sampled_from("cruds")), name=st.sampled_from([*DEEDS]), level=st.sampled_from(["patient", "user"])
)
def test_an_interaction_needs_exactly_its_own_right(rights: set[str], name: str, level: str) -> None:
    letters = "".join(letter for letter in "cruds" if letter in rights)
    needed, deed = DEEDS[name]
    with open_ehr() as ehr:
        ehr.store.put_raw(observation(id="o"))
        status = deed(ehr, ada(f"{level}/Observation.{letters} {level}/Condition.cruds")).status
    assert (status < 300) == (needed in rights)
    assert status < 300 or status == 403


def test_a_patient_scope_reaches_one_patient_only(ehr: Ehr) -> None:
    mine, other = (ehr.post(observation(name)).json["id"] for name in ("ada", "bo"))
    access = ada("patient/*.cruds")
    assert ehr.search("Observation", access=access).ids == [mine]
    assert ehr.search("Observation", ("patient", "bo"), access=access).ids == []
    assert ehr.search("Patient", access=access).ids == ["ada"]
    assert ehr.search("Encounter", access=access).ids == ["visit-ada"]
    for path in (
        f"Observation/{other}",
        f"Observation/{other}/_history",
        f"Observation/{other}/_history/1",
        "Patient/bo",
    ):
        assert ehr.get(path, access=access).status == 403, path
    assert ehr.get(f"Observation/{mine}", access=access).status == 200
    assert ehr.post(observation("bo"), access=access).status == 403
    assert ehr.put(observation("bo", id=other), access).status == 403
    assert ehr.put(observation("ada", id=other), access).status == 403, "not even to take it over"
    assert ehr.put(observation("bo", id=mine), access).status == 403, "nor to give one away"
    assert ehr.delete(f"Observation/{other}", access).status == 403
    assert ehr.count("Observation") == 2
    assert ehr.get(f"Observation/{other}").headers["ETag"] == 'W/"1"'
    assert [e["resource"]["id"] for e in ehr.get("Observation/_history", access=access).json["entry"]] == [mine]


def test_a_patient_scope_without_a_patient_reaches_nothing(ehr: Ehr) -> None:
    access = Access(scope="patient/*.cruds", client_id="app")
    assert ehr.get("Patient", access=access).status == 403
    assert ehr.get("Patient/ada", access=access).status == 403


def test_being_the_performer_does_not_open_another_patients_record(ehr: Ehr) -> None:
    by_ada = observation("bo", performer=[{"reference": "Patient/ada"}])
    created = ehr.post(by_ada).json["id"]
    assert ehr.get(f"Observation/{created}", access=ada("patient/*.cruds")).status == 403
    assert ehr.post(by_ada, access=ada("patient/*.cruds")).status == 403


def test_old_versions_of_another_patient_stay_closed_after_a_correction(ehr: Ehr) -> None:
    created = ehr.post(observation("bo")).json["id"]
    ehr.put(observation("ada", id=created))
    access = ada("patient/Observation.rs")
    assert ehr.get(f"Observation/{created}", access=access).status == 200
    assert ehr.get(f"Observation/{created}/_history/1", access=access).status == 403
    history = ehr.get(f"Observation/{created}/_history", access=access).json
    assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2"]


def test_the_history_of_a_deleted_resource_stays_with_its_patient(ehr: Ehr) -> None:
    mine, other = (ehr.post(observation(name)).json["id"] for name in ("ada", "bo"))
    for name in (mine, other):
        ehr.delete(f"Observation/{name}")
    access = ada("patient/Observation.r")
    assert ehr.get(f"Observation/{mine}/_history", access=access).json["total"] == 2
    assert ehr.get(f"Observation/{other}/_history", access=access).status == 403


def test_types_about_no_patient_may_be_read_with_a_patient_scope_and_not_written(ehr: Ehr) -> None:
    access = ada("patient/*.cruds")
    assert ehr.get("Practitioner/dr", access=access).status == 200
    assert ehr.search("Practitioner", access=access).ids == ["dr"]
    practitioner = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Else"}]}
    assert ehr.put(practitioner, access).status == 403
    assert ehr.post(practitioner, access=access).status == 403
    assert ehr.put(practitioner, ada("user/Practitioner.u")).status == 200


@pytest.mark.parametrize(
    ("patient", "status"),
    [({"patient": {"reference": "Patient/bo"}}, 403), ({"patient": {"reference": "Patient/ada"}}, 201), ({}, 201)],
)
def test_a_device_is_its_patients_or_nobodys(ehr: Ehr, patient: dict[str, Any], status: int) -> None:
    assert ehr.post({"resourceType": "Device", **patient}, access=ada("patient/Device.cr")).status == status


def test_provenance_is_about_the_patient_of_its_targets(ehr: Ehr) -> None:
    provenance: dict[str, Any] = {
        "resourceType": "Provenance",
        "recorded": "2026-03-01T12:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/dr"}}],
    }
    access = ada("patient/Provenance.crs")
    for patient, status in (("ada", 201), ("bo", 403)):
        target = ehr.post(observation(patient)).json["id"]
        body = {**provenance, "target": [{"reference": f"Observation/{target}"}]}
        assert ehr.post(body, access=access).status == status
        ehr.post(body)
    assert len(ehr.search("Provenance", access=access).ids) == 2
    assert ehr.count("Provenance") == 3


def test_a_scope_can_be_narrowed_by_a_search_parameter(ehr: Ehr) -> None:
    access = ada(f"patient/Observation.crus?category={SURVEY}")
    survey = ehr.post(observation()).json
    vitals = ehr.post(observation(category=[VITALS])).json
    assert ehr.search("Observation", access=access).ids == [survey["id"]]
    assert ehr.get(f"Observation/{survey['id']}", access=access).status == 200
    assert ehr.get(f"Observation/{vitals['id']}", access=access).status == 403
    assert ehr.post(observation(), access=access).status == 201
    assert ehr.post(observation(category=[VITALS]), access=access).status == 403
    assert ehr.put({**survey, "category": [VITALS]}, access).status == 403
    assert ehr.post(observation("bo"), access=access).status == 403
    both = ada(f"{access.scope} patient/Observation.s?category=vital-signs")
    assert len(ehr.search("Observation", access=both).ids) == 3


def test_a_narrowed_scope_that_cannot_be_applied_grants_nothing(ehr: Ehr) -> None:
    ehr.post(observation())
    for criterion in ("colour=red", "date=never", "subject.name=x"):
        assert ehr.get("Observation", access=ada(f"patient/Observation.s?{criterion}")).status == 403


def test_each_type_needs_its_own_scope(ehr: Ehr) -> None:
    access = ada("launch openid fhirUser patient/Observation.cs")
    assert ehr.post(response(), access=access).status == 403
    assert ehr.get("QuestionnaireResponse", access=access).status == 403
    assert ehr.post(observation(), access=access).status == 201


def test_a_refusal_says_forbidden_and_nothing_of_the_resource(ehr: Ehr) -> None:
    secret = ehr.post(observation("bo", note=[{"text": "secret words"}])).json["id"]
    reply = ehr.get(f"Observation/{secret}", access=ada("patient/*.r"))
    assert (reply.status, reply.issue["code"]) == (403, "forbidden")
    assert "secret" not in reply.text


def test_a_conditional_create_does_not_show_what_may_not_be_read(ehr: Ehr) -> None:
    ehr.post(observation("bo", identifier=[{"value": "k"}]))
    body = observation("ada", identifier=[{"value": "k"}])
    reply = ehr.post(body, access=ada("patient/Observation.c"), If_None_Exist="identifier=k")
    assert (reply.status, reply.text) == (200, "")
    assert ehr.post(body, access=EVERYTHING, If_None_Exist="identifier=k").json["subject"]["reference"] == "Patient/bo"


def test_update_as_create_needs_the_right_to_create(ehr: Ehr) -> None:
    assert ehr.put(observation(id="new"), ada("patient/Observation.u")).status == 403
    assert ehr.put(observation(id="new"), ada("patient/Observation.c")).status == 201
    assert ehr.put(observation(id="new"), ada("patient/Observation.c")).status == 403
