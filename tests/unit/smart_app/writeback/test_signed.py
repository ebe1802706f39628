"""What is sent is compared with what was signed, after the EHR's ids have been undone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_mappings.bundle import content_hash
from fhir_mappings.r4 import format_json, parse_json_strict
from fhir_mappings.systems import RESULT_IDENTIFIER
from smart_app.model.ledger import LedgerRow
from smart_app.writeback.signed import NotAsSigned, carries, find_search, planned_resource, resource_to_send
from tests.unit.smart_app.writeback.factories import ROW

URN = "urn:uuid:00000000-0000-0000-0000-000000000001"
NOTE = {
    "resourceType": "DocumentReference",
    "identifier": [{"system": RESULT_IDENTIFIER, "value": "1"}],
    "subject": {"reference": "Patient/rosa"},
    "context": {"related": [{"reference": URN}]},
}


def row_of(resource: dict[str, Any], **changes: Any) -> LedgerRow:
    return replace(
        ROW,
        kind="document-reference",
        resource_type="DocumentReference",
        resource=format_json(resource),
        content_hash=content_hash([resource]),
        **changes,
    )


def test_ids_of_the_ehr_take_the_place_of_ours() -> None:
    sent = resource_to_send(row_of(NOTE), {URN: "QuestionnaireResponse/7"})
    assert sent == {**NOTE, "context": {"related": [{"reference": "QuestionnaireResponse/7"}]}}


@pytest.mark.parametrize("send", [lambda row: resource_to_send(row, {URN: "Observation/7"}), planned_resource])
@pytest.mark.parametrize(
    "forged", ['{"resourceType":"DocumentReference","subject":{"reference":"Patient/bo"}}', "{", "[]"]
)
def test_a_resource_that_is_not_the_signed_one_is_refused(send: Any, forged: str) -> None:
    with pytest.raises(NotAsSigned):
        send(replace(row_of(NOTE), resource=forged))


def test_a_reference_that_has_no_id_yet_is_refused() -> None:
    with pytest.raises(NotAsSigned):
        resource_to_send(row_of(NOTE), {})


def test_two_resources_under_one_id_are_refused() -> None:
    ids = {URN: "Observation/7", "urn:uuid:00000000-0000-0000-0000-000000000002": "Observation/7"}
    with pytest.raises(NotAsSigned):
        resource_to_send(row_of(NOTE), ids)


def test_decimals_are_sent_as_they_were_hashed() -> None:
    score = parse_json_strict(b'{"resourceType":"DocumentReference","valueQuantity":{"value":13.50}}')
    assert '"value":13.50' in format_json(resource_to_send(row_of(score), {}))


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        (NOTE, True),
        ({"identifier": {"system": RESULT_IDENTIFIER, "value": "1"}}, True),
        ({"meta": {"tag": [{"system": RESULT_IDENTIFIER, "code": "1"}]}}, True),
        ({"identifier": [{"system": "urn:other", "value": "1"}]}, False),
        ({"identifier": [{"system": RESULT_IDENTIFIER, "value": "2"}]}, False),
        ({"identifier": "1", "meta": "1"}, False),
        ({}, False),
    ],
)
def test_our_identifier_is_seen_where_it_stands(resource: dict[str, Any], found: bool) -> None:
    assert carries(resource, "1") is found


def test_a_resource_without_our_identifier_has_no_search() -> None:
    assert find_search(row_of(NOTE)) is not None
    assert find_search(row_of({"resourceType": "DocumentReference"})) is None
