"""Safety rule 14: change is never flattered, along the whole way from chart and store to page, note and history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from smart_app.screening import workflow
from smart_app.screening.context import get_history
from smart_app.screening.errors import RiskAnswerNotSaved
from smart_app.screening.forms import GivingForm
from smart_app.screening.review_views import ChangeView, ReviewView
from smart_app.services import Acting
from tests.fakes.clinic import GIVING, Clinic, open_clinic, phq9

NOBODY_YET = "pt-07"  # no results in the chart, and no visit
HIGH, LOW, BELOW = (2, 2, 2, 2, 2, 2, 2, 3, 3), (0,) * 9, (1,) * 8 + (0,)
FAVORABLE = {"reliable-improvement", "response", "remission"}


def launch(clinic: Clinic) -> Acting:
    """Open the chart for a result that belongs to no visit."""
    who = clinic.launch(NOBODY_YET)
    workflow.choose_encounter(clinic.app, who, "none")
    return clinic.again(who)


def give_and_sign(clinic: Clinic, weights: tuple[int | None, ...], giving: GivingForm = GIVING) -> UUID:
    """Give, close what is open, sign, and let a month go by."""
    who = launch(clinic)
    screening_id = clinic.start(who, "phq-9", giving)
    clinic.save(who, screening_id, phq9(*weights))
    workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id, accept_missing=True))
    clinic.close_alerts(who, screening_id)
    clinic.sign(who, screening_id)
    clinic.clock.move(days=30)
    return screening_id


def review(clinic: Clinic, weights: tuple[int | None, ...], giving: GivingForm = GIVING) -> ReviewView:
    who = launch(clinic)
    screening_id = clinic.start(who, "phq-9", giving)
    clinic.save(who, screening_id, {k: w for k, w in phq9(*weights).items() if w != -1})
    workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id, accept_missing=True))
    return workflow.view_review(clinic.app, who, screening_id)


def changes(view: ReviewView) -> tuple[ChangeView, ...]:
    return view.scores[0].changes


def badges(view: ReviewView) -> set[str | None]:
    return {change.badge for change in changes(view)}


def test_from_a_baseline_at_the_cutoff_remission_stands_with_baseline_date_and_citation(clinic: Clinic) -> None:
    give_and_sign(clinic, HIGH)
    (change,) = changes(review(clinic, LOW))
    assert (change.badge, change.heading) == ("remission", "Since the first result on record, 24 Nov 2026 15:00 (20)")
    assert change.figure.startswith("Below 5, from a baseline of 10 or more; HEDIS")


def test_from_a_baseline_below_the_cutoff_there_is_neither_response_nor_remission(clinic: Clinic) -> None:
    give_and_sign(clinic, BELOW)
    view = review(clinic, LOW)
    assert badges(view) == {"reliable-improvement"}
    (change,) = changes(view)
    assert sum("does not apply, the baseline is below the cut-off" in words for words in change.figures) == 2
    assert "response" not in view.note.text
    assert "remission" not in view.note.text


def test_every_kind_of_judgement_stands_with_its_figure_and_citation(clinic: Clinic) -> None:
    give_and_sign(clinic, HIGH)
    (change,) = changes(review(clinic, BELOW))
    assert [words.split(" (")[0] for words in change.figures] == [
        "Reliable improvement",
        "Better by the minimal important difference",
        "Response",
        "No remission",
    ]
    assert all("; " in words for words in change.figures)


def test_while_the_alert_of_the_result_is_open_nothing_favorable_stands_anywhere(clinic: Clinic) -> None:
    give_and_sign(clinic, HIGH)
    view = review(clinic, (0,) * 8 + (1,))
    (change,) = changes(view)
    assert change.badge is None
    assert "No judgement while an alert is open" in change.words
    assert not [
        words for words in change.figures if words.startswith(("Reliable improvement", "Better", "Remission ("))
    ]
    assert "no judgement while an alert is open" in view.note.text
    assert "remission" not in view.note.text


def test_worsening_stands_also_while_the_alert_is_open(clinic: Clinic) -> None:
    give_and_sign(clinic, BELOW)
    assert badges(review(clinic, HIGH)) == {"worsening"}


def test_the_history_withholds_it_too_while_an_alert_opened_after_signing(clinic: Clinic) -> None:
    give_and_sign(clinic, HIGH)
    signed = give_and_sign(clinic, LOW)
    who = launch(clinic)
    assert history_row(clinic).badge == "Reliable improvement"
    # A risk answer that comes to the form after it is over opens its alert all the same.
    with pytest.raises(RiskAnswerNotSaved):
        clinic.save(who, signed, {"phq9-9": 2}, device="late-page")
    assert history_row(clinic).badge is None


def history_row(clinic: Clinic) -> Any:
    view = workflow.view_history(clinic.app, launch(clinic))
    (row,) = [row for row in view.rows if row.instrument_id == "phq-9"]
    return row


@pytest.mark.parametrize(
    "other",
    [{"informant": "assisted"}, {"informant": "proxy", "relationship": "mother"}],
)
def test_series_are_split_by_informant_in_the_app_and_through_the_chart(clinic: Clinic, other: dict[str, Any]) -> None:
    give_and_sign(clinic, HIGH, replace(GIVING, **other))
    assert changes(review(clinic, LOW)) == ()
    # Where this app's own copy is gone, what it wrote to the chart still tells whose answers they were.
    (point,) = get_history(clinic.app, launch(clinic)).points["phq-9"]
    assert point.informant == other["informant"]


def test_what_this_app_wrote_to_the_chart_counts_once(clinic: Clinic) -> None:
    give_and_sign(clinic, HIGH, replace(GIVING, informant="assisted"))
    assert [one for one in clinic.in_chart("Observation", NOBODY_YET) if "valueQuantity" in one]
    results = workflow.view_history(clinic.app, launch(clinic)).results
    assert [(one.short_name, one.origin, one.value) for one in results] == [("PHQ-9", "this app", "20 of 27")]


@pytest.fixture
def prorating(tmp_path: Path) -> Iterator[Clinic]:
    with open_clinic(tmp_path, rules={"prorate": True}) as clinic:
        yield clinic


def test_a_prorated_total_is_marked_everywhere_and_never_the_ground_of_a_favorable_judgement(prorating: Clinic) -> None:
    give_and_sign(prorating, HIGH)
    weights = (0, 0, 0, 0, 0, 0, -1, -1, 0)
    view = review(prorating, weights)
    (score,) = view.scores
    assert (score.value, score.rule.startswith("prorated from 7 of 9 items, rule of")) == ("0", True)
    assert score.screen == "Screens negative: cut-off 10"  # decided on the bounds alone: at most 6
    assert badges(view) == {None}
    assert "No judgement of a prorated total" in changes(view)[0].words
    assert "prorated from 7 of 9 items" in view.note.text
    who = launch(prorating)
    prorating.sign(who, view.screening_id)
    totals = [one for one in prorating.in_chart("Observation", NOBODY_YET) if "method" in one]
    assert [one["method"]["text"].startswith("prorated from 7 of 9") for one in totals] == [True]
    prorating.clock.move(minutes=10)
    row = history_row(prorating)
    assert (row.value, row.mark, row.badge) == ("0", "prorated", None)


def test_without_the_sites_switch_there_is_no_total_where_the_rule_is_not_the_authors(clinic: Clinic) -> None:
    (score,) = review(clinic, (0, 0, 0, 0, 0, 0, -1, -1, 0)).scores
    assert (score.value, score.rule) == (None, "")
    assert score.figure == "not known: at least 0, at most 6 of 27"
