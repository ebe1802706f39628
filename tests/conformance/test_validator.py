"""HL7's validator finds no error in what we ship and what we write, and each check is first seen to fail.

US Core 6.1 or 8.0, the R4 extensions package and SDC are loaded, our own definitions too, and every response is checked
against its own Questionnaire. LOINC codes and displays are not checked here (no terminology server): the fact files do
that in tests/unit/fhir_mappings/test_instrument_facts.py.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.telling_resources import find_written
from tests.conformance.validator.resident import US_CORE_PACKAGES, ResidentValidator, missing_prerequisite
from tests.golden.golden_cases import INSTRUMENT_FILES, ROOT, load_instrument, load_json

Resource = dict[str, Any]
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"

# Errors that come of running without a terminology server, by message id and place: BCP 13 media types are no list.
NOT_DECIDABLE_OFFLINE = {"UNABLE_TO_INFER_CODESYSTEM", "Terminology_TX_NoValid_16"}
# Not errors by their severity, yet they mean that something was not checked at all.
MUST_NOT_APPEAR = {
    "VALIDATION_VAL_PROFILE_UNKNOWN_NOT_POLICY",
    "Questionnaire_QR_Q_NotFound",
    "Bundle_BUNDLE_Not_Local",
}

REASON = missing_prerequisite()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"HL7 validator: {REASON}")


def shipped() -> dict[str, Resource]:
    """Every resource that we ship, by type and id."""
    files = [ROOT / "fhir_mappings" / "definitions.json", *INSTRUMENT_FILES]
    entries = [entry["resource"] for file in files for entry in load_json(file)["entry"]]
    entries.append(load_json(ROOT / "fhir_mappings" / "screening_codes.json"))
    return {f"{resource['resourceType']}/{resource['id']}": resource for resource in entries}


SHIPPED = shipped()
INSTRUMENTS = [path.stem for path in INSTRUMENT_FILES]
WRITTEN = {"QuestionnaireResponse", "Observation"}


@pytest.fixture(scope="module", params=US_CORE_PACKAGES)
def validator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResidentValidator]:
    """The validator with one version of US Core; tests that do not ask for a version run with each."""
    folder = tmp_path_factory.mktemp("definitions")
    loaded = []
    for name, resource in SHIPPED.items():
        if resource["resourceType"] in ("StructureDefinition", "CodeSystem", "Questionnaire"):
            loaded.append(write(folder / f"{name.replace('/', '-')}.json", resource))
    with ResidentValidator(loaded, us_core=request.param) as running:
        yield running


with_us_core_6 = pytest.mark.parametrize("validator", ["6.1"], indirect=True)


def write(path: Path, resource: Resource) -> Path:
    path.write_text(json.dumps(resource))
    return path


def findings(validator: ResidentValidator, path: Path, *profiles: str) -> list[dict[str, Any]]:
    return [issue for issue in validator.validate(path, *profiles) if counts(issue)]


def counts(issue: dict[str, Any]) -> bool:
    if issue["id"] in MUST_NOT_APPEAR:
        return True
    if issue["severity"] not in ("error", "fatal"):
        return False
    return not (issue["id"] in NOT_DECIDABLE_OFFLINE and issue["at"].endswith(".attachment.contentType"))


@with_us_core_6
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_definition_has_no_error(validator: ResidentValidator, tmp_path: Path, name: str) -> None:
    assert findings(validator, write(tmp_path / "resource.json", SHIPPED[name])) == []


@pytest.mark.parametrize("instrument_id", INSTRUMENTS)
def test_a_written_resource_has_no_error_against_us_core(
    validator: ResidentValidator, tmp_path: Path, instrument_id: str
) -> None:
    resources = find_written(load_instrument(instrument_id))
    if validator.us_core != "6.1":
        # Notes and Provenance are held to 6.1 alone.
        resources = [resource for resource in resources if resource["resourceType"] in WRITTEN]
    assert {resource["resourceType"] for resource in resources} >= WRITTEN
    for number, resource in enumerate(resources):
        (profile,) = resource["meta"]["profile"]
        assert profile.startswith(US_CORE)
        path = write(tmp_path / f"{number}-{resource['resourceType']}.json", resource)
        assert findings(validator, path, profile) == []


def written(name: str) -> Resource:
    """A resource of the golden case that has them all, or what an instrument writes of an item or score."""
    kind, _, code = name.partition("/")
    if code:
        return next(one for one in find_written(load_instrument(WRITES[code])) if shows(one, kind, code))
    bundle = load_json(ROOT / "tests" / "data" / "phq-9" / "total-13-item-9-one" / "bundle.json")
    return next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)


# What is only found elsewhere: a level, a declined item, a score that is not known, a form with items skipped.
WRITES = {"level": "asq", "asked-declined": "phq-9", "unknown": "phq-9", "skipped": "audit-c"}


def shows(resource: Resource, kind: str, what: str) -> bool:
    if resource["resourceType"] != kind:
        return False
    if what == "skipped":
        return [item["linkId"] for item in resource["item"] if "answer" in item] == ["auditc-1", "auditc-total"]
    if what == "level":
        return resource["code"]["coding"][0]["code"] == "asq-level" and "valueCodeableConcept" in resource
    return "dataAbsentReason" in resource and what == sub(resource, "dataAbsentReason", "coding", 0, "code")


def answer_what_is_skipped(response: Resource) -> None:
    answer = {"valueCoding": {"system": "http://loinc.org", "code": "LA15694-5", "display": "1 or 2"}}
    response["item"].insert(1, {"linkId": "auditc-2", "answer": [answer]})


def drop(name: str) -> Callable[[Resource], object]:
    return lambda resource: resource.pop(name)


def put(**elements: Any) -> Callable[[Resource], object]:
    return lambda resource: resource.update(elements)


def sub(resource: Resource, *path: str | int) -> Any:
    value: Any = resource
    for step in path:
        value = value[step]
    return value


def level_of(definition: Resource) -> Resource:
    extensions = [one for interval in definition["qualifiedInterval"] for one in interval.get("extension", ())]
    return next(one for one in extensions if one["url"].endswith("/level"))


# One fault each. Three that the validator passes over are unit tests instead: a text answer to a choice item, a year as
# effectiveDateTime, and a Practitioner without onBehalfOf (it can't resolve the reference to see that it is one).
BROKEN: list[tuple[str, Callable[[Resource], object]]] = [
    ("Questionnaire/phq-9", drop("status")),
    ("Questionnaire/phq-9", lambda r: r["item"][1].update(type="bogus")),
    ("Questionnaire/phq-9", lambda r: r["item"].append(deepcopy(r["item"][1]))),
    ("Questionnaire/phq-9", lambda r: r["item"][10]["enableWhen"][0].update(question="nowhere")),
    (
        "Questionnaire/phq-9",
        lambda r: sub(r, "item", 1, "answerOption", 0, "extension", 0).update(
            url="http://hl7.org/fhir/StructureDefinition/itemWeigth"
        ),
    ),
    ("Questionnaire/phq-9", lambda r: sub(r, "extension", 0, "extension").pop()),
    ("ObservationDefinition/phq-9-total", drop("code")),
    ("ObservationDefinition/phq-9-total", lambda r: r["qualifiedInterval"][0].update(category="bogus")),
    ("ObservationDefinition/phq-9-total", lambda r: sub(r, "extension", 1, "extension").pop(0)),
    (
        "ObservationDefinition/phq-9-total",
        lambda r: sub(r, "extension", 1, "extension").append({"url": "extra", "valueString": "x"}),
    ),
    ("PlanDefinition/phq-9", drop("status")),
    ("PlanDefinition/phq-9", lambda r: sub(r, "action", 0, "condition", 0).update(kind="bogus")),
    ("PlanDefinition/phq-9", lambda r: sub(r, "action", 0, "extension", 0, "extension").pop(0)),
    ("CodeSystem/action", put(content="bogus")),
    ("StructureDefinition/cut-off", drop("kind")),
    ("QuestionnaireResponse", drop("authored")),
    ("QuestionnaireResponse", drop("questionnaire")),
    ("QuestionnaireResponse", put(status="final")),
    ("QuestionnaireResponse", lambda r: sub(r, "item", 0, "answer", 0, "valueCoding").update(code="LA6572-7")),
    ("QuestionnaireResponse", lambda r: r["item"][0].update(linkId="phq9-99")),
    ("QuestionnaireResponse", lambda r: r["item"].reverse()),
    ("QuestionnaireResponse", put(questionnaire="https://smart-screening.org/fhir/Questionnaire/nowhere|1.0.0")),
    ("Observation", lambda r: r["category"].pop(0)),
    ("Observation", drop("subject")),
    ("Observation", put(status="signed")),
    ("Observation", put(dataAbsentReason={"text": "both"})),
    ("Observation", drop("valueCodeableConcept")),
    ("Observation", put(performer=[{"reference": "Device/1"}])),
    ("Observation/level", drop("valueCodeableConcept")),
    ("Observation/level", lambda r: sub(r, "valueCodeableConcept", "coding", 0).update(code="asq-unheard-of")),
    ("Observation/asked-declined", drop("dataAbsentReason")),
    ("Observation/unknown", drop("dataAbsentReason")),
    ("QuestionnaireResponse/skipped", answer_what_is_skipped),
    ("ObservationDefinition/asq-level", lambda r: sub(level_of(r), "extension").pop(0)),
    ("PlanDefinition/audit", lambda r: sub(r, "action", 0, "code", 0, "coding", 0).update(code="bogus")),
    ("DocumentReference", lambda r: sub(r, "content", 0, "attachment").pop("data")),
    ("DocumentReference", drop("type")),
    ("DocumentReference", drop("subject")),
    ("DocumentReference", put(docStatus="signed")),
    ("DocumentReference", lambda r: r["text"].update(div="<div>no namespace</div>")),
    ("Provenance", lambda r: r["agent"][3].pop("onBehalfOf")),
    ("Provenance", drop("target")),
    ("Provenance", drop("recorded")),
]


@with_us_core_6
@pytest.mark.parametrize(("name", "fault"), [pytest.param(*pair, id=f"{pair[0]}-{n}") for n, pair in enumerate(BROKEN)])
def test_a_resource_broken_on_purpose_is_found(
    validator: ResidentValidator, tmp_path: Path, name: str, fault: Callable[[Resource], object]
) -> None:
    check_that_it_is_found(validator, tmp_path, name, fault)


@pytest.mark.parametrize("validator", ["8.0"], indirect=True)
@pytest.mark.parametrize(
    ("name", "fault"),
    [pytest.param(*pair, id=f"{pair[0]}-{n}") for n, pair in enumerate(BROKEN) if pair[0].partition("/")[0] in WRITTEN],
)
def test_us_core_8_finds_it_too(
    validator: ResidentValidator, tmp_path: Path, name: str, fault: Callable[[Resource], object]
) -> None:
    check_that_it_is_found(validator, tmp_path, name, fault)


def check_that_it_is_found(
    validator: ResidentValidator, tmp_path: Path, name: str, fault: Callable[[Resource], object]
) -> None:
    resource = deepcopy(SHIPPED[name]) if name in SHIPPED else written(name)
    profiles = resource.get("meta", {}).get("profile", [])
    assert findings(validator, write(tmp_path / "whole.json", resource), *profiles) == []
    fault(resource)
    assert findings(validator, write(tmp_path / "broken.json", resource), *profiles) != []
