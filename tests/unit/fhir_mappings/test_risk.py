"""Item 9 of the PHQ-9: a flag at any answer above "Not at all", and "risk not known" where it was not answered."""

from dataclasses import replace

import pytest
from hypothesis import given

from fhir_mappings.answers import Answer
from fhir_mappings.instrument import Coding
from fhir_mappings.response import parse_response
from fhir_mappings.risk import RiskKind, find_risk
from fhir_mappings.scoring import score_answers
from fhir_mappings.systems import LOINC
from fhir_mappings.wording import describe_score
from tests.unit.fhir_mappings.factories import DECLINED, Given, answers_of, gad7, given_answers, instrument_of, phq9


@pytest.mark.parametrize("rest", [0, 3])
@pytest.mark.parametrize("weight", [1, 2, 3])
def test_phq9_item_9_is_flagged_whatever_the_total(weight: int, rest: int) -> None:
    (flag,) = find_risk(phq9(), answers_of(phq9(), [rest] * 8 + [weight]), handed_in=True)
    assert (flag.kind, flag.link_id, flag.rule_id) == (RiskKind.RISK_ANSWER, "phq9-9", "phq-9-risk-1")
    assert flag.level == "needs same-visit suicide risk assessment"
    assert flag.source


def test_phq9_item_9_is_flagged_before_the_form_is_finished() -> None:
    answers = answers_of(phq9(), [None] * 8 + [1])
    assert [flag.kind for flag in find_risk(phq9(), answers, handed_in=False)] == [RiskKind.RISK_ANSWER]


@pytest.mark.parametrize(("given", "reason"), [(DECLINED, "Item 9 declined"), (None, "Item 9 not answered")])
def test_risk_is_not_known_once_the_form_is_handed_in_without_item_9(given: Given, reason: str) -> None:
    answers = answers_of(phq9(), [3] * 8 + [given])
    assert find_risk(phq9(), answers, handed_in=False) == ()
    (flag,) = find_risk(phq9(), answers, handed_in=True)
    assert (flag.kind, flag.level, flag.reason) == (RiskKind.RISK_NOT_KNOWN, "risk not known", reason)
    assert "own rule" in flag.source, "nobody published that a blank is a risk not known"


def test_not_at_all_raises_no_flag() -> None:
    assert find_risk(phq9(), answers_of(phq9(), [3] * 8 + [0]), handed_in=True) == ()


def test_an_answer_that_is_no_option_is_flagged_for_it_cannot_be_cleared() -> None:
    answers = answers_of(phq9(), [0] * 9)
    for coding in (None, Coding(system="http://example.org", code="other")):
        answers["phq9-9"] = replace(answers["phq9-9"], coding=coding)
        assert len(find_risk(phq9(), answers, handed_in=True)) == 1


def test_a_rule_can_name_answer_codes() -> None:
    rule = replace(phq9().risk_rules[0], at_least=None, codes=("LA6570-1",))
    instrument = replace(phq9(), risk_rules=(rule,))
    assert len(find_risk(instrument, answers_of(instrument, [0] * 8 + [2]), handed_in=True)) == 1
    assert find_risk(instrument, answers_of(instrument, [0] * 8 + [3]), handed_in=True) == ()


@given(given_answers(phq9()))
def test_the_report_carries_a_flag_unless_item_9_says_not_at_all(answers: dict[str, Answer]) -> None:
    alerts = score_answers(phq9(), answers).value.alerts
    item_9 = answers.get("phq9-9")
    safe = item_9 is not None and item_9.coding is not None and item_9.coding.code == "LA6568-5"
    assert bool(alerts) is not safe


def test_an_instrument_that_does_not_ask_says_so() -> None:
    assert phq9().asks_about_suicide
    assert not gad7().asks_about_suicide
    assert find_risk(gad7(), answers_of(gad7(), [3] * 7), handed_in=True) == ()


def test_a_risk_answer_to_an_item_that_was_not_asked_is_flagged_and_leaves_the_level_not_known() -> None:
    asq = instrument_of("asq")
    answers = answers_of(asq, [1, 1, 1, 1, 0])
    response = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": asq.canonical,
        "item": [
            {"linkId": link_id, "answer": [{"valueCoding": {"system": LOINC, "code": coding.code}}]}
            for link_id, answer in answers.items()
            if (coding := answer.coding) is not None
        ],
    }
    parsed = parse_response(response, asq).value
    assert set(parsed.unasked) == {"asq-5"}
    report = score_answers(asq, parsed.answers, unasked=parsed.unasked).value
    assert [(flag.link_id, flag.level) for flag in report.alerts] == [("asq-5", "acute positive")]
    (score,) = report.scores
    assert (score.value, score.bounds, score.band, score.positive) == (None, (0, 2), None, None)
    assert (score.unasked, report.complete) == (("asq-5",), False)
    assert describe_score(asq.scores[0], score) == (
        "Result not known: a risk answer was given to an item that was not asked; "
        "not known whether it screens positive."
    )
    assert score_answers(asq, {**parsed.answers, **parsed.unasked}).value == report


def test_a_harmless_answer_to_an_item_that_was_not_asked_changes_nothing() -> None:
    asq = instrument_of("asq")
    report = score_answers(asq, answers_of(asq, [1, 1, 1, 1, 1])).value
    assert (report.scores[0].value, report.scores[0].positive, report.complete) == (0, False, True)
