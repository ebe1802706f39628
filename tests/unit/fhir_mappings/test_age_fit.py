"""Outside the validated age a total stands alone (docs/adr/0013); what is published for that age decides."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.age_fit import judge_value, limit_to_age
from fhir_mappings.answers import Answer
from fhir_mappings.instrument import Instrument
from fhir_mappings.scores import PatientFacts, Score
from fhir_mappings.scoring import score_answers
from fhir_mappings.wording import describe_score
from tests.golden.golden_cases import INSTRUMENT_FILES, load_instrument
from tests.unit.fhir_mappings.factories import DECLINED, Given, answers_of, phq9

INSTRUMENTS = {path.stem: load_instrument(path.stem) for path in INSTRUMENT_FILES}
ON = date(2026, 11, 24)


def at_age(age: int | None, gender: str = "female") -> PatientFacts:
    return PatientFacts(gender=gender, birth_date=None if age is None else date(ON.year - age, 1, 1), on=ON)


def limited(age: int | None, *weights: int | None) -> Score:
    report = score_answers(phq9(), answers_of(phq9(), weights), at_age(age)).value
    return limit_to_age(phq9(), report, at_age(age)).scores[0]


@pytest.mark.parametrize("age", [18, 40, 99])
def test_at_a_validated_age_nothing_is_taken_out(age: int) -> None:
    report = score_answers(phq9(), answers_of(phq9(), [1] * 10), at_age(age)).value
    assert limit_to_age(phq9(), report, at_age(age)) is report


def test_without_a_patient_nothing_is_asked_about_age() -> None:
    report = score_answers(phq9(), answers_of(phq9(), [1] * 10)).value
    assert limit_to_age(phq9(), report, PatientFacts()) is report


@pytest.mark.parametrize("age", [12, None])
def test_outside_it_the_total_stands_without_range_or_screen(age: int | None) -> None:
    score = limited(age, *[2] * 9)
    assert (score.value, score.bounds, score.band, score.positive, score.cutoff) == (18, (18, 18), None, None, None)
    assert describe_score(phq9().scores[0], score) == ("Total 18 of 27; range and cut-off not established at this age.")


@pytest.mark.parametrize(("weights", "positive"), [((2, 2, 2, 2, 2, 1), True), ((2, 2, 2, 2, 2, 0), False)])
def test_a_cutoff_published_for_that_age_decides_and_names_its_ages(weights: tuple[int, ...], positive: bool) -> None:
    score = limited(15, *weights, *[0] * (9 - len(weights)))
    assert score.positive is positive
    assert score.cutoff is not None
    assert (score.cutoff.points, score.band) == (11, None)
    assert "range not established at this age" in describe_score(phq9().scores[0], score)
    assert "cut-off of 11 for ages 13 to 17" in describe_score(phq9().scores[0], score)


def test_an_incomplete_result_is_decided_on_its_bounds_at_that_age_too() -> None:
    assert limited(15, *[2] * 6, None, None, 0).positive is True
    assert limited(15, *[2] * 4, None, None, 0, 0, 0).positive is None
    assert limited(15, *[0] * 8, None).positive is False


def test_a_prorated_value_of_the_chart_is_not_screened_by_a_cutoff_of_that_age_either() -> None:
    definition = phq9().scores[0]
    assert judge_value(phq9(), definition, 20, at_age(15)).positive is True
    for age in (15, 40):
        score = judge_value(phq9(), definition, 20, at_age(age), prorated=True)
        assert (score.value, score.positive, score.missing_rule) == (20, None, "prorated")


def answers_from(instrument: Instrument, places: list[int]) -> dict[str, Answer]:
    """An answer to each item by its place, -1 for declined, -2 for not reached."""
    given: list[Given] = []
    for item, place in zip(instrument.items, places, strict=False):
        reached = place != -2 and item.options
        given.append(None if not reached else DECLINED if place == -1 else place % len(item.options))
    return answers_of(instrument, given)


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
@given(places=st.lists(st.integers(-2, 9), min_size=25, max_size=25), age=st.one_of(st.none(), st.integers(0, 110)))
def test_no_instrument_says_negative_or_a_range_outside_its_ages(name: str, places: list[int], age: int | None) -> None:
    instrument = INSTRUMENTS[name]
    told = score_answers(instrument, answers_from(instrument, places), at_age(age)).value
    report = limit_to_age(instrument, told, at_age(age))
    assert report.alerts == told.alerts
    if instrument.fits_age(age):
        return
    for definition, score, before in zip(instrument.scores, report.scores, told.scores, strict=True):
        assert score.bounds == before.bounds
        assert definition.levels or score.value == before.value
        for_ages = score.cutoff is not None and (score.cutoff.age_min, score.cutoff.age_max) != (None, None)
        if definition.levels:
            stands = before.positive and instrument.asks_about_suicide
            assert (score.value, score.positive) == ((before.value, True) if stands else (None, None))
        else:
            assert score.band is None
            assert score.positive is None or for_ages


@pytest.mark.parametrize(("yes", "value"), [(True, 1), (False, None)])
def test_a_positive_level_of_suicide_risk_stands_at_any_age_and_a_negative_one_does_not(
    yes: bool, value: int | None
) -> None:
    asq = INSTRUMENTS["asq"]
    answers = answers_of(asq, [0 if yes else 1, 1, 1, 1, 1])
    report = limit_to_age(asq, score_answers(asq, answers, at_age(6)).value, at_age(6))
    (score,) = report.scores
    assert (score.value, score.positive, score.band is not None) == (value, True if yes else None, yes)


def test_a_level_of_anything_else_is_left_out_outside_its_ages() -> None:
    mdq = INSTRUMENTS["mdq"]
    answers = answers_of(mdq, [0 if len(item.options) == 2 else len(item.options) - 1 for item in mdq.items])
    told = score_answers(mdq, answers, at_age(15)).value
    (before,) = [score for score in told.scores if score.is_level]
    (after,) = [score for score in limit_to_age(mdq, told, at_age(15)).scores if score.is_level]
    assert before.positive is True
    assert (after.value, after.band, after.positive, after.established) == (None, None, None, False)
