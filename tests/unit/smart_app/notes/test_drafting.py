"""The note: unedited it follows the result; edited, its alert lines do, and lost facts are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.note import build_note_text
from fhir_mappings.result import AlertSummary, ScreeningResult
from smart_app.model.identity import User
from smart_app.model.note import NoteDraft
from smart_app.notes.drafting import compose_note, find_problems, renew_alert_lines
from tests.unit.fhir_mappings.factories import answers_of, phq9, screening_result

USER = User(issuer="https://ehr.example", subject="u", fhir_user="Practitioner/1", name="Miriam Okafor, MD")
OPEN = AlertSummary(link_id="phq9-9", state="open, not assessed")
CLOSED = replace(OPEN, state="closed by Miriam Okafor, MD, 24 Nov 2026 15:00", details=("Plan: call on Friday",))


def _result(*alerts: AlertSummary) -> ScreeningResult:
    return replace(screening_result(phq9(), answers_of(phq9(), (2, 2, 3, 2, 0, 1, 2, 0, 1, 1))), alerts=alerts)


def _edited(text: str) -> NoteDraft:
    return NoteDraft(
        screening_id=UUID(int=1),
        text=text,
        edited=True,
        updated_by=USER,
        updated_at=datetime(2026, 11, 24, tzinfo=UTC),
        version=2,
    )


def test_an_unedited_note_is_what_the_result_says_now() -> None:
    note = compose_note(_result(CLOSED), None)
    assert note.text == build_note_text(_result(CLOSED))
    assert (note.edited, note.version, note.problems) == (False, 0, ())


def test_an_edited_note_keeps_the_clinicians_words_and_renews_the_alert() -> None:
    text = build_note_text(_result(OPEN)) + "Seen with partner."
    note = compose_note(_result(CLOSED), _edited(text))
    assert f"Alert: {CLOSED.state}\nPlan: call on Friday\n" in note.text
    assert note.text.endswith("Seen with partner.")
    assert note.problems == ()


def test_renewing_twice_changes_nothing_more() -> None:
    text = build_note_text(_result(OPEN))
    once = renew_alert_lines(text, (CLOSED,))
    assert renew_alert_lines(once, (CLOSED,)) == once


def test_a_note_without_its_alert_line_is_left_alone_and_named() -> None:
    text = build_note_text(_result(OPEN)).replace(f"Alert: {OPEN.state}\n", "")
    note = compose_note(_result(CLOSED), _edited(text))
    assert note.text == text
    assert note.problems == (f'The note must say how the alert stands: "Alert: {CLOSED.state}"',)


@given(words=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_words_added_at_the_end_never_hide_a_fact(words: str) -> None:
    result = _result(OPEN)
    assert find_problems(f"{build_note_text(result)}\n{words}", result) == ()


def test_each_lost_fact_is_named() -> None:
    result = _result(OPEN)
    text = build_note_text(result)
    assert len(find_problems(text.replace("Total 13", "Total 3"), result)) == 1
    assert len(find_problems(text.replace("RISK ITEM 9", "Item nine"), result)) == 1
    assert len(find_problems("", result)) == 3
