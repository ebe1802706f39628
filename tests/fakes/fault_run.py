"""One signed result, one fault of the simulated EHR, and the truth afterwards: from the EHR's store and request log.

Our ledger is only ever compared with that truth. The clock of the app is moved; late commits come in real time.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_mappings.systems import RESULT_IDENTIFIER
from launch.ehr_profile import AbsenceProof, Create, NoteLookUp, Use
from sandbox_ehr.server import RunningSandbox
from sandbox_ehr.store_session import LoggedRequest
from smart_app.model.approval import Approval
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.report import WriteReport
from smart_app.writeback.writer import write_approval
from tests.fakes.sandbox_launch import Launched, launch

SILENCE, PATIENCE = 1.0, 10.0
"""Seconds that the client waits for an answer: where a time-out is wanted, and where none is."""
LATE = 0.15
"""Seconds after which a late commit comes."""
ROUNDS = 12

METHODS: Mapping[str, dict[str, Any]] = {
    "transaction": {},
    "conditional": {"transaction": Use.NEVER},
    "single": {
        "transaction": Use.NEVER,
        "conditional_create": Use.NEVER,
        "absence_proof": AbsenceProof.IDENTIFIER_SEARCH,
    },
    "single-note": {
        "persona": "epic",
        "transaction": Use.NEVER,
        "conditional_create": Use.NEVER,
        "absence_proof": AbsenceProof.NONE,
        "observation_create": Create.NEVER,
        "questionnaire_response_create": Create.NEVER,
        "note_look_up": NoteLookUp.CONTENT,
        "note_needs_encounter": True,
        "note_content_types": ("text/plain",),
        "note_max_contents": 1,
    },
}
SEARCHABLE = frozenset({"transaction", "conditional", "single"})
"""Methods whose identifiers can be searched: there, nothing stays unknown."""
STEPS: Mapping[str, Mapping[str, int]] = {
    "transaction": {"bundle": 0},
    "conditional": {"first": 0, "panel": 12, "last": 14},
    "single": {"first": 0, "panel": 12, "last": 14},
    "single-note": {"note": 0},
}
_NOT_IN_CHART = frozenset({RowState.PLANNED, RowState.WAITING, RowState.REFUSED, RowState.CANCELLED})


class Clock:
    """The app's clock: moved by the test, and by a microsecond each time it is read."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def go(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one run left behind. Numbers of resources; ``replayed``: copies that the network made, counted apart."""

    lost: int = 0
    duplicated: int = 0
    wrong_patient: int = 0
    untrue: int = 0
    replayed: int = 0
    states: Counter[RowState] = field(default_factory=Counter)
    struck: int = 0
    says: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.wrong_patient or self.untrue)


class FaultRun:
    """Signs before the fault is ordered, writes under it, and goes on after it with new doors until all has ended."""

    def __init__(self, sandbox: RunningSandbox, units: Units, method: str, *, silence: float = PATIENCE) -> None:
        self.sandbox, self.units, self.method = sandbox, units, method
        self.clock = Clock()
        self.launched: Launched = launch(sandbox, "hapi", seconds=silence, **METHODS[method])
        self.seen = len(sandbox.store.requests())
        self.approval: Approval = self.launched.sign(units, self.launched.door())

    def close(self) -> None:
        self.launched.transport.close()

    def write(self) -> WriteReport:
        """One run through a door that can refresh its token once."""
        door = self.launched.door()
        return write_approval(
            self.units,
            self.approval.id,
            self.launched.door(refresh=lambda: door),
            clock=self.clock,
        )

    def go_on(self) -> WriteReport:
        """After the faults: rounds three minutes apart, until every row has ended or nothing moves any more."""
        self.sandbox.control.clear()
        assert self.sandbox.control.gate.wait_until_calm(10)
        report = None
        for _ in range(ROUNDS):
            self.clock.go(minutes=3)
            report = self.write()
            if report.finished:
                break
        assert report is not None
        return report

    def log(self) -> list[LoggedRequest]:
        return self.sandbox.store.requests()[self.seen :]

    def copies(self) -> list[tuple[str, dict[str, Any], bool]]:
        """What the EHR holds of this approval: (mark, resource, whether the network's replay wrote it)."""
        marks = {row.identifier_value for row in self.rows() if row.full_url}
        found = []
        with self.sandbox.store.reading() as session:
            for request in self.log():
                for reference in request.written:
                    resource_type, resource_id = reference.split("/")[:2]
                    stored = session.find(resource_type, resource_id)
                    assert stored is not None
                    resource = json.loads(stored.body)
                    mark = self._mark(resource, marks)
                    if mark is not None:
                        found.append((mark, resource, request.replayed))
        return found

    def _mark(self, resource: dict[str, Any], marks: set[str]) -> str | None:
        """Give which of our rows a stored resource is: by identifier, or by the line in the note."""
        if resource["resourceType"] == "DocumentReference" and self.method == "single-note":
            text = b64decode(resource["content"][0]["attachment"]["data"]).decode()
            note = next(row for row in self.rows() if row.resource_type == "DocumentReference" and row.full_url)
            return note.identifier_value if f"Reference {self.approval.reference_code}\n" in text else None
        identifiers = resource.get("identifier", [])
        tags = resource.get("meta", {}).get("tag", [])
        held = [*(identifiers if isinstance(identifiers, list) else [identifiers]), *tags]
        ours = {m.get("value") or m.get("code") for m in held if m.get("system") == RESULT_IDENTIFIER}
        return next(iter(ours & marks), None)

    def rows(self) -> tuple[LedgerRow, ...]:
        with self.units.read() as unit:
            return unit.ledger.rows_of(self.approval.id)

    def judge(self) -> Verdict:
        """Compare the rows with what the EHR holds, as it stands now."""
        copies = self.copies()
        first_hand = Counter(mark for mark, _, replayed in copies if not replayed)
        everywhere = Counter(mark for mark, _, _ in copies)
        patient = f"Patient/{self.launched.patient.patient_id}"
        wrong = [r for _, r, _ in copies if r["resourceType"] != "Provenance" and r["subject"]["reference"] != patient]
        rows = [row for row in self.rows() if row.full_url]
        says = [
            f"{row.key} {row.state} {row.reason_code} but {everywhere[row.identifier_value]} in the chart"
            for row in rows
            if self._is_untrue(row, everywhere)
        ]
        gone = [row for row in rows if row.state is RowState.WRITTEN and not everywhere[row.identifier_value]]
        return Verdict(
            lost=len(gone) + (len({row.key for row in rows}) != len(rows)),
            duplicated=sum(count - 1 for count in first_hand.values() if count > 1),
            wrong_patient=len(wrong),
            untrue=len(says),
            replayed=sum(replayed for _, _, replayed in copies),
            states=Counter(row.state for row in rows),
            struck=sum(request.fault is not None for request in self.log()),
            says=tuple(says),
        )

    @staticmethod
    def _is_untrue(row: LedgerRow, in_chart: Counter[str]) -> bool:
        held = in_chart[row.identifier_value] > 0
        if row.state is RowState.WRITTEN:
            return not held
        return row.state in _NOT_IN_CHART and held
