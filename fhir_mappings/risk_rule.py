"""What an answer calls for, as PlanDefinition actions: risk alerts, the next instrument, the re-screen interval.

Source: http://hl7.org/fhir/R4/plandefinition.html; our risk-rule extension says by code what the FHIRPath condition
of the same action says for others.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from fhir_mappings.element import Element
from fhir_mappings.systems import ACTION_CODE, EXT_RISK_RULE


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRule:
    """An answer that needs action whatever the total.

    It fires at a weight of `at_least` or more, or at one of the answer `codes`. `level`, `action` are the published
    words, `reason` says what fired it, `source` who published it. `level_of`: the id of the score whose level tells
    how serious it is, from `level` upwards.
    """

    id: str
    link_id: str
    level: str
    reason: str
    action: str
    source: str
    at_least: int | Decimal | None = None
    codes: tuple[str, ...] = ()
    level_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextInstrument:
    """A further instrument (`canonical` of its Questionnaire) that an item or a score of `at_least` points calls for.

    `link_id` is an item's or a score item's.
    """

    id: str
    canonical: str
    reason: str
    source: str
    link_id: str
    at_least: int | Decimal


class Actions(NamedTuple):
    """The actions of a PlanDefinition by kind, in their order; the re-screen interval in days, None if unpublished."""

    risk_rules: tuple[RiskRule, ...]
    advice: tuple[RiskRule, ...]
    next_instruments: tuple[NextInstrument, ...]
    interval_days: int | None


def parse_actions(plan: Element) -> Actions:
    """Parse a PlanDefinition's actions. Raises: the element's error for an action whose code is none of ours."""
    risks: list[RiskRule] = []
    advice: list[RiskRule] = []
    nexts: list[NextInstrument] = []
    interval: int | None = None
    for action in plan.children("action"):
        match _action_code(action):
            case "risk-alert":
                risks.append(_rule(action))
            case "advice":
                advice.append(_rule(action))
            case "next-instrument":
                nexts.append(_next_instrument(action))
            case "re-screen":
                interval = _days(action)
            case _:
                raise action.fault("code", "not a known action")
    return Actions(tuple(risks), tuple(advice), tuple(nexts), interval)


def _action_code(action: Element) -> str | None:
    for concept in action.children("code"):
        for coding in concept.children("coding"):
            if coding.string("system") == ACTION_CODE:
                return coding.string("code")
    return None


def _rule(action: Element) -> RiskRule:
    details = action.extension(EXT_RISK_RULE)
    at_least = details.find_extension("atLeast")
    codes = tuple(extension.string("valueCode") for extension in details.extensions("code"))
    level_of = details.find_extension("levelOf")
    if at_least is None and not codes:
        raise action.fault("extension(risk-rule)", "neither weight nor code")
    return RiskRule(
        id=action.string("id"),
        link_id=details.extension("linkId").string("valueString"),
        level=details.extension("level").string("valueString"),
        reason=_reason(action),
        action=action.string("textEquivalent"),
        source=details.extension("source").string("valueString"),
        at_least=None if at_least is None else at_least.number("valueDecimal"),
        codes=codes,
        level_of=None if level_of is None else level_of.string("valueString"),
    )


def _next_instrument(action: Element) -> NextInstrument:
    details = action.extension(EXT_RISK_RULE)
    return NextInstrument(
        id=action.string("id"),
        canonical=action.string("definitionCanonical"),
        reason=_reason(action),
        source=details.extension("source").string("valueString"),
        link_id=details.extension("linkId").string("valueString"),
        at_least=details.extension("atLeast").number("valueDecimal"),
    )


def _reason(action: Element) -> str:
    for reason in action.children("reason"):
        return reason.string("text")
    raise action.fault("reason", "missing")


def _days(action: Element) -> int:
    repeat = action.child("timingTiming").child("repeat")
    if repeat.string("periodUnit") != "d":
        raise repeat.fault("periodUnit", "not days")
    return repeat.integer("period")
