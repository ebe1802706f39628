"""The FHIRPath engine beside the native one: the same numbers on every shipped instrument, never more than is known."""

import random
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest

from fhir_mappings.answers import Answer, AnswerStatus, keep_enabled
from fhir_mappings.calculation import find_calculation
from fhir_mappings.fhirpath_scoring import LONGEST_EXPRESSION, check_expression, evaluate_expression, evaluate_scores
from fhir_mappings.instrument import Instrument, parse_instrument
from fhir_mappings.questionnaire_response import build_items
from fhir_mappings.scores import PatientFacts
from fhir_mappings.scoring import score_answers
from fhir_mappings.site_questionnaire import parse_site_instrument
from fhir_mappings.systems import ITEM_WEIGHT, ORDINAL_VALUE
from tests.unit.fhir_mappings.any_questionnaire import answered, bare, changed, find_item, sleep
from tests.unit.fhir_mappings.synthetic import give, question

SHIPPED = sorted(
    path.name.removesuffix(".json")
    for path in resources.files("fhir_mappings.instruments").iterdir()
    if path.name.endswith(".json")
)
SETS = 40
NO_SCORE: dict[str, Any] = {"resourceType": "QuestionnaireResponse", "item": []}


def answer_at_random(instrument: Instrument, chance: random.Random) -> dict[str, Answer]:
    """Answers to all items, or in every other set with some declined or not reached."""
    gaps = chance.random() < 0.5
    answers = {}
    for item in instrument.items:
        fate = chance.random() if gaps else 1.0
        if fate < 0.05:
            answers[item.link_id] = Answer(link_id=item.link_id, status=AnswerStatus.DECLINED)
        elif fate >= 0.1 and item.is_single_choice:
            coding = chance.choice(item.options).coding
            answers[item.link_id] = Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=coding)
    return answers


@pytest.mark.parametrize("name", SHIPPED)
def test_both_engines_give_every_shipped_score_the_same_value(name: str) -> None:
    """With items open, ours may know more: where the bounds meet, or an item need not apply. It is never less.

    `handed_in=False`: what a finished form makes of a blank is a rule of the author's that no FHIRPath says.
    """
    instrument = parse_instrument(resources.files("fhir_mappings.instruments").joinpath(f"{name}.json").read_bytes())
    chance = random.Random(f"{name}, agreement")  # noqa: S311  # the same sets each time
    known = 0
    for _ in range(SETS):
        answers = keep_enabled(instrument.items, answer_at_random(instrument, chance))
        report = score_answers(instrument, answers, PatientFacts(), handed_in=False).value
        response = {**NO_SCORE, "item": build_items(instrument.questionnaire["item"], instrument, answers, {})}
        for definition, score in zip(instrument.scores, report.scores, strict=True):
            mapped = evaluate_expression(definition.expression, response)
            assert mapped.issues == (), definition.id
            if mapped.value is None:
                assert score.value is None or report.unanswered, (definition.id, answers)
            elif any(instrument.by_link_id[link_id].applies_to for link_id in definition.item_link_ids):
                assert score.bounds[0] <= mapped.value <= score.bounds[1], (definition.id, answers)
            else:
                assert mapped.value == score.value, (definition.id, answers)
            known += mapped.value is not None
    assert known or not instrument.scores


def test_weights_are_read_under_either_name_and_from_the_answer_too() -> None:
    codings: list[dict[str, Any]] = [
        {"code": "x", "extension": [{"url": ITEM_WEIGHT, "valueDecimal": 2}]},
        {"code": "x", "extension": [{"url": ORDINAL_VALUE, "valueDecimal": 3}]},
        {"code": "x"},
    ]
    items = [{"linkId": str(number), "answer": [{"valueCoding": coding}]} for number, coding in enumerate(codings)]
    response = {**NO_SCORE, "item": items}
    for text, value in {
        "%resource.item.answer.value.weight().sum()": 5,
        "%resource.item.answer.value.ordinal().sum()": 5,
        "%resource.item.answer.weight().sum()": 5,
        "%resource.item.answer.value.weight().avg()": Decimal("2.5"),
        "%resource.item.answer.value.weight().max() - %resource.item.answer.value.weight().min()": 1,
    }.items():
        assert evaluate_expression(text, response).value == value, text


def test_numbers_of_answers_can_be_summed_averaged_and_converted() -> None:
    numbers = {"linkId": "a", "answer": [{"valueInteger": 3}, {"valueInteger": 4}]}
    response = {**NO_SCORE, "item": [numbers, {"linkId": "b", "answer": [{"valueString": "7"}]}]}
    for text, value in {
        "%resource.item.where(linkId = 'a').answer.value.sum()": 7,
        "%resource.item.where(linkId = 'a').answer.value.avg()": Decimal("3.5"),
        "%resource.item.where(linkId = 'b').answer.value.toInteger() + 1": 8,
        "%resource.item.where(linkId = 'b').answer.value.toDecimal() / 2": Decimal("3.5"),
        "%context.item.count()": 2,
    }.items():
        assert evaluate_expression(text, response).value == value, text


