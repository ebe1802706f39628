"""An Encounter as it comes: another patient's or a broken one is none; odd parts are left out, never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_app.chart import parse_visit

ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter",
    "id": "enc-1",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
    "type": [{"coding": [{"display": "Follow-up visit"}]}],
    "subject": {"reference": "Patient/pt-1"},
    "period": {"start": "2026-11-24T14:45:00Z"},
    "serviceProvider": {"reference": "Organization/o-1", "display": "Alder Creek"},
}
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers()), st.just({}), st.just([None])
)


def test_a_visit_is_read_whole() -> None:
    visit = parse_visit(ENCOUNTER, "pt-1")
    assert visit is not None
    assert (visit.id, visit.status, visit.class_code, visit.type_text) == (
        "enc-1",
        "in-progress",
        "AMB",
        "Follow-up visit",
    )
    assert visit.start is not None
    assert visit.start.text == "2026-11-24T14:45:00Z"
    assert visit.service_provider is not None
    assert visit.service_provider.reference == "Organization/o-1"


@pytest.mark.parametrize(
    "reference",
    ["Patient/pt-2", "Practitioner/pt-1", "pt-1", "", "https://ehr.example/fhir/Patient/pt-10", "Patient/pt-1/x"],
)
def test_a_visit_of_somebody_else_is_none(reference: str) -> None:
    assert parse_visit({**ENCOUNTER, "subject": {"reference": reference}}, "pt-1") is None


@pytest.mark.parametrize("reference", ["https://ehr.example/fhir/Patient/pt-1", "Patient/pt-1/_history/3"])
def test_an_absolute_or_versioned_reference_names_the_same_patient(reference: str) -> None:
    assert parse_visit({**ENCOUNTER, "subject": {"reference": reference}}, "pt-1") is not None


@pytest.mark.parametrize("field", ["id", "subject"])
def test_without_id_or_subject_there_is_no_visit(field: str) -> None:
    assert parse_visit({key: value for key, value in ENCOUNTER.items() if key != field}, "pt-1") is None


@given(field=st.sampled_from(sorted(ENCOUNTER)), value=ODD)
def test_a_mistyped_part_never_breaks_the_page(field: str, value: object) -> None:
    visit = parse_visit({**ENCOUNTER, field: value}, "pt-1")
    if field in {"id", "subject"}:
        assert visit is None or field == "id"
    else:
        assert visit is not None
