"""What our own code makes of an answer set, by the way that every response takes: parsed, scored, extracted."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from fhir_mappings.administration import Administration, Informant, Mode, Party
from fhir_mappings.answers import Answers
from fhir_mappings.extract import PlannedResource, build_chart_resources, shapes_for
from fhir_mappings.instrument import Instrument
from fhir_mappings.note import build_note_text
from fhir_mappings.response import parse_response
from fhir_mappings.result import ScreeningResult, SignedResult, Signer, Subject
from fhir_mappings.scores import PatientFacts, ScoreReport
from fhir_mappings.scoring import score_answers
from fhir_mappings.write_shape import WriteShape
from tests.conformance.oracles.answer_sets import AnswerSet, value_of

Json = dict[str, Any]
AT = "2026-11-23T10:38:00-05:00"
SIGNED_AT = datetime.fromisoformat("2026-11-23T10:55:00-05:00")
ROSA = {"reference": "Patient/rosa"}
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer set read and scored; `issues` are the codes of what the parser reported."""

    instrument: Instrument
    answers: Answers
    report: ScoreReport
    issues: tuple[str, ...]


def build_raw_response(instrument: Instrument, answer_set: AnswerSet) -> Json:
    """The response as a foreign system would send it: only what was answered or declined, no weights, no text."""
    items: list[Json] = []
    for item in instrument.items:
        given = answer_set.given.get(item.link_id, answer_set.stray.get(item.link_id))
        if given is not None:
            items.append({"linkId": item.link_id, "answer": [value_of(given)]})
        elif item.link_id in answer_set.declined:
            items.append({"linkId": item.link_id, "extension": [{"url": ABSENT, "valueCode": "asked-declined"}]})
    response = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": instrument.canonical,
        "status": "completed",
        "subject": ROSA,
        "authored": AT,
        "author": ROSA,
        "source": ROSA,
    }
    return {**response, "item": items} if items else response


def read(instrument: Instrument, answer_set: AnswerSet) -> Outcome:
    body = json.dumps(build_raw_response(instrument, answer_set)).encode()
    parsed = parse_response(body, instrument)
    facts = PatientFacts(gender=answer_set.gender)
    scored = score_answers(instrument, parsed.value.answers, facts, handed_in=parsed.value.handed_in)
    issues = tuple(issue.code for issue in (*parsed.issues, *scored.issues))
    return Outcome(instrument=instrument, answers=parsed.value.answers, report=scored.value, issues=issues)


def sign(outcome: Outcome) -> SignedResult:
    common: dict[str, Any] = {
        "instrument": outcome.instrument,
        "answers": outcome.answers,
        "report": outcome.report,
        "administration": Administration(
            informant=Informant.PATIENT,
            mode=Mode.HANDED_OVER_DEVICE,
            answered_at=AT,
            language=outcome.instrument.language,
        ),
        "patient": Subject(reference="Patient/rosa", display="Rosa Delgado-Quinn", birth_date="1986-03-14"),
        "encounter": "Encounter/visit",
        "alerts": (),
    }
    return SignedResult(
        **common,
        signer=Signer(reference="Practitioner/miriam", display="Miriam Okafor, MD"),
        signed_at=SIGNED_AT,
        organization=Party(reference="Organization/alder-creek", display="Alder Creek Behavioral Health"),
        note_text=build_note_text(ScreeningResult(**common)),
        reference_code="SS-7K3M-Q9RT",
        software_version="1.0.0",
    )


def extract(outcome: Outcome, shapes: tuple[WriteShape, ...] | None = None) -> tuple[PlannedResource, ...]:
    """What signing it would write, as planned resources; all kinds, or those of the shapes."""
    result = sign(outcome)
    return build_chart_resources(result, shapes or shapes_for(result), make_id)


def make_id(key: str) -> UUID:
    return uuid5(NAMESPACE_URL, key)
