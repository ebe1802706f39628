"""Golden cases compared whole: score.json comes from the facts, bundle.json is checked against them independently."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_mappings.extract import build_transaction
from fhir_mappings.response import compare_stated_scores, parse_response
from fhir_mappings.scoring import score_answers
from tests.golden.expected_scores import DECLINED, expected_files, read_facts, vectors, weight_of
from tests.golden.golden_cases import CASES, DATA, load_json, plan_case, sign_case
from tests.unit.fhir_mappings.factories import instrument_of

ALL_CASES = [pytest.param(case, id=f"{case.parent.name}/{case.name}") for case in CASES]


def test_expected_scores_are_the_fact_files_and_nothing_else() -> None:
    committed = {path: load_json(path) for case in CASES for path in (case / "response.json", case / "score.json")}
    assert committed == expected_files()


def test_every_case_that_must_be_there_is() -> None:
    names = {f"{case.parent.name}/{case.name}" for case in CASES}
    edges = {"phq-9": (4, 5, 9, 10, 14, 15, 19, 20), "gad-7": (4, 5, 9, 10, 14, 15)}
    for instrument, totals in edges.items():
        assert {f"{instrument}/total-{total}" for total in totals} <= names
        assert {
            f"{instrument}/{name}" for name in ("lowest", "highest", "one-missing-positive", "all-missing")
        } <= names
    assert {"phq-9/item-9-missing", "phq-9/item-9-declined", "phq-9/item-9-alone"} <= names


@pytest.mark.parametrize("case", ALL_CASES)
def test_score_equals_the_expected_one(case: Path) -> None:
    instrument = instrument_of(case.parent.name)
    parsed = parse_response((case / "response.json").read_bytes(), instrument)
    scored = score_answers(instrument, parsed.value.answers, handed_in=parsed.value.handed_in)
    assert scored.value.to_json(parsed.issues + scored.issues) == load_json(case / "score.json")


@pytest.mark.parametrize("case", ALL_CASES)
def test_bundle_equals_the_recorded_one(case: Path) -> None:
    planned = plan_case(case, instrument_of(case.parent.name))
    assert build_transaction(planned, conditional=True) == load_json(case / "bundle.json")


@pytest.mark.parametrize("case", ALL_CASES)
def test_every_reference_resolves_to_an_earlier_entry_or_to_the_context(case: Path) -> None:
    known = {"Patient/rosa", "Encounter/visit", "Practitioner/miriam", "Practitioner/ana", "#software"}
    known.add("Organization/alder-creek")
    for entry in load_json(case / "bundle.json")["entry"]:
        assert set(references(entry["resource"])) <= known
        known.add(entry["fullUrl"])


@pytest.mark.parametrize("case", ALL_CASES)
def test_every_resource_speaks_of_this_patient_encounter_and_practitioner(case: Path) -> None:
    for resource in resources(case):
        if resource["resourceType"] == "Provenance":
            who = [agent["who"]["reference"] for agent in resource["agent"]]
            assert who == ["Practitioner/miriam", "Practitioner/miriam", "Patient/rosa", "#software"]
            continue
        assert resource["subject"]["reference"] == "Patient/rosa"
        encounter = resource.get("encounter") or resource["context"]["encounter"][0]
        assert encounter["reference"] == "Encounter/visit"


@pytest.mark.parametrize("case", ALL_CASES)
def test_item_observations_are_the_answers_by_the_facts_and_nothing_for_what_is_missing(case: Path) -> None:
    facts = read_facts(case.parent.name)
    vector = vectors(facts)[case.name]
    by_code = {resource["code"]["coding"][0]["code"]: resource for resource in resources(case, "Observation")}
    scored = [item for item in facts["items"] if item["scored"]]
    for item, answer in zip(scored, vector, strict=True):
        found = by_code.pop(item["loinc"]["code"], None)
        options = {o["value"]: o for o in facts["option_sets"][item["options_ref"]]["options"]}
        weight = weight_of(answer)
        if weight is not None:
            assert found is not None
            (coding,) = found["valueCodeableConcept"]["coding"]
            expected = options[weight]
            assert (coding["code"], coding["display"]) == (expected["loinc_answer"]["code"], expected["text"])
            assert "dataAbsentReason" not in found
        elif answer == DECLINED:
            assert found is not None
            assert found["dataAbsentReason"]["coding"][0]["code"] == "asked-declined"
            assert not any(name.startswith("value") for name in found)
        else:
            assert found is None
    others = {facts["loinc"]["panel"]["code"], facts["loinc"]["total"]["code"]}
    difficulty = {item["loinc"]["code"] for item in facts["items"] if not item["scored"]}
    answered = any(weight_of(answer) for answer in vector)
    assert by_code.keys() == others | (difficulty if answered else set())


@pytest.mark.parametrize("case", ALL_CASES)
def test_the_total_is_the_expected_score_or_says_that_it_is_not_known(case: Path) -> None:
    facts = read_facts(case.parent.name)
    (score,) = load_json(case / "score.json")["scores"]
    total = next(
        r for r in resources(case, "Observation") if r["code"]["coding"][0]["code"] == facts["loinc"]["total"]["code"]
    )
    if score["value"] is None:
        assert "valueQuantity" not in total
        assert total["dataAbsentReason"]["coding"][0]["code"] == "unknown"
        assert f"between {score['bounds'][0]} and {score['bounds'][1]}" in total["dataAbsentReason"]["text"]
    else:
        assert total["valueQuantity"] == {
            "value": score["value"],
            "unit": "{score}",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        }
        assert score["band"]["label"] in total["note"][0]["text"]
    said = [concept["coding"][0]["code"] for concept in total.get("interpretation", [])]
    assert said == {True: ["POS"], False: ["NEG"], None: []}[score["positive"]]


@pytest.mark.parametrize("case", ALL_CASES)
def test_the_panel_holds_every_other_observation_and_no_value(case: Path) -> None:
    entries = [e for e in load_json(case / "bundle.json")["entry"] if e["resource"]["resourceType"] == "Observation"]
    *members, panel = entries
    assert [m["reference"] for m in panel["resource"]["hasMember"]] == [m["fullUrl"] for m in members]
    assert not any(name.startswith(("value", "dataAbsent")) for name in panel["resource"])


@pytest.mark.parametrize("case", ALL_CASES)
def test_our_identifier_stands_in_each_resource_and_in_its_condition(case: Path) -> None:
    seen = set()
    for entry in load_json(case / "bundle.json")["entry"]:
        value = str(UUID(entry["fullUrl"].removeprefix("urn:uuid:")))
        seen.add(value)
        expected = f"https://smart-screening.org/fhir/NamingSystem/result|{value}"
        parameter, _, query = entry["request"]["ifNoneExist"].partition("=")
        assert unquote(query) == expected
        resource = entry["resource"]
        identifier = resource.get("identifier")
        if resource["resourceType"] == "Provenance":
            assert parameter == "_tag"
            assert identifier is None
            identifier = {"system": resource["meta"]["tag"][0]["system"], "value": resource["meta"]["tag"][0]["code"]}
        elif isinstance(identifier, list):
            (identifier,) = identifier
        assert f"{identifier['system']}|{identifier['value']}" == expected
    assert len(seen) == len(load_json(case / "bundle.json")["entry"])


@pytest.mark.parametrize("case", ALL_CASES)
def test_the_note_says_the_score_who_signed_and_the_reference_in_both_forms(case: Path) -> None:
    (document,) = resources(case, "DocumentReference")
    (score,) = load_json(case / "score.json")["scores"]
    for content in document["content"]:
        text = base64.b64decode(content["attachment"]["data"]).decode()
        assert "Signed by Miriam Okafor, MD, 23 Nov 2026 10:55" in text
        assert "Reference SS-7K3M-Q9RT" in text
        assert "A screening score, not a diagnosis." in text
        stated = "not known" if score["value"] is None else f"{score['value']} of {score['range'][1]}"
        assert f"Total {stated}" in text


@pytest.mark.parametrize("case", ALL_CASES)
def test_no_word_of_a_diagnosis_and_no_condition_is_written(case: Path) -> None:
    written = json.dumps(load_json(case / "bundle.json")).lower()
    for label in ("minimal depression", "mild depression", "moderate depression", "severe depression"):
        assert label not in written
    assert "condition" not in {resource["resourceType"].lower() for resource in resources(case)}


@pytest.mark.parametrize("case", ALL_CASES)
def test_every_resource_is_of_r4_shape(case: Path) -> None:
    for resource in resources(case):
        get_fhir_model_class(resource["resourceType"]).model_validate_json(json.dumps(resource))


@pytest.mark.parametrize("case", ALL_CASES)
def test_the_written_response_reads_back_as_the_answers_signed(case: Path) -> None:
    instrument = instrument_of(case.parent.name)
    (response,) = resources(case, "QuestionnaireResponse")
    read = parse_response(json.dumps(response).encode(), instrument)
    signed = sign_case(case, instrument)
    assert read.issues == ()
    assert read.value.answers == signed.answers
    assert read.value.administration == signed.administration
    assert compare_stated_scores(read.value, signed.report, instrument) == ()


def resources(case: Path, resource_type: str | None = None) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in load_json(case / "bundle.json")["entry"]]
    return [resource for resource in found if resource_type in (None, resource["resourceType"])]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, child in value.items():
            if name == "reference" and isinstance(child, str):
                yield child
            else:
                yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def test_golden_data_lies_where_the_tests_look() -> None:
    assert {path.parent.parent for path in DATA.glob("*/*/bundle.json")} == {DATA / "phq-9", DATA / "gad-7"}
