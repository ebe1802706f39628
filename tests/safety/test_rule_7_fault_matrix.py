"""Safety rule 7: every fault of the EHR or the network by every way to write by every step that it can strike.

The truth is read from the simulated EHR's store and request log. CI runs a seeded sample; ``FAULT_MATRIX=all`` (``make
bench-faults``) runs every cell. Each cell prints its run count; an empty one fails.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.faults import FAULTS
from sandbox_ehr.server import RunningSandbox, running_sandbox
from smart_app.model.ledger import RowState
from smart_app.storage.unit_of_work import Units
from tests.fakes.fault_run import LATE, METHODS, PATIENCE, SEARCHABLE, SILENCE, STEPS, FaultRun, Verdict
from tests.fakes.signing import open_units

SAMPLE, SEED = 34, 20261124
_POSTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "latency": ({"seconds": 0.05},),
    "reset-before-commit": ({},),
    "reset-after-commit": ({},),
    "time-out-after-commit": ({},),
    "late-commit": ({"seconds": LATE},),
    "replayed-request": ({}, {"seconds": LATE}),
    "no-location": ({},),
    "truncated-json": ({},),
    "wrong-content-type": ({},),
    "accepted-202": ({}, {"commit": True}),
    "unauthorized-401": ({},),
    "forbidden-403": ({},),
    "break-the-glass": ({},),
    "conflict-409": ({}, {"commit": True}),
    "precondition-412": ({},),
    "unprocessable-422": ({},),
    "too-many-requests-429": ({}, {"retry_after": 120}),
    "server-error-500": ({}, {"commit": True}),
    "bad-gateway-html-502": ({}, {"commit": True}),
    "clock-skew": ({"seconds": 3000.0}, {"seconds": -3000.0}),
    "key-rotation": ({"forget": True},),
    "patient-merged": ({"patient": "pt-01", "into": "pt-02"},),
    "encounter-closed": ({},),
}
"""Faults that strike a write, each with the keys of its orders."""
_GUARD = (
    "latency",
    "reset-before-commit",
    "unauthorized-401",
    "forbidden-403",
    "break-the-glass",
    "too-many-requests-429",
    "server-error-500",
    "bad-gateway-html-502",
    "truncated-json",
    "wrong-content-type",
)
"""Faults that strike the reads of the guard."""
_SEARCHES = (
    "lagging-search",
    "reset-before-commit",
    "time-out-after-commit",
    "unauthorized-401",
    "forbidden-403",
    "too-many-requests-429",
    "server-error-500",
    "truncated-json",
    "wrong-content-type",
)
"""Faults that strike the look-up of a write whose answer was lost before or after the commit."""
_LOST_REPLY = frozenset(
    {
        "reset-before-commit",
        "reset-after-commit",
        "time-out-after-commit",
        "late-commit",
        "server-error-500",
        "bad-gateway-html-502",
        "conflict-409",
    }
)
_REFUSED = frozenset({"forbidden-403", "break-the-glass", "unprocessable-422", "precondition-412"})
_WORLD = frozenset({"patient-merged", "encounter-closed"})
_NEEDS_NO_MATCH = frozenset({"clock-skew", "key-rotation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is ordered, and what it strikes: a write, a read of the guard, or a look-up."""

    fault: str
    method: str
    strikes: str
    step: str
    keys: dict[str, Any] = field(hash=False, default_factory=dict)
    lost: str = ""

    def __str__(self) -> str:
        keys = ",".join(f"{key}={value}" for key, value in self.keys.items())
        parts = (self.fault, keys, self.method, self.strikes, self.step, self.lost)
        return " ".join(part for part in parts if part)


def every_cell() -> list[Cell]:
    cells = [
        Cell(fault=fault, method=method, strikes="write", step=step, keys=keys)
        for fault, orders in _POSTS.items()
        for keys in orders
        for method in METHODS
        for step in STEPS[method]
    ]
    cells += [
        Cell(
            fault=fault, method=method, strikes="guard", step=step, keys={"seconds": 0.05} if fault == "latency" else {}
        )
        for fault in _GUARD
        for method in METHODS
        for step in STEPS[method]
    ]
    cells += [
        Cell(
            fault=fault,
            method=method,
            strikes="look-up",
            step=next(iter(STEPS[method])),
            keys={"seconds": 3600.0} if fault == "lagging-search" else {},
            lost=lost,
        )
        for fault in _SEARCHES
        for method in METHODS
        for lost in ("reset-before-commit", "reset-after-commit", "late-commit")
    ]
    return cells


def chosen_cells() -> list[Cell]:
    """Every cell, or a seeded sample with each fault in it."""
    cells = every_cell()
    if os.environ.get("FAULT_MATRIX") == "all":
        return cells
    draw = random.Random(SEED)  # noqa: S311  # a test's dice, no secret
    draw.shuffle(cells)
    one_each = list({cell.fault: cell for cell in cells}.values())
    return [*one_each, *[cell for cell in cells if cell not in one_each][: SAMPLE - len(one_each)]]


