"""What the store refuses: structure, types, required codes, references, invariants, http://hl7.org/fhir/R4/validation.html."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from fhir.resources.R4B.observation import Observation as R4BObservation
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_ehr.validation import CODES, ELEMENTS
from tests.unit.sandbox_ehr.fhir_client import Ehr, observation, open_ehr, response

XHTML = "http://www.w3.org/1999/xhtml"


def minimal(resource_type: str) -> dict[str, Any]:
    """The smallest valid resource of a type, built from the definitions."""
    return {"resourceType": resource_type, **_minimal_members(resource_type)}


def _minimal_members(table: str) -> dict[str, Any]:
    members: dict[str, Any] = {}
    groups: set[str] = set()
    for name, element in ELEMENTS[table].items():
        if element.minimum and element.group not in groups:
            groups.add(element.group or name)
            value = _minimal_value(element.type, element.codes, element.targets)
            members[name] = value if element.maximum == 1 else [value]
    return members


def _minimal_value(datatype: str, codes: str, targets: tuple[str, ...]) -> Any:
    if codes:
        system, listed = next(iter(CODES[codes].items()))
        coding = {"system": system, "code": min(listed)}
        wrapped = {"code": coding["code"], "Coding": coding, "CodeableConcept": {"coding": [coding]}}
        return wrapped[datatype]
    simple: dict[str, Any] = {
        "boolean": True,
        "instant": "2026-03-01T12:00:00Z",
        "dateTime": "2026",
        "CodeableConcept": {"text": "t"},
        "Coding": {"code": "t"},
        "Attachment": {"title": "t"},
        "Reference": {"reference": "Patient/ada"} if {"Patient", "Resource"} & set(targets) else {"display": "d"},
        "integer": 1,
    }
    if datatype in ELEMENTS and datatype not in simple:
        return _minimal_members(datatype)
    return simple.get(datatype, "t")


TYPES = sorted(
    name for name in ELEMENTS if "status" in ELEMENTS[name] or name in {"Patient", "Provenance", "AuditEvent"}
)
RESOURCES = [
    name
    for name in TYPES
    if "." not in name and "contained" in ELEMENTS[name] and name not in {"ValueSet", "CodeSystem"}
]
REQUIRED = [(name, element) for name in RESOURCES for element in minimal(name) if element != "resourceType"]
CODED = [
    (name, element)
    for name in RESOURCES
    for element, definition in ELEMENTS[name].items()
    if definition.codes and definition.type == "code"
]


@pytest.mark.parametrize("resource_type", RESOURCES)
def test_the_smallest_valid_resource_of_each_type_is_taken(ehr: Ehr, resource_type: str) -> None:
    reply = ehr.post(minimal(resource_type))
    assert reply.status == 201, reply.text


@pytest.mark.parametrize(("resource_type", "element"), REQUIRED)
def test_each_required_element_must_be_there(ehr: Ehr, resource_type: str, element: str) -> None:
    resource = minimal(resource_type)
    del resource[element]
    reply = ehr.post(resource)
    group = ELEMENTS[resource_type][element].group or element
    assert (reply.status, reply.issue["code"], reply.expressions) == (422, "required", [f"{resource_type}.{group}"])


@pytest.mark.parametrize(("resource_type", "element"), CODED)
def test_each_required_binding_refuses_a_foreign_code(ehr: Ehr, resource_type: str, element: str) -> None:
    many = ELEMENTS[resource_type][element].maximum != 1
    reply = ehr.post({**minimal(resource_type), element: ["bogus"] if many else "bogus"})
    place = f"{resource_type}.{element}" + ("[0]" if many else "")
    assert (reply.status, reply.issue["code"], reply.expressions) == (422, "code-invalid", [place])
    assert "bogus" not in reply.text


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"status": 1}, "value", "Observation.status"),
    ({"status": None}, "value", "Observation.status"),
    ({"status": ["final"]}, "structure", "Observation.status"),
    ({"status": {}}, "value", "Observation.status"),
    ({"colour": "red"}, "structure", "Observation.colour"),
    ({"_code": {"id": "x"}}, "structure", "Observation._code"),
    ({"category": {"text": "x"}}, "structure", "Observation.category"),
    ({"category": []}, "structure", "Observation.category"),
    ({"code": {}}, "structure", "Observation.code"),
    ({"code": "44261-6"}, "structure", "Observation.code"),
    ({"code": {"text": ""}}, "value", "Observation.code.text"),
    ({"code": {"text": "  "}}, "value", "Observation.code.text"),
    ({"code": {"text": "a\u0000b"}}, "value", "Observation.code.text"),
    ({"code": {"coding": [{"system": "http://x y", "code": "1"}]}}, "value", "Observation.code.coding[0].system"),
    ({"code": {"coding": [{"code": " 1"}]}}, "value", "Observation.code.coding[0].code"),
    ({"code": {"coding": [{"userSelected": "true"}]}}, "value", "Observation.code.coding[0].userSelected"),
    ({"valueInteger": 1.5}, "value", "Observation.valueInteger"),
    ({"valueInteger": True}, "value", "Observation.valueInteger"),
    ({"valueInteger": 2**31}, "value", "Observation.valueInteger"),
    ({"valueQuantity": {"value": "13"}}, "value", "Observation.valueQuantity.value"),
    ({"valueInteger": 1, "valueString": "x"}, "structure", "Observation.valueString"),
    ({"valueUri": "http://x"}, "structure", "Observation.valueUri"),
    ({"effectiveDateTime": "2024-02-30"}, "value", "Observation.effectiveDateTime"),
    ({"effectiveDateTime": "2024-02-03T10:00:00"}, "value", "Observation.effectiveDateTime"),
    ({"effectiveDateTime": "2024-02-03T25:00:00Z"}, "value", "Observation.effectiveDateTime"),
    ({"effectiveDateTime": "03/02/2024"}, "value", "Observation.effectiveDateTime"),
    ({"issued": "2024-02-03"}, "value", "Observation.issued"),
    ({"valueTime": "10:00"}, "value", "Observation.valueTime"),
    ({"subject": "Patient/ada"}, "structure", "Observation.subject"),
    ({"subject": {"reference": "Practitioner/dr"}}, "value", "Observation.subject.reference"),
    ({"subject": {"reference": "Patient/nobody"}}, "not-found", "Observation.subject.reference"),
    ({"subject": {"reference": "http://other.test/fhir/Patient/1"}}, "not-supported", "Observation.subject.reference"),
    ({"subject": {"reference": "urn:uuid:1"}}, "not-supported", "Observation.subject.reference"),
    ({"subject": {"reference": "Patient?identifier=1"}}, "not-supported", "Observation.subject.reference"),
    ({"device": {"reference": "#gone"}}, "not-found", "Observation.device.reference"),
    ({"contained": [{"resourceType": "Device", "id": "d"}]}, "invariant", "Observation.contained[0]"),
    ({"contained": [{"resourceType": "Device"}]}, "invariant", "Observation.contained[0]"),
    ({"contained": [{"resourceType": "Gadget", "id": "d"}]}, "structure", "Observation.contained[0]"),
    ({"contained": ["x"]}, "structure", "Observation.contained[0]"),
    ({"extension": [{"url": "http://x"}]}, "invariant", "Observation.extension[0]"),
    ({"extension": [{"valueString": "x"}]}, "required", "Observation.extension[0].url"),
    ({"effectivePeriod": {"start": "2025", "end": "2024"}}, "invariant", "Observation.effectivePeriod"),
    ({"valueQuantity": {"value": 1, "code": "kg"}}, "invariant", "Observation.valueQuantity"),
    ({"valueQuantity": {"value": 1, "comparator": "~"}}, "code-invalid", "Observation.valueQuantity.comparator"),
    ({"valueInteger": 1, "dataAbsentReason": {"text": "x"}}, "invariant", "Observation"),
    (
        {"valueInteger": 1, "component": [{"code": observation()["code"], "valueInteger": 1}]},
        "invariant",
        "Observation",
    ),
    ({"text": {"status": "generated"}}, "required", "Observation.text.div"),
    ({"text": {"status": "generated", "div": "<div>x</div>"}}, "value", "Observation.text.div"),
    ({"text": {"status": "generated", "div": f'<div xmlns="{XHTML}"> </div>'}}, "value", "Observation.text.div"),
    ({"text": {"status": "generated", "div": f'<div xmlns="{XHTML}"><p>x</div>'}}, "value", "Observation.text.div"),
    (
        {"text": {"status": "generated", "div": f'<div xmlns="{XHTML}"><script>x</script></div>'}},
        "value",
        "Observation.text.div",
    ),
    (
        {"text": {"status": "generated", "div": f'<div xmlns="{XHTML}"><p onclick="x">x</p></div>'}},
        "value",
        "Observation.text.div",
    ),
    (
        {"text": {"status": "generated", "div": f'<!DOCTYPE div><div xmlns="{XHTML}">x</div>'}},
        "value",
        "Observation.text.div",
    ),
    ({"encounter": {"reference": "Encounter/visit-bo"}}, "business-rule", "Observation"),
]


@pytest.mark.parametrize(("elements", "code", "expression"), FAULTS)
def test_one_fault_is_named_once_at_its_place(ehr: Ehr, elements: dict[str, Any], code: str, expression: str) -> None:
    reply = ehr.post(observation(**elements))
    assert (reply.status, reply.issue["code"], reply.expressions) == (422, code, [expression])
    assert ehr.count("Observation") == 0


def test_all_faults_are_reported_at_once(ehr: Ehr) -> None:
    reply = ehr.post(observation(status="bogus", colour="red", valueInteger="x"))
    assert set(reply.expressions) == {"Observation.status", "Observation.colour", "Observation.valueInteger"}


@pytest.mark.parametrize(
    "elements",
    [
        {"effectiveDateTime": "2024"},
        {"effectiveDateTime": "2024-02-29T23:59:60+14:00"},
        {"subject": {"identifier": {"system": "urn:mrn", "value": "1"}}},
        {"subject": {"reference": "Patient/ada/_history/1"}},
        {"dataAbsentReason": {"coding": [{"system": "http://x", "code": "asked-declined"}]}},
        {"status": "final", "_status": {"extension": [{"url": "http://x", "valueCode": "y"}]}},
        {"contained": [{"resourceType": "Device", "id": "d"}], "device": {"reference": "#d"}},
        {"contained": [{"resourceType": "Specimen", "id": "s"}], "specimen": {"reference": "#s"}},
        {"text": {"status": "generated", "div": f'<div xmlns="{XHTML}"><p class="a">x &amp; y</p></div>'}},
        {"encounter": {"reference": "Encounter/visit-ada"}},
        {"valueQuantity": {"value": 1e3, "unit": "points"}},
    ],
)
def test_what_r4_allows_is_taken(ehr: Ehr, elements: dict[str, Any]) -> None:
    reply = ehr.post(observation(**elements))
    assert reply.status == 201, reply.text


def test_nulls_stand_only_where_an_extension_stands_beside(ehr: Ehr) -> None:
    absent = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]
    }
    name = {"family": "X", "given": ["Ann", None], "_given": [None, absent]}
    assert ehr.post({"resourceType": "Patient", "name": [name]}).status == 201
    del name["_given"]
    assert ehr.post({"resourceType": "Patient", "name": [name]}).status == 422


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        (response(item=[{"linkId": "1", "item": [{"linkId": "2"}], "answer": [{"valueInteger": 1}]}]), "qrs-1"),
        (
            {
                "resourceType": "Questionnaire",
                "status": "active",
                "item": [
                    {"linkId": "1", "type": "group", "item": [{"linkId": "1", "type": "string"}]},
                ],
            },
            "que-2",
        ),
        (
            {
                "resourceType": "DocumentReference",
                "status": "current",
                "content": [{"attachment": {"data": "UEhRLTk="}}],
            },
            "att-1",
        ),
        ({"resourceType": "Patient", "telecom": [{"value": "555"}]}, "cpt-2"),
        (
            {
                "resourceType": "Condition",
                "subject": {"reference": "Patient/ada"},
                "abatementDateTime": "2020",
                "clinicalStatus": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
                },
            },
            "con-4",
        ),
    ],
)
def test_invariants_are_refused_by_their_key(ehr: Ehr, resource: dict[str, Any], key: str) -> None:
    reply = ehr.post(resource)
    assert (reply.status, reply.issue["code"]) == (422, "invariant")
    assert key in reply.issue["details"]["text"]


def test_a_required_concept_needs_a_coding_of_its_value_set(ehr: Ehr) -> None:
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/ada"}}
    assert ehr.post({**condition, "clinicalStatus": {"text": "active"}}).issue["code"] == "code-invalid"
    other = {"coding": [{"system": "http://example.org", "code": "active"}]}
    assert ehr.post({**condition, "clinicalStatus": other}).expressions == ["Condition.clinicalStatus"]


@pytest.mark.parametrize("resource_type", ["Patient", "Nonsense", None, 5])
def test_the_type_must_be_that_of_the_address(ehr: Ehr, resource_type: Any) -> None:
    body = json.dumps({**observation(), "resourceType": resource_type}).encode()
    reply = ehr.send("POST", "Observation", body)
    assert (reply.status, reply.expressions) == (400, ["resourceType"])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ROOMY = observation(
    effectivePeriod={"start": "2024", "end": "2025"},
    contained=[{"resourceType": "Device", "id": "d"}],
    device={"reference": "#d"},
    component=[{"code": {"text": "x"}, "valueQuantity": {"value": 1}}],
    extension=[{"url": "http://x", "valueCoding": {"code": "y"}}],
    identifier=[{"system": "urn:x", "value": "1"}],
    text={"status": "generated", "div": f'<div xmlns="{XHTML}">x</div>'},
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in _places(child, (*path, key)))]


@settings(deadline=None, max_examples=300)
@given(place=st.sampled_from(_places(ROOMY)[1:]), value=json_values)
def test_any_value_at_any_place_is_taken_or_refused_but_never_breaks_the_server(
    place: tuple[Any, ...], value: Any
) -> None:
    resource = copy.deepcopy(ROOMY)
    parent: Any = resource
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    with open_ehr() as ehr:
        reply = ehr.send("POST", "Observation", json.dumps(resource).encode())
        assert reply.status in {201, 400, 422}, (reply.status, place)
        assert reply.status == 201 or all(issue["severity"] == "error" for issue in reply.json["issue"])
        if reply.status == 201:
            R4BObservation.model_validate_json(reply.text)  # a validator that is not ours has nothing to object
            stored = {name: child for name, child in reply.json.items() if name not in {"id", "meta"}}
            assert stored == {name: child for name, child in resource.items() if name not in {"id", "meta"}}
