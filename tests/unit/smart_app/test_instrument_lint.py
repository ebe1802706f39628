"""The lint of a site's own instrument: one thing wrong at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import format_json
from smart_app.instrument_lint import check_instrument, check_shape, is_usable, lint_instrument
from smart_app.library import load_catalog, load_library
from tests.unit.fhir_mappings.any_questionnaire import SLEEP, changed, find_item

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


def test_a_bare_questionnaire_is_checked_item_by_item_and_each_finding_has_a_code() -> None:
    findings = lint_instrument(SLEEP)
    assert is_usable(findings)
    assert [(finding.code, finding.where) for finding in findings] == [
        ("score-without-code", "Questionnaire.item[11](burden)"),
        ("no-ages", "sleep-intake"),
        ("no-bands", "snore-score"),
        ("no-cut-off", "snore-score"),
        ("no-bands", "burden"),
        ("no-cut-off", "burden"),
    ]


@pytest.mark.parametrize(
    ("expression", "grade", "code"),
    [
        ("%patient.age", "ERROR", "expression-error"),
        ("'heavy'", "ERROR", "expression-not-number"),
        ("%resource.item.where(linkId = 'words').answer.value + 1", "ERROR", "expression-error"),
        ("%resource.item.where(linkId = 'nobody').answer.value", "WARNING", "expression-empty"),
    ],
)
def test_an_expression_is_tried_before_a_patient_meets_it(expression: str, grade: str, code: str) -> None:
    def rewrite(questionnaire: dict[str, Any]) -> None:
        find_item(questionnaire, "burden")["extension"][1]["valueExpression"]["expression"] = expression

    findings = lint_instrument(changed(rewrite))
    assert [(f.grade, f.code) for f in findings if f.code.startswith("expression")] == [(grade, code)]


def test_every_unsupported_item_is_a_finding_of_its_own() -> None:
    def spoil(questionnaire: dict[str, Any]) -> None:
        for link_id in ("words", "helps"):
            find_item(questionnaire, link_id)["type"] = "attachment"

    findings = lint_instrument(changed(spoil))
    assert not is_usable(findings)
    assert [finding.code for finding in findings if finding.grade == "ERROR"] == ["unsupported-item-type"] * 2


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"resourceType": "Bundle"}'])
def test_what_cannot_be_read_is_one_error(body: bytes) -> None:
    assert [finding.grade for finding in lint_instrument(body)] == ["ERROR"]


def test_a_broken_bundle_is_refused_by_the_rule_it_breaks() -> None:
    bundle = json.loads(format_json(PHQ9.bundle))
    bundle["entry"] = bundle["entry"][:1]
    assert [finding.code for finding in lint_instrument(json.dumps(bundle).encode())] == ["malformed-instrument"]


def test_errors_come_first() -> None:
    broken = replace(PHQ9, attribution="", age_range=(None, None), risk_rules=())
    assert [grade for grade, _ in found(broken)] == ["ERROR", "ERROR", "WARNING"]


@pytest.mark.parametrize("instrument", load_catalog().find_all(), ids=lambda instrument: instrument.id)
def test_what_ships_has_the_shape_of_r4(instrument: Instrument) -> None:
    assert check_shape(format_json(instrument.bundle).encode()) == ()


def test_an_element_that_r4_does_not_know_is_an_error_and_is_not_quoted() -> None:
    bundle = json.loads(format_json(PHQ9.bundle))
    bundle["entry"][0]["resource"]["private"] = "words"
    (finding,) = check_shape(json.dumps(bundle).encode())
    assert (finding.grade, finding.code) == ("ERROR", "malformed-resource")
    assert "private" not in finding.where + finding.text
