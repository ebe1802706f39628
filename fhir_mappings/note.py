"""The note: a draft assembled from the result, its signature lines, and the check that its facts still stand.

Plain text, for some EHRs take nothing else. The clinician edits the draft; what may not be lost are the score, the
range and the risk item. The signature lines are added at signing, for an EHR may drop docStatus and authenticator.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from fhir_mappings.administration import Administration, Informant, Mode
from fhir_mappings.answers import AnswerStatus, find_status, is_enabled
from fhir_mappings.change_wording import describe_change
from fhir_mappings.errors import Issue, MalformedResource, Severity
from fhir_mappings.instrument import Item
from fhir_mappings.questionnaire_response import describe_answer
from fhir_mappings.r4 import Precision, parse_partial_date_time
from fhir_mappings.result import AlertSummary, ScreeningResult, SignedResult
from fhir_mappings.risk import find_advice
from fhir_mappings.scores import PatientFacts
from fhir_mappings.systems import LOINC
from fhir_mappings.wording import (
    NOT_A_DIAGNOSIS,
    describe_action,
    describe_advice,
    describe_age_fit,
    describe_score,
    describe_time,
)

_MODES: Final = {
    Mode.OWN_DEVICE: "on their own device",
    Mode.HANDED_OVER_DEVICE: "on a device of the clinic",
    Mode.INTERVIEW: "in an interview",
    Mode.TELEPHONE: "by telephone",
    Mode.VIDEO: "by video",
    Mode.PAPER: "on paper, entered later",
}
# The item of PHQ-9, GAD-7 and others that asks how difficult the problems made daily life
_DIFFICULTY: Final = (LOINC, "69722-7")


def build_note_text(result: ScreeningResult) -> str:
    """Assemble the draft: how it was answered, scores, change, risk items and alerts, every answer."""
    blocks = [
        "\n".join(_summary(result)),
        "\n".join(_risk(result)),
        "\n".join(("Answers", *_answers(result))),
    ]
    if result.comment:
        blocks.append(f"Comment\n{result.comment}")
    return "\n\n".join(block for block in blocks if block) + "\n"


def sign_note_text(result: SignedResult) -> str:
    """Add the signature lines to the note as edited."""
    return add_signature(
        result.note_text,
        signer=result.signer.display,
        signed_at=result.signed_at,
        patient=result.patient.display,
        reference_code=result.reference_code,
        co_signer=None if result.co_signer is None else result.co_signer.display,
    )


def add_signature(
    text: str, *, signer: str, signed_at: datetime, patient: str, reference_code: str, co_signer: str | None = None
) -> str:
    """Say below a text who signed it for whom, when, and the reference by which it can be found again.

    ``signed_at`` is aware, in the zone of the note's other times. ``co_signer``: it waits for their signature, too.
    """
    when = parse_partial_date_time(signed_at.isoformat(timespec="seconds").replace("+00:00", "Z"), "signed_at")
    lines = [
        f"Signed by {signer}, {describe_time(when)}, for {patient}.",
        f"Sent to the chart only with the co-signature of {co_signer}." if co_signer else "",
        f"Reference {reference_code}",
    ]
    return "\n".join([text.rstrip(), "", *(line for line in lines if line), ""])


def check_note_facts(text: str, result: ScreeningResult) -> tuple[Issue, ...]:
    """Give an Issue per fact line that the edited note no longer holds: scores, risk items, what was not asked."""
    held = _flat(text)
    facts = [
        (f"note.score({score.id})", line) for score, line in zip(result.report.scores, _scores(result), strict=True)
    ]
    facts += [(f"note.item({item.number})", _risk_line(result, item)) for item in _risk_items(result)]
    facts += [(f"note.alert({alert.link_id})", alert.level) for alert in result.alerts if alert.level]
    facts += [("note.age", line) for line in find_age_lines(result)]
    if result.instrument.suicide_notice:
        facts.append(("note.suicide", result.instrument.suicide_notice))
    return tuple(
        Issue(
            severity=Severity.ERROR,
            code="note-fact-changed",
            expression=expression,
            text="The note no longer says this as the result has it.",
        )
        for expression, line in facts
        if _flat(line) not in held
    )


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _summary(result: ScreeningResult) -> Iterator[str]:
    administration = result.administration
    yield f"{result.instrument.short_name}, {describe_time(administration.when)}, {_describe_how(administration)}."
    scores = _scores(result)
    yield from scores[:-1]
    for last in scores[-1:]:
        yield f"{last} {NOT_A_DIAGNOSIS}"
    yield from _find_action_lines(result)
    yield from find_age_lines(result)
    if any(score.positive is False for score in result.report.scores):
        yield "A negative screen is not a finding of low risk."
    yield from _changes(result)
    for item in result.instrument.items:
        asks_difficulty = item.coding is not None and (item.coding.system, item.coding.code) == _DIFFICULTY
        if asks_difficulty and find_status(result.answers, item.link_id) is AnswerStatus.ANSWERED:
            yield f"Difficulty: {describe_answer(item, result.answers).lower()}."
    if result.instrument.suicide_notice:
        yield result.instrument.suicide_notice


def _find_action_lines(result: ScreeningResult) -> Iterator[str]:
    """Give what is published to do: at a level, and on single answers besides a risk alert."""
    for definition, score in zip(result.instrument.scores, result.report.scores, strict=True):
        action = describe_action(definition, score)
        if action:
            yield action
    for rule in find_advice(result.instrument, result.answers):
        yield describe_advice(rule)


def find_age_lines(result: ScreeningResult) -> list[str]:
    """Say it where the ranges are not those of the patient's age at the time of the answers, and who knew it."""
    age = _find_age(result)
    is_limited = not all(score.established for score in result.report.scores)
    if result.instrument.fits_age(age) is not False and not is_limited:
        return []
    knowing = result.administration.knowingly_by
    lines = [describe_age_fit(result.instrument, age)]
    return lines if knowing is None else [*lines, f"Given all the same, knowingly, by {knowing.display}."]


