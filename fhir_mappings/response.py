"""Read a QuestionnaireResponse from outside: answers, parties and status, every oddity an Issue, none a crash.

Sources: http://hl7.org/fhir/R4/questionnaireresponse.html; US Core 6.1 QuestionnaireResponse; SDC 4.0 response profile.
An answer that can't be read counts as unanswered: the score is then not known, never wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from typing import Final

from fhir_mappings.administration import Administration, find_administration
from fhir_mappings.answer_value import AnswerValue, parse_value
from fhir_mappings.answers import Answer, Answers, AnswerStatus, keep_enabled
from fhir_mappings.element import Element
from fhir_mappings.errors import (
    CanonicalMismatch,
    Issue,
    MalformedResource,
    Mapped,
    MappingError,
    Severity,
    UnknownOption,
)
from fhir_mappings.instrument import Instrument, Item, edition_of
from fhir_mappings.item_answer import check_values
from fhir_mappings.questionnaire import find_weight, walk_items
from fhir_mappings.questionnaire_response import DECLINED, build_response
from fhir_mappings.r4 import Coding, Json, parse_json_strict, parse_partial_date_time
from fhir_mappings.scores import ScoreReport
from fhir_mappings.systems import DATA_ABSENT_REASON_EXTENSION, EXT_CARRIED_ANSWER

__all__ = ["ParsedResponse", "build_response", "compare_stated_scores", "find_canonical", "parse_response"]

# http://hl7.org/fhir/R4/valueset-questionnaire-answers-status.html (required binding)
STATUSES: Final = frozenset({"in-progress", "completed", "amended", "entered-in-error", "stopped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedResponse:
    """What a response says. References are literal ("Patient/1") or None; `authored` is a FHIR dateTime as received.

    `administration` is None where the response is none of ours. `stated_scores`: the values that the response itself
    carries for score items, linkId → points. `unasked`: answers to items that the others do not enable; they count in
    no score, but a risk answer among them is flagged all the same.
    """

    answers: Answers
    subject: str | None
    encounter: str | None
    author: str | None
    source: str | None
    authored: str | None
    status: str
    language: str | None
    stated_scores: Mapping[str, int | Decimal]
    administration: Administration | None
    unasked: Answers = field(default_factory=dict)

    @property
    def handed_in(self) -> bool:
        """Whether the form was finished, so that a blank item is one that stays blank."""
        return self.status in ("completed", "amended")


def find_canonical(response: Json) -> tuple[str, str | None] | None:
    """Give url and version of the Questionnaire that a response answers, None where it names none."""
    canonical = response.get("questionnaire")
    if not isinstance(canonical, str) or not canonical:
        return None
    url, _, version = canonical.partition("|")
    return url, version or None


def parse_response(body: bytes | Json, instrument: Instrument) -> Mapped[ParsedResponse]:
    """Parse a QuestionnaireResponse to this instrument.

    One Issue each for an unknown, doubled or disabled item, an unknown option, a second answer, a foreign weight,
    another version. An answer under an error Issue is left out.
    Raises: MalformedJson; MalformedResource (no QuestionnaireResponse, bad status); CanonicalMismatch.
    """
    root = Element(parse_json_strict(body) if isinstance(body, bytes) else body, "QuestionnaireResponse")
    if root.string("resourceType") != "QuestionnaireResponse":
        raise root.fault("resourceType", "not a QuestionnaireResponse")
    status = root.string("status")
    if status not in STATUSES:
        raise root.fault("status", "not a status of R4")
    reader = _Reader(instrument)
    if reader.check_canonical(root.value):
        reader.read_items(root)
    authored = root.find_string("authored")
    if authored is not None:
        parse_partial_date_time(authored, "QuestionnaireResponse.authored")
    answers, unasked = reader.part_answers()
    parsed = ParsedResponse(
        answers=answers,
        subject=_reference(root, "subject"),
        encounter=_reference(root, "encounter"),
        author=_reference(root, "author"),
        source=_reference(root, "source"),
        authored=authored,
        status=status,
        language=root.find_string("language"),
        stated_scores=reader.stated_scores,
        administration=reader.read_administration(root),
        unasked=unasked,
    )
    return Mapped(value=parsed, issues=tuple(reader.issues))


def compare_stated_scores(parsed: ParsedResponse, report: ScoreReport, instrument: Instrument) -> tuple[Issue, ...]:
    """Give an Issue per score that the response states otherwise than its answers add up."""
    ours = {definition.link_id: score.value for definition, score in zip(instrument.scores, report.scores, strict=True)}
    return tuple(
        Issue(
            severity=Severity.WARNING,
            code="score-differs",
            expression=_at(link_id),
            text="The response states another score than its answers add up to; the answers count.",
        )
        for link_id, stated in parsed.stated_scores.items()
        if stated != ours[link_id]
    )


def _reference(root: Element, name: str) -> str | None:
    child = root.find_child(name)
    return None if child is None else child.find_string("reference")


def _absence(item: Element) -> str | None:
    reason = item.find_extension(DATA_ABSENT_REASON_EXTENSION)
    return None if reason is None else reason.string("valueCode")


def _at(link_id: str) -> str:
    return f"QuestionnaireResponse.item.where(linkId='{link_id}')"


@lru_cache(maxsize=256)
def _silent_items(instrument: Instrument) -> frozenset[str]:
    """Give the linkIds that may stand in a response without being read: groups, texts, what is calculated."""
    asked = Element(instrument.questionnaire, "Questionnaire")
    scores = {score.link_id for score in instrument.scores}
    return (
        frozenset(element.string("linkId") for element, _ in walk_items(asked)) - instrument.by_link_id.keys() - scores
    )


class _Reader:
    """Collects answers and issues over one pass through the items."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.issues: list[Issue] = []
        self.stated_scores: dict[str, int | Decimal] = {}
        self._answers: dict[str, Answer] = {}
        self._seen: set[str] = set()
        self._doubled: set[str] = set()
        self._score_items = {score.link_id for score in instrument.scores}
        self._silent = _silent_items(instrument)

    def check_canonical(self, response: Json) -> bool:
        """Tell whether the answers can be read by this instrument: same url, same edition."""
        canonical = find_canonical(response)
        if canonical is None:
            raise MalformedResource("QuestionnaireResponse.questionnaire", "missing")
        url, version = canonical
        if url != self.instrument.url:
            raise CanonicalMismatch("QuestionnaireResponse.questionnaire", "answers another Questionnaire")
        if version is None:
            self._report(Severity.WARNING, "version-missing", "questionnaire", "Names no version; the current is used.")
        elif version != self.instrument.version:
            same = edition_of(f"{url}|{version}") == self.instrument.edition
            severity = Severity.WARNING if same else Severity.ERROR
            text = "Answers another version of the Questionnaire" + ("." if same else " with other items: not read.")
            self._report(severity, "version-differs", "questionnaire", text)
            return same
        return True

    def read_items(self, parent: Element) -> None:
        """Read items at every depth: in groups, and inside the answer that they follow from."""
        stack = [parent]
        while stack:
            for element in stack.pop().children("item"):
                self._read_item(element)
                stack += [element, *element.children("answer")]

    def read_administration(self, root: Element) -> Administration | None:
        """Give who and how, None with an Issue where it can't be read: the answers count all the same."""
        try:
            return find_administration(root)
        except MalformedResource as error:
            self._report(Severity.WARNING, "administration-unreadable", error.expression, f"Not read: {error.problem}.")
            return None

    def part_answers(self) -> tuple[Answers, Answers]:
        """Give the answers whose item the other answers enable, and those that are reported and left out."""
        kept = keep_enabled(self.instrument.items, self._answers)
        unasked = {link_id: answer for link_id, answer in self._answers.items() if link_id not in kept}
        for link_id in unasked:
            self._fault(Severity.WARNING, "disabled-item", link_id, "Answered although not enabled: left out.")
        return kept, unasked

    def _read_item(self, element: Element) -> None:
        link_id = element.string("linkId")
        item = self.instrument.by_link_id.get(link_id)
        if item is None and link_id not in self._score_items:
            if link_id not in self._silent:
                self._report(Severity.ERROR, "unknown-item", element.path, "No such item in this instrument.")
            return
        if link_id in self._doubled:
            return
        if link_id in self._seen:
            self._doubled.add(link_id)
            self._answers.pop(link_id, None)
            self.stated_scores.pop(link_id, None)
            self._fault(Severity.ERROR, "doubled-item", link_id, "Stands twice: neither is read.")
            return
        self._seen.add(link_id)
        answers = list(element.children("answer"))
        if len(answers) > 1 and not (item is not None and item.repeats):
            self._fault(Severity.ERROR, "several-answers", link_id, "Takes one answer: none is read.")
        elif item is None:
            self._read_score(link_id, answers)
        elif answers:
            self._read_answers(item, answers)
            self._read_origin(link_id, element)
        elif _absence(element) == DECLINED:
            self._answers[link_id] = Answer(link_id=link_id, status=AnswerStatus.DECLINED)

    def _read_score(self, link_id: str, answers: list[Element]) -> None:
        for answer in answers:
            stated = answer.find_number("valueInteger")
            stated = answer.find_number("valueDecimal") if stated is None else stated
            if stated is None:
                self._fault(Severity.WARNING, "answer-type", link_id, "A score that is not a number.")
            else:
                self.stated_scores[link_id] = stated

    def _read_answers(self, item: Item, answers: list[Element]) -> None:
        link_id = item.link_id
        if item.is_single_choice:
            coding = self._read_coding(item, answers[0])
            if coding is not None:
                self._answers[link_id] = Answer(link_id=link_id, status=AnswerStatus.ANSWERED, coding=coding)
            return
        values = tuple(value for answer in answers if (value := self._read_value(item, answer)) is not None)
        if len(values) < len(answers):
            return
        try:
            check_values(item, values)
        except MappingError as error:
            self._fault(Severity.ERROR, error.code, link_id, f"Not read: {error.problem}.")
            return
        self._answers[link_id] = Answer(link_id=link_id, status=AnswerStatus.ANSWERED, values=values)

    def _read_origin(self, link_id: str, element: Element) -> None:
        """Keep the mark of an answer that was carried from another form."""
        answer = self._answers.get(link_id)
        try:
            carried = element.find_extension(EXT_CARRIED_ANSWER)
            if carried is not None and answer is not None:
                self._answers[link_id] = replace(answer, carried_from=carried.string("valueString"))
        except MalformedResource as error:
            self._fault(Severity.WARNING, "carried-unreadable", link_id, f"Not read: {error.problem}.")

    def _read_value(self, item: Item, answer: Element) -> AnswerValue | None:
        if item.options and "valueString" not in answer.value:
            return self._read_coding(item, answer)
        try:
            return parse_value(answer, item.type)
        except MalformedResource as error:
            self._fault(Severity.ERROR, "answer-type", item.link_id, f"Not read: {error.problem}.")
            return None

    def _read_coding(self, item: Item, answer: Element) -> Coding | None:
        coding = answer.find_child("valueCoding")
        if coding is None:
            self._fault(Severity.ERROR, "answer-type", item.link_id, "Needs a valueCoding: not read.")
            return None
        try:
            option = item.get_option(coding.string("code"), coding.string("system"))
        except UnknownOption:
            self._fault(Severity.ERROR, "unknown-option", item.link_id, "None of the item's options: not read.")
            return None
        if option.coding.code != coding.string("code"):
            text = "A code that stands for one of the item's options; read as that option."
            self._fault(Severity.INFORMATION, "equivalent-option", item.link_id, text)
        self._check_weight(item, option.weight, answer, coding)
        return option.coding

    def _check_weight(self, item: Item, weight: int | Decimal | None, *elements: Element) -> None:
        try:
            stated = find_weight(*elements)
        except MalformedResource:
            self._fault(Severity.WARNING, "malformed-weight", item.link_id, "A weight that can't be read is ignored.")
            return
        if stated is not None and stated != weight:
            text = "States another weight than the instrument; the instrument's counts."
            self._fault(Severity.WARNING, "weight-differs", item.link_id, text)

    def _fault(self, severity: Severity, code: str, link_id: str, text: str) -> None:
        self.issues.append(Issue(severity=severity, code=code, expression=_at(link_id), text=text))

    def _report(self, severity: Severity, code: str, expression: str, text: str) -> None:
        path = expression if expression.startswith("QuestionnaireResponse") else f"QuestionnaireResponse.{expression}"
        self.issues.append(Issue(severity=severity, code=code, expression=path, text=text))
