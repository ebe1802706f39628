"""Build the QuestionnaireResponse of a screening: who answered what, and what was declined or not reached.

Sources: http://hl7.org/fhir/R4/questionnaireresponse.html; US Core 6.1 QuestionnaireResponse; SDC 4.0 response profile:
disabled items are left out, hidden score items stay in. `source` gave the answers, `author` wrote them down.
"""

from typing import Final

from fhir_mappings.administration import Administration, Mode, Party
from fhir_mappings.answers import Answers, AnswerStatus, find_status, is_enabled
from fhir_mappings.instrument import Instrument, Item
from fhir_mappings.narrative import build_narrative
from fhir_mappings.r4 import Coding, Json, build_concept, build_reference
from fhir_mappings.scores import ScoreReport
from fhir_mappings.systems import (
    COMPLETION_MODE,
    DATA_ABSENT_REASON_EXTENSION,
    EXT_ADMINISTRATION,
    ITEM_WEIGHT,
    PARTICIPATION_MODE,
    RESULT_IDENTIFIER,
    US_CORE_RESPONSE,
)

DECLINED: Final = "asked-declined"
NOT_REACHED: Final = "not-asked"

# http://terminology.hl7.org/CodeSystem/v3-ParticipationMode
_COMPLETION_MODES: Final = {
    Mode.OWN_DEVICE: ("ELECTRONIC", "electronic data"),
    Mode.HANDED_OVER_DEVICE: ("ELECTRONIC", "electronic data"),
    Mode.INTERVIEW: ("FACE", "face-to-face"),
    Mode.TELEPHONE: ("PHONE", "telephone"),
    Mode.VIDEO: ("VIDEOCONF", "videoconferencing"),
    Mode.PAPER: ("WRITTEN", "written"),
}


def build_response(
    instrument: Instrument,
    answers: Answers,
    *,
    status: str,
    subject: Party,
    encounter: str | None,
    administration: Administration,
    report: ScoreReport | None = None,
    identifier: str | None = None,
    profile: bool = True,
    narrative: bool = True,
) -> Json:
    """Build the response.

    Shapes: linkId → Answer; `status` an R4 QuestionnaireResponse.status; `identifier` our UUID or None. A score item
    is included where `report` knows its value and no rule for missing items made it. Pure.
    """
    resource: Json = {"resourceType": "QuestionnaireResponse"}
    if profile:
        resource["meta"] = {"profile": [US_CORE_RESPONSE]}
    resource["language"] = administration.language
    if narrative:
        rows = [(item.text, describe_answer(item, answers)) for item in instrument.items if is_enabled(item, answers)]
        title = f"{instrument.short_name}, answers as given"
        resource["text"] = build_narrative(title, rows=rows, language=administration.language)
    resource["extension"] = _extensions(administration)
    if identifier is not None:
        resource["identifier"] = {"system": RESULT_IDENTIFIER, "value": identifier}
    resource |= {"questionnaire": instrument.canonical, "status": status}
    resource["subject"] = build_reference(subject.reference, subject.display)
    if encounter is not None:
        resource["encounter"] = build_reference(encounter)
    author, source = administration.get_author(subject), administration.get_source(subject)
    resource["authored"] = administration.answered_at
    resource["author"] = build_reference(author.reference, author.display)
    resource["source"] = build_reference(source.reference, source.display)
    items = [_item(item, answers) for item in instrument.items if is_enabled(item, answers)]
    resource["item"] = items + ([] if report is None else _score_items(instrument, report))
    return resource


def describe_answer(item: Item, answers: Answers) -> str:
    """Say the answer in the instrument's own words, with its weight where it has one."""
    match find_status(answers, item.link_id):
        case AnswerStatus.DECLINED:
            return "declined"
        case AnswerStatus.NOT_REACHED:
            return "not answered"
    coding = answers[item.link_id].coding
    option = item.get_option("" if coding is None else coding.code)
    return option.text if option.weight is None else f"{option.text} ({option.weight})"


def _item(item: Item, answers: Answers) -> Json:
    built: Json = {"linkId": item.link_id, "text": item.text}
    status = find_status(answers, item.link_id)
    if status is AnswerStatus.ANSWERED:
        coding = answers[item.link_id].coding
        option = item.get_option("" if coding is None else coding.code)
        value = option.coding.to_json()
        if option.weight is not None:
            value = {"extension": [{"url": ITEM_WEIGHT, "valueDecimal": option.weight}], **value}
        return {**built, "answer": [{"valueCoding": value}]}
    reason = DECLINED if status is AnswerStatus.DECLINED else NOT_REACHED
    return {"extension": [{"url": DATA_ABSENT_REASON_EXTENSION, "valueCode": reason}], **built}


def _score_items(instrument: Instrument, report: ScoreReport) -> list[Json]:
    return [
        {"linkId": definition.link_id, "text": definition.label, "answer": [{"valueInteger": score.value}]}
        for definition, score in zip(instrument.scores, report.scores, strict=True)
        if score.value is not None and score.missing_rule is None
    ]


def _extensions(administration: Administration) -> list[Json]:
    code, display = _COMPLETION_MODES[administration.mode]
    mode = build_concept(Coding(system=PARTICIPATION_MODE, code=code, display=display))
    details: list[Json] = [
        {"url": "informant", "valueCode": administration.informant},
        {"url": "mode", "valueCode": administration.mode},
        {"url": "interpreter", "valueBoolean": administration.interpreter},
    ]
    if administration.relationship is not None:
        details.append({"url": "relationship", "valueString": administration.relationship})
    for url, party in (("administeredBy", administration.administered_by), ("enteredBy", administration.entered_by)):
        if party is not None:
            details.append({"url": url, "valueReference": build_reference(party.reference, party.display)})
    return [
        {"url": COMPLETION_MODE, "valueCodeableConcept": mode},
        {"url": EXT_ADMINISTRATION, "extension": details},
    ]
