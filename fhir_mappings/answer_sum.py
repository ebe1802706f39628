"""The sum of answer weights, made fast: the one place where speed comes before plainness.

Per instrument and score, what an answer adds is indexed once as linkId → code → points; one pass over the items then
gives the sum, what is missing, and the lowest and highest sums still possible.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from fhir_mappings.answers import Answers, AnswerStatus, is_enabled
from fhir_mappings.applicability import Applicabilities, Applicability
from fhir_mappings.instrument import Instrument, Item, Points, ScoreDefinition


class AnswerSum(NamedTuple):
    """What the answers of one score's items add up to, in points.

    `low` and `high` bound the score; `missing` lists items without a usable answer, `foreign` those among them whose
    answer is none of their options.
    """

    answered_points: Points
    low: Points
    high: Points
    missing: tuple[str, ...]
    foreign: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Addend:
    """What one item's answers add, by code, with the system that the codes must come from.

    `skipped` is what it adds when it is not asked: as its lowest weight. `gated`: others decide whether it is asked.
    `spared` is the gender of those who may leave it blank.
    """

    link_id: str
    by_code: dict[str, tuple[str, Points]]
    low: Points
    high: Points
    skipped: Points
    gated: bool
    spared: str | None


@lru_cache(maxsize=256)
def _compile(instrument: Instrument, definition: ScoreDefinition) -> tuple[_Addend, ...]:
    return tuple(_addend(instrument.by_link_id[link_id], definition) for link_id in definition.item_link_ids)


def _addend(item: Item, definition: ScoreDefinition) -> _Addend:
    weighed = [(option, option.weight) for option in item.options if option.weight is not None]
    by_code = {
        coding.code: (coding.system, definition.get_points(weight))
        for option, weight in weighed
        for coding in (option.coding, *option.equivalents)
    }
    points = [added for _, added in by_code.values()]
    return _Addend(
        link_id=item.link_id,
        by_code=by_code,
        low=min(points),
        high=max(points),
        skipped=definition.get_points(min(weight for _, weight in weighed)),
        gated=bool(item.enable_when or item.gates),
        spared=next((gender for gender in ("male", "female") if item.may_be_left_by(gender)), None),
    )


_ANSWERED = AnswerStatus.ANSWERED


def add_up(
    instrument: Instrument,
    definition: ScoreDefinition,
    answers: Answers,
    gender: str | None = None,
    applicabilities: Applicabilities | None = None,
) -> AnswerSum:
    """Add up what the answers add to one sum or count; `gender` is the patient's R4 administrative gender.

    An item that is surely not asked adds its lowest weight, and so does a blank one that applies to the other sex
    alone. `applicabilities` are those of these answers, where they are at hand. Both definitions are compared by
    identity: keep the parsed instrument.
    """
    total: Points = 0
    low: Points = 0
    high: Points = 0
    missing: list[str] = []
    foreign: list[str] = []
    find = answers.get
    for addend in _compile(instrument, definition):
        least, most = addend.low, addend.high
        if addend.gated:
            applicabilities = applicabilities or Applicabilities(instrument, answers)
            applicability = applicabilities.find(addend.link_id)
            if applicability is Applicability.SKIPPED:
                total += addend.skipped
                continue
            open_ = applicability is Applicability.OPEN
        else:
            open_ = False
        answer = find(addend.link_id)
        if answer is not None and answer.status is _ANSWERED:
            coding = answer.coding
            found = None if coding is None else addend.by_code.get(coding.code)
            if found is not None and coding is not None and found[0] == coding.system:
                if not open_:
                    total += found[1]
                    continue
                least, most = min(found[1], addend.skipped), max(found[1], addend.skipped)
            else:
                foreign.append(addend.link_id)
        elif answer is None and addend.spared is not None and addend.spared == gender:
            total += addend.skipped
            continue
        missing.append(addend.link_id)
        low += least
        high += most
    return AnswerSum(total, total + low, total + high, tuple(missing), tuple(foreign))


def find_unanswered(instrument: Instrument, answers: Answers, gender: str | None = None) -> tuple[str, ...]:
    """Give the required items without answer that the answers so far enable, declined ones too."""
    find = answers.get
    return tuple(
        [
            item.link_id
            for item in instrument.required_items
            if ((answer := find(item.link_id)) is None or answer.status is not _ANSWERED)
            and is_enabled(item, answers)
            and not (answer is None and item.may_be_left_by(gender))
        ]
    )
