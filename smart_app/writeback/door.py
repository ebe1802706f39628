"""What a sender holds: one launch's reader and writer, whose they are, and what that EHR can do (SMART 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from launch.capabilities import Capabilities
from launch.ehr_profile import EhrProfile
from launch.fhir_reader import FhirReader
from launch.fhir_writer import FhirWriter
from launch.scopes import Scopes
from smart_app.model.identity import PatientKey, User


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
    reader: FhirReader = field(repr=False)
    writer: FhirWriter = field(repr=False)
    refresh: Callable[[], EhrDoor | None] = field(repr=False)
