"""The write plan: what signing would write, how, and what not, in the words the clinician reads before signing.

Pure. CapabilityStatement (FHIR R4) × granted scopes (SMART App Launch 2.2) × EHR profile × site settings × the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from fhir_mappings.r4 import Coding
from fhir_mappings.write_shape import ResourceKind, WriteShape
from smart_app.model.approval import WriteChoice

if TYPE_CHECKING:
    from launch.capabilities import Capabilities
    from launch.ehr_profile import EhrProfile
    from launch.scopes import Scopes


class WriteMethod(StrEnum):
    """How rows are sent: one atomic Bundle, or one create after the other."""

    TRANSACTION = "transaction"
    SINGLE = "single"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSite:
    """A site's switches. ``note_type`` None: the one of the EHR's profile; ``restricted_note_type`` None: none offered.

    ``age_of_majority`` in whole years: below it, or at an unknown age, nothing is preset (safety rule 13).
    """

    kinds: frozenset[ResourceKind] = frozenset(ResourceKind)
    note_type: Coding | None = None
    restricted_note_type: Coding | None = None
    age_of_majority: int = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFacts:
    """What the plan must know of the result: how many resources of each kind it makes, and what it comes with.

    ``age`` in whole years on the day of signing, None where the birth date is not known to the needed precision.
    ``score_words`` names the total as the page does ("Total 13").
    """

    counts: Mapping[ResourceKind, int]
    score_words: str
    has_encounter: bool
    has_organization: bool
    age: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """One line of the plan. ``reason`` is empty where ``writes``; ``reason_code`` is stable and goes into the ledger."""

    kind: ResourceKind
    label: str
    chart_as: str
    count: int
    writes: bool
    reason_code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOption:
    """One of the choices of safety rule 13 as the sign page offers it."""

    choice: WriteChoice
    label: str
    needs_reason: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """What signing would do under ``choice``; None: nothing is preset and the clinician has not chosen yet.

    ``lines`` are in write order; while ``choice`` is None they show what WRITE would do. ``shapes`` is what the
    builders get: empty unless something is sent. ``hash`` (sha256 hex) covers what every choice would do, so that it
    is the same whatever the clinician then chooses on the page.
    """

    method: WriteMethod
    choice: WriteChoice | None
    options: tuple[ChoiceOption, ...]
    lines: tuple[PlanLine, ...]
    shapes: tuple[WriteShape, ...] = field(repr=False)
    release_notice: str
    minor_notice: str
    text: str
    hash: str

    @property
    def written_count(self) -> int:
        """Number of resources that signing would write."""
        return sum(line.count for line in self.lines if line.writes)

    @property
    def unwritten_count(self) -> int:
        """Number of resources that signing would not write."""
        return sum(line.count for line in self.lines if not line.writes)


def make_plan(
    *,
    capabilities: Capabilities | None,
    scopes: Scopes,
    profile: EhrProfile,
    site: WriteSite,
    facts: ResultFacts,
    choice: WriteChoice | None = None,
) -> WritePlan:
    """Make the plan. ``choice`` None takes the preset: WRITE for an adult, nothing for a minor or an unknown age.

    ``capabilities`` None: the CapabilityStatement could not be read, so that nothing can be promised.
    """
    raise NotImplementedError
