"""The items of a Questionnaire: what is asked, the options with their weights, and when an item is enabled.

Sources: http://hl7.org/fhir/R4/questionnaire.html; itemWeight and calculatedExpression of SDC 4.0
(http://hl7.org/fhir/uv/sdc/).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from fhir_mappings.errors import UnknownOption
from fhir_mappings.r4 import Coding


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One answer that an item offers.

    `weight` is what it adds to a score, in points; None where it has none. `equivalents` are other codes that stand
    for this answer in foreign data (LOINC binds GAD-7 item 2 to "More days than not").
    """

    coding: Coding
    text: str
    weight: int | Decimal | None
    equivalents: tuple[Coding, ...] = ()


class Operator(StrEnum):
    """Questionnaire.item.enableWhen.operator, as far as choice items need it."""

    EXISTS = "exists"
    EQUAL = "="
    NOT_EQUAL = "!="


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableWhen:
    """One condition on another item's answer: a code, or for `exists` a boolean."""

    link_id: str
    operator: Operator
    answer: Coding | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of an instrument, in print order.

    `number` is the printed number ("9"). `scored`: counts in some score. `risk`: a risk rule looks at it.
    `may_decline`: "prefer not to answer" is offered, and recorded as asked-declined.
    """

    link_id: str
    number: str
    text: str
    type: str
    coding: Coding | None
    options: tuple[Option, ...]
    required: bool
    scored: bool
    risk: bool
    may_decline: bool = True
    enable_when: tuple[EnableWhen, ...] = ()
    enable_any: bool = True
    by_code: Mapping[str, Option] = field(repr=False)

    def get_option(self, code: str, system: str | None = None) -> Option:
        """Give the option of that code (and system, where told), following equivalents. Raises: UnknownOption."""
        option = self.by_code.get(code)
        if option is not None:
            for coding in (option.coding, *option.equivalents):
                if coding.code == code and system in (None, coding.system):
                    return option
        raise UnknownOption(self.link_id, "no such option")


def index_options(options: tuple[Option, ...]) -> dict[str, Option]:
    """Index options by code, their equivalents too. A code stands once only: the parser has seen to it."""
    return {coding.code: option for option in options for coding in (option.coding, *option.equivalents)}
