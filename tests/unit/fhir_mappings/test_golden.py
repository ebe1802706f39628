"""Golden cases compared whole: score.json comes from the facts, and what is written is checked against them."""

import base64
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_mappings.extract import build_transaction
from fhir_mappings.response import compare_stated_scores, parse_response
from fhir_mappings.scoring import score_answers
from tests.golden.expected_scores import answer_coding, expected_files, level_of, score_coding
from tests.golden.golden_cases import ALL_CASES, CASES, give_instrument, load_json, plan_case, sign_case
from tests.golden.naming import CHART_LABELS, LOCAL
from tests.golden.published import DECLINED, LOINC, golden, read_published, shipped
from tests.golden.vectors import vectors

EVERY_CASE = [pytest.param(case, id=f"{case.parent.name}/{case.name}") for case in ALL_CASES]
RECORDED = [pytest.param(case, id=f"{case.parent.name}/{case.name}") for case in CASES]


TRIAGE = ("asq", "c-ssrs-screener")


def test_expected_scores_are_the_fact_files_and_nothing_else() -> None:
    paths = [path for case in ALL_CASES for path in (case / "response.json", case / "score.json")]
    assert {path: load_json(path) for path in paths} == expected_files()


@pytest.mark.parametrize("instrument", golden())
def test_every_case_that_must_be_there_is(instrument: str) -> None:
    published = read_published(instrument)
    names = {case.name for case in ALL_CASES if case.parent.name == instrument}
    assert {"lowest", "highest", "all-missing"} <= names
    for score in published.scores:
        prefix = "total" if score.id.endswith("-total") else score.id.removeprefix(f"{instrument}-")
        edges = [band.min for band in score.bands[1:]] + [cutoff.at_least for cutoff in score.cutoffs]
        assert {f"{prefix}-{total}" for edge in edges for total in (edge - 1, edge)} <= names
        short = "" if prefix == "total" else f"{prefix}-"
        assert {f"{short}one-missing-not-known", f"{short}one-missing-positive"} <= names
    for risk in published.risks:
        number = published.item(risk.link_id).number
        assert {f"item-{number}-{word}" for word in ("alone", "missing", "declined")} <= names


@pytest.mark.parametrize("case", EVERY_CASE)
def test_score_equals_the_expected_one(case: Path) -> None:
    instrument = give_instrument(case.parent.name)
    parsed = parse_response((case / "response.json").read_bytes(), instrument)
    scored = score_answers(instrument, parsed.value.answers, handed_in=parsed.value.handed_in)
    assert scored.value.to_json(parsed.issues + scored.issues) == load_json(case / "score.json")


@pytest.mark.parametrize("case", RECORDED)
def test_bundle_equals_the_recorded_one(case: Path) -> None:
    assert bundle_of(case) == load_json(case / "bundle.json")


@pytest.mark.parametrize("case", EVERY_CASE)
def test_every_reference_resolves_to_an_earlier_entry_or_to_the_context(case: Path) -> None:
    known = {"Patient/rosa", "Encounter/visit", "Practitioner/miriam", "Practitioner/ana", "#software"}
    known.add("Organization/alder-creek")
    for entry in bundle_of(case)["entry"]:
        assert set(references(entry["resource"])) <= known
        known.add(entry["fullUrl"])


@pytest.mark.parametrize("case", EVERY_CASE)
def test_every_resource_speaks_of_this_patient_encounter_and_practitioner(case: Path) -> None:
    for resource in resources(case):
        if resource["resourceType"] == "Provenance":
            who = [agent["who"]["reference"] for agent in resource["agent"]]
            assert who == ["Practitioner/miriam", "Practitioner/miriam", "Patient/rosa", "#software"]
            continue
        assert resource["subject"]["reference"] == "Patient/rosa"
        encounter = resource.get("encounter") or resource["context"]["encounter"][0]
        assert encounter["reference"] == "Encounter/visit"


@pytest.mark.parametrize("case", EVERY_CASE)
def test_item_observations_are_the_answers_by_the_facts_and_nothing_for_what_is_missing(case: Path) -> None:
    published = read_published(case.parent.name)
    given = vectors(published)[case.name]
    by_code = observations(case)
    for item in published.items:
        code = (LOCAL, item.link_id) if item.loinc is None else (LOINC, item.loinc)
        found = by_code.pop(code, None)
        answer = given.get(item.link_id)
        if isinstance(answer, int):
            assert found is not None
            (coding,) = found["valueCodeableConcept"]["coding"]
            assert coding == answer_coding(item, answer)
            assert "dataAbsentReason" not in found
        elif answer == DECLINED:
            assert found is not None
            assert found["dataAbsentReason"]["coding"][0]["code"] == "asked-declined"
            assert not any(name.startswith("value") for name in found)
        else:
            assert found is None
    panel = published.facts["loinc"]["panel"]
    others = {(LOCAL, published.id) if panel is None else (LOINC, panel["code"])}
    others |= {(coding["system"], coding["code"]) for coding in map(score_coding, published.scores)}
    if (level := level_of(published, given)) is not None:
        others.add((level.coding["system"], level.coding["code"]))
    assert by_code.keys() == others