@pytest.mark.parametrize(
    "text", ["%resource.item.answer.value.weight().sum()", "%resource.item.answer.value.sum()", "{}", "1 / 0"]
)
def test_nothing_adds_up_to_not_known_never_to_0(text: str) -> None:
    mapped = evaluate_expression(text, NO_SCORE)
    assert mapped.value is None
    assert mapped.issues == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("'ten'", "expression-not-number"),
        ("true", "expression-not-number"),
        ("1 | 2", "expression-not-number"),
        ("%patient.age", "expression-error"),
        ("1 +", "expression-error"),
        ("noSuchFunction()", "expression-error"),
        ("'a' + 1", "expression-error"),
        ("today().toString().length()", "expression-error"),
        ("1" + " + 1" * LONGEST_EXPRESSION, "expression-error"),
        ("1 2", "expression-error"),
        ("(" * 3000 + "1" + ")" * 3000, "expression-error"),
    ],
)
def test_an_expression_that_fails_is_an_issue_and_not_known(text: str, code: str) -> None:
    mapped = evaluate_expression(text, NO_SCORE, at="item(total)")
    assert mapped.value is None
    assert [(issue.code, issue.expression) for issue in mapped.issues] == [(code, "item(total)")]


@pytest.mark.parametrize(
    "text", ["now()", "today ()", "timeOfDay()", "1 +", "(", "1 2", "3) + 4", "a..b", "'a", "x" * 8001]
)
def test_an_expression_is_refused_before_it_is_ever_evaluated(text: str) -> None:
    assert check_expression(text) is not None


def test_an_expression_that_can_be_evaluated_is_not_refused() -> None:
    assert check_expression("%resource.item.where(linkId = 'known today').answer.count()") is None


def test_scores_in_a_circle_are_not_known() -> None:
    def tie(value: dict[str, Any]) -> None:
        for one, other in (("snore-score", "burden"), ("burden", "snore-score")):
            expression = f"%resource.item.where(linkId = '{other}').answer.value + 1"
            find_item(value, one)["extension"][1]["valueExpression"]["expression"] = expression

    instrument = parse_site_instrument(changed(tie))
    report = score_answers(instrument, answered(instrument, troubled="false"))
    assert [score.value for score in report.value.scores] == [None, None]
    assert {issue.code for issue in report.issues} == {"expression-cycle"}


def test_an_expression_that_names_no_item_waits_for_all_that_somebody_answers() -> None:
    expressions = {"burden": "%resource.descendants().where(answer.exists()).count()"}
    some = answered(sleep(), troubled="false", snore="never")
    assert evaluate_scores(sleep(), some, expressions).value == {"burden": None}
    texts = {"helps": "tea", "snore_who": "my wife", "caffeine": "80 mg", "since": "2020", "medicines": "none"}
    every = answered(sleep(), troubled="false", snore="never", last_bad="2026-01-01", words="no", **texts)
    assert evaluate_scores(sleep(), every, expressions).value == {"burden": 9}


def test_a_native_score_may_be_named_by_an_expression() -> None:
    expressions = {"burden": "%resource.item.where(linkId = 'snore-score').answer.value * 2"}
    answers = answered(sleep(), troubled="false")
    assert evaluate_scores(sleep(), answers, expressions, {"snore-score": 4}).value == {"burden": 8}


SUM = "%resource.item.where({}).answer.value.weight().sum()"
BOTH = "%resource.item.where(linkId in ('a' | 'b')).answer"


def test_a_score_that_names_one_not_known_is_not_known_either() -> None:
    """A comparison with nothing is empty, and an iif of empty is its last argument: a 0 that nobody answered."""
    total = f"iif({BOTH}.count() = 2, {BOTH}.value.weight().sum(), {{}})"
    flag = "iif(%resource.item.where(linkId = 'total').answer.value >= 2, 1, 0)"
    instrument = bare([question("a"), question("b")], total=total, flag=flag)
    assert instrument.scores[0].adds_weights
    for answers, values in (({"a": 2}, [None, None]), ({"a": 2, "b": 1}, [3, 1]), ({"a": 0, "b": 0}, [0, 0])):
        report = score_answers(instrument, give(answers)).value
        assert [score.value for score in report.scores] == values


@pytest.mark.parametrize("gate", [None, "declined"])
def test_a_score_waits_for_an_item_that_may_still_be_asked(gate: str | None) -> None:
    gated = question("gated", when=[("gate", "=", 1)])
    text = SUM.format("linkId = 'gated' or linkId = 'other'")
    instrument = bare([question("gate"), gated, question("other")], total=text)
    open_ = score_answers(instrument, give({"gate": gate, "other": 2})).value
    assert (open_.scores[0].value, open_.complete, open_.unanswered) == (None, False, ("gate",))
    skipped = score_answers(instrument, give({"gate": 0, "other": 2})).value
    assert (skipped.scores[0].value, skipped.complete) == (2, True)


def test_an_item_in_a_group_waits_for_what_its_group_waits_for() -> None:
    group = {"linkId": "group", "type": "group", "item": [question("inner")]}
    group["enableWhen"] = question("group", when=[("gate", "=", 1)])["enableWhen"]
    text = "%resource.descendants().where(linkId = 'inner' or linkId = 'other').answer.value.weight().sum()"
    instrument = bare([question("gate"), group, question("other")], total=text)
    report = score_answers(instrument, give({"other": 2})).value
    assert (report.scores[0].value, report.unanswered) == (None, ("gate",))
    assert instrument.counts("gate")


def test_a_score_that_names_only_itself_to_leave_itself_out_waits_for_all_items() -> None:
    instrument = bare([question("a"), question("b")], total=SUM.format("linkId != 'total'"))
    assert score_answers(instrument, give({"a": 2})).value.scores[0].value is None
    assert score_answers(instrument, give({"a": 2, "b": 1})).value.scores[0].value == 3


def test_a_foreign_expression_is_told_from_a_native_one_without_trying_every_way_to_part_it() -> None:
    """Each term that could end in several places would double the time: with a hundred, it would never end."""
    text = f"iif({BOTH}.count() = 2, {BOTH}.value.weight().sum()" + " + iif(c, 0, 1)" * 100
    assert find_calculation(text) is None
    assert find_calculation(f"{text}, {{}})") is not None
