"""What happens in an EHR while an app works: a patient is merged, an encounter ends, the signing key changes.

Source: http://hl7.org/fhir/R4/patient.html#links, http://hl7.org/fhir/R4/encounter.html.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox_ehr.chart_source import ChartSource
from sandbox_ehr.faults import Fault, InvalidFault
from sandbox_ehr.fhir_request import Clock
from sandbox_ehr.store_session import format_instant


class ChartEvents:
    """Makes events happen. rotate_keys: whether the old key is forgotten → the new `kid`."""

    def __init__(self, charts: ChartSource, *, rotate_keys: Callable[[bool], str], clock: Clock) -> None:
        self._charts = charts
        self._rotate_keys = rotate_keys
        self._clock = clock

    def check(self, fault: Fault) -> None:
        """Raise InvalidFault for an event about a resource that is not there."""
        for resource_type, resource_id in (
            ("Patient", fault.patient),
            ("Patient", fault.into),
            ("Encounter", fault.encounter),
        ):
            if resource_id:
                self._get(resource_type, resource_id)

    def perform(self, fault: Fault) -> None:
        """Let an event happen now. Raises InvalidFault where what it is about has gone."""
        match fault.fault:
            case "key-rotation":
                self._rotate_keys(fault.forget)
            case "patient-merged":
                other = {"reference": f"Patient/{fault.into}"}
                merged = {"active": False, "link": [{"other": other, "type": "replaced-by"}]}
                self._charts.replace(self._get("Patient", fault.patient) | merged)
            case "encounter-closed":
                encounter = self._get("Encounter", fault.encounter)
                period = encounter.get("period", {}) | {"end": format_instant(self._clock())}
                self._charts.replace(encounter | {"status": "finished", "period": period})

    def _get(self, resource_type: str, resource_id: str) -> dict[str, Any]:
        found = self._charts.find(resource_type, resource_id)
        if found is None:
            raise InvalidFault(f"There is no such {resource_type}")
        return found
