"""Random answers to an instrument, the same on every run: complete, incomplete, and with answers nobody asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from fhir_mappings.answers import Answer, AnswerStatus, is_enabled
from fhir_mappings.instrument import Instrument, Item, Option

STRAY_SHARE = 0.15
Given = Option | int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSet:
    """One filled-in form. `given`: linkId → option, or a whole number; `declined`: asked, and not answered.

    `stray` answers stand in the response though their item is disabled; they must not count. `complete`: every enabled
    item has an answer. `gender` is the patient's, as some rules depend on it.
    """

    given: dict[str, Given]
    declined: frozenset[str]
    stray: dict[str, Given]
    complete: bool
    gender: str | None


def make_answer_sets(instrument: Instrument, count: int, *, complete: bool) -> list[AnswerSet]:
    """Make that many sets, seeded by the instrument's id."""
    random = Random(f"{instrument.id} {complete}")  # noqa: S311  # nothing secret
    return list(_sets(instrument, random, count, complete=complete))


def _sets(instrument: Instrument, random: Random, count: int, *, complete: bool) -> Iterator[AnswerSet]:
    while count:
        made = _make(instrument, random, complete=complete)
        if made is not None:
            count -= 1
            yield made


def _make(instrument: Instrument, random: Random, *, complete: bool) -> AnswerSet | None:
    answers: dict[str, Answer] = {}
    given: dict[str, Given] = {}
    stray: dict[str, Given] = {}
    declined: set[str] = set()
    # Even answers alone would leave both ends of the range, and the skips that only lowest answers open, untested.
    temper = random.choice((0.0, 0.0, 0.5, 0.9, -0.5, -0.9))
    blanks = 0.0 if complete else random.choice((0.05, 0.2, 0.6))
    with_stray = random.random() < STRAY_SHARE
    missed = False
    for item in instrument.items:
        option = _choose(item, random, temper)
        if not is_enabled(item, answers):
            if with_stray:
                stray[item.link_id] = option
        elif random.random() < blanks:
            missed = True
            if random.random() < 0.3:
                declined.add(item.link_id)
        else:
            given[item.link_id] = option
            coding = None if isinstance(option, int) else option.coding
            answers[item.link_id] = Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=coding)
    if not complete and not missed:
        return None
    return AnswerSet(
        given=given,
        declined=frozenset(declined),
        stray=stray,
        complete=complete,
        gender=random.choice(("female", "male", "other", None)),
    )


def _choose(item: Item, random: Random, temper: float) -> Given:
    """Choose an option: by chance, or often the one of lowest (temper < 0) or highest weight."""
    if item.type == "integer":
        return random.randrange(31)
    weighed = sorted(
        (option for option in item.options if option.weight is not None), key=lambda option: option.weight or 0
    )
    if weighed and random.random() < abs(temper):
        return weighed[0] if temper < 0 else weighed[-1]
    return random.choice(item.options)


def value_of(given: Given) -> dict[str, Any]:
    """The value[x] of an answer."""
    return {"valueInteger": given} if isinstance(given, int) else {"valueCoding": given.coding.to_json()}
