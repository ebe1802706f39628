"""Safety rule 3 on any instrument with skips and levels: every way to finish the form lies within what was told before.

The instruments are drawn at random; what a finished form gives is worked out here by another road: item by item in
print order, each asked or not by its plain conditions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mappings.instrument import Instrument
from fhir_mappings.scoring import score_answers
from tests.unit.fhir_mappings.synthetic import (
    DECLINED,
    asks,
    build_instrument,
    cut_off,
    give,
    level_result,
    question,
    total,
)

Full = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """One item as drawn: its weights, and the conditions on items before it."""

    link_id: str
    weights: tuple[int, ...]
    when: tuple[tuple[str, str, int | bool], ...]
    behavior: str

    def is_asked(self, answers: Full) -> bool:
        """Tell whether it is asked after these answers to the items before it."""
        if not self.when:
            return True
        held = [_holds(answers.get(link_id), operator, wanted) for link_id, operator, wanted in self.when]
        return any(held) if self.behavior == "any" else all(held)


def _holds(answered: int | None, operator: str, wanted: int | bool) -> bool:
    if operator == "exists":
        return (answered is not None) is wanted
    if answered is None:
        return False
    return (answered == wanted) is (operator == "=")


@st.composite
def forms(draw: st.DrawFn) -> tuple[Asked, ...]:
    """Three to five items of two or three options, some asked only after certain answers to earlier ones."""
    items: list[Asked] = []
    for place in range(draw(st.integers(3, 5))):
        options = draw(st.integers(2, 3))
        weights = draw(st.lists(st.integers(0, 4), min_size=options, max_size=options))
        condition = st.one_of(
            st.tuples(st.sampled_from([i.link_id for i in items] or ["-"]), st.sampled_from(["=", "!="]), st.just(1)),
            st.tuples(st.sampled_from([i.link_id for i in items] or ["-"]), st.just("exists"), st.booleans()),
        )
        when = draw(st.lists(condition, max_size=2, unique=True)) if items else []
        behavior = draw(st.sampled_from(["any", "all"]))
        items.append(Asked(f"i{place}", tuple(weights), tuple(when), behavior))
    return tuple(items)


@st.composite
def partial(draw: st.DrawFn, form: tuple[Asked, ...]) -> dict[str, int | str | None]:
    return {
        item.link_id: draw(st.one_of(st.none(), st.just(DECLINED), st.integers(0, len(item.weights) - 1)))
        for item in form
    }


def finished(form: tuple[Asked, ...], start: Mapping[str, int | str | None]) -> Iterator[Full]:
    """Give every finished form with these answers: only what is asked, and all of that."""
    choices = [
        [said] if isinstance(said := start.get(item.link_id), int) else list(range(len(item.weights))) for item in form
    ]
    for places in product(*choices):
        answers: dict[str, int] = {}
        for item, place in zip(form, places, strict=True):
            if item.is_asked(answers):
                answers[item.link_id] = place
        yield answers


def questions_of(form: tuple[Asked, ...]) -> list[Any]:
    return [question(i.link_id, i.weights, when=i.when, behavior=i.behavior) for i in form]


def sum_of(form: tuple[Asked, ...], answers: Full) -> int:
    return sum(i.weights[answers[i.link_id]] if i.link_id in answers else min(i.weights) for i in form)


def verdict(instrument: Instrument, answers: Mapping[str, int | str | None]) -> tuple[Any, Any, Any]:
    score = score_answers(instrument, give(answers), handed_in=False).value.scores[0]
    return score.value, score.bounds, score.positive


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_way_to_finish_a_sum_with_skips_lies_within_what_was_told_before(data: st.DataObject) -> None:
    form = data.draw(forms())
    low, high = sum(min(i.weights) for i in form), sum(max(i.weights) for i in form)
    intervals = [cut_off(data.draw(st.integers(low + 1, high)))] if high > low else []
    instrument = build_instrument(
        questions_of(form), [total([i.link_id for i in form], (low, high), intervals=intervals)]
    )
    start = data.draw(partial(form))
    value, bounds, positive = verdict(instrument, start)
    for answers in finished(form, start):
        final, final_bounds, final_positive = verdict(instrument, answers)
        assert final == sum_of(form, answers)
        assert final_bounds == (final, final)
        assert bounds[0] <= final <= bounds[1]
        assert value in (None, final)
        assert positive in (None, final_positive)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_way_to_finish_a_triage_lies_within_what_was_told_before(data: st.DataObject) -> None:
    form = data.draw(forms())
    links = [i.link_id for i in form]
    condition = st.lists(st.sampled_from(links), min_size=1, max_size=3, unique=True).flatmap(
        lambda chosen: st.tuples(st.just(chosen), st.integers(1, len(chosen)))
    )
    drawn = data.draw(st.lists(st.lists(condition, min_size=1, max_size=2), min_size=1, max_size=3))
    levels = [[[asks(chosen, [1], count=count) for chosen, count in alternative]] for alternative in drawn]
    instrument = build_instrument(questions_of(form), [level_result(levels)])
    start = data.draw(partial(form))
    value, bounds, positive = verdict(instrument, start)
    for answers in finished(form, start):
        final, _, final_positive = verdict(instrument, answers)
        holds = [
            all(sum(answers.get(link_id) == 1 for link_id in chosen) >= count for chosen, count in alternative)
            for alternative in drawn
        ]
        assert final == max((rank for rank, held in enumerate(holds, 1) if held), default=0)
        assert bounds[0] <= final <= bounds[1]
        assert value in (None, final)
        assert positive in (None, final_positive)
