"""Risk flags: answers that need action in this visit, and risk items that were not answered.

Rules come from the instrument's PlanDefinition. A risk item is never prorated or inferred; one that is declined or
blank at hand-in is "risk not known", never "no risk". Where the form has published levels (ASQ, C-SSRS), a flag tells
the level that the answers make so far, and what is published for it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from fhir_mappings.answers import Answer, Answers, AnswerStatus, find_status, is_enabled
from fhir_mappings.applicability import Applicabilities, find_chosen
from fhir_mappings.instrument import Instrument, RiskRule
from fhir_mappings.level import Levels
from fhir_mappings.questionnaire import Item
from fhir_mappings.score_definition import say_at_least


class RiskKind(StrEnum):
    """Why a flag stands."""

    RISK_ANSWER = "risk-answer"
    RISK_NOT_KNOWN = "risk-not-known"


FlagRank = tuple[int, int, int]
"""How serious a flag is: the least rank of the level, whether the item's own answer told it, the highest rank."""
RISK_NOT_KNOWN_LEVEL = "risk not known"
RISK_NOT_KNOWN_SOURCE = "smart-screening's own rule: a risk item without answer is not known, never negative"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFlag:
    """One risk rule that fired, or whose item was not answered at hand-in.

    `level` is the published level, that of the whole form where it has one, or "risk not known"; `action` what is
    published for it; `reason` says what fired it without quoting the answer; `source` is who published the rule; that
    a risk item without answer is flagged is our own. `rank` orders what one rule can tell, so that a rise is seen.
    """

    rule_id: str
    link_id: str
    level: str
    reason: str
    source: str
    kind: RiskKind
    action: str = ""
    level_of: str | None = None
    rank: "FlagRank" = (0, 0, 0)


def find_risk(
    instrument: Instrument,
    answers: Answers,
    *,
    handed_in: bool,
    unasked: Answers | None = None,
    levels: Levels | None = None,
) -> tuple[RiskFlag, ...]:
    """Give a flag per risk rule that fires; once handed in, also one per risk item without answer.

    `unasked`: answers to items that the others do not enable; a risk that somebody told is not lost for that.
    `levels` are those of these answers, where they are at hand.
    """
    levels = levels or Levels(instrument, answers, Applicabilities(instrument, answers))
    form = _Form(instrument, answers, unasked or {}, levels, handed_in=handed_in)
    return tuple(flag for rule in instrument.risk_rules if (flag := form.find_flag(rule)) is not None)


class _Form:
    """One form's answers, and the levels that they reach: each worked out once, and only where something is flagged."""

    def __init__(
        self, instrument: Instrument, answers: Answers, unasked: Answers, levels: Levels, *, handed_in: bool
    ) -> None:
        self.instrument = instrument
        self.answers = answers
        self.unasked = unasked
        self.handed_in = handed_in
        self._levels = levels
        self._reached: dict[str, _Reached | None] = {}

    def find_flag(self, rule: RiskRule) -> RiskFlag | None:
        """Give the rule's flag, None where it does not fire and its item is answered, or may still be."""
        item = self.instrument.get_item(rule.link_id)
        answer = self.unasked.get(rule.link_id) or self.answers.get(rule.link_id)
        if answer is not None and answer.status is AnswerStatus.ANSWERED:
            return self._flag_answer(rule) if _fires(rule, item, answer) else None
        if not self.handed_in or not is_enabled(item, self.answers):
            return None
        word = "not answered" if answer is None or answer.status is AnswerStatus.NOT_REACHED else "declined"
        reached = self._find_reached(rule)
        return RiskFlag(
            rule_id=rule.id,
            link_id=rule.link_id,
            level=RISK_NOT_KNOWN_LEVEL if reached is None else f"{RISK_NOT_KNOWN_LEVEL}: {reached.label}",
            reason=f"Item {item.number} {word}",
            source=RISK_NOT_KNOWN_SOURCE,
            kind=RiskKind.RISK_NOT_KNOWN,
            action=rule.action if reached is None else reached.action,
            level_of=rule.level_of,
            rank=(0, 0, 0) if reached is None else (reached.rank, 0, reached.highest),
        )

    def _flag_answer(self, rule: RiskRule) -> RiskFlag:
        rank = _rank_of(self.instrument, rule)
        told = _Reached(rank, rank, rule.level, rule.action)
        reached = self._find_reached(rule)
        if reached is not None and reached.rank >= told.rank:
            told = reached
        return RiskFlag(
            rule_id=rule.id,
            link_id=rule.link_id,
            level=told.label,
            reason=rule.reason,
            source=rule.source,
            kind=RiskKind.RISK_ANSWER,
            action=told.action,
            level_of=rule.level_of,
            rank=(told.rank, 1, told.highest),
        )

    def _find_reached(self, rule: RiskRule) -> "_Reached | None":
        if rule.level_of is None:
            return None
        if rule.level_of not in self._reached:
            self._reached[rule.level_of] = _find_reached(self.instrument, rule.level_of, self._levels)
        return self._reached[rule.level_of]


def find_action(instrument: Instrument, rule: RiskRule, level: str) -> str:
    """Give what is published to do at the level that a flag of the rule told; else what the rule says itself."""
    if rule.level_of is None:
        return rule.action
    definition = instrument.get_score(rule.level_of)
    label = level.removeprefix(f"{RISK_NOT_KNOWN_LEVEL}: ")
    actions = {stated.label: stated.action for stated in definition.open_levels}
    for one in definition.levels:
        actions |= {one.label: one.action, say_at_least(one.label): one.action}
    return actions.get(label) or rule.action


def find_advice(instrument: Instrument, answers: Answers) -> tuple[RiskRule, ...]:
    """Give the advice, other than risk alerts, that the answers call for."""
    return tuple(
        rule
        for rule in instrument.advice
        if find_status(answers, rule.link_id) is AnswerStatus.ANSWERED
        and is_enabled(item := instrument.get_item(rule.link_id), answers)
        and _fires(rule, item, answers[rule.link_id])
    )


def _fires(rule: RiskRule, item: Item, answer: Answer) -> bool:
    option = find_chosen(item, answer)
    if option is None:
        # An answer that is none of the options cannot be cleared of risk.
        return True
    if option.coding.code in rule.codes:
        return True
    return rule.at_least is not None and option.weight is not None and option.weight >= rule.at_least


class _Reached(NamedTuple):
    """The least rank that is sure, the highest that is still open, how to speak of it and what is published to do."""

    rank: int
    highest: int
    label: str
    action: str


def _find_reached(instrument: Instrument, score_id: str, levels: Levels) -> _Reached | None:
    """Give the level of the form as if no more answers came; None where nothing raises it."""
    definition = instrument.get_score(score_id)
    low, high, _ = levels.find(definition, handed_in=True)
    level = definition.levels[low]
    if low == high:
        return _Reached(low, high, level.label, level.action) if low > 0 else None
    band = definition.find_partial_band((low, high))
    stated = definition.find_open_level((low, high))
    if band is None:
        return None
    return _Reached(low, high, band.label, level.action if stated is None else stated.action)


def _rank_of(instrument: Instrument, rule: RiskRule) -> int:
    """Give the rank of the rule's own level, 0 where it is none of the form's."""
    levels = () if rule.level_of is None else instrument.get_score(rule.level_of).levels
    return next((level.rank for level in levels if level.label == rule.level), 0)
