"""Build the Observations of a screening: one per answered item, one per score, one panel that holds them.

Source: US Core 6.1 Observation Screening Assessment and its guidance page. Category `survey` plus `cognitive-status`:
US Core has no mental-health category. An item that was not reached has no Observation, a declined one has a reason and
no value, a score that is not known has a reason and its bounds in words. Nothing missing is ever written as 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Final

from fhir_mappings.administration import Informant
from fhir_mappings.answer_value import AnswerValue, Quantity, build_value
from fhir_mappings.answers import Answers, AnswerStatus, find_status
from fhir_mappings.instrument import Cutoff, Instrument, Item, Points, ScoreDefinition
from fhir_mappings.narrative import build_narrative
from fhir_mappings.questionnaire_response import DECLINED, describe_answer
from fhir_mappings.r4 import Coding, Json, PartialDateTime, build_concept, build_reference
from fhir_mappings.scores import Score
from fhir_mappings.systems import (
    ADMINISTRATIVE_GENDER,
    DATA_ABSENT_REASON,
    EXT_ADMINISTRATION,
    OBSERVATION_CATEGORY,
    OBSERVATION_INTERPRETATION,
    RESULT_IDENTIFIER,
    UCUM,
    US_CORE_CATEGORY,
    US_CORE_SCREENING,
)
from fhir_mappings.wording import (
    NOT_A_DIAGNOSIS,
    describe_action,
    describe_bounds,
    describe_cutoffs,
    describe_score,
    describe_screen,
)
from fhir_mappings.write_shape import WriteShape

_CATEGORIES: Final = (
    Coding(system=OBSERVATION_CATEGORY, code="survey", display="Survey"),
    Coding(system=US_CORE_CATEGORY, code="cognitive-status", display="Cognitive Status"),
)
_POSITIVE: Final = Coding(system=OBSERVATION_INTERPRETATION, code="POS", display="Positive")
_NEGATIVE: Final = Coding(system=OBSERVATION_INTERPRETATION, code="NEG", display="Negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationFrame:
    """What all Observations of one screening share; references are literal or urn:uuid.

    `effective` is when it was answered (to the day at least), `issued` when it was signed (instant). `informant`:
    whose answers; `performer` alone does not tell a patient who had help, or a proxy without record, from others.
    """

    subject: Json
    encounter: str | None
    effective: str
    issued: str
    performers: tuple[Json, ...]
    derived_from: str | None
    informant: Informant = Informant.PATIENT


def build_item_observation(
    item: Item, answers: Answers, frame: ObservationFrame, *, shape: WriteShape, identifier: str, place: int = 0
) -> Json | None:
    """Build the Observation of one item; None where it was not reached or has no code.

    `place`: which of several answers, from 0; SDC writes an Observation for each.
    """
    status = find_status(answers, item.link_id)
    if item.coding is None or status is AnswerStatus.NOT_REACHED:
        return None
    said = describe_answer(item, answers)
    resource = _start(item.coding, item.text, f"{item.text}: {said}", frame=frame, shape=shape, identifier=identifier)
    if status is AnswerStatus.DECLINED:
        resource["dataAbsentReason"] = _absent(DECLINED, "Asked But Declined", "Declined to answer")
    else:
        resource |= _answered(item, answers[item.link_id].given[place])
    return _finish(resource, frame)


def _answered(item: Item, value: AnswerValue) -> Json:
    """Give value[x] of an Observation, which has no date, no decimal and no Coding."""
    match value:
        case Coding():
            option = next((option for option in item.options if option.coding.same_code(value)), None)
            if option is None:
                return {"valueCodeableConcept": build_concept(value, text=value.display or value.code)}
            return {"valueCodeableConcept": build_concept(option.coding, text=option.text)}
        case PartialDateTime():
            return {"valueDateTime": value.text}
        case bool() | str() | time() | Quantity():
            return build_value(value, item.type)
        case int() if item.type == "integer":
            return {"valueInteger": value}
    return {"valueQuantity": {"value": value}}


def build_score_observation(
    instrument: Instrument,
    definition: ScoreDefinition,
    score: Score,
    frame: ObservationFrame,
    *,
    shape: WriteShape,
    identifier: str,
    has_alert: bool,
    cautions: Sequence[str] = (),
) -> Json:
    """Build the Observation of one score; one that is not known says so and tells its bounds.

    `cautions` are sentences that must go wherever the score does, such as on an age for which it is not established.
    """
    name = f"{instrument.short_name} {definition.label.lower()}"
    summary = describe_score(definition, score)
    resource = _start(
        definition.coding, name, f"{instrument.short_name}: {summary}", frame=frame, shape=shape, identifier=identifier
    )
    if frame.informant is not Informant.PATIENT:
        told = {"url": "informant", "valueCode": frame.informant}
        resource["extension"] = [{"url": EXT_ADMINISTRATION, "extension": [told]}]
    resource |= _value(definition, score)
    if score.positive is not None:
        coding = _POSITIVE if score.positive else _NEGATIVE
        resource["interpretation"] = [build_concept(coding, text=describe_screen(score))]
    notes = [line for line in (summary, describe_action(definition, score), NOT_A_DIAGNOSIS, *cautions) if line]
    if has_alert and not score.is_level:
        notes.append("The risk item of this form counts whatever the total.")
    resource["note"] = [{"text": " ".join(notes)}]
    if score.missing_rule is not None:
        resource["method"] = build_concept(text=score.missing_rule)
    if score.cutoffs and not score.is_level:
        resource["referenceRange"] = [_reference_range(cutoff, definition) for cutoff in score.cutoffs]
    return _finish(resource, frame)


def _value(definition: ScoreDefinition, score: Score) -> Json:
    """Give the number, or for a level its own code: no rank goes to a chart. What is not known has a reason."""
    if not score.is_level:
        if score.value is None:
            return {"dataAbsentReason": _absent("unknown", "Unknown", describe_bounds(score))}
        return {"valueQuantity": _points(score.value, definition)}
    if score.value is None or score.band is None:
        known = describe_bounds(score) if score.band is None else score.band.chart_label
        return {"dataAbsentReason": _absent("unknown", "Unknown", known)}
    level = definition.levels[int(score.value)]
    return {"valueCodeableConcept": build_concept(level.coding, text=score.band.chart_label)}


def _reference_range(cutoff: Cutoff, definition: ScoreDefinition) -> Json:
    """Say which values screen negative, and for whom."""
    if cutoff.or_fewer:
        limit: Json = {"low": _points(cutoff.points + 1, definition)}
    else:
        limit = {"high": _points(cutoff.points - 1, definition)}
    if cutoff.gender is not None:
        limit["appliesTo"] = [
            build_concept(Coding(system=ADMINISTRATIVE_GENDER, code=cutoff.gender, display=cutoff.gender.capitalize()))
        ]
    ages = {"low": cutoff.age_min, "high": cutoff.age_max}
    age = {end: {"value": years, "unit": "years", "system": UCUM, "code": "a"} for end, years in ages.items() if years}
    if age:
        limit["age"] = age
    side = "Above" if cutoff.or_fewer else "Below"
    limit["text"] = f"{side} {describe_cutoffs([cutoff])} ({cutoff.source})"
    return limit


def build_panel_observation(
    instrument: Instrument, members: Sequence[str], frame: ObservationFrame, *, shape: WriteShape, identifier: str
) -> Json:
    """Build the panel Observation: no value of its own, members by reference."""
    summary = f"{instrument.short_name}: {len(members)} results"
    resource = _start(
        instrument.coding, instrument.short_name, summary, frame=frame, shape=shape, identifier=identifier
    )
    resource["hasMember"] = [build_reference(member) for member in members]
    return _finish(resource, frame)


def _start(
    coding: Coding, text: str, narrative: str, *, frame: ObservationFrame, shape: WriteShape, identifier: str
) -> Json:
    resource: Json = {"resourceType": "Observation"}
    if shape.profile:
        resource["meta"] = {"profile": [US_CORE_SCREENING]}
    if shape.include_narrative:
        resource["text"] = build_narrative(narrative)
    if shape.include_identifier:
        resource["identifier"] = [{"system": RESULT_IDENTIFIER, "value": identifier}]
    resource["status"] = "final"
    resource["category"] = [build_concept(category) for category in _CATEGORIES]
    resource["code"] = build_concept(coding, text=text)
    resource["subject"] = frame.subject
    if frame.encounter is not None:
        resource["encounter"] = build_reference(frame.encounter)
    resource |= {
        "effectiveDateTime": frame.effective,
        "issued": frame.issued,
        "performer": list(frame.performers),
    }
    return resource


def _finish(resource: Json, frame: ObservationFrame) -> Json:
    if frame.derived_from is not None:
        resource["derivedFrom"] = [build_reference(frame.derived_from)]
    return resource


def _points(value: Points, definition: ScoreDefinition) -> Json:
    return {"value": value, "unit": definition.unit, "system": UCUM, "code": definition.unit}


def _absent(code: str, display: str, text: str) -> Json:
    return build_concept(Coding(system=DATA_ABSENT_REASON, code=code, display=display), text=text)
