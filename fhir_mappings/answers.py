"""Answers to an instrument's items, as the app keeps them: linkId → Answer.

An absent linkId is an item that was not reached. Declined and not reached are different, and neither is ever 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from fhir_mappings.answer_value import AnswerValue, find_order, is_equal
from fhir_mappings.questionnaire import EnableWhen, Item, Operator
from fhir_mappings.r4 import Coding


class AnswerStatus(StrEnum):
    """What became of one item."""

    ANSWERED = "answered"
    DECLINED = "declined"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One item's answer. `at` is when it was given (aware).

    `coding` is the chosen option's where the item takes one of its options, which nearly all do; `values` is what was
    answered otherwise: text, numbers, dates, or several options. `carried_from`: the same question was answered on
    another form, named here with its time, and the answer was confirmed.
    """

    link_id: str
    status: AnswerStatus
    coding: Coding | None = None
    at: datetime | None = None
    values: tuple[AnswerValue, ...] = ()
    carried_from: str | None = None

    @property
    def given(self) -> tuple[AnswerValue, ...]:
        """All that was answered, () unless answered."""
        if self.status is not AnswerStatus.ANSWERED:
            return ()
        return self.values if self.coding is None else (self.coding,)


Answers = Mapping[str, Answer]


def find_status(answers: Answers, link_id: str) -> AnswerStatus:
    """Tell what became of an item."""
    answer = answers.get(link_id)
    return AnswerStatus.NOT_REACHED if answer is None else answer.status


def is_enabled(item: Item, answers: Answers) -> bool:
    """Tell whether the item, and all that holds it, is enabled by the answers so far.

    Source: http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen
    """
    if not _passes(item.enable_when, answers, any_=item.enable_any):
        return False
    return not item.gates or all(_passes(gate.conditions, answers, any_=gate.any) for gate in item.gates)


def keep_enabled(items: Iterable[Item], answers: Answers) -> Answers:
    """Give the answers without those of items that are not enabled: such an answer enables nothing else either."""
    gated = [item for item in items if item.link_id in answers and (item.enable_when or item.gates)]
    kept = answers
    while closed := {item.link_id for item in gated if item.link_id in kept and not is_enabled(item, kept)}:
        kept = {link_id: answer for link_id, answer in kept.items() if link_id not in closed}
    return kept


def _passes(conditions: tuple[EnableWhen, ...], answers: Answers, *, any_: bool) -> bool:
    if not conditions:
        return True
    for condition in conditions:
        if holds(condition, answers) is any_:
            return any_
    return not any_


def holds(condition: EnableWhen, answers: Answers) -> bool:
    """Tell whether one condition of enableWhen holds, as the answers are now."""
    answer = answers.get(condition.link_id)
    asked = condition.answer
    if condition.operator is Operator.EQUAL and answer is not None and answer.coding is not None:
        # Nearly every condition there is; the same as below, sooner.
        return answer.status is AnswerStatus.ANSWERED and isinstance(asked, Coding) and answer.coding.same_code(asked)
    given = () if answer is None else answer.given
    match condition.operator:
        case Operator.EXISTS:
            return bool(given) is asked
        case Operator.EQUAL:
            return any(is_equal(value, asked) for value in given)
        case Operator.NOT_EQUAL:
            # R4 leaves a comparison with nothing open; an unanswered item enables nothing here.
            return bool(given) and not any(is_equal(value, asked) for value in given)
        case operator:
            return any(find_order(value, asked) in _ORDERS[operator] for value in given)


_ORDERS: Final = {
    Operator.GREATER: (1,),
    Operator.LESS: (-1,),
    Operator.AT_LEAST: (0, 1),
    Operator.AT_MOST: (0, -1),
}
