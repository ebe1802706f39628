"""The lint of a site's own instrument: one thing wrong at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_mappings.instrument import Instrument
from smart_app.instrument_lint import check_instrument
from smart_app.library import load_library

PHQ9, GAD7 = load_library(("phq-9", "gad-7"))


def found(instrument: Instrument) -> list[tuple[str, str]]:
    return [(finding.grade, finding.where) for finding in check_instrument(instrument)]


def with_bands(*limits: tuple[int, int]) -> Instrument:
    score = PHQ9.scores[0]
    bands = tuple(replace(score.bands[0], min=low, max=high) for low, high in limits)
    return replace(PHQ9, scores=(replace(score, bands=bands),))


@pytest.mark.parametrize("instrument", [PHQ9, GAD7], ids=["phq-9", "gad-7"])
def test_what_ships_has_no_finding(instrument: Instrument) -> None:
    assert found(instrument) == []


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"attribution": "  "}, ("ERROR", "phq-9")),
        ({"risk_rules": ()}, ("ERROR", "phq9-9")),
        ({"scores": ()}, ("WARNING", "phq-9")),
        ({"age_range": (None, None)}, ("WARNING", "phq-9")),
        ({"items": (replace(PHQ9.items[0], coding=None), *PHQ9.items[1:])}, ("WARNING", PHQ9.items[0].link_id)),
        ({"scores": (replace(PHQ9.scores[0], bands=()),)}, ("WARNING", "phq-9-total")),
        ({"scores": (replace(PHQ9.scores[0], cutoffs=()),)}, ("WARNING", "phq-9-total")),
    ],
)
def test_each_lack_is_found_where_it_is(changes: dict[str, Any], finding: tuple[str, str]) -> None:
    assert found(replace(PHQ9, **changes)) == [finding]


@pytest.mark.parametrize(
    "limits",
    [
        ((1, 27),),
        ((0, 26),),
        ((0, 14), (14, 27)),
        ((0, 13), (15, 27)),
    ],
)
def test_bands_that_overlap_or_leave_a_gap_make_it_unusable(limits: tuple[tuple[int, int], ...]) -> None:
    assert found(with_bands(*limits)) == [("ERROR", "phq-9-total")]


def test_errors_come_first() -> None:
    broken = replace(PHQ9, attribution="", age_range=(None, None), risk_rules=())
    assert [grade for grade, _ in found(broken)] == ["ERROR", "ERROR", "WARNING"]
