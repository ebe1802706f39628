"""The words of the outcome page for each row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_mappings.write_shape import ResourceKind
from smart_app.model.ledger import RowState
from smart_app.writeback.outcome import OutcomeGroup, describe_rows
from tests.unit.fhir_mappings.factories import phq9
from tests.unit.smart_app.writeback.factories import ROW

ITEM_9 = replace(ROW, key="observation:phq9-9", kind="observation-item", resource_type="Observation")
TOTAL_LINK = phq9().scores[0].link_id


@pytest.mark.parametrize(
    ("key", "kind", "what", "chart_as"),
    [
        ("questionnaire-response", "questionnaire-response", "Answers as given", "QuestionnaireResponse"),
        ("observation:phq9-9", "observation-item", "Item 9", "Observation 44260-8"),
        ("observation:phq9-10", "observation-difficulty", "Difficulty item", "Observation 69722-7"),
        (f"observation:{TOTAL_LINK}", "observation-total", "PHQ-9 total", "Observation 44261-6"),
        ("observation:panel", "observation-panel", "PHQ-9 panel", "Observation 44249-1"),
        ("document-reference", "document-reference", "Note", "DocumentReference"),
        ("provenance", "provenance", "Who signed, with what", "Provenance"),
        ("observation-item:9", "observation-item", "9 items", "Observation"),
        ("observation-item:1", "observation-item", "1 item", "Observation"),
    ],
)
def test_a_row_is_named_as_the_clinician_knows_it(key: str, kind: str, what: str, chart_as: str) -> None:
    full_url = "" if key.startswith("observation-item") else ROW.full_url
    row = replace(ROW, key=key, kind=kind, full_url=full_url, resource_type=ResourceKind(kind).resource_type)
    line = describe_rows([row], phq9())[0]
    assert (line.what, line.chart_as) == (what, chart_as)


def test_every_state_has_words_and_what_needs_a_look_comes_first() -> None:
    rows = [replace(ITEM_9, state=state, resource_id="a") for state in RowState]
    rows[-1] = replace(rows[-1], full_url="", key="observation-item:9")
    lines = describe_rows(rows, phq9())
    assert [line.group for line in lines] == sorted((line.group for line in lines), key=list(OutcomeGroup).index)
    assert {line.state for line in lines if line.group is OutcomeGroup.TO_LOOK_AT} == {
        RowState.WAITING,
        RowState.HELD,
        RowState.REFUSED,
        RowState.UNKNOWN,
    }
    assert len({line.state_words for line in lines}) == len(RowState)


def test_only_a_written_row_is_called_written_and_one_without_id_is_to_look_at() -> None:
    with_id = replace(ITEM_9, state=RowState.WRITTEN, resource_id="f41")
    line = describe_rows([with_id], phq9())[0]
    assert (line.reference, line.group) == ("Observation/f41", OutcomeGroup.WRITTEN)
    line = describe_rows([replace(with_id, resource_id=None)], phq9())[0]
    assert (line.reference, line.group) == ("", OutcomeGroup.TO_LOOK_AT)


def test_a_row_that_fell_out_after_signing_is_to_look_at_and_one_left_out_by_choice_is_not() -> None:
    fell_out = replace(ITEM_9, state=RowState.CANCELLED)
    by_choice = replace(fell_out, full_url="", key="observation-item:9")
    groups = [describe_rows([row], phq9())[0].group for row in (fell_out, by_choice)]
    assert groups == [OutcomeGroup.TO_LOOK_AT, OutcomeGroup.NOT_WRITTEN]
