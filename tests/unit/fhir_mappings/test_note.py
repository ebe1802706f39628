"""The note: what it must say, and that an edit cannot lose it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from fhir_mappings.administration import Informant, Mode, Party
from fhir_mappings.answers import Answer
from fhir_mappings.change import measure_change
from fhir_mappings.errors import ImpreciseDateTime, MalformedResource, MissingRelationship
from fhir_mappings.note import build_note_text, check_note_facts, sign_note_text
from fhir_mappings.result import AlertSummary
from fhir_mappings.scoring import score_answers
from tests.unit.fhir_mappings.factories import (
    DECLINED,
    administration,
    answers_of,
    gad7,
    given_answers,
    instrument_of,
    phq9,
    point,
    screening_result,
    signed_result,
)

FULL = [2, 2, 3, 2, 0, 1, 2, 0, 1, 1]


def note(given: list[Any], **overrides: Any) -> str:
    return build_note_text(screening_result(phq9(), answers_of(phq9(), given), **overrides))


def test_the_note_of_a_positive_screen_whole() -> None:
    alert = AlertSummary(
        link_id="phq9-9",
        state="closed by Miriam Okafor, MD, 23 Nov 2026 10:52.",
        previous_answer="12 Oct 2026: Not at all (0)",
        details=("Risk level in the clinician's words: low.",),
    )
    change = measure_change(
        phq9().scores[0],
        [point(19, "2026-01-12"), point(10, "2026-10-12")],
        point(13, "2026-11-23T10:38:00-05:00"),
        alert_open=True,
    )
    lines = note(FULL, alerts=(alert,), changes=(change,), comment="Seen with her sister.").splitlines()
    assert lines[:10] == [
        "PHQ-9, 23 Nov 2026 10:38, answered by the patient on their own device, language en-US.",
        "Total 13 of 27, moderate range; at or above the published cut-off of 10 (screens positive). "
        "A screening score, not a diagnosis.",
        "Change: +3 since 12 Oct 2026 (10), no reliable change (from 6 points; NHS Talking Therapies manual), "
        "below the minimal important difference (from 5 points; Loewe B et al. Med Care 2004;42:1194-1201).",
        "Change: -6 since 12 Jan 2026 (19), no judgement while an alert is open.",
        "Difficulty: somewhat difficult.",
        "",
        "RISK ITEM 9: Several days (1). 12 Oct 2026: Not at all (0).",
        "Alert: closed by Miriam Okafor, MD, 23 Nov 2026 10:52.",
        "Risk level in the clinician's words: low.",
        "",
    ]
    assert lines[10] == "Answers"
    assert lines[11] == "1 Little interest or pleasure in doing things: More than half the days (2)"
    assert lines[-2:] == ["Comment", "Seen with her sister."]


def test_a_negative_screen_never_reads_as_low_risk() -> None:
    text = note([0] * 9)
    assert "below the published cut-off of 10 (screens negative)" in text
    assert "A negative screen is not a finding of low risk." in text
    assert "Item 9: Not at all (0). This answer is not an assessment of risk." in text


@pytest.mark.parametrize(("given", "said"), [(DECLINED, "declined"), (None, "not answered")])
def test_risk_is_said_to_be_not_known_where_item_9_was_not_answered(given: Any, said: str) -> None:
    text = note([3] * 8 + [given])
    assert f"RISK ITEM 9: {said}. Risk not known." in text
    assert "Total not known: not all items answered, between 24 and 27 of 27; at least 24, at or above" in text


def test_a_risk_answer_where_the_item_was_not_asked_stands_in_note_and_facts_and_no_negative_beside_it() -> None:
    asq = instrument_of("asq")
    answers = answers_of(asq, [1, 1, 1, 1, 0])
    unasked = {"asq-5": answers.pop("asq-5")}
    report = score_answers(asq, answers, unasked=unasked).value
    alert = AlertSummary(link_id="asq-5", state="open, not assessed")
    result = screening_result(asq, answers, report=report, unasked=unasked, alerts=(alert,))
    text = build_note_text(result)
    assert "RISK ITEM 5: Yes, where this item was not asked.\nAlert: open, not assessed" in text
    assert "Result not known: a risk answer was given to an item that was not asked" in text
    assert "negative" not in text
    assert check_note_facts(text, result) == ()
    (lost,) = check_note_facts(text.replace("RISK ITEM 5: Yes", "Item 5"), result)
    assert lost.expression == "note.item(5)"


def test_an_unknown_screen_says_so() -> None:
    assert "not known whether at or above the published cut-off of 10" in note([None, 3, 3, 3, 0, 0, 0, 0, 0])


def test_an_instrument_that_does_not_ask_about_suicide_says_so() -> None:
    assert "Suicide not asked." in build_note_text(screening_result(gad7(), answers_of(gad7(), [0] * 7)))
    assert "Suicide not asked." not in note([0] * 9)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"mode": Mode.HANDED_OVER_DEVICE}, "answered by the patient on a device of the clinic"),
        ({"mode": Mode.TELEPHONE, "interpreter": True}, "by telephone, language en-US, with an interpreter"),
        ({"informant": Informant.ASSISTED}, "answered by the patient with assistance on their own device"),
        ({"informant": Informant.PROXY, "relationship": "mother"}, "answered for the patient by their mother"),
        (
            {
                "mode": Mode.PAPER,
                "answered_at": "2026-11-20",
                "entered_by": Party(reference=None, display="Ana Ruiz, MA"),
            },
            "PHQ-9, 20 Nov 2026, answered by the patient on paper, entered later, entered by Ana Ruiz, MA",
        ),
    ],
)
def test_who_answered_and_how_is_said(overrides: dict[str, Any], said: str) -> None:
    assert said in note(FULL, administration=administration(**overrides))


@given(given_answers(phq9()))
def test_an_untouched_draft_holds_its_facts(answers: dict[str, Answer]) -> None:
    result = screening_result(phq9(), answers)
    assert check_note_facts(build_note_text(result), result) == ()
    assert check_note_facts(build_note_text(result).replace(" ", "\r\n  "), result) == ()


def test_a_lost_or_changed_fact_is_told_by_name() -> None:
    result = screening_result(phq9(), answers_of(phq9(), FULL))
    text = build_note_text(result)
    for edit, expression in (
        (text.replace("Total 13 of 27", "Total 3 of 27"), "note.score(phq-9-total)"),
        (text.replace("moderate range", "mild range"), "note.score(phq-9-total)"),
        (text.replace("RISK ITEM 9: Several days (1)", "RISK ITEM 9: Not at all (0)"), "note.item(9)"),
    ):
        assert [issue.expression for issue in check_note_facts(edit, result)] == [expression]
    assert len(check_note_facts("", result)) == 2
    silent = screening_result(gad7(), answers_of(gad7(), [0] * 7))
    edited = build_note_text(silent).replace("Suicide not asked.", "No suicidal thoughts.")
    assert [issue.expression for issue in check_note_facts(edited, silent)] == ["note.suicide"]


def test_signing_adds_who_when_and_the_reference_on_lines_of_their_own() -> None:
    signed = signed_result(phq9(), answers_of(phq9(), FULL), note_text="As edited.\n\n\n")
    assert sign_note_text(signed) == (
        "As edited.\n\n"
        "Signed by Miriam Okafor, MD, 23 Nov 2026 15:55 UTC, for Rosa Delgado-Quinn.\n"
        "Reference SS-7K3M-Q9RT\n"
    )


def test_one_earlier_result_is_told_once() -> None:
    change = measure_change(phq9().scores[0], [point(20, "2026-01-12")], point(4, "2026-11-23"), alert_open=False)
    lines = [line for line in note([1, 1, 1, 1, 0, 0, 0, 0, 0], changes=(change,)).splitlines() if "Change" in line]
    assert lines == [
        "Change: -16 since 12 Jan 2026 (20), remission (below 5, from a baseline of 10 or more; HEDIS DRR-E; CMS159), "
        "response (50 % down, from a baseline of 10 or more; HEDIS DRR-E / NQF 1884-1885), "
        "reliable improvement (from 6 points; NHS Talking Therapies manual), "
        "better by the minimal important difference (from 5 points; Loewe B et al. Med Care 2004;42:1194-1201)."
    ]
    response = measure_change(phq9().scores[0], [point(20, "2026-01-12")], point(9, "2026-11-23"), alert_open=False)
    assert "-11 since 12 Jan 2026 (20), response (50 % down, from a baseline of 10 or more; HEDIS" in note(
        [1] * 9, changes=(response,)
    )


def test_without_a_published_figure_only_points_are_told() -> None:
    bare = replace(phq9().scores[0], changes=())
    change = measure_change(bare, [point(20, "2026-01-12")], point(4, "2026-11-23"), alert_open=False)
    assert "-16 since 12 Jan 2026 (20), no published figure" in note([1, 1, 1, 1, 0, 0, 0, 0, 0], changes=(change,))


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"answered_at": "2026-11"}, ImpreciseDateTime),
        ({"answered_at": "today"}, MalformedResource),
        ({"informant": Informant.PROXY}, MissingRelationship),
    ],
)
def test_an_administration_must_tell_day_and_relationship(overrides: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        administration(**overrides)
