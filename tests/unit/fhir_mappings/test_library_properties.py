"""What must hold of every instrument of the library, whatever was answered: safety rule 3 as properties.

Incomplete is never negative, and can already be positive: an answer more never turns a screen around, and the final
score lies within the bounds told before. Instruments without text score the same way as those with it.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mappings.answers import Answer, Answers, AnswerStatus, is_enabled, keep_enabled
from fhir_mappings.instrument import Instrument, Item
from fhir_mappings.response import parse_response
from fhir_mappings.score_definition import ScoreKind
from fhir_mappings.scores import PatientFacts, ScoreReport
from fhir_mappings.scoring import score_answers
from tests.golden.golden_cases import INSTRUMENT_FILES
from tests.unit.fhir_mappings.factories import instrument_of

NAMES = [path.stem for path in INSTRUMENT_FILES]
GENDERS = st.sampled_from([None, "male", "female", "other"])


@pytest.mark.parametrize("name", NAMES)
def test_every_score_that_ships_is_native(name: str) -> None:
    assert all(score.kind is not ScoreKind.EXPRESSION for score in instrument_of(name).scores)


def one_answer(item: Item, status: AnswerStatus, place: int) -> Answer:
    coding = item.options[place % len(item.options)].coding if status is AnswerStatus.ANSWERED else None
    return Answer(link_id=item.link_id, status=status, coding=coding)


@st.composite
def some_answers(draw: st.DrawFn, instrument: Instrument) -> Answers:
    """Any answers that a form can hold: to items that are asked only; most are answered, some declined, some open."""
    answers: dict[str, Answer] = {}
    for item in instrument.items:
        drawn = draw(st.integers(min_value=-3, max_value=2 * len(item.options) - 1))
        if item.options and drawn >= -1 and is_enabled(item, answers):
            status = AnswerStatus.DECLINED if drawn == -1 else AnswerStatus.ANSWERED
            answers[item.link_id] = one_answer(item, status, drawn)
    return answers


def fill_in(instrument: Instrument, start: Answers, random: Random, *, declined_too: bool) -> Answers:
    """The same answers and one to every item that is asked and was not reached; `declined_too`: to those as well."""
    end: dict[str, Answer] = {}
    for item in instrument.items:
        if not item.options or not is_enabled(item, end):
            continue
        known = start.get(item.link_id)
        if known is not None and (known.status is AnswerStatus.ANSWERED or not declined_too):
            end[item.link_id] = known
        else:
            place = random.choice((0, -1, random.randrange(len(item.options))))
            end[item.link_id] = one_answer(item, AnswerStatus.ANSWERED, place)
    return end


def report_of(
    instrument: Instrument, answers: Answers, gender: str | None = None, *, handed_in: bool = True
) -> ScoreReport:
    return score_answers(instrument, answers, PatientFacts(gender=gender), handed_in=handed_in).value


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60)
@given(data=st.data(), gender=GENDERS, random=st.randoms(use_true_random=False))
def test_filling_in_never_turns_a_screen_around_and_ends_within_the_bounds(
    name: str, data: st.DataObject, gender: str | None, random: Random
) -> None:
    instrument = instrument_of(name)
    start = data.draw(some_answers(instrument))
    # A triage instrument reads a refusal as an answer: there it stays. Elsewhere it may be asked again.
    reads_refusals = any(score.levels for score in instrument.scores)
    end = fill_in(instrument, start, random, declined_too=not reads_refusals)
    # What a level makes of a blank at hand-in (ASQ: as a Yes) is for a finished form.
    before, after = (report_of(instrument, answers, gender, handed_in=False) for answers in (start, end))
    for early, final in zip(before.scores, after.scores, strict=True):
        assert early.range[0] <= early.bounds[0] <= final.bounds[0] <= final.bounds[1] <= early.bounds[1]
        assert early.bounds[1] <= early.range[1]
        assert early.positive is None or final.positive is early.positive
        if not reads_refusals:
            assert after.complete
            assert final.bounds == (final.value, final.value)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data(), gender=GENDERS)
def test_what_was_declined_counts_like_what_was_not_reached_in_every_score(
    name: str, data: st.DataObject, gender: str | None
) -> None:
    instrument = instrument_of(name)
    # Whom an item need not apply to may leave it out; that they decline it leaves it open.
    optional = {item.link_id for item in instrument.items if item.applies_to is not None}
    answers = {i: a for i, a in data.draw(some_answers(instrument)).items() if a.coding or i not in optional}
    answered = {link_id: a for link_id, a in answers.items() if a.status is AnswerStatus.ANSWERED}
    one, other = (report_of(instrument, each, gender, handed_in=True) for each in (answers, answered))
    assert (one.scores, one.unanswered, one.complete) == (other.scores, other.unanswered, other.complete)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_a_negative_stands_whatever_the_answer_to_an_open_item_is(name: str, data: st.DataObject) -> None:
    instrument = instrument_of(name)
    answers = data.draw(some_answers(instrument))
    report = report_of(instrument, answers)
    negative = {score.id for score in report.scores if score.positive is False}
    for item in instrument.items:
        if item.link_id not in report.unanswered:
            continue
        for place in range(len(item.options)):
            filled = {**answers, item.link_id: one_answer(item, AnswerStatus.ANSWERED, place)}
            again = report_of(instrument, keep_enabled(instrument.items, filled))
            assert {score.id for score in again.scores if score.positive is not False}.isdisjoint(negative)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_neither_the_order_of_items_nor_groups_around_them_change_anything(name: str, data: st.DataObject) -> None:
    instrument = instrument_of(name)
    answers = data.draw(some_answers(instrument))
    entries = [entry(answer) for answer in answers.values()]
    shuffled = data.draw(st.permutations(entries))
    expected = report_of(instrument, answers)
    for items in (entries, shuffled, [{"linkId": "group", "item": shuffled}]):
        parsed = parse_response(response(instrument, items), instrument)
        assert report_of(instrument, parsed.value.answers) == expected


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_a_risk_item_is_flagged_whatever_else_was_answered_and_never_silent_when_open(
    name: str, data: st.DataObject
) -> None:
    instrument = instrument_of(name)
    answers = data.draw(some_answers(instrument))
    flagged = {flag.link_id for flag in report_of(instrument, answers).alerts}
    for rule in instrument.risk_rules:
        item, answer = instrument.get_item(rule.link_id), answers.get(rule.link_id)
        if answer is None or answer.coding is None:
            assert (rule.link_id in flagged) is is_enabled(item, answers)
            continue
        option = item.by_code[answer.coding.code]
        at_least = rule.at_least is not None and option.weight is not None and option.weight >= rule.at_least
        assert (rule.link_id in flagged) is (at_least or option.coding.code in rule.codes)


def entry(answer: Answer) -> dict[str, Any]:
    if answer.coding is not None:
        return {"linkId": answer.link_id, "answer": [{"valueCoding": answer.coding.to_json()}]}
    url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    return {"linkId": answer.link_id, "extension": [{"url": url, "valueCode": "asked-declined"}]}


def response(instrument: Instrument, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": instrument.canonical,
        "status": "completed",
        "item": entries,
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_response_is_never_complete(name: str) -> None:
    report = score_answers(instrument_of(name), {}).value
    assert not report.complete
    assert report.unanswered
