"""What a sender holds: one launch's reader and writer, whose they are, and what that EHR can do (SMART 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from launch.capabilities import Capabilities
from launch.ehr_profile import EhrProfile
from launch.errors import LaunchError
from launch.fhir_reader import FhirResource, Read, Search, SearchResult
from launch.fhir_writer import WriteOutcome
from launch.scopes import Scopes
from smart_app.model.identity import PatientKey, User


class ChartReader(Protocol):
    """What write-back needs of a FhirReader."""

    def read_together(
        self, wanted: Mapping[str, Read | Search]
    ) -> dict[str, FhirResource | SearchResult | LaunchError]:
        """Read several in one wave; an error stands in the place of its result."""

    def search(self, resource_type: str, params: Iterable[tuple[str, str]]) -> SearchResult:
        """Search one type. Raises LaunchError."""


class ChartWriter(Protocol):
    """What write-back needs of a FhirWriter: one POST each, sent once, its outcome never an exception."""

    def create(
        self,
        resource: Mapping[str, Any],
        *,
        if_none_exist: str | None = None,
        deadline: float,
        before_first_byte: Callable[[], None],
    ) -> WriteOutcome:
        """Create one resource; ``before_first_byte`` may stop it by raising."""

    def transaction(
        self, bundle: Mapping[str, Any], *, deadline: float, before_first_byte: Callable[[], None]
    ) -> WriteOutcome:
        """Send a transaction; the outcome has one entry per entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EhrDoor:
    """The way into one EHR with one user's token for one patient, all of one launch.

    ``refresh`` gives the same door with a fresh token, None where that is not possible: it is the caller's leased step.
    """

    launch_id: str
    fhir_base_url: str
    patient: PatientKey
    user: User
    profile: EhrProfile
    scopes: Scopes
    capabilities: Capabilities | None
    reader: ChartReader = field(repr=False)
    writer: ChartWriter = field(repr=False)
    refresh: Callable[[], EhrDoor | None] = field(repr=False)
