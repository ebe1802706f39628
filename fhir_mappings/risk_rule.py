"""What an answer calls for, as PlanDefinition actions: risk alerts, the next instrument, the re-screen interval.

Source: http://hl7.org/fhir/R4/plandefinition.html; our risk-rule extension says by code what the FHIRPath condition
of the same action says for others.
"""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRule:
    """An answer that needs action whatever the total.

    It fires at a weight of `at_least` or more, or at one of the answer `codes`. `level`, `action` are the published
    words, `reason` says what fired it, `source` who published it.
    """

    id: str
    link_id: str
    level: str
    reason: str
    action: str
    source: str
    at_least: int | Decimal | None = None
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NextInstrument:
    """A further instrument that a score or an answer calls for: `canonical` is the Questionnaire's."""

    id: str
    canonical: str
    reason: str
    source: str
    link_id: str
    at_least: int | Decimal
