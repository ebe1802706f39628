"""What is due: the interval, an answer that calls for more, a result without a score; and nothing by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.instrument import Instrument
from smart_app.practice.due import CalledFor, Due, LastResult, find_due
from tests.fakes.clinic import LIBRARY

TODAY = date(2026, 11, 24)
PHQ9 = LIBRARY.find("phq-9")
assert PHQ9 is not None
FORTNIGHTLY: Instrument = replace(PHQ9, interval_days=14)


def _due(last: LastResult | None, *calls: CalledFor, instrument: Instrument = FORTNIGHTLY) -> Due:
    (found,) = find_due([instrument], {} if last is None else {instrument.id: last}, calls, today=TODAY)
    return found


@pytest.mark.parametrize(("days", "due", "over"), [(13, False, -1), (14, True, 0), (33, True, 19)])
def test_it_is_due_from_the_day_of_its_interval(days: int, due: bool, over: int) -> None:  # parametrized
    found = _due(LastResult(on=TODAY - timedelta(days=days), complete=True))
    assert (found.due, found.days_over) == (due, over)


def test_without_interval_or_result_nothing_is_due_by_itself() -> None:
    assert not _due(None).due
    assert not _due(
        LastResult(on=date(2020, 1, 1), complete=True), instrument=replace(FORTNIGHTLY, interval_days=None)
    ).due


def test_a_result_without_a_score_is_due() -> None:
    assert _due(LastResult(on=TODAY, complete=False)).due


def test_an_answer_calls_for_it_until_it_was_given() -> None:
    call = CalledFor(
        canonical=f"{FORTNIGHTLY.url}|1.0.0", reason="PHQ-2 was positive.", source="Kroenke 2003", on=TODAY
    )
    assert _due(None, call).called_for == call
    assert _due(LastResult(on=TODAY - timedelta(days=1), complete=True), call).due
    assert not _due(LastResult(on=TODAY, complete=True), call).due


def test_a_call_for_another_instrument_is_none_of_this_one() -> None:
    assert not _due(None, CalledFor(canonical="https://example.org/other", reason="x", source="y", on=TODAY)).due


@given(days=st.dictionaries(st.sampled_from(["phq-9", "gad-7"]), st.integers(0, 800)))
def test_every_instrument_is_listed_once_and_those_due_first(days: dict[str, int]) -> None:
    last = {key: LastResult(on=TODAY - timedelta(days=age), complete=True) for key, age in days.items()}
    found = find_due(LIBRARY, last, [], today=TODAY)
    assert sorted(due.instrument.id for due in found) == sorted(instrument.id for instrument in LIBRARY)
    flags = [due.due for due in found]
    assert flags == sorted(flags, reverse=True)
