"""An instrument Bundle that breaks a rule is refused, and the fault is named."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from fhir_mappings.errors import MalformedInstrument, MalformedJson, UnknownItem
from fhir_mappings.instrument import Instrument, edition_of, parse_instrument
from fhir_mappings.systems import ACTION_CODE, EXT_RISK_RULE, ITEM_WEIGHT
from tests.golden.golden_cases import ROOT, load_json
from tests.unit.fhir_mappings.factories import INSTRUMENT_IDS, instrument_of, phq9

BUNDLE = load_json(ROOT / "fhir_mappings" / "instruments" / "phq-9.json")
Change = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], object]


def parse_changed(change: Change) -> Instrument:
    bundle = deepcopy(BUNDLE)
    questionnaire, definition, plan = (entry["resource"] for entry in bundle["entry"])
    change(questionnaire, definition, plan)
    return parse_instrument(json.dumps(bundle).encode())


def extension(parent: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e for e in parent["extension"] if e["url"].endswith(name))
    return found


def rule(plan: dict[str, Any], place: int) -> dict[str, Any]:
    part: dict[str, Any] = plan["action"][0]["extension"][0]["extension"][place]
    return part


def test_the_unchanged_bundle_parses() -> None:
    assert parse_changed(lambda q, o, p: None).canonical == phq9().canonical


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda q, o, p: q.pop("url"), "Questionnaire.url"),
        (lambda q, o, p: q.pop("version"), "Questionnaire.version"),
        (lambda q, o, p: q.pop("title"), "Questionnaire.title"),
        (lambda q, o, p: q.pop("code"), "Questionnaire.code"),
        (lambda q, o, p: q.pop("copyright"), "Questionnaire.copyright"),
        (lambda q, o, p: q.update(copyright="no notice"), "Questionnaire.copyright"),
        (lambda q, o, p: q.pop("extension"), "Questionnaire.extension(instrument)"),
        (lambda q, o, p: q.update(title=7), "Questionnaire.title"),
        (lambda q, o, p: q.update(item={}), "Questionnaire.item"),
        (lambda q, o, p: q["item"].pop(0), "Questionnaire.item"),
        (lambda q, o, p: q["item"].append(deepcopy(q["item"][1])), "Questionnaire.item.linkId"),
        (lambda q, o, p: q["item"][1].update(item=[deepcopy(q["item"][9])]), "Questionnaire.item.linkId"),
        (lambda q, o, p: q["item"][1].update(type="quantity"), "Questionnaire.item[1].type"),
        (lambda q, o, p: q["item"][1].pop("text"), "Questionnaire.item[1].text"),
        (lambda q, o, p: q["item"][9].pop("prefix"), "Questionnaire.item[9].prefix"),
        (lambda q, o, p: q["item"][1]["answerOption"].pop(), "Questionnaire.item(phq9-total)"),
        (lambda q, o, p: q["item"][1].pop("answerOption"), "Questionnaire.item[1].answerOption"),
        (
            lambda q, o, p: q["item"][1]["answerOption"].append(q["item"][1]["answerOption"][0]),
            "Questionnaire.item[1].answerOption",
        ),
        (lambda q, o, p: q["item"][1]["answerOption"][3].pop("extension"), None),
        (
            lambda q, o, p: q["item"][1]["answerOption"][3]["extension"][0].update(valueDecimal=2),
            "Questionnaire.item[1].answerOption[3].extension(itemWeight)",
        ),
        (
            lambda q, o, p: q["item"][1]["answerOption"][3]["extension"][0].update(valueDecimal="3"),
            "Questionnaire.item[1].answerOption[3].extension[0].valueDecimal",
        ),
        (lambda q, o, p: q["item"][10].update(enableBehavior="some"), "Questionnaire.item[10].enableBehavior"),
        (
            lambda q, o, p: q["item"][10]["enableWhen"][0].update(operator=">"),
            "Questionnaire.item[10].enableWhen[0].operator",
        ),
        (
            lambda q, o, p: q["item"][10]["enableWhen"][0].update(question="x"),
            "Questionnaire.item[10].enableWhen[0].question",
        ),
        (
            lambda q, o, p: q["item"][10].update(
                enableWhen=[{"question": "phq9-total", "operator": ">", "answerInteger": 3}]
            ),
            "Questionnaire.item[10].enableWhen[0].question",
        ),
        (
            lambda q, o, p: extension(q["item"][11], "calculatedExpression")["valueExpression"].update(
                expression=extension(q["item"][11], "calculatedExpression")["valueExpression"]["expression"].replace(
                    "= 9", "= 8"
                )
            ),
            "Questionnaire.item(phq9-total)",
        ),
        (lambda q, o, p: q["item"][11].pop("code"), "Questionnaire.item[11].code"),
        (lambda q, o, p: o.pop("identifier"), "ObservationDefinition.identifier"),
        (lambda q, o, p: o["code"]["coding"][0].update(code="44249-1"), "ObservationDefinition.code"),
        (lambda q, o, p: o["qualifiedInterval"].pop(0), "ObservationDefinition.qualifiedInterval"),
        (lambda q, o, p: o["qualifiedInterval"].pop(2), "ObservationDefinition.qualifiedInterval"),
        (
            lambda q, o, p: o["qualifiedInterval"][2]["range"]["high"].update(value=10),
            "ObservationDefinition.qualifiedInterval",
        ),
        (
            lambda q, o, p: o["qualifiedInterval"][0]["range"]["high"].update(value=28),
            "ObservationDefinition.qualifiedInterval",
        ),
        (
            lambda q, o, p: o["qualifiedInterval"][6]["range"]["low"].update(value=28),
            "ObservationDefinition.qualifiedInterval[6].range.low",
        ),
        (
            lambda q, o, p: extension(o, "missing-item-rule")["extension"][3].update(valueCode="guess"),
            "ObservationDefinition.extension[0].extension[3].valueCode",
        ),
        (
            lambda q, o, p: extension(o, "change-threshold")["extension"].pop(0),
            "ObservationDefinition.extension[1].extension(id)",
        ),
        (lambda q, o, p: p["action"][0].pop("code"), "PlanDefinition.action[0].code"),
        (lambda q, o, p: p["action"][0].pop("extension"), "PlanDefinition.action[0].extension(risk-rule)"),
        (
            lambda q, o, p: p["action"][0]["extension"][0]["extension"].pop(1),
            "PlanDefinition.action[0].extension(risk-rule)",
        ),
        (
            lambda q, o, p: p["action"][0]["extension"][0]["extension"][0].update(valueString="x"),
            "PlanDefinition.action(phq-9-risk-1)",
        ),
        (lambda q, o, p: p["action"][0].pop("reason"), "PlanDefinition.action[0].reason"),
        (lambda q, o, p: p["action"].append(p["action"][0]), "PlanDefinition.action.id"),
        (lambda q, o, p: rule(p, 0).update(valueString="phq9-10"), "PlanDefinition.action(phq-9-risk-1)"),
        (lambda q, o, p: rule(p, 1).update(valueDecimal=4), "PlanDefinition.action(phq-9-risk-1)"),
        (lambda q, o, p: rule(p, 1).update(url="code", valueCode="LA9"), "PlanDefinition.action(phq-9-risk-1)"),
        (lambda q, o, p: p.update(resourceType="Basic"), "Bundle.entry"),
    ],
)
def test_a_bundle_that_breaks_a_rule_is_refused_naming_the_element(change: Change, named: str | None) -> None:
    if named is None:
        # The weight still stands on the Coding: either place is enough.
        assert parse_changed(change).items[0].options[3].weight == 3
        return
    with pytest.raises(MalformedInstrument) as raised:
        parse_changed(change)
    assert raised.value.expression.startswith(named)


def test_a_scored_option_without_any_weight_is_refused() -> None:
    def strip(questionnaire: dict[str, Any], *_: dict[str, Any]) -> None:
        option = questionnaire["item"][1]["answerOption"][3]
        del option["extension"], option["valueCoding"]["extension"]

    with pytest.raises(MalformedInstrument, match="every option of a scored item needs a weight"):
        parse_changed(strip)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"resourceType": "Bundle", "type": "transaction"}',
        b'{"resourceType": "Bundle", "type": "collection"}',
    ],
)
def test_what_is_no_instrument_is_refused(body: bytes) -> None:
    with pytest.raises((MalformedInstrument, MalformedJson)):
        parse_instrument(body)


def test_next_instruments_and_the_rescreen_interval_are_read_from_the_plan() -> None:
    def add(_q: dict[str, Any], _o: dict[str, Any], plan: dict[str, Any]) -> None:
        def code(word: str) -> list[dict[str, Any]]:
            return [{"coding": [{"system": ACTION_CODE, "code": word}]}]

        details = {"linkId": "valueString", "atLeast": "valueDecimal", "source": "valueString"}
        values = {"linkId": "phq9-total", "atLeast": 10, "source": "a paper"}
        rule = [{"url": url, name: values[url]} for url, name in details.items()]
        plan["action"] += [
            {
                "id": "phq-9-next-9",
                "code": code("next-instrument"),
                "definitionCanonical": "https://example.org/Questionnaire/next",
                "reason": [{"text": "Total of 10 or more"}],
                "extension": [{"url": EXT_RISK_RULE, "extension": rule}],
            },
            {"code": code("re-screen"), "timingTiming": {"repeat": {"frequency": 1, "period": 14, "periodUnit": "d"}}},
        ]

    instrument = parse_changed(add)
    assert instrument.interval_days == 14
    *_, follow = instrument.next_instruments
    assert (follow.canonical, follow.link_id, follow.at_least) == (
        "https://example.org/Questionnaire/next",
        "phq9-total",
        10,
    )


def test_the_edition_is_the_major_version() -> None:
    assert edition_of("u|1.0.0") == edition_of("u|1.7.2") != edition_of("u|2.0.0")
    assert edition_of("u") == "u"


def test_asking_for_what_is_not_there_names_no_content() -> None:
    with pytest.raises(UnknownItem) as raised:
        phq9().get_item("Rosa")
    assert "Rosa" not in str(raised.value)
    with pytest.raises(UnknownItem):
        phq9().get_score("Rosa")


@pytest.mark.parametrize("name", INSTRUMENT_IDS)
def test_every_option_carries_its_weight_under_both_names_in_both_places(name: str) -> None:
    for item in instrument_of(name).questionnaire["item"]:
        for option in item.get("answerOption", []):
            places = [option, option["valueCoding"]]
            urls = [[e["url"] for e in place.get("extension", []) if "Decimal" in str(e)] for place in places]
            assert urls[0] == urls[1]
            assert not urls[0] or urls[0][0] == ITEM_WEIGHT
