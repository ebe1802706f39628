"""A site's Questionnaire with items of every type, and answers to it."""

import json
from collections.abc import Callable, Sequence
from datetime import date, time
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fhir_mappings.answer_value import AnswerValue, Quantity
from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.instrument import Instrument, Item
from fhir_mappings.item_answer import parse_answer_text
from fhir_mappings.r4 import Json, parse_partial_date_time
from fhir_mappings.site_questionnaire import parse_site_instrument
from fhir_mappings.systems import CALCULATED_EXPRESSION

SLEEP = (Path(__file__).parents[2] / "data" / "site" / "sleep-intake.json").read_bytes()


@cache
def sleep() -> Instrument:
    return parse_site_instrument(SLEEP)


def changed(change: Callable[[Json], Any]) -> bytes:
    """The sleep Questionnaire with one thing changed."""
    value = json.loads(SLEEP)
    change(value)
    return json.dumps(value).encode()


def find_item(questionnaire: Json, link_id: str) -> Json:
    stack = [questionnaire]
    while stack:
        one = stack.pop()
        if one.get("linkId") == link_id:
            return one
        stack += one.get("item", ())
    raise AssertionError(link_id)


def answered(instrument: Instrument, **texts: str) -> dict[str, Answer]:
    """Answers as a page sends them; `bad_nights` stands for the linkId bad-nights."""
    return {
        link_id: make_answer(instrument.by_link_id[link_id], parse_answer_text(instrument.by_link_id[link_id], text))
        for name, text in texts.items()
        if (link_id := name.replace("_", "-"))
    }


def make_answer(item: Item, values: tuple[AnswerValue, ...]) -> Answer:
    if item.is_single_choice:
        coding = values[0]
        assert not isinstance(coding, bool | int | Decimal | str | Quantity | time)
        return Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=item.get_option(coding.code).coding)  # type: ignore[union-attr]  # a Coding
    return Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, values=values)


def values_of(item: Item) -> st.SearchStrategy[tuple[AnswerValue, ...]]:
    """Any answer that the item takes."""
    words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)
    day = st.dates(date(1950, 1, 1), date(2026, 12, 31)).map(lambda on: parse_partial_date_time(on.isoformat(), "day"))
    moment = st.datetimes().map(
        lambda at: parse_partial_date_time(f"{at:%Y}".zfill(4) + f"{at:-%m-%dT%H:%M:%SZ}", "at")
    )
    one: dict[str, st.SearchStrategy[AnswerValue]] = {
        "boolean": st.booleans(),
        "integer": st.integers(0, 7),
        "decimal": st.decimals(0, 10, places=2).map(Decimal),
        "string": words,
        "text": words,
        "date": day,
        "dateTime": st.one_of(day, moment),
        "time": st.times().map(lambda at: at.replace(microsecond=0)),
        "quantity": st.builds(
            lambda value, unit: Quantity(value=value, unit=unit.display, system=unit.system, code=unit.code),
            st.integers(0, 500),
            st.sampled_from(item.units or (None,)),
        ),
    }
    coded: st.SearchStrategy[AnswerValue] = st.sampled_from([option.coding for option in item.options] or [None])
    single = st.one_of(coded, words) if item.type == "open-choice" else one.get(item.type, coded)
    if item.repeats:
        return st.lists(single, min_size=1, max_size=3, unique=True).map(tuple)
    return single.map(lambda value: (value,))


@st.composite
def any_answers(draw: st.DrawFn, instrument: Instrument) -> dict[str, Answer]:
    """Each item answered, declined or not reached, each on its own."""
    answers = {}
    for item in instrument.items:
        match draw(st.sampled_from(("answered", "answered", "declined", "not reached"))):
            case "answered":
                answers[item.link_id] = make_answer(item, draw(values_of(item)))
            case "declined":
                answers[item.link_id] = Answer(link_id=item.link_id, status=AnswerStatus.DECLINED)
    return answers


def bare(questions: Sequence[Json], **expressions: str) -> Instrument:
    """A bare Questionnaire of these questions, and a score by each expression; parsed as a site's own."""
    scores = [
        {
            "linkId": link_id,
            "text": link_id,
            "type": "integer",
            "extension": [
                {"url": CALCULATED_EXPRESSION, "valueExpression": {"language": "text/fhirpath", "expression": text}}
            ],
        }
        for link_id, text in expressions.items()
    ]
    return parse_site_instrument(changed(lambda value: value.update(item=[*questions, *scores], extension=[])))
