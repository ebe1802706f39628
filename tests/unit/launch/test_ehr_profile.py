"""Vendor profiles: what ships, and what refuses to load."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

from launch.ehr_profile import (
    AbsenceProof,
    Create,
    NoteAuthor,
    NoteLookUp,
    ScopeVersion,
    Use,
    get_ehr_profile,
    parse_ehr_profile,
    profile_names,
)
from launch.errors import InvalidEhrProfile

GENERIC = resources.files("launch.ehr_profiles").joinpath("generic.toml").read_text("utf-8")
RULE = '[{name}]\nvalue = {value}\nsource = "seen"\nconfidence = "tested"\n'


def parse(rules: str = "", title: str = 'title = "Test"\n') -> Any:
    return parse_ehr_profile("test", title + rules, generic=GENERIC)


@pytest.mark.parametrize("name", profile_names())
def test_each_shipped_profile_loads_and_says_where_each_rule_comes_from(name: str) -> None:
    profile = get_ehr_profile(name)
    assert profile.title
    assert all(origin.source for origin in profile.origins.values())
    assert {origin.profile for origin in profile.origins.values()} <= {"generic", name}


def test_shipped_profiles() -> None:
    assert {"generic", "hapi", "medplum", "sandbox", "smart-health-it", *VENDORS} <= set(profile_names())
    assert get_ehr_profile("generic").absence_proof is AbsenceProof.NONE
    assert get_ehr_profile("hapi").absence_proof is AbsenceProof.CONDITIONAL_CREATE
    assert get_ehr_profile("smart-health-it").scope_version is ScopeVersion.V1


VENDORS = ("epic", "oracle", "athena", "meditech", "eclinicalworks", "nextgen")
STATED_BY_EACH = frozenset({"absence_proof", "settle_seconds"})


@pytest.mark.parametrize("name", sorted(set(profile_names()) - {"generic"}))
def test_each_profile_answers_for_lost_writes_itself_and_else_states_only_departures(name: str) -> None:
    profile, generic = get_ehr_profile(name), get_ehr_profile("generic")
    own = {rule for rule, origin in profile.origins.items() if origin.profile == name}
    assert own >= STATED_BY_EACH
    assert [rule for rule in own - STATED_BY_EACH if getattr(profile, rule) == getattr(generic, rule)] == []


@pytest.mark.parametrize("name", VENDORS)
def test_no_vendor_is_trusted_with_a_second_send_or_with_survey_results(name: str) -> None:
    profile = get_ehr_profile(name)
    assert profile.absence_proof is AbsenceProof.NONE
    assert (profile.transaction, profile.conditional_create) == (Use.NEVER, Use.NEVER)
    assert profile.observation_create is not Create.AUTO
    assert profile.questionnaire_response_create is not Create.AUTO


def test_rules_of_the_note_at_the_two_vendors_that_take_one() -> None:
    epic, oracle = get_ehr_profile("epic"), get_ehr_profile("oracle")
    for profile in (epic, oracle):
        assert (profile.note_type, profile.note_doc_status) == ("11506-3", "final")
        assert (profile.note_content_types, profile.note_max_contents) == (("text/plain",), 1)
        assert (profile.note_look_up, profile.note_needs_encounter) == (NoteLookUp.CONTENT, True)
    assert (epic.note_author, epic.note_authenticator, epic.note_needs_time) == (NoteAuthor.ANY, True, False)
    assert (oracle.note_author, oracle.note_authenticator) == (NoteAuthor.SIGNED_IN_PRACTITIONER, False)
    assert oracle.note_needs_time
    assert (epic.scope_version, oracle.scope_version) == (ScopeVersion.V1, ScopeVersion.AUTO)
    assert epic.break_the_glass_codes == ("4130", "4131", "4134")
    assert oracle.break_the_glass_codes == ()


def test_rule_that_is_not_stated_comes_from_the_generic_profile() -> None:
    profile = parse(RULE.format(name="settle_seconds", value="7"))
    assert (profile.settle_seconds, profile.origins["settle_seconds"].profile) == (7, "test")
    assert (profile.note_type, profile.origins["note_type"].profile) == ("34904-3", "generic")


def test_schema_fits_a_vendor_that_takes_notes_only() -> None:
    profile = parse(
        RULE.format(name="observation_create", value='"never"')
        + RULE.format(name="note_look_up", value='"content"')
        + RULE.format(name="note_needs_encounter", value="true")
        + RULE.format(name="break_the_glass_codes", value='["4130", "4131"]')
    )
    assert profile.observation_create is Create.NEVER
    assert profile.note_look_up is NoteLookUp.CONTENT
    assert profile.note_needs_encounter
    assert profile.break_the_glass_codes == ("4130", "4131")


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (RULE.format(name="nonsense", value="1"), "nonsense"),
        ("settle_seconds = 7\n", "settle_seconds"),
        ("[settle_seconds]\nvalue = 7\n", "settle_seconds"),
        ('[settle_seconds]\nvalue = 7\nsource = ""\nconfidence = "tested"\n', "settle_seconds"),
        ('[settle_seconds]\nvalue = 7\nsource = "x"\nconfidence = "sure"\n', "settle_seconds"),
        ('[settle_seconds]\nvalue = 7\nsource = "x"\nconfidence = "tested"\nmore = 1\n', "settle_seconds"),
        (RULE.format(name="settle_seconds", value='"7"'), "settle_seconds"),
        (RULE.format(name="settle_seconds", value="-1"), "settle_seconds"),
        (RULE.format(name="settle_seconds", value="true"), "settle_seconds"),
        (RULE.format(name="absence_proof", value='"search"'), "absence_proof"),
        (RULE.format(name="transaction", value='"yes"'), "transaction"),
        (RULE.format(name="note_content_types", value="[]"), "note_content_types"),
        (RULE.format(name="note_content_types", value='"text/plain"'), "note_content_types"),
        (RULE.format(name="note_content_types", value='[""]'), "note_content_types"),
        (RULE.format(name="note_type", value='""'), "note_type"),
        (RULE.format(name="note_type", value="1"), "note_type"),
        (RULE.format(name="note_needs_encounter", value='"yes"'), "note_needs_encounter"),
        (RULE.format(name="note_needs_time", value="1"), "note_needs_time"),
        (RULE.format(name="note_authenticator", value='""'), "note_authenticator"),
        (RULE.format(name="note_author", value='"signer"'), "note_author"),
        (RULE.format(name="note_max_characters", value="-1"), "note_max_characters"),
        (RULE.format(name="transaction", value='"own-kinds"'), "transaction"),
        (RULE.format(name="observation_create", value='"own"'), "observation_create"),
    ],
)
def test_fault_in_a_file_refuses_to_load_and_names_the_rule(rules: str, field: str) -> None:
    with pytest.raises(InvalidEhrProfile) as caught:
        parse(rules)
    assert caught.value.field == field


def test_title_is_required_and_toml_too() -> None:
    with pytest.raises(InvalidEhrProfile) as caught:
        parse(title="")
    assert caught.value.field == "title"
    with pytest.raises(InvalidEhrProfile):
        parse("[")


def test_generic_profile_must_state_every_rule() -> None:
    with pytest.raises(InvalidEhrProfile) as caught:
        parse_ehr_profile("test", 'title = "Test"', generic='title = "Generic"')
    assert caught.value.field == "absence_proof"


def test_profile_that_does_not_ship_is_refused() -> None:
    with pytest.raises(InvalidEhrProfile):
        get_ehr_profile("../generic")
