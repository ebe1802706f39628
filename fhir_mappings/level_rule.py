"""A published result that is a level, not a number (ASQ, C-SSRS): its levels, and which answers make each.

Our own extensions of an ObservationDefinition's qualifiedInterval (docs/instruments.md), for R4 has no place for the
rule. Levels are ranked from 0; the highest one that holds is the result.
"""

from dataclasses import dataclass

from fhir_mappings.element import Element
from fhir_mappings.r4 import Coding
from fhir_mappings.systems import EXT_LEVEL, EXT_OPEN_LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCondition:
    """At least `count` of these items have one of these answer codes.

    `or_unanswered`: by the author's rule, one that is declined, or blank at hand-in, counts as such an answer.
    """

    link_ids: tuple[str, ...]
    codes: tuple[str, ...]
    count: int = 1
    or_unanswered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level. It holds when all conditions of one of its `alternatives` do; rank 0 holds when no other does.

    `label` is the publisher's word and `action` what the publisher says to do, "" where that is nothing.
    """

    rank: int
    coding: Coding
    label: str
    action: str
    alternatives: tuple[tuple[LevelCondition, ...], ...]

    @property
    def conditions(self) -> tuple[LevelCondition, ...]:
        """All conditions of all alternatives."""
        return tuple(condition for alternative in self.alternatives for condition in alternative)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLevel:
    """How to speak of and act on a result that is only known to lie from rank `low` to rank `high`."""

    low: int
    high: int
    label: str
    action: str
    source: str


def find_level(interval: Element, rank: int, label: str) -> Level | None:
    """Read the level that an interval stands for; None for a severity range of a sum."""
    details = interval.find_extension(EXT_LEVEL)
    if details is None:
        return None
    action = details.find_extension("action")
    return Level(
        rank=rank,
        coding=details.extension("code").child("valueCoding").coding(),
        label=label,
        action="" if action is None else action.string("valueString"),
        alternatives=tuple(
            tuple(_condition(answer) for answer in when.extensions("answer")) for when in details.extensions("when")
        ),
    )


def _condition(answer: Element) -> LevelCondition:
    count = answer.find_extension("count")
    or_unanswered = answer.find_extension("orUnanswered")
    condition = LevelCondition(
        link_ids=tuple(extension.string("valueString") for extension in answer.extensions("linkId")),
        codes=tuple(extension.string("valueCode") for extension in answer.extensions("code")),
        count=1 if count is None else count.integer("valueInteger"),
        or_unanswered=or_unanswered is not None and or_unanswered.boolean("valueBoolean"),
    )
    if not condition.codes or not 1 <= condition.count <= len(set(condition.link_ids)):
        raise answer.fault("extension(linkId)", "can never hold")
    if condition.or_unanswered and condition.count != 1:
        raise answer.fault("extension(orUnanswered)", "goes with one answer only")
    return condition


def parse_open_levels(definition: Element) -> tuple[OpenLevel, ...]:
    """Read how the definition speaks of results that are not known to one level."""
    return tuple(
        OpenLevel(
            low=extension.extension("low").integer("valueInteger"),
            high=extension.extension("high").integer("valueInteger"),
            label=extension.extension("label").string("valueString"),
            action=extension.extension("action").string("valueString"),
            source=extension.extension("source").string("valueString"),
        )
        for extension in definition.extensions(EXT_OPEN_LEVEL)
    )
