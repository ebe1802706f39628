"""Scopes in both spellings: reading, asking, comparing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.scopes import (
    Feature,
    RequestedScope,
    ResourceScope,
    Scopes,
    compare_scopes,
    compute_scopes,
    parse_resource_scope,
    spell_scopes,
)

LETTERS = st.lists(st.booleans(), min_size=5, max_size=5).map(
    lambda flags: "".join(letter for letter, on in zip("cruds", flags, strict=True) if on)
)
LEVELS = st.sampled_from(["patient", "user", "system"])
TYPES = st.sampled_from(["*", "Observation", "Patient", "QuestionnaireResponse"])


@given(LEVELS, TYPES, LETTERS.filter(bool))
def test_v2_scope_is_read_as_written(level: str, resource_type: str, letters: str) -> None:
    parsed = parse_resource_scope(f"{level}/{resource_type}.{letters}")
    assert parsed is not None
    assert (parsed.level, parsed.resource_type, parsed.letters, parsed.query) == (level, resource_type, letters, ())


@given(st.text(alphabet="cruds", max_size=6))
def test_letters_out_of_order_or_repeated_grant_nothing(letters: str) -> None:
    in_order = bool(letters) and list(letters) == sorted(set(letters), key="cruds".index)
    parsed = parse_resource_scope(f"patient/Observation.{letters}")
    assert (parsed is not None) == in_order


@pytest.mark.parametrize(
    ("text", "letters"),
    [("patient/A.read", "rs"), ("user/A.write", "cud"), ("system/A.*", "cruds"), ("patient/*.*", "cruds")],
)
def test_v1_scope_is_read_as_letters(text: str, letters: str) -> None:
    parsed = parse_resource_scope(text)
    assert parsed is not None
    assert parsed.letters == letters


@pytest.mark.parametrize(
    "text",
    [
        "",
        "openid",
        "launch/patient",
        "patient/Observation",
        "patient/Observation.",
        "Patient/Observation.r",
        "patient/.r",
        "patient/observation.r",
        "patient/Observation.x",
        "patient/Observation.r?",
        "patient/Observation.r?category",
        "patient/Observation.READ",
        "patients/Observation.r",
        "patient/Observation.rs ",
        "patient/Observation.readrs",
    ],
)
def test_what_breaks_the_grammar_grants_nothing(text: str) -> None:
    assert parse_resource_scope(text) is None


@given(st.text())
def test_any_text_can_be_read_and_only_known_scopes_grant(text: str) -> None:
    scopes = Scopes.parse(text)
    assert scopes.text == text
    assert len(scopes.resources) + len(scopes.others) <= len(text.split())


def test_scope_restricted_by_a_query_counts_only_where_it_is_met() -> None:
    survey = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
    scopes = Scopes.parse(f"patient/Observation.rs?category={survey}")
    assert scopes.resources[0].query == (("category", survey),)
    assert not scopes.allows("Observation", "r")
    assert scopes.allows("Observation", "r", where={"category": survey})
    assert not scopes.allows("Observation", "r", where={"category": "laboratory"})


def test_level_is_patient_or_user_unless_said() -> None:
    scopes = Scopes.parse("system/Observation.r user/Practitioner.r patient/Patient.r")
    assert not scopes.allows("Observation", "r")
    assert scopes.allows("Observation", "r", level="system")
    assert scopes.allows("Practitioner", "r")
    assert scopes.allows("Practitioner", "r", level="user")
    assert not scopes.allows("Patient", "r", level="user")
    assert not scopes.allows("Patient", "s")


def test_base_scopes_of_an_ehr_launch() -> None:
    asked = compute_scopes([])
    assert [item.scope for item in asked] == [
        "launch",
        "openid",
        "fhirUser",
        "patient/Patient.r",
        "patient/Encounter.rs",
        "patient/Observation.rs",
        "patient/QuestionnaireResponse.rs",
        "user/Practitioner.r",
    ]
    assert [item.scope for item in asked if item.needed] == ["patient/Patient.r"]
    assert all(item.reason for item in asked)


def test_each_feature_adds_exactly_its_scopes() -> None:
    base = {item.scope for item in compute_scopes([])}
    added = {feature: {item.scope for item in compute_scopes([feature])} - base for feature in Feature}
    assert added == {
        Feature.BASE: set(),
        Feature.ROLES: {"user/PractitionerRole.rs"},
        Feature.CONDITIONS: {"patient/Condition.rs"},
        Feature.MEDICATIONS: {"patient/MedicationRequest.rs"},
        Feature.DOCUMENTS: {"patient/DocumentReference.rs"},
        Feature.ONLINE_ACCESS: {"online_access"},
        Feature.WRITE_OBSERVATIONS: {"patient/Observation.c"},
        Feature.UPDATE_OBSERVATIONS: {"patient/Observation.u"},
        Feature.WRITE_RESPONSES: {"patient/QuestionnaireResponse.c"},
        Feature.UPDATE_RESPONSES: {"patient/QuestionnaireResponse.u"},
        Feature.WRITE_NOTES: {"patient/DocumentReference.c"},
        Feature.UPDATE_NOTES: {"patient/DocumentReference.u"},
        Feature.WRITE_PROVENANCE: {"patient/Provenance.c"},
    }


def test_standalone_launch_asks_for_its_context() -> None:
    assert "launch" not in [item.scope for item in compute_scopes([], standalone=True)]
    assert compute_scopes([], standalone=True)[0].scope == "launch/patient"
    with_encounter = compute_scopes([], standalone=True, capabilities=["context-standalone-encounter"])
    assert [item.scope for item in with_encounter[:2]] == ["launch/patient", "launch/encounter"]


def test_no_feature_ever_asks_for_offline_access_or_a_wildcard() -> None:
    asked = [item.scope for item in compute_scopes(Feature)]
    assert "offline_access" not in asked
    assert not [scope for scope in asked if "*" in scope]
    with pytest.raises(ValueError, match="offline_access"):
        compute_scopes([], extra=["offline_access"])


def test_extra_scopes_come_last_and_once() -> None:
    asked = [item.scope for item in compute_scopes([], extra=["patient/Goal.rs", "openid"])]
    assert asked[-1] == "patient/Goal.rs"
    assert asked.count("openid") == 1


def test_v1_spelling_joins_what_v1_cannot_tell_apart() -> None:
    asked = compute_scopes([Feature.WRITE_OBSERVATIONS, Feature.UPDATE_OBSERVATIONS])
    assert spell_scopes(asked, version="v1") == (
        "launch openid fhirUser patient/Patient.read patient/Encounter.read patient/Observation.read "
        "patient/QuestionnaireResponse.read user/Practitioner.read patient/Observation.write"
    )


@given(LEVELS, TYPES, LETTERS.filter(bool))
def test_v1_spelling_never_asks_for_less(level: str, resource_type: str, letters: str) -> None:
    asked = RequestedScope(scope=f"{level}/{resource_type}.{letters}", reason="test", needed=True)
    granted = Scopes.parse(spell_scopes([asked], version="v1"))
    parsed = [scope for scope in granted.resources if isinstance(scope, ResourceScope)]
    assert set(letters) <= {letter for scope in parsed for letter in scope.letters}


@pytest.mark.parametrize(
    ("granted", "needed", "optional"),
    [
        ("patient/Patient.r patient/Observation.rs user/Practitioner.r", (), ()),
        ("patient/*.read user/*.read", (), ()),
        ("user/*.cruds", (), ()),
        ("patient/Patient.r patient/Observation.r user/Practitioner.r", (), ("patient/Observation.rs",)),
        ("patient/*.rs", (), ("user/Practitioner.r",)),
        ("patient/Observation.rs user/Practitioner.r", ("patient/Patient.r",), ()),
        ("", ("patient/Patient.r",), ("patient/Observation.rs", "user/Practitioner.r")),
        ("patient/Patient.rs?x=y patient/Observation.rs user/Practitioner.rs", ("patient/Patient.r",), ()),
    ],
)
def test_asked_and_granted_are_compared(granted: str, needed: tuple[str, ...], optional: tuple[str, ...]) -> None:
    asked = [
        RequestedScope(scope="launch", reason="test"),
        RequestedScope(scope="patient/Patient.r", reason="test", needed=True),
        RequestedScope(scope="patient/Observation.rs", reason="test"),
        RequestedScope(scope="user/Practitioner.r", reason="test"),
    ]
    missing = compare_scopes(asked, Scopes.parse(granted))
    assert (missing.needed, missing.optional) == (needed, optional)
