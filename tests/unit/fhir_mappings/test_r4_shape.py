"""The R4 shape of what we ship holds, and what is not of R4 shape is named and never quoted."""

from typing import Any

import pytest

from fhir_mappings.errors import MalformedResource
from fhir_mappings.r4 import parse_json_strict
from fhir_mappings.r4_shape import check_r4
from tests.golden.golden_cases import INSTRUMENT_FILES, ROOT

SHIPPED = [
    pytest.param(entry["resource"], id=f"{entry['resource']['resourceType']}/{entry['resource']['id']}")
    for file in (*INSTRUMENT_FILES, ROOT / "fhir_mappings" / "definitions.json")
    for entry in parse_json_strict(file.read_bytes())["entry"]
]


@pytest.mark.parametrize("resource", SHIPPED)
def test_what_is_shipped_is_of_r4_shape(resource: dict[str, Any]) -> None:
    check_r4(resource)


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        ({}, "resourceType"),
        ({"resourceType": 4}, "resourceType"),
        ({"resourceType": "Rosa"}, "resourceType"),
        ({"resourceType": "Observation", "status": "final"}, "Observation.code"),
        ({"resourceType": "Observation", "status": "final", "code": {}, "Rosa": 1}, "Observation"),
        ({"resourceType": "Observation", "status": "final", "code": {"text": ["Rosa"]}}, "Observation.code"),
    ],
)
def test_what_is_not_of_r4_shape_is_named_and_not_quoted(resource: dict[str, Any], named: str) -> None:
    with pytest.raises(MalformedResource) as raised:
        check_r4(resource)
    assert raised.value.expression.startswith(named)
    assert "Rosa" not in str(raised.value)
    assert raised.value.__cause__ is None
