"""Build the QuestionnaireResponse of a screening: who answered what, and what was declined or not reached.

Sources: http://hl7.org/fhir/R4/questionnaireresponse.html; US Core 6.1 QuestionnaireResponse; SDC 4.0 response profile:
disabled items are left out, hidden score items stay in. `source` gave the answers, `author` wrote them down.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from fhir_mappings.administration import Administration, Mode, Party
from fhir_mappings.answer_value import AnswerValue, build_value
from fhir_mappings.answers import Answers, AnswerStatus, find_status, is_enabled, keep_enabled
from fhir_mappings.instrument import Instrument, Item, Points
from fhir_mappings.item_answer import say_values
from fhir_mappings.narrative import build_narrative
from fhir_mappings.r4 import Coding, Json, build_concept, build_reference
from fhir_mappings.scores import ScoreReport
from fhir_mappings.systems import (
    COMPLETION_MODE,
    DATA_ABSENT_REASON_EXTENSION,
    EXT_ADMINISTRATION,
    EXT_CARRIED_ANSWER,
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
    answers = keep_enabled(instrument.items, answers)
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
    known = {} if report is None else _known_scores(instrument, report)
    resource["item"] = build_items(instrument.questionnaire["item"], instrument, answers, known)
    return resource


def describe_answer(item: Item, answers: Answers) -> str:
    """Say the answer in the instrument's own words, with its weight where it has one."""
    match find_status(answers, item.link_id):
        case AnswerStatus.DECLINED:
            return "declined"
        case AnswerStatus.NOT_REACHED:
            return "not answered"
    return say_values(item, answers[item.link_id].given)


def build_items(
    asked: Iterable[Json], instrument: Instrument, answers: Answers, scores: Mapping[str, Points]
) -> list[Json]:
    """Build the response's items in the shape of the Questionnaire's; a group that holds none is left out."""
    built = []
    for question in asked:
        link_id = question["linkId"]
        item = instrument.by_link_id.get(link_id)
        nested = build_items(question.get("item", ()), instrument, answers, scores)
        text = {"text": question["text"]} if "text" in question else {}
        if item is not None:
            if is_enabled(item, answers):
                built.append(_item(item, answers, {"linkId": link_id, **text}, nested))
        elif link_id in scores:
            value = build_value(scores[link_id], question["type"])
            built.append({"linkId": link_id, **text, "answer": [value]})
        elif nested:
            built.append({"linkId": link_id, **text, "item": nested})
    return built


def _item(item: Item, answers: Answers, built: Json, nested: list[Json]) -> Json:
    """Build an item onto its linkId and text; a label that stands for licensed wording is no text."""
    status = find_status(answers, item.link_id)
    if status is AnswerStatus.ANSWERED:
        given = [_build_answer(item, value) for value in answers[item.link_id].given]
        if nested and given:
            given[0]["item"] = nested
        carried_from = answers[item.link_id].carried_from
        if carried_from is not None:
            built["extension"] = [{"url": EXT_CARRIED_ANSWER, "valueString": carried_from}]
        return {**built, "answer": given}
    reason = DECLINED if status is AnswerStatus.DECLINED else NOT_REACHED
    return {"extension": [{"url": DATA_ABSENT_REASON_EXTENSION, "valueCode": reason}], **built}


def _build_answer(item: Item, value: AnswerValue) -> Json:
    if not isinstance(value, Coding):
        return build_value(value, item.type)
    option = item.get_option(value.code)
    coding = option.coding.to_json()
    if option.weight is not None:
        coding = {"extension": [{"url": ITEM_WEIGHT, "valueDecimal": option.weight}], **coding}
    return {"valueCoding": coding}


def _known_scores(instrument: Instrument, report: ScoreReport) -> dict[str, Points]:
    """Give linkId → value of each score that is known without a rule for missing items; a level's rank is none."""
    return {
        definition.link_id: score.value
        for definition, score in zip(instrument.scores, report.scores, strict=True)
        if score.value is not None and score.missing_rule is None and not score.is_level
    }


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
    for url, party in (
        ("administeredBy", administration.administered_by),
        ("enteredBy", administration.entered_by),
        ("knowinglyBy", administration.knowingly_by),
    ):
        if party is not None:
            details.append({"url": url, "valueReference": build_reference(party.reference, party.display)})
    return [
        {"url": COMPLETION_MODE, "valueCodeableConcept": mode},
        {"url": EXT_ADMINISTRATION, "extension": details},
    ]
