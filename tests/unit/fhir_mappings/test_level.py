"""A result that is a level: known only when nothing open could raise it, and never the lowest by default."""

from typing import Any

import pytest

from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import Coding
from fhir_mappings.risk import RiskKind, find_action, find_advice, find_risk
from fhir_mappings.scoring import PatientFacts, Score, score_answers
from tests.unit.fhir_mappings.factories import signed_result
from tests.unit.fhir_mappings.synthetic import (
    DECLINED,
    Given,
    action,
    asks,
    build_instrument,
    give,
    level_result,
    question,
    total,
)

YES = [1]
# a or b: level 1; c: level 2; d, asked after c, or left open then: level 3.
LEVELS = [
    [[asks("ab", YES)]],
    [[asks("c", YES)]],
    [[asks("d", YES, or_unanswered=True)]],
]
QUESTIONS = [question(name, (0, 1)) for name in "abc"] + [question("d", (0, 1), when=[("c", "=", 1)])]


def triage(*actions: Any, **options: Any) -> Instrument:
    return build_instrument(QUESTIONS, [level_result(LEVELS, **options)], actions)


def level(given: Given, *, handed_in: bool = True, **options: Any) -> Score:
    return score_answers(triage(**options), give(given), handed_in=handed_in).value.scores[0]


@pytest.mark.parametrize(
    ("given", "value", "bounds", "label"),
    [
        ({"a": 0, "b": 0, "c": 0}, 0, (0, 0), "level 0"),
        ({"a": 1, "b": 0, "c": 0}, 1, (1, 1), "level 1"),
        ({"a": 1, "c": 0}, 1, (1, 1), "level 1"),
        ({"a": 0, "b": 0, "c": 1, "d": 0}, 2, (2, 2), "level 2"),
        ({"c": 1, "d": 1}, 3, (3, 3), "level 3"),
        ({"a": 0, "b": 0, "c": 1}, 3, (3, 3), "level 3"),
        ({"a": 0, "b": 0, "c": 1, "d": DECLINED}, 3, (3, 3), "level 3"),
        ({"a": 1}, None, (1, 3), "at least level 1, incomplete"),
        ({"a": 1, "b": 0, "c": DECLINED}, None, (1, 3), "at least level 1, incomplete"),
        ({"a": 0, "b": 0}, None, (0, 3), None),
        ({"a": 0, "c": 0}, None, (0, 1), None),
        ({}, None, (0, 3), None),
    ],
)
def test_a_level_is_known_only_when_nothing_open_could_raise_it(
    given: Given, value: int | None, bounds: tuple[int, int], label: str | None
) -> None:
    found = level(given)
    assert (found.value, found.bounds, found.band and found.band.label) == (value, bounds, label)
    assert found.positive is (True if bounds[0] else False if bounds[1] == 0 else None)


def test_a_blank_is_the_authors_answer_only_once_the_form_is_handed_in() -> None:
    assert level({"a": 0, "b": 0, "c": 1}, handed_in=False).bounds == (2, 3)
    assert level({"a": 0, "b": 0, "c": 1, "d": DECLINED}, handed_in=False).value == 3


def test_the_words_for_an_open_level_are_those_stated_for_it() -> None:
    found = level({"a": 1}, open_level=(1, 3))
    assert found.value is None
    assert found.to_json()["band"] == {"label": "open", "min": 1, "max": 3}
    assert level({"a": 0, "b": 0, "c": 1}, open_level=(1, 3), handed_in=False).to_json()["band"] == {
        "label": "at least level 2, incomplete",
        "min": 2,
        "max": 3,
    }


def test_an_answer_to_what_is_not_asked_leaves_the_level_not_known_and_is_flagged_all_the_same() -> None:
    instrument = triage(action("d", 1, level_of="result", level="level 3"))
    for given, bounds in (({"a": 0, "b": 0, "c": 0, "d": 1}, (0, 3)), ({"a": 0, "b": 0, "d": 1}, (0, 3))):
        report = score_answers(instrument, give(given)).value
        assert (report.scores[0].value, report.scores[0].positive, report.scores[0].bounds) == (None, None, bounds)
        assert [(flag.link_id, flag.level) for flag in report.alerts] == [("d", "level 3")]


def test_an_answer_to_what_a_blank_enables_counts_at_hand_in_though_the_blank_may_still_be_filled() -> None:
    questions = [question("c", (0, 1)), question("d", (0, 1), when=[("c", "exists", False), ("c", "=", 1)])]
    instrument = build_instrument(questions, [level_result([[[asks("d", YES)]]])])
    assert score_answers(instrument, give({"d": 1})).value.scores[0].value == 1
    assert score_answers(instrument, give({"d": 1}), handed_in=False).value.scores[0].bounds == (0, 1)


