"""Scores already in the chart: matched by code, units checked, what can't be trusted left out with an Issue."""

from copy import deepcopy
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from fhir_mappings.administration import Informant, Mode
from fhir_mappings.change import Source
from fhir_mappings.chart_history import parse_score_observations
from fhir_mappings.extract import build_chart_resources, shapes_for
from fhir_mappings.scoring import score_answers
from fhir_mappings.systems import EXT_ADMINISTRATION
from tests.golden.golden_cases import DATA, load_instrument, load_json
from tests.unit.fhir_mappings.factories import administration, answers_of, phq9, signed_result

QUANTITY = {"value": 13, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"}


def observation(**overrides: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
        "effectiveDateTime": "2026-10-12",
        "valueQuantity": deepcopy(QUANTITY),
    }
    merged = {**made, **overrides}
    return {name: value for name, value in merged.items() if value is not None}


def test_a_total_in_us_core_shape_is_a_point() -> None:
    mapped = parse_score_observations([observation(performer=[{"reference": "Patient/rosa"}])], phq9())
    (point,) = mapped.value
    assert mapped.issues == ()
    assert (point.value, point.at.text, point.source, point.reference) == (
        13,
        "2026-10-12",
        Source.CHART,
        "Observation/o1",
    )
    assert (point.informant, point.edition, point.status) == (Informant.PATIENT, None, "final")


@pytest.mark.parametrize(
    "overrides",
    [
        {"valueQuantity": None, "valueInteger": 13},
        {"valueQuantity": {"value": 13}},
        {"valueQuantity": {"value": 13, "unit": "points"}},
        {"valueQuantity": {"value": 13, "system": "http://unitsofmeasure.org", "code": "1"}},
        {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-10-12T09:00:00Z"}},
        {"effectiveDateTime": None, "effectiveInstant": "2026-10-12T09:00:00.123Z"},
        {"status": "amended"},
        {"status": "corrected"},
    ],
)
def test_other_honest_spellings_are_points_too(overrides: dict[str, Any]) -> None:
    mapped = parse_score_observations([observation(**overrides)], phq9())
    assert [point.value for point in mapped.value] == [13]
    assert mapped.issues == ()


@pytest.mark.parametrize(
    "overrides",
    [
        {"valueQuantity": {**QUANTITY, "code": "mg/dL"}},
        {"valueQuantity": {**QUANTITY, "system": "http://example.org"}},
        {"valueQuantity": {"value": 13, "unit": "%"}},
        {"valueQuantity": {**QUANTITY, "comparator": ">="}},
        {"valueQuantity": {**QUANTITY, "value": "13"}},
        {"valueQuantity": {**QUANTITY, "value": 28}},
        {"valueQuantity": {**QUANTITY, "value": -1}},
        {"valueQuantity": {"unit": "{score}"}},
        {"valueQuantity": None, "valueString": "13"},
        {"effectiveDateTime": None},
        {"effectiveDateTime": "2026-10"},
        {"effectiveDateTime": "2026-02-30"},
        {"status": None},
        {"status": 3},
        {"performer": "Patient/rosa"},
    ],
)
def test_what_cannot_be_trusted_is_left_out_and_said(overrides: dict[str, Any]) -> None:
    mapped = parse_score_observations([observation(**overrides)], phq9())
    assert mapped.value == ()
    assert [issue.code for issue in mapped.issues] == ["malformed-result"]
    assert "13" not in mapped.issues[0].text


@pytest.mark.parametrize("status", ["registered", "preliminary", "cancelled", "entered-in-error", "unknown"])
def test_only_final_amended_and_corrected_results_count(status: str) -> None:
    mapped = parse_score_observations([observation(status=status)], phq9())
    assert (mapped.value, mapped.issues) == ((), ())


@pytest.mark.parametrize(
    "overrides",
    [
        {"code": {"coding": [{"system": "http://loinc.org", "code": "44249-1"}]}},
        {"code": {"coding": [{"system": "http://example.org", "code": "44261-6"}]}},
        {"code": {"text": "PHQ-9"}},
        {"code": None},
        {"valueQuantity": None, "dataAbsentReason": {"text": "not known"}},
        {"valueQuantity": None},
    ],
)
def test_other_codes_and_results_without_value_are_passed_over(overrides: dict[str, Any]) -> None:
    mapped = parse_score_observations([observation(**overrides)], phq9())
    assert (mapped.value, mapped.issues) == ((), ())


def test_identical_results_fold_and_different_ones_of_one_time_are_both_kept_and_said() -> None:
    same = [observation(id="a"), observation(id="b")]
    assert len(parse_score_observations(same, phq9()).value) == 1
    differing = [observation(id="a"), observation(id="b", valueQuantity={**QUANTITY, "value": 4})]
    mapped = parse_score_observations(differing, phq9())
    assert len(mapped.value) == 2
    assert [issue.code for issue in mapped.issues] == ["results-differ"]


def test_points_come_oldest_first_whatever_their_spelling() -> None:
    spelled = ["2026-10-12T09:00:00-05:00", "2026-10-12T13:30:00Z", "2026-01-01"]
    mapped = parse_score_observations([observation(id=at, effectiveDateTime=at) for at in spelled], phq9())
    assert [point.at.text for point in mapped.value] == [
        "2026-01-01",
        "2026-10-12T13:30:00Z",
        "2026-10-12T09:00:00-05:00",
    ]


@pytest.mark.parametrize(
    ("types", "informant"),
    [
        (["Practitioner"], None),
        (["Practitioner", "Patient"], Informant.PATIENT),
        (["RelatedPerson", "Patient"], Informant.PROXY),
    ],
)
def test_the_informant_is_told_by_who_performed_it(types: list[str], informant: Informant | None) -> None:
    performer = [{"reference": f"https://ehr.example/fhir/{kind}/1"} for kind in types] + [{"display": "someone"}]
    (point,) = parse_score_observations([observation(performer=performer)], phq9()).value
    assert point.informant is informant


@pytest.mark.parametrize("given", [{"informant": Informant.ASSISTED}, {"relationship": "mother"}])
@pytest.mark.parametrize("keeps_extensions", [True, False])
def test_whose_answers_they_were_comes_back_from_what_this_app_wrote(
    given: dict[str, Any], keeps_extensions: bool
) -> None:
    told = administration(**({"informant": Informant.PROXY} | given), mode=Mode.INTERVIEW)
    result = signed_result(phq9(), answers_of(phq9(), [1] * 10), administration=told)
    planned = build_chart_resources(result, shapes_for(result), lambda key: uuid5(NAMESPACE_URL, key))
    written = [dict(one.resource) for one in planned if one.resource["resourceType"] == "Observation"]
    if not keeps_extensions:
        for resource in written:
            resource.pop("extension", None)

    (point,) = parse_score_observations(written, phq9()).value

    # An EHR that drops extensions leaves a helped patient's answers as the patient's, a proxy's as a proxy's.
    lost = told.informant is Informant.ASSISTED and not keeps_extensions
    assert point.informant is (Informant.PATIENT if lost else told.informant)


def test_an_unknown_informant_is_no_result_of_the_patient() -> None:
    said = {"url": EXT_ADMINISTRATION, "extension": [{"url": "informant", "valueCode": "someone"}]}
    mapped = parse_score_observations([observation(extension=[said])], phq9())
    assert (mapped.value, len(mapped.issues)) == ((), 1)


def test_a_prorated_total_in_the_chart_is_known_as_one() -> None:
    answers = answers_of(phq9(), [1] * 8)
    report = score_answers(
        phq9(), {k: v for k, v in answers.items() if k != "phq9-1"} | answers_of(phq9(), [None] * 8 + [1]), prorate=True
    ).value
    result = signed_result(phq9(), answers, report=report)
    planned = build_chart_resources(result, shapes_for(result), lambda key: uuid5(NAMESPACE_URL, key))
    written = [one.resource for one in planned if one.resource["resourceType"] == "Observation"]

    (ours,) = parse_score_observations(written, phq9()).value
    (foreign,) = parse_score_observations([observation(method={"text": "Prorated by the EHR"})], phq9()).value
    (plain,) = parse_score_observations([observation(method={"text": "Self-report"})], phq9()).value

    assert (ours.value, ours.prorated, foreign.prorated, plain.prorated) == (9, True, True, False)


def test_the_totals_that_we_write_read_back() -> None:
    bundle = load_json(DATA / "phq-9" / "total-15" / "bundle.json")
    mapped = parse_score_observations([entry["resource"] for entry in bundle["entry"]], phq9())
    assert [(point.value, point.informant) for point in mapped.value] == [(15, Informant.PATIENT)]
    unknown = load_json(DATA / "phq-9" / "one-missing-positive" / "bundle.json")
    assert parse_score_observations([entry["resource"] for entry in unknown["entry"]], phq9()).value == ()


def test_a_level_in_the_chart_is_read_by_its_code() -> None:
    asq = load_instrument("asq")
    score = asq.scores[0]
    coding = {"system": score.levels[1].coding.system, "code": score.levels[1].coding.code}
    code = {"coding": [{"system": score.coding.system, "code": score.coding.code}]}
    coded = observation(code=code, valueQuantity=None, valueCodeableConcept={"coding": [coding]})
    foreign = observation(code=code, valueQuantity=None, valueCodeableConcept={"text": "positive"})
    counted = observation(code=code)

    mapped = parse_score_observations([coded, foreign, counted], asq)

    assert [(point.score_id, point.value) for point in mapped.value] == [(score.id, 1)]
    assert [issue.code for issue in mapped.issues] == ["malformed-result", "malformed-result"]
