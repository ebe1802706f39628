"""Reading what identifies a patient: the same for the page and for the guard."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_app.model.patient_record import MalformedPatient, parse_patient_identity

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "rosa",
    "active": True,
    "identifier": [
        {"system": "urn:ssn", "value": "999-00-1234"},
        {"system": "urn:mrn", "value": "00482913", "type": {"coding": [{"code": "MR"}]}},
    ],
    "name": [
        {"use": "maiden", "family": "Quinn", "given": ["Rosa"]},
        {"use": "official", "family": "Delgado-Quinn", "given": ["Rosa", "María"]},
    ],
    "birthDate": "1986-03-14",
    "gender": "female",
    "deceasedBoolean": False,
    "link": [{"type": "seealso", "other": {"reference": "Patient/other"}}],
}


def patient(**changes: Any) -> dict[str, Any]:
    return {**deepcopy(PATIENT), **changes}


def test_a_patient_is_read_whole() -> None:
    identity = parse_patient_identity(PATIENT)
    assert (identity.patient_id, identity.name) == ("rosa", "Delgado-Quinn, Rosa María")
    assert (identity.birth_date, identity.gender, identity.mrn) == ("1986-03-14", "female", "00482913")
    assert identity.identifiers == (("urn:mrn", "00482913"), ("urn:ssn", "999-00-1234"))
    assert (identity.active, identity.deceased, identity.replaced_by) == (True, False, None)


def test_the_order_of_identifiers_makes_no_other_patient() -> None:
    turned = patient(identifier=list(reversed(PATIENT["identifier"])))
    assert parse_patient_identity(turned) == parse_patient_identity(PATIENT)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ([{"use": "usual", "family": "O'Neill", "given": ["Zoë"]}, {"family": "X"}], "O'Neill, Zoë"),
        ([{"use": "old", "family": "Old"}, {"text": "Rosa"}], "Rosa"),
        ([{"given": ["Rosa"]}], "Rosa"),
        ([{"use": "official"}, {"use": "nickname", "text": "Ro"}], "Ro"),
    ],
)
def test_the_name_in_use_is_shown(name: list[dict[str, Any]], shown: str) -> None:
    assert parse_patient_identity(patient(name=name)).name == shown


@pytest.mark.parametrize("name", [[], [{"use": "old", "family": "Old"}], [{"family": " "}]])
def test_a_patient_without_a_name_cannot_be_shown(name: list[dict[str, Any]]) -> None:
    with pytest.raises(MalformedPatient) as caught:
        parse_patient_identity(patient(name=name))
    assert caught.value.field == "name"


@pytest.mark.parametrize("element", ["id", "name"])
def test_what_a_page_must_show_must_be_there(element: str) -> None:
    without = patient()
    del without[element]
    with pytest.raises(MalformedPatient) as caught:
        parse_patient_identity(without)
    assert caught.value.field == element


OPTIONAL = ["active", "identifier", "birthDate", "gender", "deceasedBoolean", "link"]


@pytest.mark.parametrize("element", OPTIONAL)
def test_what_r4_makes_optional_may_be_missing(element: str) -> None:
    without = patient()
    del without[element]
    assert parse_patient_identity(without).patient_id == "rosa"


@pytest.mark.parametrize(
    ("element", "value"),
    [
        *(
            (name, 7)
            for name in ["id", "active", "identifier", "name", "birthDate", "gender", "deceasedBoolean", "link"]
        ),
        ("identifier", [7]),
        ("identifier", [{"value": 7}]),
        ("identifier", [{"value": "1", "type": "MR"}]),
        ("identifier", [{"value": "1", "type": {"coding": "MR"}}]),
        ("name", [{"given": "Rosa"}]),
        ("name", [{"family": ["Delgado"]}]),
        ("deceasedDateTime", True),
        ("link", [{"type": "replaced-by", "other": "Patient/2"}]),
    ],
)
def test_a_mistyped_element_is_named_and_its_content_is_not(element: str, value: Any) -> None:
    with pytest.raises(MalformedPatient) as caught:
        parse_patient_identity(patient(**{element: value}))
    assert caught.value.field is not None
    assert "Rosa" not in str(caught.value)


def test_death_by_date_and_replacement_are_seen() -> None:
    gone = patient(
        deceasedDateTime="2026-11-01", link=[{"type": "replaced-by", "other": {"reference": "Patient/rosa-2"}}]
    )
    del gone["deceasedBoolean"]
    identity = parse_patient_identity(gone)
    assert (identity.deceased, identity.replaced_by) == (True, "Patient/rosa-2")


def test_a_replacement_without_reference_is_still_one() -> None:
    assert parse_patient_identity(patient(link=[{"type": "replaced-by"}])).replaced_by == "unnamed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(PATIENT)), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(PATIENT)), JSON))
def test_any_json_is_read_or_refused_by_name(values: dict[str, Any]) -> None:
    field: str | None = "none"
    try:
        parse_patient_identity(values)
    except MalformedPatient as refused:
        field = refused.field
    assert field
