"""A QuestionnaireResponse from outside: every oddity an Issue, an answer that can't be read counts as unanswered."""

import json
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.administration import Informant, Mode, Party
from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.errors import CanonicalMismatch, MalformedJson, MalformedResource, MappingError
from fhir_mappings.response import build_response, compare_stated_scores, find_canonical, parse_response
from fhir_mappings.scoring import score_answers
from tests.golden.golden_cases import DATA, load_json
from tests.unit.fhir_mappings.factories import (
    DECLINED,
    administration,
    answers_of,
    gad7,
    given_answers,
    phq9,
)

PATIENT = Party(reference="Patient/rosa", display="Rosa Delgado-Quinn")
GOLDEN = load_json(DATA / "phq-9" / "total-13-item-9-one" / "response.json")


def response(**overrides: Any) -> dict[str, Any]:
    return {**deepcopy(GOLDEN), **overrides}


def codes(body: dict[str, Any]) -> list[str]:
    return [issue.code for issue in parse_response(body, phq9()).issues]


def test_a_plain_response_is_read_without_issue() -> None:
    mapped = parse_response(json.dumps(GOLDEN).encode(), phq9())
    assert mapped.issues == ()
    parsed = mapped.value
    assert (parsed.subject, parsed.encounter) == ("Patient/rosa", "Encounter/visit")
    assert (parsed.author, parsed.source) == ("Patient/rosa", "Patient/rosa")
    assert (parsed.authored, parsed.status, parsed.handed_in) == ("2026-11-23T10:38:00-05:00", "completed", True)
    assert parsed.administration is None
    assert parsed.answers["phq9-9"].coding is not None
    assert parsed.answers["phq9-9"].coding.code == "LA6569-3"


def test_an_unknown_item_is_reported_and_left_out() -> None:
    body = response()
    body["item"].append({"linkId": "phq9-99", "answer": [{"valueInteger": 1}]})
    assert codes(body) == ["unknown-item"]


@pytest.mark.parametrize("times", [1, 2, 10_000])
def test_a_doubled_item_is_told_once_and_not_read_at_all(times: int) -> None:
    body = response()
    body["item"] += [body["item"][0]] * times
    mapped = parse_response(body, phq9())
    assert [issue.code for issue in mapped.issues] == ["doubled-item"]
    assert "phq9-1" not in mapped.value.answers


def test_a_second_answer_makes_neither_count() -> None:
    body = response()
    body["item"][0]["answer"] *= 2
    mapped = parse_response(body, phq9())
    assert [issue.code for issue in mapped.issues] == ["several-answers"]
    assert "phq9-1" not in mapped.value.answers


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"valueCoding": {"system": "http://loinc.org", "code": "LA6572-7"}}, "unknown-option"),
        ({"valueCoding": {"system": "http://example.org", "code": "LA6569-3"}}, "unknown-option"),
        ({"valueInteger": 2}, "answer-type"),
        ({"valueString": "Several days"}, "answer-type"),
    ],
)
def test_an_answer_outside_the_options_counts_as_unanswered(answer: dict[str, Any], code: str) -> None:
    body = response()
    body["item"][8]["answer"] = [answer]
    mapped = parse_response(body, phq9())
    assert [issue.code for issue in mapped.issues] == [code]
    report = score_answers(phq9(), mapped.value.answers).value
    assert report.scores[0].value is None
    assert report.alerts[0].level == "risk not known"


def test_declined_and_not_reached_stay_different() -> None:
    body = response()
    url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    body["item"][0] = {"linkId": "phq9-1", "extension": [{"url": url, "valueCode": "asked-declined"}]}
    body["item"][1] = {"linkId": "phq9-2", "extension": [{"url": url, "valueCode": "not-asked"}]}
    answers = parse_response(body, phq9()).value.answers
    assert answers["phq9-1"].status is AnswerStatus.DECLINED
    assert "phq9-2" not in answers


def test_an_answer_to_a_disabled_item_is_left_out() -> None:
    body = response()
    for item in body["item"][:9]:
        item["answer"] = [{"valueCoding": {"system": "http://loinc.org", "code": "LA6568-5"}}]
    mapped = parse_response(body, phq9())
    assert [issue.code for issue in mapped.issues] == ["disabled-item"]
    assert "phq9-10" not in mapped.value.answers


def test_the_code_that_loinc_lists_for_gad7_item_2_is_read_as_the_printed_answer() -> None:
    body = load_json(DATA / "gad-7" / "highest" / "response.json")
    body["item"][1]["answer"] = [{"valueCoding": {"system": "http://loinc.org", "code": "LA18938-3"}}]
    mapped = parse_response(body, gad7())
    assert [issue.code for issue in mapped.issues] == ["equivalent-option"]
    assert mapped.value.answers["gad7-2"].coding is not None
    assert mapped.value.answers["gad7-2"].coding.code == "LA6570-1"
    assert score_answers(gad7(), mapped.value.answers).value.scores[0].value == 20
    body["item"][2]["answer"] = body["item"][1]["answer"]
    assert [issue.code for issue in parse_response(body, gad7()).issues] == ["equivalent-option", "unknown-option"]


