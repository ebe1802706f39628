"""Safety rule 3: incomplete is never negative, and can already be positive."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.instrument import Coding, Cutoff, Instrument
from fhir_mappings.scoring import PatientFacts, Score, score_answers
from tests.unit.fhir_mappings.factories import (
    DECLINED,
    INSTRUMENT_IDS,
    Given,
    answers_of,
    given_answers,
    instrument_of,
    phq9,
)

ANY_INSTRUMENT = st.sampled_from(INSTRUMENT_IDS).map(instrument_of)
ANY_CASE = ANY_INSTRUMENT.flatmap(lambda instrument: st.tuples(st.just(instrument), given_answers(instrument)))


def total(given: Sequence[Given], *, prorate: bool = False, patient: PatientFacts | None = None) -> Score:
    (score,) = score_answers(phq9(), answers_of(phq9(), given), patient or PatientFacts(), prorate=prorate).value.scores
    return score


def test_phq9_total_adds_up_nine_items_and_leaves_difficulty_out() -> None:
    score = total([2, 2, 3, 2, 0, 1, 2, 0, 1, 3])
    assert (score.value, score.bounds, score.positive) == (13, (13, 13), True)
    assert score.band is not None
    assert score.band.chart_label == "moderate range"


@pytest.mark.parametrize(
    ("given", "bounds", "positive"),
    [
        ([None, 3, 3, 3, 0, 0, 0, 0, 0], (9, 12), None),
        ([None, 3, 3, 3, 1, 0, 0, 0, 0], (10, 13), True),
        ([None, 3, 3, 0, 0, 0, 0, 0, 0], (6, 9), False),
        ([DECLINED, 3, 3, 1, 0, 0, 0, 0, 0], (7, 10), None),
        ([None] * 9, (0, 27), None),
    ],
)
def test_an_incomplete_phq9_has_no_total_and_screens_by_its_bounds(
    given: list[Given], bounds: tuple[int, int], positive: bool | None
) -> None:
    score = total(given)
    assert (score.value, score.band, score.bounds, score.positive) == (None, None, bounds, positive)


@given(ANY_CASE)
def test_bounds_hold_for_every_way_to_fill_in_what_is_missing(case: tuple[Instrument, dict[str, Answer]]) -> None:
    instrument, answers = case
    before = score_answers(instrument, answers).value.scores[0]
    missing = [
        item
        for item in instrument.items
        if item.scored and (item.link_id not in answers or answers[item.link_id].status is not AnswerStatus.ANSWERED)
    ]
    extremes = list(product((0, 3), repeat=min(len(missing), 6)))
    for choice in extremes:
        filled = dict(answers)
        # Beyond six missing items the rest takes the first choice: the corners still include all-low and all-high.
        for place, item in enumerate(missing):
            option = item.options[choice[place] if place < len(choice) else choice[0]]
            filled[item.link_id] = Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=option.coding)
        after = score_answers(instrument, filled).value.scores[0]
        assert after.value is not None
        assert before.bounds[0] <= after.value <= before.bounds[1]
        assert before.positive is None or after.positive is before.positive
    if missing:
        assert before.value is None


@given(ANY_CASE, st.booleans())
def test_prorating_never_decides_a_screen(case: tuple[Instrument, dict[str, Answer]], prorate: bool) -> None:
    instrument, answers = case
    (score,) = score_answers(instrument, answers, prorate=prorate).value.scores
    (plain,) = score_answers(instrument, answers).value.scores
    assert score.positive is plain.positive
    assert score.bounds == plain.bounds


def test_prorating_is_off_by_default_and_labelled_when_asked_for() -> None:
    given: list[Given] = [None, 3, 3, 3, 1, 0, 0, 0, 0]
    assert total(given).value is None
    score = total(given, prorate=True)
    assert score.value == 11  # 10 x 9 / 8 = 11.25
    assert score.missing_rule == "prorated from 8 of 9 items, rule of APA"


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ([None, None, 1, 1, 1, 1, 0, 0, 0], 5),  # 4 x 9 / 7 = 5.14
        ([None, 3, 1, 0, 0, 0, 0, 0, 0], 5),  # 4 x 9 / 8 = 4.5: a half is rounded up
        ([None, None, None, 1, 1, 1, 0, 0, 0], None),  # three missing
        ([3, 3, 3, 0, 0, 0, 0, 0, None], None),  # the risk item is missing: never inferred
        ([3, 3, 3, 0, 0, 0, 0, 0, DECLINED], None),
    ],
)
def test_prorating_keeps_to_its_rule(given: list[Given], value: int | None) -> None:
    assert total(given, prorate=True).value == value


def test_nothing_is_made_of_nothing_whatever_a_rule_allows() -> None:
    definition = phq9().scores[0]
    assert definition.missing_rule is not None
    rule = replace(definition.missing_rule, max_missing=9)
    quiet = tuple(replace(item, risk=False) for item in phq9().items)
    instrument = replace(
        phq9(),
        scores=(replace(definition, missing_rule=rule),),
        by_link_id={item.link_id: item for item in quiet},
    )
    (score,) = score_answers(instrument, {}, prorate=True).value.scores
    assert score.value is None


def test_the_authors_own_rule_needs_no_switch() -> None:
    definition = phq9().scores[0]
    assert definition.missing_rule is not None
    own = replace(definition, missing_rule=replace(definition.missing_rule, is_author=True, owner="the authors"))
    instrument = replace(phq9(), scores=(own,))
    (score,) = score_answers(instrument, answers_of(instrument, [None, 3, 3, 3, 1, 0, 0, 0, 0])).value.scores
    assert (score.value, score.missing_rule) == (11, "prorated from 8 of 9 items, rule of the authors")


def test_gad7_has_no_rule_to_prorate_by() -> None:
    answers = answers_of(instrument_of("gad-7"), [None, 3, 3, 3, 1, 0, 0])
    (score,) = score_answers(instrument_of("gad-7"), answers, prorate=True).value.scores
    assert score.value is None


def test_an_answer_that_is_no_option_counts_as_unanswered_and_is_reported() -> None:
    answers = answers_of(phq9(), [1] * 9)
    answers["phq9-2"] = replace(answers["phq9-2"], coding=Coding(system="http://loinc.org", code="LA6572-7"))
    answers["phq9-3"] = replace(answers["phq9-3"], coding=Coding(system="http://example.org", code="LA6569-3"))
    answers["phq9-4"] = replace(answers["phq9-4"], coding=None)
    mapped = score_answers(phq9(), answers)
    assert mapped.value.scores[0].value is None
    assert mapped.value.unanswered == ("phq9-2", "phq9-3", "phq9-4")
    assert [issue.code for issue in mapped.issues] == ["unknown-option"] * 3


def test_an_optional_item_does_not_make_a_result_incomplete() -> None:
    report = score_answers(phq9(), answers_of(phq9(), [1] * 9)).value
    assert report.complete
    assert report.unanswered == ()


def with_cutoffs(*cutoffs: Cutoff) -> Instrument:
    definition = phq9().scores[0]
    return replace(phq9(), scores=(replace(definition, cutoffs=cutoffs),))


def cutoff(points: int, **overrides: object) -> Cutoff:
    return replace(Cutoff(points=points, meaning="m", source="s", default=True), **overrides)  # type: ignore[arg-type]  # overrides are the test's own


BY_SEX = with_cutoffs(cutoff(10, gender="male"), cutoff(8, gender="female"))


@pytest.mark.parametrize(
    ("score", "gender", "positive"),
    [
        (9, "male", False),
        (9, "female", True),
        (9, None, None),
        (9, "unknown", None),
        (9, "other", None),
        (10, None, True),
        (7, None, False),
    ],
)
def test_with_sex_unknown_every_cutoff_must_agree(score: int, gender: str | None, positive: bool | None) -> None:
    given = (
        [3, 3, 3, 0, 0, 0, 0, 0, 0] if score == 9 else [score // 5] * 5 + [0] * 4 if score == 10 else [1] * 7 + [0, 0]
    )
    (result,) = score_answers(BY_SEX, answers_of(BY_SEX, given), PatientFacts(gender=gender)).value.scores
    assert result.positive is positive


@pytest.mark.parametrize(("or_fewer", "hardest"), [(False, 10), (True, 8)])
def test_of_several_cutoffs_the_one_that_is_hardest_to_meet_is_told(or_fewer: bool, hardest: int) -> None:
    several = (cutoff(10, gender="male", or_fewer=or_fewer), cutoff(8, gender="female", or_fewer=or_fewer))
    instrument = with_cutoffs(*several)
    (score,) = score_answers(instrument, answers_of(instrument, [1] * 9)).value.scores
    assert score.cutoff is not None
    assert score.cutoff.points == hardest


def test_a_cutoff_bound_to_an_age_decides_only_for_that_age() -> None:
    instrument = with_cutoffs(cutoff(11, age_min=13, age_max=17), cutoff(10, age_min=18))
    given = [2] * 5 + [0] * 4
    on = date(2026, 11, 23)
    for born, positive in ((date(2010, 1, 1), False), (date(1990, 1, 1), True), (None, None)):
        patient = PatientFacts(birth_date=born, on=on)
        (score,) = score_answers(instrument, answers_of(instrument, given), patient).value.scores
        assert score.positive is positive


def test_age_turns_on_the_birthday() -> None:
    born = date(2008, 11, 23)
    assert PatientFacts(birth_date=born, on=date(2026, 11, 22)).age == 17
    assert PatientFacts(birth_date=born, on=date(2026, 11, 23)).age == 18


def test_without_a_published_cutoff_nothing_is_positive_or_negative() -> None:
    instrument = with_cutoffs()
    (score,) = score_answers(instrument, answers_of(instrument, [3] * 9)).value.scores
    assert score.positive is None
    assert score.cutoff is None


@settings(max_examples=300)
@given(ANY_CASE)
def test_the_report_prints_as_the_command_line_promises(case: tuple[Instrument, dict[str, Answer]]) -> None:
    instrument, answers = case
    printed = score_answers(instrument, answers).value.to_json()
    assert list(printed) == ["instrument", "canonical", "complete", "scores", "alerts", "unanswered", "issues"]
    (score,) = printed["scores"]
    assert list(score) == ["id", "code", "value", "range", "bounds", "band", "positive"]
    assert (score["value"] is None) is (not printed["complete"])
    if score["value"] is not None:
        assert score["bounds"] == [score["value"]] * 2