CELLS = chosen_cells()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(SandboxConfig(control=True)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[dict[str, list[Verdict]]]:
    """Print the count of each cell and the last line, once all have run."""
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    yield verdicts
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write("\n".join(["", *say_counts(verdicts), ""]))


def say_counts(verdicts: Mapping[str, list[Verdict]]) -> Iterator[str]:
    for cell, of_cell in verdicts.items():
        states = sum((verdict.states for verdict in of_cell), Counter[RowState]())
        yield f"{len(of_cell):4} {cell}: {', '.join(f'{count} {state}' for state, count in states.items())}"
    every = [verdict for of_cell in verdicts.values() for verdict in of_cell]
    yield f"replayed by the network, seen in the EHR's log and counted apart: {sum(v.replayed for v in every)}"
    yield (
        f"{len(every)} runs: {sum(v.lost for v in every)} lost, {sum(v.duplicated for v in every)} duplicated, "
        f"{sum(v.wrong_patient for v in every)} on the wrong patient, {sum(v.untrue for v in every)} untrue"
    )


@pytest.fixture
def units(tmp_path: Path) -> Iterator[Units]:
    with open_units(tmp_path) as units:
        yield units


def order(run: FaultRun, cell: Cell) -> None:
    after = STEPS[cell.method][cell.step]
    order: dict[str, Any] = {"fault": cell.fault, **cell.keys}
    writes = {"method": "POST", "path": "/fhir"}
    if cell.fault == "encounter-closed":
        order["encounter"] = run.launched.encounter_id
    if cell.fault == "clock-skew":
        run.sandbox.control.order(order)
        return
    if cell.strikes == "write":
        order |= {"match": writes, "after": after}
    elif cell.strikes == "guard":
        # The transport tries a read up to three times.
        order |= {"match": {"method": "GET", "path": "/Patient/"}, "after": after, "times": 3}
    else:
        late = {"seconds": LATE} if cell.lost == "late-commit" else {}
        run.sandbox.control.order({"fault": cell.lost, "match": writes, **late})
        searches = "/(QuestionnaireResponse|Observation|DocumentReference)$"
        order |= {"match": {"method": "GET", "path": searches}, "times": None}
    run.sandbox.control.order(order)


def check_states(cell: Cell, verdict: Verdict) -> None:
    """After the faults, ``unknown`` stands only where the reply was lost and nothing can be searched."""
    lost_reply = (cell.fault in _LOST_REPLY and cell.strikes == "write") or cell.strikes == "look-up"
    may_be_unknown = lost_reply and cell.method not in SEARCHABLE
    if not may_be_unknown:
        assert verdict.states[RowState.UNKNOWN] == 0
    refuses = cell.strikes == "write" and cell.fault in _REFUSED | {"accepted-202"}
    if not refuses and not may_be_unknown:
        assert set(verdict.states) == {RowState.WRITTEN}
    assert verdict.states[RowState.PLANNED] + verdict.states[RowState.SENDING] == 0


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_whatever_fails_there_is_one_copy_and_every_row_is_true(
    cell: Cell, sandbox: RunningSandbox, units: Units, tally: dict[str, list[Verdict]]
) -> None:
    times_out = cell.fault == "time-out-after-commit"
    run = FaultRun(sandbox, units, cell.method, silence=SILENCE if times_out else PATIENCE)
    before = [run.launched.read("Patient", "pt-01"), run.launched.read("Encounter", run.launched.encounter_id)]
    try:
        order(run, cell)
        # A profile's settle_seconds outlast a late commit and a lagging index: the clock stands still while they last.
        settles_later = "late-commit" in (cell.fault, cell.lost) or cell.fault == "lagging-search"
        for _ in range(3):
            run.write()
            if not settles_later:
                assert sandbox.control.gate.wait_until_calm(5)
                during = run.judge()
                assert during.clean, during
            run.clock.go(seconds=0 if settles_later else 40)
        for resource in before if cell.fault in _WORLD else ():
            sandbox.store.put_raw(resource)
        run.go_on()
        verdict = run.judge()
    finally:
        sandbox.control.clear()
        for resource in before if cell.fault in _WORLD else ():
            sandbox.store.put_raw(resource)
        run.close()
    tally[str(cell)].append(verdict)
    assert verdict.struck or cell.fault in _WORLD | _NEEDS_NO_MATCH, "the fault struck nothing: an empty cell"
    assert verdict.clean, verdict
    if cell.fault == "replayed-request" and cell.method in {"single", "single-note"}:
        assert verdict.replayed == 1
    check_states(cell, verdict)


def test_the_matrix_has_every_fault_for_every_way_to_write() -> None:
    assert {cell.fault for cell in CELLS} == set(FAULTS)
    ways = Counter((cell.fault, cell.method) for cell in every_cell())
    assert {(fault, method) for fault in FAULTS for method in METHODS} == set(ways)
