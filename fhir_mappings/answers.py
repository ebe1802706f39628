"""Answers to an instrument's items, as the app keeps them: linkId → Answer.

An absent linkId is an item that was not reached. Declined and not reached are different, and neither is ever 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fhir_mappings.questionnaire import EnableWhen, Item, Operator
from fhir_mappings.r4 import Coding


class AnswerStatus(StrEnum):
    """What became of one item."""

    ANSWERED = "answered"
    DECLINED = "declined"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One item's answer; `coding` is the chosen option's, None unless answered. `at` is when it was given (aware)."""

    link_id: str
    status: AnswerStatus
    coding: Coding | None = None
    at: datetime | None = None


Answers = Mapping[str, Answer]


def find_status(answers: Answers, link_id: str) -> AnswerStatus:
    """Tell what became of an item."""
    answer = answers.get(link_id)
    return AnswerStatus.NOT_REACHED if answer is None else answer.status


def is_enabled(item: Item, answers: Answers) -> bool:
    """Tell whether the item is enabled by the answers so far.

    Source: http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen
    """
    if not item.enable_when:
        return True
    conditions = (_holds(condition, answers) for condition in item.enable_when)
    return any(conditions) if item.enable_any else all(conditions)


def _holds(condition: EnableWhen, answers: Answers) -> bool:
    answer = answers.get(condition.link_id)
    coding = answer.coding if answer is not None and answer.status is AnswerStatus.ANSWERED else None
    if condition.operator is Operator.EXISTS:
        return (coding is not None) is condition.answer
    if coding is None or isinstance(condition.answer, bool):
        # R4 leaves a comparison with nothing open; an unanswered item enables nothing here.
        return False
    return coding.same_code(condition.answer) is (condition.operator is Operator.EQUAL)
