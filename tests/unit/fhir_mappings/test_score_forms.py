"""Each form of score on the smallest instrument that has it: skips, counts, factors, items that need not apply."""

from typing import Any

import pytest

from fhir_mappings.errors import MalformedInstrument
from fhir_mappings.instrument import ScoreKind, parse_instrument
from fhir_mappings.scoring import PatientFacts, Score, score_answers
from tests.unit.fhir_mappings.synthetic import (
    DECLINED,
    Given,
    action,
    asks,
    band,
    build_bundle,
    build_instrument,
    cut_off,
    give,
    level_result,
    missing_rule,
    question,
    total,
)

GATED = [question("g", (0, 1)), question("a", when=[("g", "=", 1)]), question("b", when=[("g", "=", 1)])]
WHERE = "%resource.item.where(linkId in ('a' | 'b')).answer"


def score(questions: list[Any], made: Any, given: Given, **options: Any) -> Score:
    patient = PatientFacts(gender=options.pop("gender", None))
    report = score_answers(build_instrument(questions, [made]), give(given), patient, **options).value
    return report.scores[0]


@pytest.mark.parametrize(
    ("given", "value", "bounds"),
    [
        ({"g": 0}, 0, (0, 0)),
        ({"g": 1, "a": 2, "b": 1}, 3, (3, 3)),
        ({"g": 1, "a": 2}, None, (2, 4)),
        ({"g": 0, "a": 2, "b": 2}, 0, (0, 0)),
        ({}, None, (0, 4)),
        ({"g": DECLINED}, None, (0, 4)),
        ({"g": DECLINED, "a": 1, "b": 1}, None, (0, 4)),
    ],
)
def test_a_skipped_item_counts_as_its_lowest_weight_once_it_is_surely_skipped(
    given: Given, value: int | None, bounds: tuple[int, int]
) -> None:
    made = score(GATED, total(["a", "b"], (0, 4), intervals=[cut_off(2)]), given)
    assert (made.value, made.bounds) == (value, bounds)


def test_a_blank_that_decides_about_others_leaves_the_screen_open() -> None:
    instrument = build_instrument(GATED, [total(["a", "b"], (0, 4), intervals=[cut_off(2)])])
    report = score_answers(instrument, {}).value
    assert (report.scores[0].positive, report.unanswered, report.complete) == (None, ("g",), False)
    assert score_answers(instrument, give({"g": 0})).value.scores[0].positive is False


def test_an_answer_that_was_skipped_since_enables_nothing_and_asks_for_nothing() -> None:
    questions = [*GATED[:2], question("c", when=[("a", "=", 2)])]
    instrument = build_instrument(questions, [total(["a", "c"], (0, 4))])
    report = score_answers(instrument, give({"g": 0, "a": 2})).value
    assert (report.scores[0].value, report.complete) == (0, True)


def test_a_skip_of_a_skip_counts_too() -> None:
    questions = [*GATED[:2], question("c", (1, 3), when=[("a", "=", 2), ("a", "=", 1)])]
    made = total(["a", "c"], (1, 5))
    assert score(questions, made, {"g": 0}).value == 1
    assert score(questions, made, {"g": 1, "a": 0}).value == 1
    assert score(questions, made, {"g": 1, "a": 1, "c": 1}).value == 4
    assert score(questions, made, {"g": 1}).bounds == (1, 5)


@pytest.mark.parametrize(
    ("when", "given", "value"),
    [
        ([("g", "!=", 0)], {"g": 1, "a": 2}, 2),
        ([("g", "!=", 0)], {"g": 0}, 0),
        ([("g", "exists", False)], {"g": 0}, 0),
        ([("g", "exists", False)], {}, None),
        ([("g", "exists", True)], {"g": 0, "a": 1}, 1),
    ],
)
def test_every_operator_on_a_code_can_skip(when: list[tuple[str, str, int]], given: Given, value: int | None) -> None:
    assert score([question("g"), question("a", when=when)], total(["a"], (0, 2)), given).value == value


def test_all_conditions_must_hold_where_the_questionnaire_says_so() -> None:
    both = [("g", "=", 1), ("h", "=", 1)]
    questions = [question("g"), question("h"), question("a", when=both, behavior="all")]
    assert score(questions, total(["a"], (0, 2)), {"g": 0}).value == 0
    assert score(questions, total(["a"], (0, 2)), {"g": 1}).value is None
    assert score(questions, total(["a"], (0, 2)), {"g": 1, "h": 1, "a": 2}).value == 2


