"""The level that answers make: the highest that surely holds, and the highest that still can.

A level is known when both are one. Nothing open is ever read as No: a level is "at least" until all that could raise
it is answered. Rules from the instrument's ObservationDefinition (`level_rule`).
"""

from typing import NamedTuple

from fhir_mappings.answers import Answers, AnswerStatus, find_status
from fhir_mappings.applicability import Applicabilities, Applicability, find_chosen
from fhir_mappings.instrument import Instrument, ScoreDefinition
from fhir_mappings.level_rule import Level, LevelCondition


class LevelBounds(NamedTuple):
    """The lowest and highest rank still possible, and the items whose answer is none of their options."""

    low: int
    high: int
    foreign: tuple[str, ...]


def find_level_bounds(
    instrument: Instrument, definition: ScoreDefinition, answers: Answers, *, handed_in: bool
) -> LevelBounds:
    """Bound the level. `handed_in`: the form is finished, so a blank stays blank and the author's rule for it holds."""
    reading = _Reading(instrument, answers, handed_in)
    low = high = definition.levels[0].rank
    for level in definition.levels[1:]:
        held = reading.find_held(level)
        if held is not False:
            high = level.rank
        if held is True:
            low = level.rank
    foreign = tuple(link_id for link_id in definition.item_link_ids if reading.is_foreign(link_id))
    return LevelBounds(low, high, foreign)


class _Reading:
    """Reads one set of answers as yes, no or open (True, False, None)."""

    def __init__(self, instrument: Instrument, answers: Answers, handed_in: bool) -> None:
        self.instrument = instrument
        self.answers = answers
        self.handed_in = handed_in
        self.applicabilities = Applicabilities(instrument, answers)

    def find_held(self, level: Level) -> bool | None:
        """Tell whether the level's rule holds."""
        verdicts = [[self._find_met(condition) for condition in alternative] for alternative in level.alternatives]
        alternatives = [False if False in each else None if None in each else True for each in verdicts]
        return True if True in alternatives else None if None in alternatives else False

    def is_foreign(self, link_id: str) -> bool:
        """Tell whether the item's answer is none of its options."""
        return find_status(self.answers, link_id) is AnswerStatus.ANSWERED and self._find_code(link_id) is None

    def _find_met(self, condition: LevelCondition) -> bool | None:
        found = [self._find_given(condition, link_id) for link_id in condition.link_ids]
        if found.count(True) >= condition.count:
            return True
        return None if len(found) - found.count(False) >= condition.count else False

    def _find_given(self, condition: LevelCondition, link_id: str) -> bool | None:
        applicability = self.applicabilities.find(link_id)
        if applicability is Applicability.SKIPPED:
            return False
        code = self._find_code(link_id)
        if code is not None:
            if code not in condition.codes:
                return False
            # What a blank enables was asked (ASQ's item 5 after a refusal): once the form is finished it counts.
            return True if self.handed_in or applicability is Applicability.ASKED else None
        stays_blank = self.handed_in or find_status(self.answers, link_id) is AnswerStatus.DECLINED
        if condition.or_unanswered and stays_blank and applicability is Applicability.ASKED:
            return True
        return None

    def _find_code(self, link_id: str) -> str | None:
        option = find_chosen(self.instrument.by_link_id[link_id], self.answers.get(link_id))
        return None if option is None else option.coding.code
