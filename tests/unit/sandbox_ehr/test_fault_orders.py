"""Orders of faults: which are taken, from whom, and which requests each strikes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.errors import ControlNotLocal
from sandbox_ehr.faults import FaultPlan, InvalidFault, parse_fault
from sandbox_ehr.server import running_sandbox, serve
from tests.unit.sandbox_ehr.wire import Wire, open_wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    with open_wire() as opened:
        yield opened


def test_share_draws_the_same_requests_again() -> None:
    def struck(seed: int) -> list[bool]:
        plan = FaultPlan()
        plan.add(parse_fault({"fault": "server-error-500", "times": None, "share": 0.3, "seed": seed}))
        return [bool(plan.take("POST", "/fhir/Observation", is_fhir=True)) for _ in range(200)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 30 < sum(struck(1)) < 90


def test_of_two_answers_the_first_ordered_strikes_and_the_other_waits() -> None:
    plan = FaultPlan()
    for name in ("conflict-409", "server-error-500"):
        plan.add(parse_fault({"fault": name}))
    taken = [[fault.fault for fault in plan.take("POST", "/fhir/x", is_fhir=True)] for _ in range(3)]
    assert taken == [["conflict-409"], ["server-error-500"], []]


BAD_ORDERS: list[Any] = [
    {},
    {"fault": "earthquake"},
    {"fault": "latency"},
    {"fault": "latency", "seconds": "1"},
    {"fault": "latency", "seconds": -1},
    {"fault": "latency", "seconds": 1e9},
    {"fault": "latency", "seconds": float("nan")},
    {"fault": "clock-skew", "seconds": float("nan")},
    {"fault": "conflict-409", "share": float("nan")},
    {"fault": "latency", "seconds": 1, "commit": True},
    {"fault": "conflict-409", "colour": "red"},
    {"fault": "conflict-409", "times": 0},
    {"fault": "conflict-409", "times": True},
    {"fault": "conflict-409", "after": -1},
    {"fault": "conflict-409", "share": 2},
    {"fault": "conflict-409", "retry_after": 1},
    {"fault": "conflict-409", "match": {"host": "x"}},
    {"fault": "conflict-409", "match": {"path": "("}},
    {"fault": "conflict-409", "match": "x"},
    {"fault": "patient-merged", "patient": "pt-01"},
    {"fault": "clock-skew", "seconds": 5, "times": 1},
]


@pytest.mark.parametrize("order", BAD_ORDERS)
def test_an_impossible_order_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(InvalidFault):
        parse_fault(order)


def test_control_refuses_what_it_cannot_read_or_find(wire: Wire) -> None:
    address = f"{wire.ehr.base_url}/_control/faults"
    assert requests.post(address, data="{", headers={"Content-Type": "application/json"}, timeout=5).status_code == 400
    assert requests.post(address, json=[], timeout=5).status_code == 400
    assert requests.post(address, data='{"fault": "conflict-409"}', timeout=5).status_code == 415
    gone = {"fault": "encounter-closed", "encounter": "enc-nowhere"}
    assert requests.post(address, json=gone, timeout=5).status_code == 400
    assert requests.get(address, timeout=5).json() == {"faults": [], "pending": 0}


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.test"}, {"Host": "evil.test"}])
def test_control_is_closed_to_web_pages(wire: Wire, headers: dict[str, str]) -> None:
    address = f"{wire.ehr.base_url}/_control/faults"
    order = {"fault": "conflict-409"}
    assert requests.post(address, json=order, headers=headers, timeout=5).status_code == 403
    assert requests.get(f"{wire.ehr.base_url}/_control/requests", headers=headers, timeout=5).status_code == 403
    assert requests.get(address, timeout=5).json()["faults"] == []


def test_control_is_closed_to_other_machines(wire: Wire) -> None:
    far = {"REMOTE_ADDR": "192.0.2.7"}
    answer = wire.ehr.app.test_client().get("/_control/requests", base_url=wire.ehr.base_url, environ_base=far)
    assert answer.status_code == 403


def test_without_the_switch_there_is_no_control() -> None:
    with running_sandbox() as ehr:
        assert requests.get(f"{ehr.base_url}/_control/requests", timeout=5).status_code == 404
        order = requests.post(f"{ehr.base_url}/_control/faults", json={"fault": "conflict-409"}, timeout=5)
        assert order.status_code == 404
        with pytest.raises(LookupError):
            _ = ehr.control


def test_the_switch_is_refused_on_an_address_that_others_reach() -> None:
    with pytest.raises(ControlNotLocal):
        serve(SandboxConfig(control=True), 0, host="0.0.0.0")  # noqa: S104  # what is refused