@pytest.mark.parametrize("case", EVERY_CASE)
def test_each_score_is_the_expected_one_or_says_that_it_is_not_known(case: Path) -> None:
    for score in load_json(case / "score.json")["scores"]:
        written = observations(case)[score["code"]["system"], score["code"]["code"]]
        said = [concept["coding"][0]["code"] for concept in written.get("interpretation", [])]
        assert said == {True: ["POS"], False: ["NEG"], None: []}[score["positive"]]
        if case.parent.name in TRIAGE:
            assert "valueQuantity" not in written
            assert ("valueCodeableConcept" in written) is (score["value"] is not None)
        elif score["value"] is None:
            assert "valueQuantity" not in written
            assert written["dataAbsentReason"]["coding"][0]["code"] == "unknown"
            assert f"between {score['bounds'][0]} and {score['bounds'][1]}" in written["dataAbsentReason"]["text"]
        else:
            assert written["valueQuantity"] == {
                "value": score["value"],
                "unit": "{score}",
                "system": "http://unitsofmeasure.org",
                "code": "{score}",
            }
            assert score["band"] is None or score["band"]["label"] in written["note"][0]["text"]


@pytest.mark.parametrize("case", EVERY_CASE)
def test_the_panel_holds_every_other_observation_and_no_value(case: Path) -> None:
    entries = [e for e in bundle_of(case)["entry"] if e["resource"]["resourceType"] == "Observation"]
    *members, panel = entries
    assert [m["reference"] for m in panel["resource"]["hasMember"]] == [m["fullUrl"] for m in members]
    assert not any(name.startswith(("value", "dataAbsent")) for name in panel["resource"])


@pytest.mark.parametrize("case", EVERY_CASE)
def test_our_identifier_stands_in_each_resource_and_in_its_condition(case: Path) -> None:
    seen = set()
    for entry in bundle_of(case)["entry"]:
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
    assert len(seen) == len(bundle_of(case)["entry"])


@pytest.mark.parametrize("case", EVERY_CASE)
def test_the_note_says_each_score_who_signed_and_the_reference_in_both_forms(case: Path) -> None:
    (document,) = resources(case, "DocumentReference")
    instrument = give_instrument(case.parent.name)
    for content in document["content"]:
        text = base64.b64decode(content["attachment"]["data"]).decode()
        assert "Signed by Miriam Okafor, MD, 23 Nov 2026 10:55" in text
        assert "Reference SS-7K3M-Q9RT" in text
        assert "A screening score, not a diagnosis." in text
        for definition, score in zip(instrument.scores, load_json(case / "score.json")["scores"], strict=True):
            if score["value"] is None:
                assert f"{definition.label} not known" in text or (score["band"] and score["band"]["label"] in text)
            elif case.parent.name not in TRIAGE:
                assert f"{definition.label} {score['value']} of {score['range'][1]}" in text


@pytest.mark.parametrize("case", EVERY_CASE)
def test_no_word_of_a_diagnosis_and_no_condition_is_written(case: Path) -> None:
    written = json.dumps(bundle_of(case)).lower()
    for label, said in CHART_LABELS.items():
        assert label.lower() in said.lower() or label.lower() not in written
    assert "condition" not in {resource["resourceType"].lower() for resource in resources(case)}


@pytest.mark.parametrize("case", EVERY_CASE)
def test_every_resource_is_of_r4_shape(case: Path) -> None:
    for resource in resources(case):
        get_fhir_model_class(resource["resourceType"]).model_validate_json(json.dumps(resource))


@pytest.mark.parametrize("case", EVERY_CASE)
def test_the_written_response_reads_back_as_the_answers_signed(case: Path) -> None:
    instrument = give_instrument(case.parent.name)
    (response,) = resources(case, "QuestionnaireResponse")
    read = parse_response(json.dumps(response).encode(), instrument)
    signed = sign_case(case, instrument)
    assert read.issues == ()
    assert read.value.answers == signed.answers
    assert read.value.administration == signed.administration
    assert compare_stated_scores(read.value, signed.report, instrument) == ()


@cache
def bundle_of(case: Path) -> dict[str, Any]:
    bundle: dict[str, Any] = build_transaction(plan_case(case, give_instrument(case.parent.name)), conditional=True)
    return bundle


def resources(case: Path, resource_type: str | None = None) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in bundle_of(case)["entry"]]
    return [resource for resource in found if resource_type in (None, resource["resourceType"])]


def observations(case: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The Observations by code; two of one code would be a fault."""
    found = [(resource["code"]["coding"][0], resource) for resource in resources(case, "Observation")]
    by_code = {(coding["system"], coding["code"]): resource for coding, resource in found}
    assert len(by_code) == len(found)
    return by_code


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
    assert {case.parent.name for case in CASES} == set(shipped())