def test_conditions_in_a_circle_leave_the_score_open() -> None:
    questions = [question("a", when=[("b", "=", 1)]), question("b", when=[("a", "=", 1)])]
    assert score(questions, total(["a", "b"], (0, 4)), {}).bounds == (0, 4)
    assert score(questions, total(["a", "b"], (0, 4)), {"a": 1, "b": 1}).value is None


def test_a_count_takes_items_of_the_weight_or_more() -> None:
    questions = [question("a"), question("b"), question("c")]
    made = total(["a", "b", "c"], (0, 3), count_from=2, intervals=[cut_off(2)])
    assert build_instrument(questions, [made]).scores[0].kind is ScoreKind.COUNT
    counted = score(questions, made, {"a": 2, "b": 1, "c": 2})
    assert (counted.value, counted.positive) == (2, True)
    assert score(questions, made, {"a": 2, "b": 1}).bounds == (1, 2)
    assert score(questions, made, {"a": 1, "b": 1}).positive is False


def test_a_factor_multiplies_value_and_bounds() -> None:
    made = total(["a", "b"], (0, 16), factor=4)
    assert score([question("a"), question("b")], made, {"a": 1, "b": 2}).value == 12
    assert score([question("a"), question("b")], made, {"a": 1}).bounds == (4, 12)


@pytest.mark.parametrize(
    ("given", "positive"),
    [({"a": 1, "b": 1}, True), ({"a": 2, "b": 1}, False), ({"a": 0}, True), ({"a": 1}, None), ({"a": 3}, False)],
)
def test_where_higher_is_better_a_cut_off_is_met_from_above(given: Given, positive: bool | None) -> None:
    questions = [question("a", (0, 1, 2, 5)), question("b")]
    made = score(questions, total(["a", "b"], (0, 7), intervals=[cut_off(2, end="high")]), given)
    assert made.positive is positive


@pytest.mark.parametrize(
    ("gender", "given", "value", "unanswered"),
    [
        ("male", {"a": 1}, 1, ()),
        ("male", {"a": 1, "b": 2}, 3, ()),
        ("male", {"a": 1, "b": DECLINED}, None, ("b",)),
        ("female", {"a": 1}, None, ("b",)),
        ("other", {"a": 1}, None, ("b",)),
        (None, {"a": 1}, None, ("b",)),
        (None, {"a": 1, "b": 0}, 1, ()),
    ],
)
def test_an_item_for_one_sex_may_be_left_out_by_the_other_alone(
    gender: str | None, given: Given, value: int | None, unanswered: tuple[str, ...]
) -> None:
    questions = [question("a"), question("b", applies_to="female")]
    instrument = build_instrument(questions, [total(["a", "b"], (0, 4))])
    report = score_answers(instrument, give(given), PatientFacts(gender=gender)).value
    assert (report.scores[0].value, report.unanswered) == (value, unanswered)
    assert report.scores[0].bounds == ((value, value) if value is not None else (1, 3))
    # Other engines cannot see the sex: their guard leaves the item out.
    assert ".count() = 1, " in instrument.scores[0].expression


@pytest.mark.parametrize(
    ("gender", "value", "positive"),
    [("male", 3, False), ("female", 3, True), (None, 3, None), ("other", 3, None), (None, 4, True), (None, 2, False)],
)
def test_with_the_sex_unknown_all_cut_offs_must_agree(gender: str | None, value: int, positive: bool | None) -> None:
    cutoffs = [cut_off(4, gender="male"), cut_off(3, gender="female")]
    made = score([question("a", range(6))], total(["a"], (0, 5), intervals=cutoffs), {"a": value}, gender=gender)
    assert made.positive is positive
    assert len(made.cutoffs) == (1 if gender in ("male", "female") else 2)


def test_blanks_counted_as_0_give_a_total_and_neither_a_negative_nor_a_low_range() -> None:
    questions = [question(name) for name in "abcd"]
    intervals = [cut_off(4), band(0, 3, "low range"), band(4, 8, "high range")]
    made = total(list("abcd"), (0, 8), intervals=intervals, extensions=[missing_rule("blank-counts-zero", 1)])
    filled = score(questions, made, {"a": 1, "b": 1, "c": 1})
    assert (filled.value, filled.bounds, filled.positive, filled.band) == (3, (3, 5), None, None)
    assert filled.missing_rule == "3 of 4 items, blanks counted as 0, rule of the author"
    sure = score(questions, made, {"a": 2, "b": 2, "c": 1})
    assert (sure.value, sure.positive, sure.band and sure.band.label) == (5, True, "high range")
    assert score(questions, made, {"a": 1, "b": 1}).value is None


