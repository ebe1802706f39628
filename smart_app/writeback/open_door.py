"""Open the door to one EHR with the token of one launch: only writeback holds a FhirWriter (safety rule 1)."""

from __future__ import annotations

from collections.abc import Callable

from fhir_mappings.r4 import format_json
from launch.capabilities import Capabilities
from launch.ehr import Ehr
from launch.fhir_reader import FhirReader
from launch.fhir_writer import FhirWriter
from launch.session import ActiveLaunch
from launch.transport import Transport
from smart_app.model.identity import PatientKey, User
from smart_app.writeback.door import EhrDoor


def open_door(
    active: ActiveLaunch,
    ehr: Ehr,
    transport: Transport,
    *,
    launch_id: str,
    patient: PatientKey,
    user: User,
    capabilities: Capabilities | None,
    refresh: Callable[[], EhrDoor | None],
) -> EhrDoor:
    """Give the way in. ``patient`` and ``user`` are those of the launch's session. Nothing is sent or read."""
    return EhrDoor(
        launch_id=launch_id,
        fhir_base_url=active.fhir_base_url,
        patient=patient,
        user=user,
        profile=ehr.profile,
        scopes=active.scopes,
        capabilities=capabilities,
        reader=FhirReader(active, ehr, transport),
        writer=FhirWriter(active, ehr, transport, format_json=format_json),
        refresh=refresh,
    )