@pytest.mark.parametrize(
    ("weight", "code"), [(3, "weight-differs"), ("1", "malformed-weight"), (True, "malformed-weight")]
)
def test_a_foreign_weight_is_reported_and_does_not_count(weight: object, code: str) -> None:
    body = response()
    extension = {"url": "http://hl7.org/fhir/StructureDefinition/itemWeight", "valueDecimal": weight}
    body["item"][8]["answer"][0]["valueCoding"]["extension"] = [extension]
    mapped = parse_response(body, phq9())
    assert [issue.code for issue in mapped.issues] == [code]
    assert score_answers(phq9(), mapped.value.answers).value.scores[0].value == 13


@pytest.mark.parametrize(
    ("version", "codes_", "answers"),
    [("", ["version-missing"], 10), ("|1.4.2", ["version-differs"], 10), ("|2.0.0", ["version-differs"], 0)],
)
def test_another_version_is_reported_and_another_edition_not_read(
    version: str, codes_: list[str], answers: int
) -> None:
    mapped = parse_response(response(questionnaire=phq9().url + version), phq9())
    assert [issue.code for issue in mapped.issues] == codes_
    assert len(mapped.value.answers) == answers


def test_a_response_to_another_questionnaire_is_refused() -> None:
    with pytest.raises(CanonicalMismatch):
        parse_response(GOLDEN, gad7())


@pytest.mark.parametrize(
    "overrides",
    [
        {"resourceType": "Questionnaire"},
        {"status": "final"},
        {"status": None},
        {"questionnaire": None},
        {"questionnaire": 7},
        {"authored": "yesterday"},
        {"subject": "Patient/rosa"},
        {"item": {}},
        {"item": ["phq9-1"]},
        {"item": [{"linkId": 9}]},
    ],
)
def test_a_malformed_response_is_refused_naming_the_element(overrides: dict[str, Any]) -> None:
    with pytest.raises(MalformedResource) as raised:
        parse_response(response(**overrides), phq9())
    assert raised.value.expression.startswith("QuestionnaireResponse.")


def test_a_score_that_differs_from_the_answers_is_reported() -> None:
    body = response()
    body["item"].append({"linkId": "phq9-total", "answer": [{"valueInteger": 12}]})
    parsed = parse_response(body, phq9())
    assert parsed.issues == ()
    report = score_answers(phq9(), parsed.value.answers).value
    assert [issue.code for issue in compare_stated_scores(parsed.value, report, phq9())] == ["score-differs"]


def test_ten_thousand_items_and_nested_groups_are_read_once_each() -> None:
    body = response()
    body["item"] = [{"linkId": "group", "item": body["item"]}]
    body["item"] += [{"linkId": f"x{n}"} for n in range(10_000)]
    mapped = parse_response(body, phq9())
    assert len(mapped.issues) == 10_001
    assert score_answers(phq9(), mapped.value.answers).value.scores[0].value == 13


def test_issues_never_quote_the_response() -> None:
    body = response()
    body["item"].append({"linkId": "Rosa said", "answer": [{"valueString": "I cannot go on"}]})
    body["item"][0]["answer"] = [{"valueString": "I cannot go on"}]
    told = str([issue.to_json() for issue in parse_response(body, phq9()).issues])
    assert "Rosa" not in told
    assert "cannot" not in told


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["item", "linkId", "answer", "valueCoding", "code", "system", "extension", "url"]),
                inner,
            )
        ),
    )
)
def test_whatever_stands_in_item_is_read_or_refused_by_name(item: Any) -> None:
    # Any other exception would be a crash.
    with suppress(MappingError):
        parse_response(response(item=item), phq9())


@given(given_answers(phq9()), st.sampled_from(Mode), st.booleans())
def test_what_is_built_reads_back_as_it_was(answers: dict[str, Answer], mode: Mode, interpreter: bool) -> None:
    how = administration(
        mode=mode, interpreter=interpreter, entered_by=Party(reference="Practitioner/ana", display="Ana Ruiz")
    )
    report = score_answers(phq9(), answers).value
    built = build_response(
        phq9(), answers, status="completed", subject=PATIENT, encounter=None, administration=how, report=report
    )
    mapped = parse_response(built, phq9())
    enabled = {link_id: answer for link_id, answer in answers.items() if link_id != "phq9-10" or is_asked(answers)}
    assert mapped.value.answers == enabled
    assert mapped.issues == ()
    assert mapped.value.administration == how
    assert compare_stated_scores(mapped.value, report, phq9()) == ()


def is_asked(answers: dict[str, Answer]) -> bool:
    return any(a.coding is not None and a.coding.code in ("LA6569-3", "LA6570-1", "LA6571-9") for a in answers.values())