def test_a_value_that_a_rule_filled_in_is_told_as_such() -> None:
    questions = [question(name) for name in "abc"]
    rule = missing_rule("mean-of-answered", 1, authors_own=False)
    instrument = build_instrument(questions, [total(list("abc"), (0, 6), extensions=[rule])])
    assert score_answers(instrument, give({"a": 1, "b": 2})).issues == ()
    prorated = score_answers(instrument, give({"a": 1, "b": 2}), prorate=True)
    assert [(issue.code, issue.severity) for issue in prorated.issues] == [("prorated", "information")]
    assert "rule of the author" in prorated.issues[0].text
    assert prorated.value.scores[0].value == 5


def test_a_risk_item_is_never_filled_in() -> None:
    questions = [question(name) for name in "abc"]
    for formula in ("mean-of-answered", "blank-counts-zero"):
        made = total(list("abc"), (0, 6), extensions=[missing_rule(formula, 1)])
        instrument = build_instrument(questions, [made], [action("c", 2)])
        assert score_answers(instrument, give({"a": 1, "b": 1})).value.scores[0].value is None
        assert score_answers(instrument, give({"a": 1, "c": 1})).value.scores[0].value is not None


@pytest.mark.parametrize(
    ("questions", "made", "said"),
    [
        ([question("a"), question("b")], total(["a", "b"], (0, 5)), "span"),
        ([question("a")], total(["a", "b"], (0, 4)), "does not exist"),
        ([question("a")], total(["a", "a"], (0, 4)), "twice"),
        ([question("a")], total(["a"], (0, 2), intervals=[cut_off(0)]), "outside"),
        ([question("a")], total(["a"], (0, 2), intervals=[cut_off(2, end="high")]), "outside"),
        ([question("a"), {**question("b"), "type": "string"}], level_result([[[asks("ab", [1])]]]), "no answer"),
        ([question("a")], level_result([[[asks("a", [3])]]]), "no answer"),
        ([question("a")], level_result([[[asks("a", [1], count=2)]]]), "never hold"),
        ([question("a"), question("b")], level_result([[[asks("ab", [1], count=2, or_unanswered=True)]]]), "one"),
        ([question("a")], level_result([[]]), "ranked"),
    ],
)
def test_a_score_that_cannot_be_meant_is_refused(questions: list[Any], made: Any, said: str) -> None:
    with pytest.raises(MalformedInstrument, match=said):
        build_instrument(questions, [made])


def test_each_expression_is_the_one_text_that_follows_from_the_items() -> None:
    def text(questions: list[Any], made: Any) -> str:
        return build_instrument(questions, [made]).scores[0].expression

    plain = [question("a"), question("b")]
    assert text(plain, total(["a", "b"], (0, 4))) == f"iif({WHERE}.count() = 2, {WHERE}.value.weight().sum(), {{}})"
    assert text(plain, total(["a", "b"], (0, 2), count_from=2)) == (
        f"iif({WHERE}.count() = 2, {WHERE}.value.weight().where($this >= 2).count(), {{}})"
    )
    assert text(plain, total(["a", "b"], (0, 8), factor=2)) == (
        f"iif({WHERE}.count() = 2, 2 * {WHERE}.value.weight().sum(), {{}})"
    )
    enabled = "%resource.item.where(linkId = 'g').answer.value.where(code = 'o1').exists()"
    asked = "%resource.item.where(linkId in ('g' | 'a' | 'b')).answer"
    low_of_one = [GATED[0], question("a", (1, 2), when=[("g", "=", 1)]), question("b", when=[("g", "=", 1)])]
    assert text(low_of_one, total(["a", "b"], (1, 4))) == (
        f"iif({asked}.count() + iif({enabled}, 0, 2) = 3, "
        f"{WHERE}.value.weight().combine(0).sum() + iif({enabled}, 0, 1), {{}})"
    )


@pytest.mark.parametrize(("right", "wrong"), [("= 2", "= 1"), ("sum()", "sum() + iif(true, 0, 1)"), ("'b'", "'c'")])
def test_another_text_is_refused_and_the_right_one_named(right: str, wrong: str) -> None:
    questions, made = [question("a"), question("b"), question("c")], total(["a", "b"], (0, 4))
    expected = made["expression"]
    text = expected.replace(right, wrong, 1)
    with pytest.raises(MalformedInstrument) as raised:
        parse_instrument(build_bundle(questions, [made], {"total": text}))
    assert raised.value.expression == "Questionnaire.item(total)"
    assert raised.value.problem.startswith("its expression should be iif(%resource")