def test_an_answer_that_is_none_of_the_options_is_open_and_told() -> None:
    answers = give({"a": 0, "b": 0})
    for coding in (Coding(system="urn:other", code="o0", display=None), None):
        answers["c"] = Answer(link_id="c", status=AnswerStatus.ANSWERED, coding=coding)
        mapped = score_answers(triage(), answers)
        assert mapped.value.scores[0].bounds == (0, 3)
        assert [issue.code for issue in mapped.issues] == ["unknown-option"]
        assert mapped.value.unanswered == ("c",)


def test_a_level_can_ask_for_several_items_and_for_several_things_at_once() -> None:
    questions = [question(name, (0, 1)) for name in "abcd"]
    both = [asks("abc", YES, count=2), asks("d", YES)]
    instrument = build_instrument(questions, [level_result([[both]])])

    def bounds(given: Given) -> tuple[Any, Any]:
        return score_answers(instrument, give(given)).value.scores[0].bounds

    assert bounds({"a": 1, "b": 1, "d": 1}) == (1, 1)
    assert bounds({"a": 1, "b": 0, "c": 0}) == (0, 0)
    assert bounds({"d": 0}) == (0, 0)
    assert bounds({"a": 1, "b": 0, "d": 1}) == (0, 1)


def test_flags_tell_the_level_that_the_answers_make_so_far_and_its_published_action() -> None:
    rules = [action(name, 1, level_of="result", level="level 1") for name in "abcd"]
    instrument = triage(*rules, open_level=(1, 3))

    def flags(given: Given, *, handed_in: bool = False) -> list[tuple[str, str, str]]:
        return [
            (flag.link_id, flag.level, flag.action) for flag in find_risk(instrument, give(given), handed_in=handed_in)
        ]

    assert flags({"a": 1}) == [("a", "open", "act as on the highest")]
    assert flags({"a": 1, "c": 0}) == [("a", "level 1", "act on level 1")]
    assert flags({"c": 1}) == [("c", "level 3", "act on level 3")]
    assert flags({"a": 1, "c": 1, "d": 0}) == [
        ("a", "level 2", "act on level 2"),
        ("c", "level 2", "act on level 2"),
    ]
    assert flags({"a": 0, "b": 0, "c": 0}, handed_in=True) == []
    assert flags({"a": 1, "b": DECLINED, "c": 0}, handed_in=True) == [
        ("a", "level 1", "act on level 1"),
        ("b", "risk not known: level 1", "act on level 1"),
    ]
    assert flags({"a": 0, "b": DECLINED, "c": 0}, handed_in=True) == [("b", "risk not known", "look into it")]


@pytest.mark.parametrize(
    ("told", "published"),
    [
        ("level 2", "act on level 2"),
        ("at least level 1, incomplete", "act on level 1"),
        ("open", "act as on the highest"),
        ("risk not known: open", "act as on the highest"),
        ("risk not known", "look into it"),
        ("serious", "look into it"),
    ],
)
def test_what_is_published_for_a_told_level_can_be_found_again(told: str, published: str) -> None:
    instrument = triage(action("a", 1, level_of="result"), action("b", 1), open_level=(1, 3))
    levelled, plain = instrument.risk_rules
    assert find_action(instrument, levelled, told) == published
    assert find_action(instrument, plain, told) == "look into it"


def test_a_flag_never_tells_less_than_its_rule() -> None:
    instrument = triage(action("d", 1, level_of="result", level="level 3"))
    (flag,) = find_risk(instrument, give({"a": 1, "b": 0, "c": 0, "d": 1}), handed_in=True)
    assert (flag.kind, flag.level, flag.action) == (RiskKind.RISK_ANSWER, "level 3", "look into it")


def test_advice_is_told_and_is_no_alert() -> None:
    instrument = build_instrument(
        [question("a"), question("b")], [total("ab", (0, 4))], [action("b", 2, kind="advice")]
    )
    assert not instrument.asks_about_suicide
    assert [rule.link_id for rule in find_advice(instrument, give({"a": 2, "b": 2}))] == ["b"]
    assert find_advice(instrument, give({"a": 2, "b": 1})) == ()
    assert find_advice(instrument, give({"b": DECLINED})) == ()
    report = score_answers(instrument, give({"a": 2, "b": 2}), PatientFacts()).value
    assert report.alerts == ()
    assert signed_result(instrument, give({"a": 2, "b": 2})).report == report