def test_a_disabled_item_is_left_out_of_what_is_built() -> None:
    answers = answers_of(phq9(), [0] * 9 + [1])
    built = build_response(
        phq9(), answers, status="completed", subject=PATIENT, encounter=None, administration=administration()
    )
    assert [item["linkId"] for item in built["item"]] == [f"phq9-{n}" for n in range(1, 10)]


def test_declined_and_not_reached_are_written_as_different_reasons_and_no_answer() -> None:
    answers = answers_of(phq9(), [DECLINED, None, 1, 1, 1, 1, 1, 1, 1])
    built = build_response(
        phq9(), answers, status="completed", subject=PATIENT, encounter=None, administration=administration()
    )
    assert [item["extension"][0]["valueCode"] for item in built["item"][:2]] == ["asked-declined", "not-asked"]
    assert all("answer" not in item for item in built["item"][:2])


@pytest.mark.parametrize(
    ("overrides", "author", "source"),
    [
        ({}, "Patient/rosa", "Patient/rosa"),
        ({"mode": Mode.HANDED_OVER_DEVICE}, "Patient/rosa", "Patient/rosa"),
        (
            {"mode": Mode.PAPER, "entered_by": Party(reference="Practitioner/ana", display="Ana")},
            "Practitioner/ana",
            "Patient/rosa",
        ),
        (
            {"mode": Mode.INTERVIEW, "administered_by": Party(reference="Practitioner/ana", display="Ana")},
            "Practitioner/ana",
            "Patient/rosa",
        ),
        (
            {
                "informant": Informant.PROXY,
                "relationship": "mother",
                "proxy": Party(reference="RelatedPerson/ines", display="Ines"),
            },
            "RelatedPerson/ines",
            "RelatedPerson/ines",
        ),
    ],
)
def test_source_gave_the_answers_and_author_wrote_them_down(
    overrides: dict[str, Any], author: str, source: str
) -> None:
    built = build_response(
        phq9(), {}, status="completed", subject=PATIENT, encounter=None, administration=administration(**overrides)
    )
    assert (built["author"]["reference"], built["source"]["reference"]) == (author, source)


def test_a_proxy_without_record_is_named_by_relationship() -> None:
    how = administration(informant=Informant.PROXY, relationship="mother")
    built = build_response(phq9(), {}, status="completed", subject=PATIENT, encounter=None, administration=how)
    assert built["source"] == {"display": "mother of the patient"}


def test_the_response_says_who_gave_it_knowingly_outside_the_validated_ages() -> None:
    ana = Party(reference="Practitioner/ana", display="Ana")
    built = [
        build_response(
            phq9(), {}, status="completed", subject=PATIENT, encounter=None, administration=administration(**overrides)
        )
        for overrides in ({}, {"knowingly_by": ana})
    ]
    read = [parse_response(response, phq9()).value.administration for response in built]
    assert [how and how.knowingly_by for how in read] == [None, ana]
    assert "knowinglyBy" not in str(built[0])


def test_an_unreadable_administration_leaves_the_answers_readable() -> None:
    how = administration(informant=Informant.PROXY, relationship="mother")
    answers = answers_of(phq9(), [1] * 9)
    built = build_response(phq9(), answers, status="completed", subject=PATIENT, encounter=None, administration=how)
    built["extension"][1]["extension"][0]["valueCode"] = "neighbor"
    mapped = parse_response(built, phq9())
    assert [issue.code for issue in mapped.issues] == ["administration-unreadable"]
    assert mapped.value.administration is None
    assert mapped.value.answers == answers


@pytest.mark.parametrize(("canonical", "found"), [("u|1", ("u", "1")), ("u", ("u", None)), ("", None), (3, None)])
def test_the_canonical_is_found_before_anything_else_is_read(canonical: object, found: object) -> None:
    assert find_canonical({"questionnaire": canonical}) == found


def test_bytes_that_are_no_json_are_refused() -> None:
    with pytest.raises(MalformedJson):
        parse_response(b"<html>", phq9())


def test_the_mark_of_a_carried_answer_goes_out_and_comes_back() -> None:
    answers = answers_of(phq9(), [1] * 9)
    answers["phq9-1"] = replace(answers["phq9-1"], carried_from="PHQ-2, 24 Nov 2026 10:33 UTC")
    report = score_answers(phq9(), answers).value
    built = build_response(
        phq9(),
        answers,
        status="completed",
        subject=PATIENT,
        encounter=None,
        administration=administration(),
        report=report,
    )

    mapped = parse_response(built, phq9())

    assert {
        link_id: answer.carried_from for link_id, answer in mapped.value.answers.items() if answer.carried_from
    } == {"phq9-1": "PHQ-2, 24 Nov 2026 10:33 UTC"}
    built["item"][0 if built["item"][0]["linkId"] == "phq9-1" else 1]["extension"][0]["valueString"] = 7
    told = parse_response(built, phq9())
    assert told.value.answers["phq9-1"].carried_from is None
    assert "carried-unreadable" in [issue.code for issue in told.issues]
