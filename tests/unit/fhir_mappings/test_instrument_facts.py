"""Each shipped Bundle says what the fact file says where that is confirmed; nothing is compared with our output."""

from typing import Any

import pytest

from fhir_mappings.instrument import ChangeKind, Instrument
from fhir_mappings.r4 import format_json
from fhir_mappings.systems import LOINC
from tests.golden.expected_scores import CHART_LABELS, read_facts
from tests.golden.golden_cases import INSTRUMENT_FILES
from tests.unit.fhir_mappings.factories import INSTRUMENT_IDS, instrument_of

CASES = [pytest.param(instrument_of(name), read_facts(name), id=name) for name in INSTRUMENT_IDS]
KINDS = {
    "minimal clinically important difference": ChangeKind.MINIMAL_IMPORTANT,
    "minimal clinically important difference (anchor based, UK primary care)": ChangeKind.MINIMAL_IMPORTANT,
    "response": ChangeKind.RESPONSE,
    "remission": ChangeKind.REMISSION,
    "reliable change": ChangeKind.RELIABLE,
    "reliable change index": ChangeKind.RELIABLE,
    "recovery (NHS Talking Therapies)": ChangeKind.RECOVERY,
    "clinically significant change (original definition)": ChangeKind.CLINICALLY_SIGNIFICANT,
}


def test_every_shipped_instrument_has_its_fact_file() -> None:
    assert {path.stem for path in INSTRUMENT_FILES} == set(INSTRUMENT_IDS)


@pytest.mark.parametrize(("instrument", "facts"), CASES)
def test_identity_licence_and_instruction_are_the_instruments_own(
    instrument: Instrument, facts: dict[str, Any]
) -> None:
    assert facts["licence"]["ship"] is True
    assert instrument.id == facts["id"]
    assert instrument.title == facts["title"]
    assert instrument.short_name == facts["short_name"]
    assert instrument.instruction == facts["administration"]["instruction"]
    assert instrument.recall_period == facts["administration"]["recall_period"]
    assert instrument.attribution == facts["licence"]["attribution_text"]
    assert instrument.loinc_notice == facts["licence"]["loinc_notice"]
    assert instrument.coding.code == facts["loinc"]["panel"]["code"]
    assert instrument.coding.display == facts["loinc"]["panel"]["display"]


@pytest.mark.parametrize(("instrument", "facts"), CASES)
def test_items_have_the_confirmed_wording_codes_and_weights(instrument: Instrument, facts: dict[str, Any]) -> None:
    assert len(instrument.items) == len(facts["items"])
    for number, (item, fact) in enumerate(zip(instrument.items, facts["items"], strict=True), 1):
        assert fact["text_confirmed"] is True
        assert fact["loinc"]["confirmed"] is True
        assert item.coding is not None
        assert (item.link_id, item.text, item.number) == (fact["linkId"], fact["text"], str(number))
        assert (item.coding.system, item.coding.code) == (LOINC, fact["loinc"]["code"])
        assert item.coding.display is None or (
            fact["loinc"]["display_confirmed"] and item.coding.display == fact["loinc"]["display"]
        )
        assert item.scored is fact["scored"]
        options = facts["option_sets"][fact["options_ref"]]["options"]
        assert all(option["loinc_answer"]["confirmed"] for option in options)
        assert [(o.coding.system, o.coding.code, o.text, o.coding.display) for o in item.options] == [
            (LOINC, o["loinc_answer"]["code"], o["text"], o["text"]) for o in options
        ]
        weights = [o["value"] for o in options] if fact["scored"] else [None] * len(options)
        assert [o.weight for o in item.options] == weights


def test_no_display_says_four_weeks_where_the_form_asks_about_two() -> None:
    assert "4 weeks" not in format_json(instrument_of("gad-7").bundle)


