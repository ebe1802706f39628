"""The level that answers make: the highest that surely holds, and the highest that still can.

A level is known when both are one. Nothing open is ever read as No: a level is "at least" until all that could raise
it is answered. Rules from the instrument's ObservationDefinition (`level_rule`).
"""

from typing import NamedTuple

from fhir_mappings.answers import Answers, AnswerStatus, find_status
from fhir_mappings.applicability import Applicabilities, Applicability, find_all, find_any, find_chosen
from fhir_mappings.instrument import Instrument, ScoreDefinition
from fhir_mappings.level_rule import Level, LevelCondition


class LevelBounds(NamedTuple):
    """The lowest and highest rank still possible, and the items whose answer is none of their options."""

    low: int
    high: int
    foreign: tuple[str, ...]


class Levels:
    """The levels that one set of answers reaches, each worked out once for score and risk together."""

    def __init__(self, instrument: Instrument, answers: Answers, applicabilities: Applicabilities) -> None:
        self._instrument = instrument
        self._answers = answers
        self.applicabilities = applicabilities
        self._bounds: dict[tuple[str, bool], LevelBounds] = {}

    def find(self, definition: ScoreDefinition, *, handed_in: bool) -> LevelBounds:
        """Bound the level. `handed_in`: the form is finished, so a blank stays blank and the author's rule holds."""
        known = self._bounds.get((definition.id, handed_in))
        if known is None:
            reading = _Reading(self._instrument, definition, self._answers, self.applicabilities, handed_in)
            known = self._bounds[definition.id, handed_in] = reading.find_bounds()
        return known


class _Reading:
    """Reads one set of answers as yes, no or open (True, False, None)."""

    def __init__(
        self,
        instrument: Instrument,
        definition: ScoreDefinition,
        answers: Answers,
        applicabilities: Applicabilities,
        handed_in: bool,
    ) -> None:
        self.definition = definition
        self.answers = answers
        self.applicabilities = applicabilities
        self.handed_in = handed_in
        chosen = {
            link_id: find_chosen(instrument.by_link_id[link_id], answers.get(link_id))
            for link_id in definition.item_link_ids
        }
        self.codes = {link_id: option.coding.code for link_id, option in chosen.items() if option is not None}

    def find_bounds(self) -> LevelBounds:
        """Give the highest rank that surely holds, and the highest that still can."""
        low = high = self.definition.levels[0].rank
        for level in self.definition.levels[1:]:
            held = self.find_held(level)
            if held is not False:
                high = level.rank
            if held is True:
                low = level.rank
        return LevelBounds(low, high, tuple(filter(self.is_foreign, self.definition.item_link_ids)))

    def find_held(self, level: Level) -> bool | None:
        """Tell whether the level's rule holds: all conditions of one of its alternatives."""
        return find_any(find_all(map(self._find_met, conditions)) for conditions in level.alternatives)

    def is_foreign(self, link_id: str) -> bool:
        """Tell whether the item's answer is none of its options."""
        return link_id not in self.codes and find_status(self.answers, link_id) is AnswerStatus.ANSWERED

    def _find_met(self, condition: LevelCondition) -> bool | None:
        found = [self._find_given(condition, link_id) for link_id in condition.link_ids]
        if found.count(True) >= condition.count:
            return True
        return None if len(found) - found.count(False) >= condition.count else False

    def _find_given(self, condition: LevelCondition, link_id: str) -> bool | None:
        applicability = self.applicabilities.find(link_id)
        if applicability is Applicability.SKIPPED:
            return False
        code = self.codes.get(link_id)
        if code is not None:
            if code not in condition.codes:
                return False
            # What a blank enables was asked (ASQ's item 5 after a refusal): once the form is finished it counts.
            return True if self.handed_in or applicability is Applicability.ASKED else None
        stays_blank = self.handed_in or find_status(self.answers, link_id) is AnswerStatus.DECLINED
        if condition.or_unanswered and stays_blank and applicability is Applicability.ASKED:
            return True
        return None
