"""The check of a Questionnaire: one thing wrong at a time, each told by its code and where it is."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.errors import Severity
from fhir_mappings.questionnaire_check import DEEPEST, MOST_ITEMS, check_questionnaire
from fhir_mappings.site_questionnaire import check_site_instrument
from fhir_mappings.systems import ITEM_WEIGHT, MAX_VALUE, MIN_VALUE
from tests.unit.fhir_mappings.any_questionnaire import SLEEP, changed, find_item

Change = Callable[[dict[str, Any]], Any]
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"


def found(change: Change) -> list[tuple[str, str]]:
    issues = check_questionnaire(json.loads(changed(change)))
    return [(issue.severity, issue.code) for issue in issues if issue.code != "score-without-code"]


def on(link_id: str, **values: Any) -> Change:
    return lambda q: find_item(q, link_id).update(values)


def extended(link_id: str, url: str, **value: Any) -> Change:
    return lambda q: find_item(q, link_id).setdefault("extension", []).append({"url": url, **value})


def condition(link_id: str, question: str, operator: str, **answer: Any) -> Change:
    return on(link_id, enableWhen=[{"question": question, "operator": operator, **answer}])


def limits(low: int, high: int) -> list[dict[str, Any]]:
    return [{"url": MIN_VALUE, "valueInteger": low}, {"url": MAX_VALUE, "valueInteger": high}]


def calculated(**values: str) -> Change:
    return lambda q: find_item(q, "burden")["extension"][1]["valueExpression"].update(values)


def option(**value: Any) -> Change:
    return lambda q: find_item(q, "snore")["answerOption"][0].update(value)


def test_the_sample_is_usable_and_only_its_score_without_code_is_told() -> None:
    assert found(lambda q: None) == []
    assert [issue.code for issue in check_questionnaire(json.loads(SLEEP))] == ["score-without-code"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda q: q.update(resourceType="Basic"), "not-a-questionnaire"),
        (lambda q: q.pop("url"), "url-missing"),
        (lambda q: q.pop("language"), "language-missing"),
        (lambda q: (q.pop("title"), q.pop("name")), "title-missing"),
        (lambda q: q.update(status="retired"), "retired"),
        (lambda q: q.update(modifierExtension=[{"url": "x"}]), "modifier-extension"),
        (lambda q: q["extension"][0]["valueExpression"].update(expression="1 +"), "unsupported-expression"),
        (lambda q: q["extension"][0]["valueExpression"].pop("name"), "malformed-element"),
        (lambda q: q.update(item={}), "malformed-element"),
        (lambda q: q.update(item=[]), "nothing-to-answer"),
        (lambda q: q.update(item=q["item"][:1]), "nothing-to-answer"),
        (lambda q: q["contained"][0].pop("id"), "malformed-element"),
        (on("words", linkId="snore"), "doubled-link-id"),
        (on("words", linkId="a b"), "unfit-link-id"),
        (on("words", linkId="x" * 65), "unfit-link-id"),
        (on("words", linkId="a'b"), "unfit-link-id"),
        (lambda q: find_item(q, "words").pop("linkId"), "malformed-element"),
        (on("words", modifierExtension=[{"url": "x"}]), "modifier-extension"),
        (on("words", type="attachment"), "unsupported-item-type"),
        (on("words", type="reference"), "unsupported-item-type"),
        (on("words", type="url"), "unsupported-item-type"),
        (on("words", type="essay"), "unsupported-item-type"),
        (lambda q: find_item(q, "words").pop("text"), "text-missing"),
        (on("words", code=[{"code": "words"}]), "malformed-element"),
        (on("words", maxLength=0), "malformed-limit"),
        (on("words", maxLength="long"), "malformed-element"),
        (on("words", answerOption=[{"valueString": "yes"}]), "unsupported-option"),
        (on("words", initial=[{"valueInteger": 1}]), "malformed-element"),
        (extended("words", SDC + "enableWhenExpression"), "unsupported-extension"),
        (extended("words", SDC + "answerExpression"), "unsupported-extension"),
        (extended("words", "http://hl7.org/fhir/StructureDefinition/cqf-expression"), "unsupported-extension"),
        (on("words", enableBehavior="some"), "unsupported-behavior"),
        (condition("words", "nobody", "exists", answerBoolean=True), "unknown-question"),
        (condition("words", "words", "exists", answerBoolean=True), "cyclic-enable-when"),
        (condition("words", "nights", "exists", answerBoolean=True), "unknown-question"),
        (condition("words", "burden", ">", answerDecimal=1), "unknown-question"),
        (condition("words", "snore", "~", answerBoolean=True), "unsupported-operator"),
        (condition("words", "snore", ">", answerCoding={"system": "x", "code": "often"}), "unsupported-operator"),
        (condition("words", "troubled", "<", answerBoolean=True), "unsupported-operator"),
        (condition("words", "snore", "=", answerString="often"), "malformed-element"),
        (condition("words", "bad-nights", ">", answerDecimal=1), "malformed-element"),
        (option(valueString="never"), None),
        (lambda q: find_item(q, "snore")["answerOption"][0].pop("valueCoding"), "unsupported-option"),
        (option(valueCoding={"code": "never"}), "option-without-system"),
        (option(valueCoding={"system": "x", "code": "declined"}), "reserved-code"),
        (option(valueCoding={"system": "x", "code": "often"}), "doubled-option"),
        (option(extension=[{"url": ITEM_WEIGHT, "valueDecimal": "0"}]), "malformed-weight"),
        (option(extension=[{"url": ITEM_WEIGHT, "valueString": "zero"}]), "malformed-weight"),
        (lambda q: find_item(q, "snore")["answerOption"].pop(), "too-few-options"),
        (on("worry", answerValueSet="#nothing"), "value-set-not-contained"),
        (on("worry", answerValueSet="http://loinc.org/vs/LL358-3"), "value-set-not-contained"),
        (lambda q: q["contained"][0]["compose"]["include"][0].update(filter=[]), "value-set-not-listed"),
        (lambda q: q["contained"][0].update(resourceType="Patient"), "value-set-not-listed"),
        (extended("bad-nights", MIN_VALUE, valueInteger=1), "malformed-element"),
        (on("bad-nights", extension=[{"url": MIN_VALUE, "valueString": "1"}]), "malformed-limit"),
        (on("bad-nights", extension=limits(5, 4)), "limits-cross"),
        (calculated(language="text/cql"), "unsupported-expression"),
        (calculated(expression="today()"), "unsupported-expression"),
    ],
)  # fmt: skip
def test_what_makes_it_unusable_is_an_error_with_its_code(change: Change, code: str | None) -> None:
    assert found(change) == ([] if code is None else [(Severity.ERROR, code)])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda q: q.pop("version"), "version-missing"),
        (lambda q: q.pop("copyright"), "copyright-missing"),
        (condition("words", "troubled", "!=", answerBoolean=True), "not-equal"),
        (on("waking", repeats=True), "asked-once"),
        (on("words", repeats=True), "asked-once"),
        (on("troubled", repeats=True), "asked-once"),
        (extended("words", SDC + "initialExpression"), "unsupported-extension"),
        (extended("words", "http://hl7.org/fhir/StructureDefinition/regex", valueString=".*"), "unsupported-extension"),
        (lambda q: find_item(q, "worry").pop("enableBehavior"), "enable-behavior-missing"),
        (lambda q: find_item(q, "edition").pop("initial"), "never-answered"),
        (lambda q: find_item(q, "snore")["answerOption"][0].pop("extension"), "weight-missing"),
        (on("burden", type="string"), "calculated-not-number"),
    ],
)
def test_what_is_not_done_is_a_warning_with_its_code(change: Change, code: str) -> None:
    assert found(change) == [(Severity.WARNING, code)]


def test_every_item_of_a_circle_is_named() -> None:
    def tie(questionnaire: dict[str, Any]) -> None:
        for link_id, other in (("words", "since"), ("since", "medicines"), ("medicines", "words")):
            condition(link_id, other, "exists", answerBoolean=True)(questionnaire)

    issues = check_questionnaire(json.loads(changed(tie)))
    circle = [issue.expression for issue in issues if issue.code == "cyclic-enable-when"]
    assert circle == [f"Questionnaire.item.where(linkId='{name}')" for name in ("since", "medicines", "words")]


def test_a_link_id_that_stands_many_times_is_told_once() -> None:
    def repeat(questionnaire: dict[str, Any]) -> None:
        questionnaire["item"] += [questionnaire["item"][-1]] * 50

    assert [code for _, code in found(repeat)].count("doubled-link-id") == 1


def test_a_group_enabled_by_what_it_holds_is_a_circle() -> None:
    codes = found(condition("waking", "rested", "exists", answerBoolean=True))
    assert codes == [(Severity.ERROR, "cyclic-enable-when")] * 2  # both items of the group wait


def test_each_unsupported_item_is_told_by_itself() -> None:
    def spoil(questionnaire: dict[str, Any]) -> None:
        for link_id in ("words", "since", "rested"):
            find_item(questionnaire, link_id)["type"] = "reference"

    issues = [issue for issue in check_questionnaire(json.loads(changed(spoil))) if issue.severity is Severity.ERROR]
    types = [issue for issue in issues if issue.code == "unsupported-item-type"]
    assert [issue.expression.rpartition("(")[2] for issue in types] == ["rested)", "since)", "words)"]


@pytest.mark.parametrize(
    ("items", "codes"),
    [
        ([{"linkId": f"i{n}", "type": "string", "text": "?"} for n in range(10_000)], ["too-many-items"]),
        ([{"linkId": f"i{n}", "type": "string", "text": "?"} for n in range(MOST_ITEMS)], []),
    ],
)
def test_no_more_items_than_a_page_can_send(items: list[Any], codes: list[str]) -> None:
    assert [code for _, code in found(lambda q: q.update(item=items))] == codes


@pytest.mark.parametrize(("levels", "codes"), [(DEEPEST, []), (DEEPEST + 1, ["nested-too-deep"])])
def test_groups_nest_only_so_deep(levels: int, codes: list[str]) -> None:
    def nest(questionnaire: dict[str, Any]) -> None:
        item: dict[str, Any] = {"linkId": "leaf", "type": "string", "text": "?"}
        for level in range(levels - 1):
            item = {"linkId": f"g{level}", "type": "group", "item": [item]}
        questionnaire["item"] = [item]

    assert [code for _, code in found(nest)] == codes


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed-json"),
        (b"[]", "malformed-json"),
        (b'{"resourceType": "Questionnaire", "resourceType": "Questionnaire"}', "malformed-json"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "malformed-json"),
        (b'{"resourceType": "Patient"}', "malformed-instrument"),
        (b'{"resourceType": "Bundle", "type": "collection"}', "malformed-instrument"),
        (b'{"resourceType": "Bundle", "type": "collection", "entry": 7}', "malformed-instrument"),
    ],
)
def test_what_is_no_instrument_at_all_is_one_finding(body: bytes, code: str) -> None:
    assert [issue.code for issue in check_site_instrument(body)] == [code]


NAMES = ["linkId", "type", "item", "answerOption", "enableWhen", "valueCoding", "extension", "url"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(ANY_JSON)
def test_any_json_for_items_is_found_fault_with_and_never_crashes(value: Any) -> None:
    issues = check_questionnaire(json.loads(changed(lambda q: q.update(item=value))))
    assert all(issue.code and issue.expression for issue in issues)
