"""Earlier screening results as Observations in the shape of US Core Screening Assessment.

Source: http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-screening-assessment.

One Observation per answer, one for the total, one panel whose members they are. An unanswered item has none, and then
there is no
total: the panel alone says that it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox_ehr.errors import SandboxError
from sandbox_ehr.seed.chart_resources import HL7, ChartBuilder
from sandbox_ehr.seed.dates import write_date_time
from sandbox_ehr.seed.site_resources import US_CORE, Resource

_CATEGORIES = (
    {"system": f"{HL7}/observation-category", "code": "survey", "display": "Survey"},
    {
        "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-category",
        "code": "cognitive-status",
        "display": "Cognitive Status",
    },
)


class FaultySeed(SandboxError):
    """A chart file contradicts itself or the instrument; the message names chart and screening."""

    code = "faulty-seed"


def build_screenings(builder: ChartBuilder, instruments: Mapping[str, Any]) -> Iterator[Resource]:
    """Give the Observations of every screening in a chart. instruments: as parsed from JSON. Raises FaultySeed."""
    for number, screening in enumerate(builder.chart.get("screenings", ()), 1):
        yield from _build_screening(builder, instruments, number, screening)


def _build_screening(
    builder: ChartBuilder, instruments: Mapping[str, Any], number: int, screening: Mapping[str, Any]
) -> Iterator[Resource]:
    instrument = instruments["instruments"][screening["instrument"]]
    answers = screening["answers"]
    _check_screening(f"{builder.patient_id}, screening {number}", instrument, screening)
    prefix = f"{builder.patient_id}-{screening['instrument']}-{number}"
    common = _build_common(builder, screening)

    def observation(name: str, code: Mapping[str, str], **value: Any) -> Resource:
        return {
            "resourceType": "Observation",
            "id": f"{prefix}-{name}",
            **common,
            "code": {"coding": [{"system": "http://loinc.org", **code}], "text": code["display"]},
            **value,
        }

    members = [
        observation(f"item-{place}", code, valueCodeableConcept=_answer(instruments["frequency"], answer))
        for place, (code, answer) in enumerate(zip(instrument["items"], answers, strict=True), 1)
        if answer is not None
    ]
    if "difficulty" in screening:
        answer = _answer(instruments["difficulty"], screening["difficulty"])
        members.append(observation("difficulty", instrument["difficulty"], valueCodeableConcept=answer))
    if "total" in screening:
        members.append(observation("total", instrument["total"], **_build_total(screening)))
    yield from members
    references = [{"reference": f"Observation/{member['id']}"} for member in members]
    yield observation("panel", instrument["panel"], hasMember=references)


def _check_screening(where: str, instrument: Mapping[str, Any], screening: Mapping[str, Any]) -> None:
    answers = screening["answers"]
    if len(answers) != len(instrument["items"]):
        raise FaultySeed(f"{where}: {len(answers)} answers for {len(instrument['items'])} items")
    if ("total" in screening) == (None in answers):
        raise FaultySeed(f"{where}: a total needs every answer, and every answer a total")
    if "total" in screening and screening["total"] != sum(answers):
        raise FaultySeed(f"{where}: the total is not the sum of the answers")


def _build_common(builder: ChartBuilder, screening: Mapping[str, Any]) -> dict[str, Any]:
    moment = write_date_time(builder.calendar.moment(screening["days_ago"], "09:40"))
    common: dict[str, Any] = {
        "meta": {"profile": [f"{US_CORE}/us-core-observation-screening-assessment"]},
        "status": screening.get("status", "final"),
        "category": [{"coding": [category]} for category in _CATEGORIES],
        "subject": builder.reference_patient(),
        "effectiveDateTime": moment,
        "issued": moment,
        "performer": [builder.reference_patient()],
    }
    if "encounter" in screening:
        common["encounter"] = {"reference": f"Encounter/{screening['encounter']}"}
    return common


def _answer(options: list[dict[str, str]], answer: int) -> dict[str, Any]:
    option = options[answer]
    return {"coding": [{"system": "http://loinc.org", **option}], "text": option["display"]}


def _build_total(screening: Mapping[str, Any]) -> dict[str, Any]:
    """Give the total as an integer or, as other EHRs hold it, as a quantity of {score}."""
    if screening.get("total_as") == "quantity":
        unit = {"unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"}
        return {"valueQuantity": {"value": screening["total"], **unit}}
    return {"valueInteger": screening["total"]}
