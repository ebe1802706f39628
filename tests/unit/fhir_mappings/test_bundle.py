"""References exchanged and restored, and the hash that is signed."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.bundle import (
    build_transaction,
    content_hash,
    find_references,
    replace_references,
    restore_references,
)
from fhir_mappings.errors import InexactNumber, UnresolvedReference
from fhir_mappings.extract import build_chart_resources, shapes_for
from fhir_mappings.r4 import format_json, parse_json_strict
from tests.unit.fhir_mappings.factories import answers_of, given_answers, phq9, signed_result

SPACE = UUID(int=7)
URNS = [f"urn:uuid:{UUID(int=n)}" for n in range(4)]
MAPPING = {urn: f"Observation/{n}" for n, urn in enumerate(URNS)}
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(allow_nan=False, allow_infinity=False)
)
NAMES = st.sampled_from(["reference", "display", "hasMember", "value", "ä"])
RESOURCES = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES | st.sampled_from([*URNS, "Patient/rosa", "#software"]).map(lambda urn: {"reference": urn}),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=12,
    ),
)


@given(RESOURCES)
def test_restore_undoes_replace(resource: dict[str, Any]) -> None:
    replaced = replace_references(resource, MAPPING)
    assert restore_references(replaced, MAPPING) == resource
    assert not any(reference.startswith("urn:uuid:") for reference in find_references(replaced))


@given(given_answers(phq9()))
def test_what_was_signed_is_what_is_sent_with_only_references_exchanged(answers: Any) -> None:
    planned = build_chart_resources_of(answers)
    ids = {resource.full_url: f"{resource.kind.resource_type}/{n}" for n, resource in enumerate(planned)}
    signed = content_hash(resource.resource for resource in planned)
    sent = [replace_references(resource.resource, ids) for resource in planned]
    assert content_hash(restore_references(resource, ids) for resource in sent) == signed
    assert content_hash(sent) != signed


def test_a_reference_without_id_is_not_sent() -> None:
    with pytest.raises(UnresolvedReference):
        replace_references({"subject": {"reference": URNS[0]}}, {})


def test_what_cannot_be_undone_is_refused() -> None:
    with pytest.raises(UnresolvedReference):
        replace_references({"subject": {"reference": "Observation/1"}}, MAPPING)
    with pytest.raises(UnresolvedReference):
        restore_references({}, {URNS[0]: "Observation/1", URNS[1]: "Observation/1"})


def test_replacing_leaves_the_planned_resource_as_it_was() -> None:
    resource = {"hasMember": [{"reference": URNS[0]}]}
    replace_references(resource, MAPPING)
    assert resource == {"hasMember": [{"reference": URNS[0]}]}


def test_the_hash_is_of_content_and_order_not_of_spelling() -> None:
    one: list[dict[str, Any]] = [{"a": 1, "b": ["ä", None, True]}, {"c": Decimal("1.50")}]
    other: list[dict[str, Any]] = [{"b": ["ä", None, True], "a": 1}, {"c": Decimal("1.50")}]
    assert content_hash(one) == content_hash(other)
    assert len(content_hash(one)) == 64
    assert content_hash(reversed(one)) != content_hash(one)
    assert content_hash([{"c": Decimal("1.5")}]) != content_hash([{"c": Decimal("1.50")}])
    assert content_hash([{"c": "1"}]) != content_hash([{"c": 1}])
    assert content_hash([{"c": True}]) != content_hash([{"c": 1}])


def test_a_binary_float_is_not_hashed() -> None:
    with pytest.raises(InexactNumber):
        content_hash([{"a": 0.1}])


@given(RESOURCES)
def test_storing_and_reading_back_keeps_the_hash(resource: dict[str, Any]) -> None:
    stored = format_json(resource).encode()
    assert content_hash([parse_json_strict(stored)]) == content_hash([resource])


def test_the_transaction_posts_in_plan_order_and_is_conditional_when_asked() -> None:
    planned = build_chart_resources_of(answers_of(phq9(), [1] * 9))
    plain, conditional = build_transaction(planned), build_transaction(planned, conditional=True)
    assert plain["type"] == "transaction"
    assert [entry["fullUrl"] for entry in plain["entry"]] == [resource.full_url for resource in planned]
    assert all(
        entry["request"] == {"method": "POST", "url": entry["resource"]["resourceType"]} for entry in plain["entry"]
    )
    assert [entry["request"]["ifNoneExist"] for entry in conditional["entry"]] == [
        resource.search for resource in planned
    ]
    assert "|" not in json.dumps([resource.search for resource in planned])


def build_chart_resources_of(answers: Any) -> Any:
    result = signed_result(phq9(), answers)
    return build_chart_resources(result, shapes_for(result), lambda key: uuid5(SPACE, key))
