"""Safety rule 3 in the workflow: incomplete shows bounds, never a total or a negative; it can already be positive."""

from __future__ import annotations

import pytest

from fhir_mappings.instrument import parse_instrument
from fhir_mappings.scoring import score_answers
from smart_app.model.ledger import RowState
from smart_app.screening import workflow
from tests.fakes.clinic import Clinic, phq9
from tests.unit.fhir_mappings.synthetic import Given, build_bundle, cut_off, give, question, total


@pytest.mark.parametrize(
    ("weights", "figure", "screen"),
    [
        ((3, 3, 3, 3), "not known: at least 12, at most 27 of 27", "Screens positive: cut-off 10, at least 12"),
        ((0, 0, 0, 0), "not known: at least 0, at most 15 of 27", "Screen not known: incomplete (cut-off 10)"),
        ((0, 0, 0, 0, 0, 0, 0, 0), "not known: at least 0, at most 3 of 27", "Screens negative: cut-off 10"),
        ((), "not known: at least 0, at most 27 of 27", "Screen not known: incomplete (cut-off 10)"),
    ],
)
def test_rule_3_the_review_shows_what_is_possible(
    clinic: Clinic, weights: tuple[int, ...], figure: str, screen: str
) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(*weights))
    view = workflow.view_review(clinic.app, who, screening_id)
    score = view.scores[0]
    assert (score.value, score.band, score.figure, score.screen) == (None, None, figure, screen)
    assert "incomplete" in score.completeness
    assert [score.changes for score in view.scores] == [()]
    assert score.ruler is not None
    assert score.ruler.low < score.ruler.high
    assert "Total not known" in view.note.text


def test_rule_3_no_total_is_shown_while_the_form_is_filled_in(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    report = clinic.save(who, screening_id, phq9(3, 3, 3, 3, 3, 3, 3, 3))
    assert report.total == ""
    assert clinic.save(who, screening_id, {"phq9-9": 0}).total == "Total 24 of 27, severe range"


def test_rule_3_an_incomplete_result_is_signed_as_incomplete_without_a_total(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(1, 1, 1, None, 1, 1, 0, 0, 0))
    clinic.sign(who, screening_id)
    written = {row.resource_id for row in clinic.rows(screening_id) if row.state is RowState.WRITTEN}
    observations = [entry for entry in clinic.in_chart("Observation", "pt-01") if entry["id"] in written]
    totals = [entry for entry in observations if entry["code"]["coding"][0]["code"] == "44261-6"]
    assert all("valueInteger" not in total and "valueQuantity" not in total for total in totals)
    declined = [entry for entry in observations if entry["code"]["coding"][0]["code"] == "44254-1"]
    assert [entry["dataAbsentReason"]["coding"][0]["code"] for entry in declined] == ["asked-declined"]
    row = next(row for row in workflow.view_history(clinic.app, clinic.launch()).rows if row.instrument_id == "phq-9")
    assert (row.value, row.change) == (None, "not known")
    due = next(item for item in workflow.view_home(clinic.app, clinic.launch()).due if item.instrument_id == "phq-9")
    assert due.due
    assert "incomplete: no score" in due.reason


@pytest.mark.parametrize(
    ("given", "screen"),
    [
        ({}, None),
        ({"gate": 0, "a": 0}, None),
        ({"gate": 0, "a": 0, "b": 0}, False),
        ({"gate": 0, "a": 1, "b": 0}, True),
        ({"a": 0, "b": 0}, None),
        ({"gate": 1, "a": 0, "b": 0}, None),
        ({"gate": 1, "a": 0, "b": 0, "c": 1}, True),
    ],
)
def test_rule_3_an_expression_makes_no_negative_of_a_score_or_an_item_that_is_open(
    given: Given, screen: bool | None
) -> None:
    """The expression itself takes what is open for a No: `c` while `gate` is open, the total while an item is."""
    questions = [question("gate"), question("a"), question("b"), question("c", when=[("gate", "=", 1)])]
    sum_ = total(["a", "b"], (0, 4))
    flag = total(["a"], (0, 1), intervals=[cut_off(1)], score_id="flag")
    answers = "%resource.item.where(linkId = '{}').answer.value"
    any_ = f"{answers.format('total')} >= 1 or {answers.format('c')}.weight() >= 1"
    texts = {"total": sum_["expression"], "flag": f"iif({any_}, 1, 0)"}
    instrument = parse_instrument(build_bundle(questions, [sum_, flag], texts))
    report = score_answers(instrument, give(given)).value
    assert report.scores[1].positive is screen