@pytest.mark.parametrize(("instrument", "facts"), CASES)
def test_score_range_bands_and_cutoffs_are_the_published_ones(instrument: Instrument, facts: dict[str, Any]) -> None:
    (score,) = instrument.scores
    assert (score.coding.code, score.coding.display) == (
        facts["loinc"]["total"]["code"],
        facts["loinc"]["total"]["display"],
    )
    assert score.unit == facts["loinc"]["total"]["ucum"]
    assert list(score.range) == facts["scoring"]["range"]
    assert list(score.item_link_ids) == [item["linkId"] for item in facts["items"] if item["scored"]]
    assert facts["severity_bands"]["confirmed"] is True
    assert [(b.min, b.max, b.label, b.chart_label) for b in score.bands] == [
        (b["min"], b["max"], b["label"], CHART_LABELS[b["label"].rsplit(" ", 1)[0]])
        for b in facts["severity_bands"]["bands"]
    ]
    assert [(f"total >= {c.at_least}", c.meaning) for c in score.cutoffs] == [
        (c["rule"], c["meaning"]) for c in facts["cutoffs"] if c["confirmed"]
    ]
    assert score.cutoff is not None
    assert score.cutoff.at_least == 10


@pytest.mark.parametrize(("instrument", "facts"), CASES)
def test_risk_rules_are_the_published_ones(instrument: Instrument, facts: dict[str, Any]) -> None:
    assert [
        ([rule.link_id], f"answer value >= {rule.at_least}", rule.level, rule.action) for rule in instrument.risk_rules
    ] == [(risk["linkIds"], risk["rule"], risk["level"], risk["action"]) for risk in facts["risk_items"]]
    assert instrument.asks_about_suicide is bool(facts["risk_items"])


@pytest.mark.parametrize(("instrument", "facts"), CASES)
def test_change_figures_are_the_published_ones_and_one_of_a_kind_is_in_use(
    instrument: Instrument, facts: dict[str, Any]
) -> None:
    (score,) = instrument.scores
    shipped = [(c.kind, c.points, c.percent, c.score_below, c.baseline_at_least) for c in score.changes]
    published = [
        (KINDS[c["kind"]], c.get("points"), c.get("percent"), c.get("score_below"), c.get("baseline_at_least"))
        for c in facts["change"]
        if c["confirmed"]
    ]
    assert [tuple(float(v) if isinstance(v, int | float) else v for v in row) for row in published] == [
        tuple(v if v is None or isinstance(v, str) else float(v) for v in row) for row in shipped
    ]
    for kind in {c.kind for c in score.changes}:
        assert sum(c.default for c in score.changes if c.kind is kind) == 1


@pytest.mark.parametrize(("name", "points", "citation"), [("phq-9", 6, "NHS"), ("gad-7", 6, "Bischoff")])
def test_the_stricter_reliable_change_is_the_default(name: str, points: int, citation: str) -> None:
    reliable = instrument_of(name).scores[0].find_change(ChangeKind.RELIABLE)
    assert reliable is not None
    assert reliable.points == points
    assert citation in reliable.citation


@pytest.mark.parametrize(("instrument", "facts"), CASES)
def test_a_missing_item_rule_is_shipped_only_if_confirmed_and_never_as_the_authors(
    instrument: Instrument, facts: dict[str, Any]
) -> None:
    rule = instrument.scores[0].missing_rule
    missing = facts["scoring"]["missing"]
    assert (rule is not None) is missing["confirmed"]
    if rule is not None:
        assert rule.max_missing == missing["max_missing"]
        assert rule.owner in missing["rule_owner"]
        assert rule.is_author is False


@pytest.mark.parametrize("name", INSTRUMENT_IDS)
def test_every_loinc_code_passes_its_check_digit(name: str) -> None:
    codes = {coding["code"] for coding in _codings(instrument_of(name).bundle) if coding["system"] == LOINC}
    assert len(codes) > 15
    assert [code for code in codes if not _check_digit_holds(code)] == []


@pytest.mark.parametrize("code", ["44261-8", "44249-2", "LA6569-4"])
def test_the_check_digit_test_sees_a_mistyped_code(code: str) -> None:
    assert not _check_digit_holds(code)


def _codings(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        here = [value] if {"system", "code"} <= value.keys() else []
        return here + [coding for child in value.values() for coding in _codings(child)]
    if isinstance(value, list):
        return [coding for child in value for coding in _codings(child)]
    return []


def _check_digit_holds(code: str) -> bool:
    """Mod 10 (Luhn) as LOINC uses it; a letter counts as its ASCII code less 48."""
    body, _, digit = code.rpartition("-")
    total = 0
    for place, character in enumerate(reversed(body)):
        value = ord(character) - 48
        total += value if place % 2 else 2 * value - 9 * (value // 5)
    return (10 - total % 10) % 10 == int(digit)
