"""The history holds each event once, subscales and levels by their own names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from smart_app.library import load_library
from smart_app.screening import workflow
from smart_app.screening.views import HistoryView
from tests.fakes.clinic import Clinic, open_clinic

LIBRARY = load_library(("phq-2", "phq-4", "asq", "audit-c", "audit"))
PATIENT = "pt-02"


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with open_clinic(tmp_path) as clinic:
        clinic.app = replace(clinic.app, library=LIBRARY)
        yield clinic


def sign(clinic: Clinic, instrument_id: str, weights: Mapping[str, int | None]) -> HistoryView:
    who = clinic.launch(PATIENT)
    screening_id = clinic.give(who, weights, instrument_id)
    clinic.close_alerts(who, screening_id)
    clinic.sign(who, screening_id)
    clinic.clock.move(minutes=10)
    return workflow.view_history(clinic.app, clinic.launch(PATIENT))


def told(view: HistoryView) -> list[tuple[str, str, str, str]]:
    return [(one.short_name, one.value, one.band, one.origin) for one in view.results]


def test_a_subscale_that_has_the_code_of_a_shorter_form_stands_once(clinic: Clinic) -> None:
    view = sign(clinic, "phq-4", {"phq4-1": 3, "phq4-2": 2, "phq4-3": 1, "phq4-4": 3})
    assert sorted(told(view)) == [
        ("PHQ-4", "9 of 12", "Severe range", "this app"),
        ("PHQ-4, Anxiety subscale", "5 of 6", "", "this app"),
        ("PHQ-4, Depression subscale", "4 of 6", "", "this app"),
    ]
    assert [row.short_name for row in view.rows] == ["PHQ-4", "PHQ-4, Anxiety subscale", "PHQ-4, Depression subscale"]


def test_a_short_form_does_not_stand_under_the_long_one_too(clinic: Clinic) -> None:
    view = sign(clinic, "audit-c", {"auditc-1": 2, "auditc-2": 1, "auditc-3": 0})
    assert told(view) == [("AUDIT-C", "3 of 12", "", "this app")]


def test_a_level_stands_in_words_and_has_neither_number_nor_trend_nor_change(clinic: Clinic) -> None:
    sign(clinic, "asq", dict.fromkeys(("asq-1", "asq-2", "asq-3", "asq-4"), 1))
    view = sign(clinic, "asq", {"asq-1": 0, "asq-2": 1, "asq-3": 1, "asq-4": 1, "asq-5": 1})
    assert told(view) == [("ASQ", "", "Non-acute positive", "this app"), ("ASQ", "", "Negative", "this app")]
    (row,) = view.rows
    assert (row.value, row.of, row.trend, row.badge, row.change) == (None, "", (), None, "")
