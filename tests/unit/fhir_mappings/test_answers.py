"""When an item is enabled, and who answered it, at the edges."""

from dataclasses import replace
from typing import Any

import pytest

from fhir_mappings.administration import Informant, find_administration
from fhir_mappings.answers import is_enabled
from fhir_mappings.element import Element
from fhir_mappings.errors import MalformedResource
from fhir_mappings.instrument import EnableWhen, Item, Operator
from fhir_mappings.questionnaire_response import build_response
from tests.unit.fhir_mappings.factories import (
    DECLINED,
    INSTRUMENT_IDS,
    Given,
    administration,
    answers_of,
    instrument_of,
    phq9,
    signed_result,
)

DIFFICULTY = phq9().get_item("phq9-10")
SEVERAL_DAYS = phq9().get_item("phq9-1").options[1].coding


@pytest.mark.parametrize("name", INSTRUMENT_IDS)
@pytest.mark.parametrize("weight", [1, 2, 3])
def test_difficulty_is_asked_once_any_problem_is_checked_off(name: str, weight: int) -> None:
    *scored, difficulty = instrument_of(name).items
    for place in range(len(scored)):
        given: list[Given] = [0] * len(scored)
        given[place] = weight
        assert is_enabled(difficulty, answers_of(instrument_of(name), given))


@pytest.mark.parametrize("given", [[], [0] * 9, [DECLINED] * 9, [0] * 9 + [3]])
def test_difficulty_is_not_asked_without_a_problem_and_does_not_enable_itself(given: list[Given]) -> None:
    assert not is_enabled(DIFFICULTY, answers_of(phq9(), given))


def gated(*conditions: EnableWhen, any_: bool = True) -> Item:
    return replace(DIFFICULTY, enable_when=conditions, enable_any=any_)


def when(link_id: str, operator: Operator, answer: Any) -> EnableWhen:
    return EnableWhen(link_id=link_id, operator=operator, answer=answer)


@pytest.mark.parametrize(
    ("operator", "answer", "given", "enabled"),
    [
        (Operator.EXISTS, True, 0, True),
        (Operator.EXISTS, True, DECLINED, False),
        (Operator.EXISTS, True, None, False),
        (Operator.EXISTS, False, None, True),
        (Operator.EXISTS, False, 0, False),
        (Operator.EQUAL, SEVERAL_DAYS, 1, True),
        (Operator.EQUAL, SEVERAL_DAYS, 2, False),
        (Operator.NOT_EQUAL, SEVERAL_DAYS, 2, True),
        (Operator.NOT_EQUAL, SEVERAL_DAYS, 1, False),
        (Operator.NOT_EQUAL, SEVERAL_DAYS, None, False),
    ],
)
def test_each_operator_on_each_kind_of_answer(operator: Operator, answer: Any, given: Given, enabled: bool) -> None:
    assert is_enabled(gated(when("phq9-1", operator, answer)), answers_of(phq9(), [given])) is enabled


def test_all_needs_every_condition_and_any_needs_one() -> None:
    conditions = (when("phq9-1", Operator.EXISTS, True), when("phq9-2", Operator.EXISTS, True))
    one = answers_of(phq9(), [0])
    assert is_enabled(gated(*conditions), one)
    assert not is_enabled(gated(*conditions, any_=False), one)
    assert is_enabled(gated(*conditions, any_=False), answers_of(phq9(), [0, 0]))


def written(**overrides: Any) -> dict[str, Any]:
    signed = signed_result(phq9(), {})
    return build_response(
        phq9(),
        {},
        status="completed",
        subject=signed.patient.party,
        encounter=None,
        administration=administration(**overrides),
    )


@pytest.mark.parametrize(
    "fault",
    [
        lambda r: r["extension"][1]["extension"][0].update(valueCode="neighbor"),
        lambda r: r["extension"][1]["extension"][1].update(valueCode="fax"),
        lambda r: r["extension"][1]["extension"].pop(0),
        lambda r: r["extension"][1]["extension"].pop(1),
        lambda r: r["extension"][1]["extension"][2].update(valueBoolean="no"),
        lambda r: r["extension"][1]["extension"].pop(3),
        lambda r: r.update(authored="2026"),
        lambda r: r.pop("authored"),
        lambda r: r.pop("language"),
    ],
)
def test_who_and_how_that_cannot_be_read_is_refused_by_name(fault: Any) -> None:
    response = written(informant=Informant.PROXY, relationship="mother")
    assert find_administration(Element(response, "QuestionnaireResponse")) is not None
    fault(response)
    with pytest.raises(MalformedResource) as raised:
        find_administration(Element(response, "QuestionnaireResponse"))
    assert raised.value.expression.startswith("QuestionnaireResponse")


@pytest.mark.parametrize(("age", "fits"), [(17, False), (18, True), (90, True), (None, None)])
def test_an_instrument_tells_whether_it_is_validated_for_an_age(age: int | None, fits: bool | None) -> None:
    assert phq9().fits_age(age) is fits


def test_an_instrument_without_age_range_fits_everybody() -> None:
    assert replace(phq9(), age_range=(None, None)).fits_age(None) is True
    assert replace(phq9(), age_range=(11, 17)).fits_age(18) is False
