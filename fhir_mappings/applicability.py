"""Whether an item is asked, skipped for good, or open because what decides it has no answer yet.

`is_enabled` tells what a form shows now; a score must know what may still be asked. Source:
http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache

from fhir_mappings.answers import Answers, AnswerStatus, find_status, is_enabled
from fhir_mappings.instrument import Instrument
from fhir_mappings.questionnaire import EnableWhen, Item


class Applicability(StrEnum):
    """Asked for certain, skipped for certain, or open."""

    ASKED = "asked"
    SKIPPED = "skipped"
    OPEN = "open"


_OF: Mapping[bool | None, Applicability] = {
    True: Applicability.ASKED,
    False: Applicability.SKIPPED,
    None: Applicability.OPEN,
}


def find_applicability(instrument: Instrument, link_id: str, answers: Answers) -> Applicability:
    """Tell what is certain about an item. A declined answer decides nothing; conditions in a circle stay open."""
    return _OF[_enabled(instrument, link_id, answers, frozenset())]


def _enabled(instrument: Instrument, link_id: str, answers: Answers, seen: frozenset[str]) -> bool | None:
    item = instrument.by_link_id[link_id]
    if not item.enable_when and not item.gates:
        return True
    if link_id in seen:
        return None
    seen |= {link_id}
    gates = [(item.enable_when, item.enable_any), *((gate.conditions, gate.any) for gate in item.gates)]
    return _all(
        _any(held) if any_ else _all(held)
        for conditions, any_ in gates
        if (held := [_holds(instrument, condition, answers, seen) for condition in conditions])
    )


def _holds(instrument: Instrument, condition: EnableWhen, answers: Answers, seen: frozenset[str]) -> bool | None:
    if condition.link_id in instrument.by_link_id:
        asked = _enabled(instrument, condition.link_id, answers, seen)
        if asked is False:
            answers = {}
        elif asked is None or find_status(answers, condition.link_id) is not AnswerStatus.ANSWERED:
            return None
    return is_enabled(_alone(instrument, condition), answers)


@lru_cache(maxsize=4096)
def _alone(instrument: Instrument, condition: EnableWhen) -> Item:
    """Give an item with this one condition."""
    any_item = next(iter(instrument.by_link_id.values()))
    return replace(any_item, enable_when=(condition,), gates=())


def _all(held: Iterable[bool | None]) -> bool | None:
    verdicts = list(held)
    return False if False in verdicts else None if None in verdicts else True


def _any(held: Iterable[bool | None]) -> bool | None:
    verdicts = list(held)
    return True if True in verdicts else None if None in verdicts else False
