"""Risk flags: answers that need action in this visit, and risk items that were not answered.

Rules come from the instrument's PlanDefinition. A risk item is never prorated or inferred; one that is declined or
blank at hand-in is "risk not known", never "no risk".
"""

from dataclasses import dataclass
from enum import StrEnum

from fhir_mappings.answers import Answers, AnswerStatus, find_status, is_enabled
from fhir_mappings.instrument import Instrument, RiskRule
from fhir_mappings.questionnaire import Item


class RiskKind(StrEnum):
    """Why a flag stands."""

    RISK_ANSWER = "risk-answer"
    RISK_NOT_KNOWN = "risk-not-known"


RISK_NOT_KNOWN_LEVEL = "risk not known"
RISK_NOT_KNOWN_SOURCE = "smart-screening's own rule: a risk item without answer is not known, never negative"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFlag:
    """One risk rule that fired, or whose item was not answered at hand-in.

    `level` is the published level, or "risk not known"; `reason` says what fired it without quoting the answer;
    `source` is who published the rule; that a risk item without answer is flagged is our own.
    """

    rule_id: str
    link_id: str
    level: str
    reason: str
    source: str
    kind: RiskKind


def find_risk(instrument: Instrument, answers: Answers, *, handed_in: bool) -> tuple[RiskFlag, ...]:
    """Give a flag per risk rule that fires; once handed in, also one per risk item without answer."""
    flags = []
    for rule in instrument.risk_rules:
        item = instrument.get_item(rule.link_id)
        status = find_status(answers, rule.link_id)
        if status is AnswerStatus.ANSWERED:
            if _fires(rule, item, answers):
                flags.append(_flag(rule, RiskKind.RISK_ANSWER, rule.level, rule.reason, rule.source))
        elif handed_in and is_enabled(item, answers):
            word = "declined" if status is AnswerStatus.DECLINED else "not answered"
            reason = f"Item {item.number} {word}"
            flags.append(_flag(rule, RiskKind.RISK_NOT_KNOWN, RISK_NOT_KNOWN_LEVEL, reason, RISK_NOT_KNOWN_SOURCE))
    return tuple(flags)


def _fires(rule: RiskRule, item: Item, answers: Answers) -> bool:
    coding = answers[rule.link_id].coding
    option = None if coding is None else item.by_code.get(coding.code)
    if option is None or coding is None:
        # An answer that is none of the options cannot be cleared of risk.
        return True
    if option.coding.code in rule.codes:
        return True
    return rule.at_least is not None and option.weight is not None and option.weight >= rule.at_least


def _flag(rule: RiskRule, kind: RiskKind, level: str, reason: str, source: str) -> RiskFlag:
    return RiskFlag(rule_id=rule.id, link_id=rule.link_id, level=level, reason=reason, source=source, kind=kind)
