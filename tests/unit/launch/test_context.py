"""Launch context: fhirContext and its rules. The flat parameters are tested with the token response."""

from __future__ import annotations

from typing import Any

import pytest

from launch.context import ContextIdentifier, FhirContextItem, LaunchContext, parse_launch_context
from launch.fields import Fields, InvalidField
from tests.unit.launch.mistypes import OBJECT, TEXT

BASE = "https://ehr.example/r4"


def parse(*items: Any) -> LaunchContext:
    return parse_launch_context(Fields({"fhirContext": list(items)}), fhir_base_url=BASE)


def test_banner_is_needed_unless_the_ehr_says_no() -> None:
    assert parse_launch_context(Fields({}), fhir_base_url=BASE) == LaunchContext()
    assert parse_launch_context(Fields({"need_patient_banner": True}), fhir_base_url=BASE).need_patient_banner
    assert not parse_launch_context(Fields({"need_patient_banner": False}), fhir_base_url=BASE).need_patient_banner


@pytest.mark.requirement("smart-2.2.0@191")
def test_item_without_role_has_the_role_launch() -> None:
    assert parse({"canonical": "https://forms.example/phq-9"}).fhir_context[0].role == "launch"


def test_each_way_to_name_a_resource() -> None:
    assert parse(
        {"reference": "ImagingStudy/1", "type": "ImagingStudy"},
        {"canonical": "https://forms.example/phq-9|1.0", "role": "https://ehr.example/role"},
        {"identifier": {"system": "urn:x", "value": "7"}},
        {"identifier": {"value": "7"}},
    ).fhir_context == (
        FhirContextItem(reference="ImagingStudy/1", type="ImagingStudy"),
        FhirContextItem(canonical="https://forms.example/phq-9|1.0", role="https://ehr.example/role"),
        FhirContextItem(identifier=ContextIdentifier(system="urn:x", value="7")),
        FhirContextItem(identifier=ContextIdentifier(system=None, value="7")),
    )


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"type": "Questionnaire"},
        {"reference": "Patient/1"},
        {"reference": "Encounter/1", "role": "launch"},
        {"reference": "https://other.example/ImagingStudy/1"},
        {"reference": "nonsense"},
        {"identifier": {}},
        {"identifier": {"system": "urn:x"}},
    ],
)
def test_item_that_breaks_the_rules_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(InvalidField) as caught:
        parse(item)
    assert caught.value.field.startswith("fhirContext[0].")


def test_patient_with_a_role_of_its_own_is_allowed() -> None:
    assert (
        parse({"reference": "Patient/2", "role": "https://ehr.example/mother"}).fhir_context[0].reference == "Patient/2"
    )


@pytest.mark.parametrize("field", ["reference", "canonical", "type", "role"])
@pytest.mark.parametrize("value", TEXT)
def test_each_field_of_an_item_mistyped(field: str, value: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        parse({"canonical": "https://forms.example/x", field: value})
    assert caught.value.field == f"fhirContext[0].{field}"


@pytest.mark.parametrize("value", OBJECT)
def test_identifier_mistyped(value: Any) -> None:
    with pytest.raises(InvalidField):
        parse({"identifier": value})