def _find_age(result: ScreeningResult) -> int | None:
    try:
        born = parse_partial_date_time(result.patient.birth_date, "Patient.birthDate")
    except MalformedResource:
        return None
    if born.precision < Precision.DAY:
        return None
    on = result.administration.when.earliest.date()
    return PatientFacts(birth_date=born.earliest.date(), on=on).age


def _scores(result: ScreeningResult) -> list[str]:
    return [
        describe_score(definition, score)
        for definition, score in zip(result.instrument.scores, result.report.scores, strict=True)
    ]


def _describe_how(administration: Administration) -> str:
    match administration.informant:
        case Informant.PATIENT:
            who = "answered by the patient"
        case Informant.ASSISTED:
            who = "answered by the patient with assistance"
        case Informant.PROXY:
            who = f"answered for the patient by their {administration.relationship}"
    parts = [f"{who} {_MODES[administration.mode]}"]
    if administration.administered_by is not None:
        parts.append(f"given by {administration.administered_by.display}")
    if administration.entered_by is not None and administration.entered_by != administration.administered_by:
        parts.append(f"entered by {administration.entered_by.display}")
    name = administration.language_name
    parts.append(f"in {name}" if name else f"language {administration.language}")
    if administration.interpreter:
        parts.append("with an interpreter, whose words are not the validated ones")
    return ", ".join(parts)


def _changes(result: ScreeningResult) -> Iterator[str]:
    for report in result.changes:
        seen = [change for change in (report.since_last, report.since_baseline) if change is not None]
        if len(seen) == 2 and seen[0].baseline == seen[1].baseline:
            # One earlier result is both: the judgement since the baseline says more.
            seen = seen[1:]
        definition = result.instrument.get_score(report.score_id)
        name = "Change" if definition is result.instrument.scores[0] else f"Change, {definition.label}"
        for change in seen:
            yield f"{name}: {describe_change(change)}."


def _risk_items(result: ScreeningResult) -> list[Item]:
    """Give the risk items that were asked, and those that are not asked any more of which an alert stands."""
    told = {flag.link_id for flag in result.report.alerts} | {alert.link_id for alert in result.alerts}
    return [
        item
        for item in result.instrument.items
        if item.risk and (is_enabled(item, result.answers) or item.link_id in told)
    ]


def _risk(result: ScreeningResult) -> Iterator[str]:
    alerts: dict[str, list[AlertSummary]] = {}
    for alert in result.alerts:
        alerts.setdefault(alert.link_id, []).append(alert)
    for item in _risk_items(result):
        line = _risk_line(result, item)
        told = alerts.get(item.link_id, [])
        previous = "; ".join(alert.previous_answer for alert in told if alert.previous_answer)
        yield f"{line} {previous}." if previous else line
        for alert in told:
            yield f"Alert: {alert.state}"
            if alert.level:
                yield alert.level
            yield from alert.details


def _risk_line(result: ScreeningResult, item: Item) -> str:
    given = {**result.unasked, **result.answers}
    said = describe_answer(item, given)
    if not is_enabled(item, result.answers):
        said += ", where this item was not asked"
    if any(flag.link_id == item.link_id for flag in result.report.alerts):
        known = "" if find_status(given, item.link_id) is AnswerStatus.ANSWERED else " Risk not known."
        return f"RISK ITEM {item.number}: {said}.{known}"
    return f"Item {item.number}: {said}. This answer is not an assessment of risk."


def _answers(result: ScreeningResult) -> Iterator[str]:
    for item in result.instrument.items:
        if is_enabled(item, result.answers):
            answer = result.answers.get(item.link_id)
            carried = None if answer is None else answer.carried_from
            origin = "" if carried is None else f" (carried from {carried}, confirmed)"
            yield f"{item.number} {item.text}: {describe_answer(item, result.answers)}{origin}"
