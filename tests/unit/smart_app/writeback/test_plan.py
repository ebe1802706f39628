"""The plan: each obstacle in its place, in plain words, and shapes only for what is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_mappings.note import build_note_text
from fhir_mappings.r4 import Coding
from fhir_mappings.write_shape import PLAIN_TEXT, XHTML, ResourceKind
from launch.ehr_profile import Create, NoteAuthor, Use, get_ehr_profile
from launch.scopes import Scopes
from smart_app.model.approval import WriteChoice
from smart_app.writeback.facts import find_facts
from smart_app.writeback.obstacles import Circumstances
from smart_app.writeback.plan import PlanLine, ResultFacts, WriteMethod, WritePlan, WriteSite, make_plan
from tests.fakes.ehr_door import WRITTEN_TYPES, capabilities
from tests.fakes.signing import NOW, ORGANIZATION, SIGNER, reviewed_result
from tests.unit.fhir_mappings.factories import answers_of, phq9, screening_result

GENERIC = get_ehr_profile("generic")
ALL_COUNTS = {
    ResourceKind.QUESTIONNAIRE_RESPONSE: 1,
    ResourceKind.OBSERVATION_ITEM: 9,
    ResourceKind.OBSERVATION_DIFFICULTY: 1,
    ResourceKind.OBSERVATION_TOTAL: 1,
    ResourceKind.OBSERVATION_PANEL: 1,
    ResourceKind.DOCUMENT_REFERENCE: 1,
    ResourceKind.PROVENANCE: 1,
}
HERE = Circumstances(
    has_encounter=True,
    has_organization=True,
    has_time=True,
    signer_is_practitioner=True,
    awaits_co_signature=False,
    note_characters=1000,
)
FACTS = ResultFacts(counts=ALL_COUNTS, score_words="Total 13", circumstances=HERE, age=40)
BY_AUTHOR = replace(GENERIC, note_author=NoteAuthor.SIGNED_IN_PRACTITIONER)


def facts_with(**circumstances: Any) -> ResultFacts:
    return replace(FACTS, circumstances=replace(HERE, **circumstances))


def plan(**changes: Any) -> WritePlan:
    values: dict[str, Any] = {
        "capabilities": capabilities(),
        "scopes": Scopes.parse("patient/*.cruds"),
        "profile": GENERIC,
        "site": WriteSite(),
        "facts": FACTS,
    }
    return make_plan(**{**values, **changes})


def line_of(made: WritePlan, kind: ResourceKind) -> PlanLine:
    return next(line for line in made.lines if line.kind is kind)


def test_a_server_that_takes_everything_gets_everything() -> None:
    made = plan()
    assert all(line.writes for line in made.lines)
    assert (made.written_count, made.unwritten_count) == (15, 0)
    assert [shape.kind for shape in made.shapes] == list(ALL_COUNTS)
    assert [(line.label, line.chart_as) for line in made.lines] == [
        ("Answers as given", "Completed form: QuestionnaireResponse"),
        ("9 items", "9 survey results: Observation"),
        ("Difficulty item", "Survey result: Observation"),
        ("Total 13", "Survey result: Observation"),
        ("Panel", "Survey result: Observation"),
        ("Note", "Clinical note (Mental health Progress note), plain text, signed: DocumentReference"),
        ("Who signed, with what", "Provenance"),
    ]


CASES: dict[str, tuple[dict[str, Any], ResourceKind, str, str]] = {
    "not listed": (
        {"capabilities": capabilities(types=[name for name in WRITTEN_TYPES if name != "Provenance"])},
        ResourceKind.PROVENANCE,
        "not-listed",
        "Cannot: this EHR takes no Provenance. Said in the note, kept in this app.",
    ),
    "no scope": (
        {"scopes": Scopes.parse("patient/DocumentReference.c")},
        ResourceKind.OBSERVATION_TOTAL,
        "no-scope",
        "Cannot: this launch has no right to write Observation. Said in the note, kept in this app.",
    ),
    "known not to work": (
        {"profile": replace(GENERIC, observation_create=Create.NEVER)},
        ResourceKind.OBSERVATION_ITEM,
        "known-not-to-work",
        "Cannot: this EHR takes no Observation from apps. Said in the note, kept in this app.",
    ),
    "switched off": (
        {"site": WriteSite(kinds=frozenset(ResourceKind) - {ResourceKind.OBSERVATION_ITEM})},
        ResourceKind.OBSERVATION_ITEM,
        "switched-off",
        "Switched off at this site. Said in the note, kept in this app.",
    ),
    "no organization": (
        {"facts": facts_with(has_organization=False)},
        ResourceKind.PROVENANCE,
        "no-organization",
        "Cannot: neither visit nor settings name the organization that Provenance needs. "
        "Said in the note, kept in this app.",
    ),
    "note needs a visit": (
        {
            "profile": replace(GENERIC, note_needs_encounter=True),
            "facts": facts_with(has_encounter=False),
        },
        ResourceKind.DOCUMENT_REFERENCE,
        "no-encounter",
        "Cannot: this EHR takes a note only with a visit, and none is chosen. Kept in this app, to copy or print.",
    ),
    "no content type": (
        {"profile": replace(GENERIC, note_content_types=("application/pdf",))},
        ResourceKind.DOCUMENT_REFERENCE,
        "no-content-type",
        "Cannot: this EHR takes none of the forms in which the note can be made. Kept in this app, to copy or print.",
    ),
    "only kinds of the EHR's own": (
        {"profile": replace(GENERIC, questionnaire_response_create=Create.OWN_KINDS)},
        ResourceKind.QUESTIONNAIRE_RESPONSE,
        "own-kinds-only",
        "Cannot: from apps this EHR takes QuestionnaireResponse only of kinds that it has set up itself. "
        "Said in the note, kept in this app.",
    ),
    "note needs a time": (
        {"profile": replace(GENERIC, note_needs_time=True), "facts": facts_with(has_time=False)},
        ResourceKind.DOCUMENT_REFERENCE,
        "no-time",
        "Cannot: this EHR takes a note only with a time of day, and the answers have a date alone. "
        "Kept in this app, to copy or print.",
    ),
    "author is no provider": (
        {"profile": BY_AUTHOR, "facts": facts_with(signer_is_practitioner=False)},
        ResourceKind.DOCUMENT_REFERENCE,
        "no-practitioner",
        "Cannot: this EHR takes a note only of a provider, and it does not know you as one. "
        "Kept in this app, to copy or print.",
    ),
    "another than the author sends": (
        {"profile": BY_AUTHOR, "facts": facts_with(awaits_co_signature=True)},
        ResourceKind.DOCUMENT_REFERENCE,
        "co-signed",
        "Cannot: this EHR takes a note only from its author, and yours is sent with the co-signature. "
        "Kept in this app, to copy or print.",
    ),
    "note too long": (
        {"profile": replace(GENERIC, note_max_characters=999)},
        ResourceKind.DOCUMENT_REFERENCE,
        "too-long",
        "Cannot: the note is longer than this EHR takes. Kept in this app, to copy or print.",
    ),
    "nothing for a Provenance to speak of": (
        {"capabilities": capabilities(types=["Provenance"])},
        ResourceKind.PROVENANCE,
        "nothing-written",
        "Nothing else is written that it could speak of. Kept in this app, to copy or print.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_obstacle_has_its_code_and_its_words(case: str) -> None:
    changes, kind, code, words = CASES[case]
    made = plan(**changes)
    line = line_of(made, kind)
    assert (line.writes, line.reason_code, line.reason) == (False, code, words)
    assert kind not in {shape.kind for shape in made.shapes}
    assert words in made.text


def test_a_capability_statement_that_could_not_be_read_promises_nothing() -> None:
    made = plan(capabilities=None)
    assert {line.reason_code for line in made.lines} == {"ehr-unknown"}
    assert made.find_option(WriteChoice.WRITE) is None


def test_where_nothing_can_be_written_keeping_it_needs_no_reason() -> None:
    made = plan(capabilities=capabilities(types=[]))
    assert [(option.choice, option.needs_reason) for option in made.options] == [
        (WriteChoice.KEEP, False),
        (WriteChoice.COPY_BY_HAND, False),
    ]
    assert made.shapes == ()


def test_an_observation_scope_for_other_categories_does_not_cover_a_survey() -> None:
    survey = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
    narrow = Scopes.parse(f"patient/Observation.c?category={survey.replace('survey', 'laboratory')}")
    wide = Scopes.parse(f"patient/Observation.c?category={survey}")
    assert not line_of(plan(scopes=narrow), ResourceKind.OBSERVATION_TOTAL).writes
    assert line_of(plan(scopes=wide), ResourceKind.OBSERVATION_TOTAL).writes


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, WriteMethod.SINGLE),
        ({"capabilities": capabilities(transaction=True)}, WriteMethod.TRANSACTION),
        (
            {"capabilities": capabilities(transaction=True), "profile": replace(GENERIC, transaction=Use.NEVER)},
            WriteMethod.SINGLE,
        ),
        (
            {"capabilities": capabilities(transaction=True), "scopes": Scopes.parse("patient/DocumentReference.c")},
            WriteMethod.SINGLE,
        ),
        ({"capabilities": None}, WriteMethod.SINGLE),
    ],
    ids=["not-listed", "listed", "profile-says-never", "one-resource", "unknown"],
)
def test_a_transaction_is_used_only_where_it_is_listed_and_helps(changes: dict[str, Any], method: WriteMethod) -> None:
    assert plan(**changes).method is method


def test_sent_one_by_one_the_note_hangs_on_nothing_else() -> None:
    alone = next(shape for shape in plan().shapes if shape.kind is ResourceKind.DOCUMENT_REFERENCE)
    together = next(
        shape
        for shape in plan(capabilities=capabilities(transaction=True)).shapes
        if shape.kind is ResourceKind.DOCUMENT_REFERENCE
    )
    assert (alone.related, together.related) == (False, True)


def test_the_note_has_the_form_and_type_that_the_ehr_takes_unless_the_site_says_otherwise() -> None:
    hapi = get_ehr_profile("hapi")
    note = plan(profile=hapi).shapes[-2]
    assert note.note_content_types == (XHTML, PLAIN_TEXT)
    one = plan(profile=replace(hapi, note_max_contents=1)).shapes[-2]
    assert one.note_content_types == (XHTML,)
    site = Coding(system="http://loinc.org", code="11506-3", display="Progress note")
    assert plan(site=WriteSite(note_type=site)).shapes[-2].note_type == site


def test_what_binds_the_note_of_one_ehr_does_not_bind_that_of_another() -> None:
    elsewhere = facts_with(has_time=False, signer_is_practitioner=False, awaits_co_signature=True)
    assert line_of(plan(facts=elsewhere), ResourceKind.DOCUMENT_REFERENCE).writes


def test_a_note_of_the_very_length_that_the_ehr_takes_is_written() -> None:
    made = plan(profile=replace(GENERIC, note_max_characters=1000))
    assert line_of(made, ResourceKind.DOCUMENT_REFERENCE).writes


def test_the_note_names_who_vouches_for_it_only_where_the_ehr_takes_that() -> None:
    assert plan().shapes[-2].authenticator
    assert not plan(profile=replace(GENERIC, note_authenticator=False)).shapes[-2].authenticator


def test_no_visit_is_said_where_something_is_written() -> None:
    without = facts_with(has_encounter=False)
    assert plan(facts=without).notices
    assert plan(facts=without, choice=WriteChoice.KEEP).notices == ()
    assert plan().notices == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"capabilities": capabilities(types=["DocumentReference"])},
        {"facts": replace(FACTS, score_words="Total 14")},
        {"facts": replace(FACTS, age=16)},
        {"facts": facts_with(has_encounter=False)},
        {"site": WriteSite(restricted_note_type=Coding(system="urn:site", code="psych"))},
    ],
    ids=["ehr", "score", "age", "visit", "site"],
)
def test_the_hash_changes_with_what_is_shown(changes: dict[str, Any]) -> None:
    assert plan(**changes).hash != plan().hash


def test_facts_are_counted_by_the_builders_themselves() -> None:
    result = reviewed_result()
    facts = find_facts(result, signer=SIGNER, note_text=build_note_text(result), organization=ORGANIZATION, now=NOW)
    assert facts.counts == ALL_COUNTS
    assert (facts.score_words, facts.age) == ("Total 13", 40)
    signed_text = build_note_text(result).rstrip()
    assert facts.circumstances == replace(HERE, note_characters=facts.circumstances.note_characters)
    assert len(signed_text) < facts.circumstances.note_characters < len(signed_text) + 200


def test_facts_tell_a_date_from_a_time_a_provider_from_another_and_a_co_signature() -> None:
    result = reviewed_result()
    dated = replace(result, administration=replace(result.administration, answered_at="2026-11-23"))
    assistant = replace(SIGNER, reference="PractitionerRole/miriam")
    waiting = find_facts(
        dated, signer=assistant, note_text="", organization=ORGANIZATION, now=NOW, co_signer=ORGANIZATION
    ).circumstances
    assert (waiting.has_time, waiting.signer_is_practitioner, waiting.awaits_co_signature) == (False, False, True)


def test_an_unknown_total_is_not_named_by_a_number() -> None:
    incomplete = screening_result(phq9(), answers_of(phq9(), (2, 2, None, 2)))
    assert (
        find_facts(incomplete, signer=SIGNER, note_text="", organization=None, now=NOW).score_words
        == "Total, not known"
    )
