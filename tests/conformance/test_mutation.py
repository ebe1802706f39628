"""A changed weight, edge, cut-off, code, condition, age or figure is noticed by what the instrument then does.

`python -m tests.golden.kill_rate` tries every mutant; here a fixed sample of each kind of every instrument.
"""

from collections import Counter

import pytest

from tests.golden.behavior import find_difference
from tests.golden.golden_cases import load_instrument
from tests.golden.kill_rate import all_mutants, find_killer, sample_mutants, survivors
from tests.golden.published import defined, read_published

EACH = 3
"""Mutants of one kind of one instrument: some 600 in all."""


@pytest.mark.parametrize("name", defined())
def test_an_instrument_does_what_its_fact_file_publishes(name: str) -> None:
    assert find_difference(load_instrument(name), read_published(name)) is None


@pytest.mark.parametrize("name", defined())
def test_every_mutant_of_the_sample_is_noticed(name: str) -> None:
    tally: Counter[tuple[str, str]] = Counter()
    assert survivors(name, sample_mutants(name, EACH), tally) == []
    assert sum(tally.values()) >= 9


@pytest.mark.parametrize("name", ["audit", "audit-c", "pc-ptsd-5", "asq", "c-ssrs-screener"])
def test_a_condition_is_told_by_what_is_then_asked_and_not_by_the_expressions_that_follow_from_it(name: str) -> None:
    published = read_published(name)
    killers = {find_killer(m, published) for m in all_mutants(name) if m.kind == "condition"}
    assert [killer for killer in killers if killer is None or killer.startswith("load")] == []


def test_the_sample_holds_every_kind_of_mutant_and_most_load() -> None:
    sampled = [mutant for name in defined() for mutant in sample_mutants(name, EACH)]
    assert len(sampled) >= 300
    kinds = {"weight", "band edge", "cut-off", "answer code", "item code", "score code", "condition", "age limit"}
    assert kinds | {"change figure", "threshold", "expression", "level"} <= {mutant.kind for mutant in sampled}
