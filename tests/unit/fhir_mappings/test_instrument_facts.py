"""Each Bundle says what the fact file says where that is confirmed; nothing is compared with our output."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_mappings.instrument import ChangeKind
from fhir_mappings.site_choice import SiteChoice, apply_choice
from tests.golden.expected_scores import answer_coding, level_alone, score_coding
from tests.golden.figures import points_of
from tests.golden.golden_cases import INSTRUMENT_FILES, ROOT
from tests.golden.naming import AGES, CHART_LABELS, INSTRUCTIONS, LOCAL
from tests.golden.published import FACTS, LOINC, defined, read_published, shipped
from tests.unit.fhir_mappings.factories import instrument_of

ALL = [pytest.param(name, id=name) for name in defined()]
SHIPPED = [pytest.param(name, id=name) for name in shipped()]
TEXTLESS = [pytest.param(name, id=name) for name in defined() if name not in shipped()]
KINDS = {
    "minimal clinically important difference": ChangeKind.MINIMAL_IMPORTANT,
    "minimal clinically important difference (anchor based, UK primary care)": ChangeKind.MINIMAL_IMPORTANT,
    "minimal important difference": ChangeKind.MINIMAL_IMPORTANT,
    "clinically meaningful change": ChangeKind.MINIMAL_IMPORTANT,
    "response": ChangeKind.RESPONSE,
    "improvement": ChangeKind.RESPONSE,
    "remission": ChangeKind.REMISSION,
    "reliable change": ChangeKind.RELIABLE,
    "reliable change index": ChangeKind.RELIABLE,
    "smallest detectable change": ChangeKind.RELIABLE,
    "recovery (NHS Talking Therapies)": ChangeKind.RECOVERY,
    "clinically significant change (original definition)": ChangeKind.CLINICALLY_SIGNIFICANT,
}
# Figures in words that a program cannot use as they stand, or that another entry of the same file contradicts.
READ_ONLY = {"responsiveness", "change of risk group"}


def test_every_instrument_has_its_fact_file_and_every_fact_file_its_instrument() -> None:
    assert {path.stem for path in INSTRUMENT_FILES} == {path.stem for path in FACTS.glob("*.json")}


def test_the_instruments_of_the_library_ship_with_text_the_others_without() -> None:
    assert len(shipped()) == 17
    assert {name for name in defined() if not instrument_of(name).needs_text} == set(shipped())


@pytest.mark.parametrize("name", ALL)
def test_identity_licence_and_instruction_are_the_instruments_own(name: str) -> None:
    instrument, facts = instrument_of(name), read_published(name).facts
    assert instrument.id == facts["id"]
    assert instrument.title == facts["title"]
    assert instrument.short_name == facts["short_name"]
    assert instrument.recall_period == facts["administration"]["recall_period"]
    assert instrument.attribution == facts["licence"]["attribution_text"]
    panel = facts["loinc"]["panel"]
    if panel is None or not panel["confirmed"]:
        assert (instrument.coding.system, instrument.coding.code) == (LOCAL, name)
    else:
        assert (instrument.coding.system, instrument.coding.code) == (LOINC, panel["code"])
        assert instrument.coding.display == (panel["display"] if panel["display_confirmed"] else None)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_instruction_is_printed_word_for_word(name: str) -> None:
    instrument, facts = instrument_of(name), read_published(name).facts
    words = facts["administration"]["instruction"]
    assert instrument.instruction == INSTRUCTIONS.get(name, words)


@pytest.mark.parametrize("name", ALL)
def test_validated_ages_are_those_that_the_facts_name(name: str) -> None:
    words = read_published(name).facts["population"]["value"]
    assert instrument_of(name).age_range == AGES[words]


@pytest.mark.parametrize("name", SHIPPED)
def test_items_have_the_confirmed_wording_codes_and_weights(name: str) -> None:
    instrument, published = instrument_of(name), read_published(name)
    assert [item.link_id for item in instrument.items] == [item.link_id for item in published.items]
    for item, fact in zip(instrument.items, published.items, strict=True):
        assert item.text == fact.text
        # What comes before the first question has no printed number.
        assert (item.number, item.type) in {(fact.number, "choice"), ("", "choice") if fact.number == "0" else ()}
        assert item.coding is not None
        expected = (LOCAL, fact.link_id) if fact.loinc is None else (LOINC, fact.loinc)
        assert (item.coding.system, item.coding.code) == expected
        assert item.scored is any(fact.link_id in score.link_ids for score in published.scores)
        assert [option.text for option in item.options] == [option.text for option in fact.options]
        assert [option.coding.to_json() for option in item.options] == [
            answer_coding(fact, option.value) for option in fact.options
        ]
        if item.scored:
            assert [option.weight for option in item.options] == [option.value for option in fact.options]


@pytest.mark.parametrize("name", ALL)
def test_item_and_panel_codes_have_the_confirmed_display_or_none(name: str) -> None:
    instrument, facts = instrument_of(name), read_published(name).facts
    displays = {
        element["code"]: element["display"] if element.get("display_confirmed", True) else None
        for element in _elements(facts)
        if element.get("system") == LOINC and "display" in element
    }
    for coding in [instrument.coding, *(item.coding for item in instrument.items if item.coding is not None)]:
        if coding.system == LOINC:
            assert coding.display in {None, displays[coding.code]}


@pytest.mark.parametrize("name", TEXTLESS)
def test_licensed_wording_is_nowhere_in_a_definition_without_text(name: str) -> None:
    instrument, published = instrument_of(name), read_published(name)
    assert instrument.questionnaire.get("item")
    for element in _elements(instrument.questionnaire):
        if "linkId" in element and element["linkId"] in {item.link_id for item in published.items}:
            assert "text" not in element
            assert all("display" not in coding for coding in element.get("code", ()))
    # LOINC's names of EPDS, ASRS, DAST-10 and PROMIS items repeat their wording.
    body = json.dumps(instrument.bundle, default=str)
    for fact in published.facts["items"]:
        if fact["loinc"] is not None and name != "c-ssrs-screener":
            assert fact["loinc"]["loinc_component_2020"] not in body
            assert not fact["loinc"]["display"] or fact["loinc"]["display"] not in body
    choices = [item for item in instrument.items if item.type == "choice"]
    assert [item.link_id for item in choices] == [item.link_id for item in published.items]
    for item, fact in zip(choices, published.items, strict=True):
        assert item.coding is not None
        expected = (LOCAL, fact.link_id) if fact.loinc is None else (LOINC, fact.loinc)
        assert (item.coding.system, item.coding.code) == expected
        assert [option.coding.to_json() for option in item.options] == [
            answer_coding(fact, option.value) for option in fact.options
        ]


@pytest.mark.parametrize("name", ALL)
def test_score_ranges_bands_and_cutoffs_are_the_published_ones(name: str) -> None:
    instrument, published = instrument_of(name), read_published(name)
    by_id = {score.id: score for score in instrument.scores}
    for expected in published.scores:
        score = by_id[expected.id]
        coding = score_coding(expected)
        assert (score.coding.system, score.coding.code) == (coding["system"], coding["code"])
        assert score.coding.display in {coding.get("display"), None} or score.coding.system == LOCAL
        assert score.range == expected.range
        assert sorted(score.item_link_ids) == sorted(expected.link_ids)
        assert [(b.min, b.max, b.label, b.chart_label) for b in score.bands] == [
            (b.min, b.max, b.label, CHART_LABELS[b.label]) for b in expected.bands
        ]
        assert [(c.points, c.meaning, c.default, c.gender) for c in score.cutoffs] == [
            (c.at_least, c.meaning, c.default, c.gender) for c in expected.cutoffs
        ]


@pytest.mark.parametrize("name", ALL)
def test_risk_rules_are_the_published_ones(name: str) -> None:
    instrument, published = instrument_of(name), read_published(name)
    # The C-SSRS facts say "see triage": the level that one Yes to this item alone makes.
    assert [(rule.link_id, rule.level) for rule in instrument.risk_rules] == [
        (risk.link_id, level_alone(published, risk)[1]) for risk in published.risks
    ]
    assert instrument.asks_about_suicide is bool(published.risks)
    stated = [fact["action"] for fact in published.facts["risk_items"] if "action" in fact]
    assert [rule.action for rule in instrument.risk_rules][: len(stated)] == stated


@pytest.mark.parametrize("name", ["asq", "c-ssrs-screener"])
def test_levels_have_the_published_words_and_actions(name: str) -> None:
    (score,) = instrument_of(name).scores
    triage = read_published(name).facts["triage"]["levels"]
    published = {fact["level"]: fact.get("action", "") for fact in triage if fact["confirmed"]}
    assert {level.label: level.action for level in score.levels} == published
    assert [level.rank for level in score.levels] == list(range(len(published)))


@pytest.mark.parametrize("name", ALL)
def test_figures_of_change_name_the_paper_that_the_facts_name(name: str) -> None:
    facts = read_published(name).facts
    named = {fact["citation"] for fact in facts["change"] if fact["confirmed"] and "citation" in fact}
    cited = {change.citation for score in instrument_of(name).scores for change in score.changes}
    unnamed = [fact for fact in facts["change"] if fact["confirmed"] and "citation" not in fact]
    assert cited <= named or unnamed
    assert all(change.source for score in instrument_of(name).scores for change in score.changes)


@pytest.mark.parametrize("name", ALL)
def test_change_figures_are_published_ones_and_one_of_a_kind_is_in_use(name: str) -> None:
    instrument, facts = instrument_of(name), read_published(name).facts
    published = {figure for fact in facts["change"] if fact["confirmed"] for figure in _figures(fact)}
    shipped_figures = [
        (c.kind, *map(_number, (c.points, c.percent, c.score_below, c.baseline_at_least)))
        for score in instrument.scores
        for c in score.changes
    ]
    assert set(shipped_figures) == published
    for score in instrument.scores:
        for kind in {c.kind for c in score.changes}:
            assert sum(c.default for c in score.changes if c.kind is kind) == 1


def _figures(fact: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """What one fact publishes: kind, points, per cent, score below, least baseline."""
    points, percent, below = fact.get("points"), fact.get("percent"), fact.get("score_below")
    if fact["kind"] in READ_ONLY or (points, percent, below) == (None, None, None):
        return
    for each in points_of(fact, KINDS[fact["kind"]].value):
        yield KINDS[fact["kind"]], *map(_number, (each, percent, below, fact.get("baseline_at_least")))
        if "score_at_most" in fact:
            # A reliable change that also reaches a score is clinically significant; at most n is below n + 1.
            yield ChangeKind.CLINICALLY_SIGNIFICANT, *map(_number, (each, percent, fact["score_at_most"] + 1, None))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


@pytest.mark.parametrize(
    ("name", "points", "citation"), [("phq-9", 6, "NHS"), ("gad-7", 6, "Bischoff"), ("pcl-5", 18, "Marx")]
)
def test_the_stricter_reliable_change_is_the_default(name: str, points: int, citation: str) -> None:
    reliable = instrument_of(name).scores[0].find_change(ChangeKind.RELIABLE)
    assert reliable is not None
    assert reliable.points == points
    assert citation in reliable.citation


def test_a_site_can_choose_the_smaller_reliable_change_of_the_pcl_5() -> None:
    figures = {"pcl-5-total": {ChangeKind.RELIABLE: "marx-2022-first-trial"}}
    chosen = apply_choice(instrument_of("pcl-5"), SiteChoice(figures=figures))
    reliable = chosen.get_score("pcl-5-total").find_change(ChangeKind.RELIABLE)
    assert reliable is not None
    assert reliable.points == 15


@pytest.mark.parametrize("name", ALL)
def test_a_missing_item_rule_is_shipped_only_if_confirmed_and_as_the_owners(name: str) -> None:
    instrument, published = instrument_of(name), read_published(name)
    for expected in published.scores:
        rule = instrument.get_score(expected.id).missing_rule
        assert (rule is not None) is (expected.max_missing > 0)
        if rule is not None:
            assert expected.missing_owner is not None
            assert rule.max_missing == expected.max_missing
            assert rule.owner in expected.missing_owner
            assert rule.is_author is (published.id == "psc-17")


@pytest.mark.parametrize("name", ALL)
def test_only_confirmed_codes_are_written_as_loinc(name: str) -> None:
    facts = read_published(name).facts
    confirmed = {fact["code"] for fact in _elements(facts) if fact.get("system") == LOINC and fact["confirmed"]}
    assert {coding["code"] for coding in _codings(instrument_of(name).bundle)} <= confirmed


@pytest.mark.parametrize("name", ALL)
def test_every_loinc_code_passes_its_check_digit(name: str) -> None:
    assert [coding for coding in _codings(instrument_of(name).bundle) if not check_digit_holds(coding["code"])] == []


def test_every_loinc_code_in_the_definitions_passes_its_check_digit() -> None:
    files = sorted((ROOT / "fhir_mappings").glob("*.json"))
    assert files
    for path in files:
        assert [c for c in _codings(json.loads(path.read_text("utf-8"))) if not check_digit_holds(c["code"])] == []


@pytest.mark.parametrize("package", ["fhir_mappings", "smart_app", "sandbox_ehr", "launch"])
def test_every_loinc_code_in_the_source_passes_its_check_digit(package: str) -> None:

    found = re.compile(r"[\"'|](\d{3,6}-\d|L[ALP]\d{2,6}-\d)[\"']")
    for path in sorted((ROOT / package).rglob("*.py")):
        assert [code for code in found.findall(path.read_text("utf-8")) if not check_digit_holds(code)] == [], path


@pytest.mark.parametrize("code", ["44261-8", "44249-2", "LA6569-4", "LL358-4", "93373-8"])
def test_the_check_digit_test_sees_a_mistyped_code(code: str) -> None:
    assert not check_digit_holds(code)


@pytest.mark.parametrize("code", ["44249-1", "LA6569-3", "LL358-3", "93373-9"])
def test_the_check_digit_test_lets_a_good_code_pass(code: str) -> None:
    assert check_digit_holds(code)


def test_no_display_says_four_weeks_where_the_form_asks_about_two() -> None:
    assert "4 weeks" not in json.dumps(_codings(instrument_of("gad-7").bundle))


def _elements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _elements(child)
    elif isinstance(value, list):
        for child in value:
            yield from _elements(child)


def _codings(value: Any) -> list[dict[str, Any]]:
    """Every Coding of LOINC, wherever it stands."""
    return [element for element in _elements(value) if element.get("system") == LOINC and "code" in element]


def check_digit_holds(code: str) -> bool:
    """Mod 10 (Luhn) as LOINC uses it; a letter counts as its ASCII code less 48."""
    body, _, digit = code.rpartition("-")
    total = 0
    for place, character in enumerate(reversed(body)):
        value = ord(character) - 48
        total += value if place % 2 else 2 * value - 9 * (value // 5)
    return (10 - total % 10) % 10 == int(digit)
