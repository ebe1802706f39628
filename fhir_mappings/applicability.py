"""Whether an item is asked, skipped for good, or open because what decides it has no answer yet.

`is_enabled` tells what a form shows now; a score must know what may still be asked. Source:
http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from fhir_mappings.answers import Answer, Answers, AnswerStatus, holds
from fhir_mappings.errors import UnknownOption
from fhir_mappings.instrument import Instrument
from fhir_mappings.questionnaire import EnableWhen, Item, Option


class Applicability(StrEnum):
    """Asked for certain, skipped for certain, or open."""

    ASKED = "asked"
    SKIPPED = "skipped"
    OPEN = "open"


def find_chosen(item: Item, answer: Answer | None) -> Option | None:
    """Give the option that was chosen; None where nothing was, or nothing that the item offers."""
    if answer is None or answer.coding is None or answer.status is not AnswerStatus.ANSWERED:
        return None
    option = item.by_code.get(answer.coding.code)
    if option is not None and option.coding.same_code(answer.coding):
        return option
    try:
        return item.get_option(answer.coding.code, answer.coding.system)
    except UnknownOption:
        return None


@lru_cache(maxsize=256)
def find_gated(instrument: Instrument) -> tuple[Item, ...]:
    """Give the items that are not always asked."""
    return tuple(item for item in instrument.items if item.link_id in _plan(instrument))


class Applicabilities:
    """What is certain about the items under one set of answers, each worked out once.

    A declined answer decides nothing, nor does one that is none of the options; conditions in a circle stay open.
    """

    __slots__ = ("_answers", "_pending", "_plan", "_verdicts")

    def __init__(self, instrument: Instrument, answers: Answers) -> None:
        self._plan = _plan(instrument)
        self._answers = answers
        self._verdicts: dict[int, bool | None] = {}
        self._pending: set[int] = set()

    def find(self, link_id: str) -> Applicability:
        """Tell what is certain about an item."""
        gated = self._plan.get(link_id)
        return Applicability.ASKED if gated is None else _WORDS[self._find_enabled(gated)]

    def _find_enabled(self, gated: "_Gated") -> bool | None:
        if gated.group in self._verdicts:
            return self._verdicts[gated.group]
        if gated.group in self._pending:
            return None
        self._pending.add(gated.group)
        verdict = find_all(
            (find_any if gate.any else find_all)(self._find_held(condition) for condition in gate.conditions)
            for gate in gated.gates
        )
        self._pending.discard(gated.group)
        self._verdicts[gated.group] = verdict
        return verdict

    def _find_held(self, condition: "_Condition") -> bool | None:
        gated = self._plan.get(condition.question)
        asked = True if gated is None else self._find_enabled(gated)
        if asked is False:
            return holds(condition.stated, {})
        answer = self._answers.get(condition.question)
        if asked is None or answer is None or answer.status is not AnswerStatus.ANSWERED:
            return None
        if condition.choice is not None and find_chosen(condition.choice, answer) is None:
            return None
        return holds(condition.stated, self._answers)


_WORDS: Final[Mapping[bool | None, Applicability]] = {
    True: Applicability.ASKED,
    False: Applicability.SKIPPED,
    None: Applicability.OPEN,
}


@dataclass(frozen=True, slots=True)
class _Condition:
    """One condition as stated, the linkId that it looks at, and that item if it is a choice."""

    stated: EnableWhen
    question: str
    choice: Item | None


@dataclass(frozen=True, slots=True)
class _Gate:
    conditions: tuple[_Condition, ...]
    any: bool


@dataclass(frozen=True, slots=True)
class _Gated:
    """The gates of an item; items with the same ones share the number of their `group`."""

    group: int
    gates: tuple[_Gate, ...]


@lru_cache(maxsize=256)
def _plan(instrument: Instrument) -> Mapping[str, _Gated]:
    """Give linkId → gates of the items that are not always asked."""
    groups: dict[tuple[tuple[tuple[EnableWhen, ...], bool], ...], _Gated] = {}
    plan = {}
    for item in instrument.items:
        own = ((item.enable_when, item.enable_any), *((gate.conditions, gate.any) for gate in item.gates))
        stated = tuple(gate for gate in own if gate[0])
        if not stated:
            continue
        if stated not in groups:
            gates = tuple(
                _Gate(tuple(_condition(instrument, one) for one in conditions), any_) for conditions, any_ in stated
            )
            groups[stated] = _Gated(len(groups), gates)
        plan[item.link_id] = groups[stated]
    return plan


def _condition(instrument: Instrument, condition: EnableWhen) -> _Condition:
    question = instrument.by_link_id.get(condition.link_id)
    return _Condition(
        stated=condition,
        question=condition.link_id,
        choice=question if question is not None and question.is_single_choice else None,
    )


def find_all(held: Iterable[bool | None]) -> bool | None:
    """Tell whether all hold, None where that is open."""
    verdict: bool | None = True
    for one in held:
        if one is False:
            return False
        verdict = verdict and one
    return verdict


def find_any(held: Iterable[bool | None]) -> bool | None:
    """Tell whether one holds, None where that is open."""
    verdict: bool | None = False
    for one in held:
        if one:
            return True
        verdict = None if one is None else verdict
    return verdict
