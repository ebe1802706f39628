"""LHC-Forms and fhirpath.js give the scores and item Observations that we give, on random answers to every instrument.

Neither engine is ours (npm lforms in jsdom, npm fhirpath; pinned in tests/conformance/node). fhirpathpy, by which we
score expressions of other forms, is compared on a part of the same answers. Where ours knows less or
more than the score's expression says, a row of oracles/differences.json names the published rule; a difference
without row fails, and so does a row that no difference needs.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from fhir_mappings.instrument import Instrument, Option, parse_instrument
from fhir_mappings.systems import CALCULATED_EXPRESSION, ITEM_WEIGHT, ORDINAL_VALUE
from tests.conformance.oracles.answer_sets import make_answer_sets
from tests.conformance.oracles.comparison import ROWS, Compared, Difference, all_answers, compare, walk
from tests.conformance.oracles.resident import Oracles, missing_prerequisite
from tests.golden.golden_cases import INSTRUMENT_FILES

SETS = 200
REASON = missing_prerequisite()
pytestmark = [pytest.mark.node, pytest.mark.skipif(REASON is not None, reason=f"oracles: {REASON}")]
INSTRUMENTS: dict[str, Instrument] = {path.stem: parse_instrument(path.read_bytes()) for path in INSTRUMENT_FILES}
WEIGHED = [name for name, one in INSTRUMENTS.items() if any(not score.levels for score in one.scores)]
LEVELS = [name for name, one in INSTRUMENTS.items() if any(score.levels for score in one.scores)]
DIFFERENCES: list[dict[str, str]] = json.loads(ROWS.read_text())


@pytest.fixture(scope="module")
def oracles() -> Iterator[Oracles]:
    with Oracles() as running:
        yield running


@pytest.fixture(scope="module")
def compared(oracles: Oracles) -> Callable[[str, bool], list[Compared]]:
    """Compare an instrument on its complete or its incomplete sets, once for all tests."""

    @cache
    def run(instrument_id: str, complete: bool) -> list[Compared]:
        instrument = INSTRUMENTS[instrument_id]
        return compare(oracles, instrument, make_answer_sets(instrument, SETS, complete=complete))

    return run


def explains(row: dict[str, str], instrument_id: str, difference: Difference) -> bool:
    """Whether a row speaks of this difference: that score, known to the one and not known to the other."""
    return (
        difference.score is not None
        and (row["instrument"], row["score"]) == (instrument_id, difference.about)
        and row["ours"] == ("unknown" if difference.ours is None else "known")
        and row["theirs"] == ("unknown" if difference.theirs is None else "known")
        and row["ours"] != row["theirs"]
    )


@pytest.mark.parametrize("instrument_id", INSTRUMENTS)
def test_complete_answers_give_the_same_scores_and_observations(
    compared: Callable[[str, bool], list[Compared]], instrument_id: str
) -> None:
    found = compared(instrument_id, True)
    assert len(found) == SETS
    assert [one.differences for one in found if one.differences] == []
    for one in found:
        assert one.outcome.report.complete
        assert set(one.outcome.issues) <= {"disabled-item"}


@pytest.mark.parametrize("instrument_id", INSTRUMENTS)
def test_incomplete_answers_differ_only_by_a_published_rule(
    compared: Callable[[str, bool], list[Compared]], instrument_id: str
) -> None:
    found = compared(instrument_id, False)
    assert len(found) == SETS
    unexplained = [
        difference
        for one in found
        for difference in one.differences
        if not any(explains(row, instrument_id, difference) for row in DIFFERENCES)
    ]
    assert unexplained == []


def test_each_row_of_the_table_is_needed_and_its_rule_gives_what_ours_gives(
    oracles: Oracles, compared: Callable[[str, bool], list[Compared]]
) -> None:
    for row in DIFFERENCES:
        instrument_id = row["instrument"]
        explained = [
            (one, difference.ours)
            for one in compared(instrument_id, False)
            for difference in one.differences
            if explains(row, instrument_id, difference)
        ]
        assert explained, row
        assert row["rule"]
        assert row["source"]
        expressions: dict[str, str] = {name: row[name] for name in ("holds", "value") if name in row}
        assert ("value" in row) is (row["ours"] == "known")
        responses = [one.response for one, _ in explained]
        found = oracles.evaluate(INSTRUMENTS[instrument_id].questionnaire, expressions, responses).results
        for (_, ours), result in zip(explained, found, strict=True):
            assert result["holds"] == [True], row
            assert result.get("value", []) == ([] if ours is None else [ours]), row


@pytest.mark.parametrize("instrument_id", INSTRUMENTS)
def test_the_answer_sets_reach_every_option_and_both_ends_of_every_score(
    compared: Callable[[str, bool], list[Compared]], instrument_id: str
) -> None:
    instrument = INSTRUMENTS[instrument_id]
    found = compared(instrument_id, True)
    chosen = {
        (link_id, given.coding.code)
        for one in found
        for link_id, given in one.answer_set.given.items()
        if isinstance(given, Option)
    }
    assert chosen == {(item.link_id, option.coding.code) for item in instrument.items for option in item.options}
    for number, definition in enumerate(instrument.scores):
        scores = [one.outcome.report.scores[number] for one in found]
        values = [score.value for score in scores if score.value is not None]
        assert len(values) == SETS
        assert {min(values), max(values)} == set(definition.range)


def test_a_form_kept_open_gives_what_a_form_opened_anew_gives(oracles: Oracles) -> None:
    for instrument in INSTRUMENTS.values():
        answers = [all_answers(one) for one in make_answer_sets(instrument, 4, complete=False)]
        kept, fresh = (
            [
                (
                    [(item["linkId"], item.get("answer")) for item in result["response"].get("item", ())],
                    [(observation["code"], observation.get("valueQuantity")) for observation in result["observations"]],
                )
                for result in oracles.fill_in(instrument.questionnaire, answers, fresh=fresh).results
            ]
            for fresh in (False, True)
        )
        assert kept == fresh


# What the engines are given is broken, ours is not: each fault must show as a difference. -----------------------------


def scored_options(questionnaire: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (item["linkId"], option)
        for item in walk(questionnaire)
        for option in item.get("answerOption", ())
        if any(extension["url"] == ITEM_WEIGHT for extension in option.get("extension", ()))
    ]


def add_a_point(option: dict[str, Any]) -> None:
    for element in (option, option["valueCoding"]):
        for extension in element["extension"]:
            if extension["url"] in (ITEM_WEIGHT, ORDINAL_VALUE):
                extension["valueDecimal"] += 1


@pytest.mark.parametrize("instrument_id", WEIGHED)
def test_a_wrong_weight_is_found(oracles: Oracles, instrument_id: str) -> None:
    instrument = INSTRUMENTS[instrument_id]
    whole = make_answer_sets(instrument, SETS, complete=True)
    count = len(scored_options(instrument.questionnaire))
    for number in {1, count // 2, count - 1}:
        broken = deepcopy(instrument.questionnaire)
        link_id, option = scored_options(broken)[number]
        add_a_point(option)
        code = option["valueCoding"]["code"]
        given = ((one, one.given.get(link_id)) for one in whole)
        chosen = [one for one, answer in given if isinstance(answer, Option) and answer.coding.code == code][:4]
        assert {
            difference.engine
            for one in compare(oracles, instrument, chosen, questionnaire=broken)
            for difference in one.differences
        } == {"LHC-Forms", "fhirpath.js"}


@pytest.mark.parametrize("instrument_id", LEVELS)
def test_a_level_by_the_wrong_answer_is_found(oracles: Oracles, instrument_id: str) -> None:
    instrument = INSTRUMENTS[instrument_id]
    broken = deepcopy(instrument.questionnaire)
    swap_yes_and_no(broken)
    chosen = make_answer_sets(instrument, 40, complete=True)
    assert {
        difference.engine
        for one in compare(oracles, instrument, chosen, questionnaire=broken)
        for difference in one.differences
    } >= {"LHC-Forms", "fhirpath.js"}


def swap_yes_and_no(questionnaire: dict[str, Any]) -> None:
    for item in walk(questionnaire):
        for extension in item.get("extension", ()):
            if extension["url"] == CALCULATED_EXPRESSION:
                expression = extension["valueExpression"]["expression"]
                extension["valueExpression"]["expression"] = expression.replace("LA33-6", "LA32-8")


def change_item_code(item: dict[str, Any]) -> None:
    item["code"][0]["code"] = "44250-8"


def change_option_codes(item: dict[str, Any]) -> None:
    first, second = (option["valueCoding"] for option in item["answerOption"][:2])
    first["code"], second["code"] = second["code"], first["code"]
    first["extension"], second["extension"] = second["extension"], first["extension"]


def extract_nothing(item: dict[str, Any]) -> None:
    item["extension"] = [extension for extension in item["extension"] if "Extract" not in extension["url"]]


def enable_always(item: dict[str, Any]) -> None:
    item.pop("enableWhen", None)
    item.pop("enableBehavior", None)


def leave_out_an_item(item: dict[str, Any]) -> None:
    for extension in item["extension"]:
        if extension["url"] == CALCULATED_EXPRESSION:
            expression = extension["valueExpression"]["expression"]
            extension["valueExpression"]["expression"] = expression.replace("'phq9-4' | ", "").replace("= 9", "= 8")


@pytest.mark.parametrize(
    ("link_id", "fault", "about"),
    [
        ("phq9-1", change_item_code, {"item Observations"}),
        ("phq9-2", change_option_codes, {"phq-9-total"}),
        ("phq9-3", extract_nothing, {"item Observations"}),
        ("phq9-10", enable_always, {"answers that count", "item Observations"}),
        ("phq9-total", leave_out_an_item, {"phq-9-total"}),
    ],
)
def test_another_fault_is_found(
    oracles: Oracles, link_id: str, fault: Callable[[dict[str, Any]], None], about: set[str]
) -> None:
    instrument = INSTRUMENTS["phq-9"]
    broken = deepcopy(instrument.questionnaire)
    fault(next(item for item in walk(broken) if item["linkId"] == link_id))
    sets = make_answer_sets(instrument, 150, complete=False)
    found = {
        difference.about
        for one in compare(oracles, instrument, sets, questionnaire=broken)
        for difference in one.differences
    }
    assert found == about
