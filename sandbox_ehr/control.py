"""`/_control/…`: where a test orders faults and reads the truth. Only with the control switch, only from this machine.

A request must come from a loopback address, name a loopback host (no page can reach it by DNS rebinding) and carry no
`Origin` (no page can post to it).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request

from sandbox_ehr.chart_events import ChartEvents
from sandbox_ehr.fault_gate import CONTROL, FaultGate
from sandbox_ehr.faults import FaultPlan, InvalidFault, parse_fault
from sandbox_ehr.registered_clients import is_loopback
from sandbox_ehr.store import FhirStore
from sandbox_ehr.store_session import LoggedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Orders of faults, and what is under way."""

    plan: FaultPlan
    gate: FaultGate
    events: ChartEvents

    def order(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Take an order as `/_control/faults` does; an event that waits for no request happens at once.

        Raises: InvalidFault.
        """
        fault = parse_fault(document)
        self.events.check(fault)
        if fault.is_immediate:
            self.events.perform(fault)
            return {"fault": fault.fault, "performed": True}
        return {"fault": fault.fault, "id": self.plan.add(fault)}

    def clear(self) -> None:
        """Forget every order. What is under way goes on."""
        self.plan.clear()


def build_control_endpoints(control: Control, store: FhirStore) -> Blueprint:
    """Give `/_control/faults` (POST, GET, DELETE) and `/_control/requests` (GET)."""
    routes = Blueprint("control", __name__, url_prefix=CONTROL)

    @routes.before_request
    def guard() -> Response | None:
        near = request.remote_addr is not None and ip_address(request.remote_addr).is_loopback
        if near and is_loopback(f"http://{request.host}") and "Origin" not in request.headers:
            return None
        return _refuse(403, "Only for tests on this machine")

    @routes.post("/faults")
    def order() -> Response:
        if request.mimetype != "application/json":
            return _refuse(415, "An order is application/json")
        try:
            document = json.loads(request.get_data())
            return _answer(201, control.order(document if isinstance(document, dict) else {}))
        except ValueError:
            return _refuse(400, "The order is not JSON")
        except InvalidFault as exc:
            return _refuse(400, str(exc))

    @routes.get("/faults")
    def show() -> Response:
        return _answer(200, {"faults": control.plan.describe(), "pending": control.gate.pending})

    @routes.delete("/faults")
    def clear() -> Response:
        control.clear()
        return make_response("", 204)

    @routes.get("/requests")
    def read() -> Response:
        return _answer(200, {"requests": [_describe(logged) for logged in store.requests()]})

    return routes


def _describe(logged: LoggedRequest) -> dict[str, Any]:
    return {
        "time": logged.time.isoformat(),
        "method": logged.method,
        "path": logged.path,
        "outcome": f"answered {logged.sent}" if logged.sent else "no answer",
        "status": logged.status or None,
        "committed": bool(logged.written),
        "written": list(logged.written),
        "fault": logged.fault,
        "replayed": logged.replayed,
        "persona": logged.persona,
        "client_id": logged.client_id,
        "request_id": logged.request_id,
    }


def _refuse(status: int, text: str) -> Response:
    return _answer(status, {"error": text})


def _answer(status: int, content: dict[str, Any]) -> Response:
    http_response = jsonify(content)
    http_response.status_code = status
    http_response.headers["Cache-Control"] = "no-store"
    return http_response
