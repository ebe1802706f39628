"""Send what an Approval names, at most once: the only module that gives anything to the EHR (safety rules 1 and 7).

Per send: claim; ask the EHR whether what was signed is still true; check the hash; commit ``sending`` directly before
the first byte; POST once; record what is known. Between any two of these the process may die, and the row still tells
the truth (design: "The write path").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from fhir_mappings.bundle import build_transaction
from fhir_mappings.r4 import Json
from fhir_mappings.write_shape import ResourceKind
from launch.ehr_profile import Use
from launch.errors import LaunchError
from launch.fhir_writer import OutcomeKind, WriteOutcome
from smart_app.errors import AppError
from smart_app.model.approval import Approval
from smart_app.model.identity import User
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.model.moves import IllegalMove
from smart_app.storage.errors import LostClaim
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.claims import POST_SECONDS, Claims
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.guard import check_door, check_still_true
from smart_app.writeback.look_up import look_up_unknown
from smart_app.writeback.obstacles import may_create
from smart_app.writeback.order import known_ids, left
from smart_app.writeback.plan import WriteMethod, choose_method
from smart_app.writeback.report import WriteReport
from smart_app.writeback.result_table import apply_each, apply_together
from smart_app.writeback.signed import NotAsSigned, check_approval, find_search, planned_resource, resource_to_send
from smart_app.writeback.stops import EHR_BUSY, EHR_UNREACHABLE, NOT_AS_SIGNED, STILL_SENDING, TOKEN_ENDED, GuardStop

PATIENCE = timedelta(seconds=45)
"""How long one run begins new sends; a hanging EHR must not hold a page for a time-out per resource."""

_PAUSES = {OutcomeKind.NOT_SENT: EHR_UNREACHABLE, OutcomeKind.TOO_MANY_REQUESTS: EHR_BUSY}


def write_approval(
    units: Units,
    approval_id: UUID,
    door: EhrDoor,
    *,
    clock: Callable[[], datetime],
    correlation_id: str | None = None,
    patience: timedelta = PATIENCE,
) -> WriteReport:
    """Look up what is unknown, send every row that is due, and tell where all stand. Never raises for an EHR.

    Safe to call at any time, by many processes: what is being sent elsewhere, or has ended, is left alone.
    Raises: UnknownApproval.
    """
    with units.read() as unit:
        approval = unit.approvals.get(approval_id)
    stop = check_door(approval, door)
    claims = Claims(
        units,
        approval,
        user=door.user,
        launch_id=door.launch_id,
        clock=clock,
        correlation_id=correlation_id,
    )
    if stop is None:
        stop = _Run(approval, claims, door, clock, until=clock() + patience).run()
    elif not stop.transient:
        claims.refuse(stop.code)
    return WriteReport(approval_id=approval_id, rows=claims.rows(), stop=stop)


def hold_back(
    units: Units,
    approval_id: UUID,
    stop: GuardStop,
    *,
    user: User,
    launch_id: str,
    clock: Callable[[], datetime],
    correlation_id: str | None = None,
) -> None:
    """Let an approval's unsent rows wait where a launch has no door to send them by, and say why on each.

    Raises: UnknownApproval.
    """
    with units.read() as unit:
        approval = unit.approvals.get(approval_id)
    claims = Claims(units, approval, user=user, launch_id=launch_id, clock=clock, correlation_id=correlation_id)
    claims.hold_back(stop.code, stop.title)


def finish_due(
    units: Units,
    ehr_ids: Iterable[str],
    find_door: Callable[[Approval], EhrDoor | None],
    *,
    clock: Callable[[], datetime],
) -> tuple[WriteReport, ...]:
    """Go on with every approval that has not ended (worker, "finish writing").

    ``find_door`` gives a live launch of one of the signers for that patient, None where there is none: those rows
    wait. Either way what was being sent when its sender vanished becomes unknown.
    """
    reports: list[WriteReport] = []
    for ehr_id in ehr_ids:
        with units.read() as unit:
            ids = dict.fromkeys(row.approval_id for row in unit.ledger.unfinished(ehr_id, clock()))
            approvals = [unit.approvals.get(approval_id) for approval_id in ids]
        for approval in approvals:
            Claims(units, approval, user=None, launch_id=None, clock=clock).lapse()
            door = find_door(approval)
            if door is not None:
                reports.append(write_approval(units, approval.id, door, clock=clock))
    return tuple(reports)


class _Run:
    """One pass over the rows of one approval through one door."""

    def __init__(
        self, approval: Approval, claims: Claims, door: EhrDoor, clock: Callable[[], datetime], *, until: datetime
    ) -> None:
        self._until = until
        self._approval = approval
        self._claims = claims
        self._door = door
        self._clock = clock
        self._may_refresh = True
        self._passed_over: set[UUID] = set()

    def run(self) -> GuardStop | None:
        self._claims.lapse()
        look_up_unknown(self._claims, self._approval, self._door)
        rows = self._claims.rows()
        try:
            check_approval(self._approval, rows)
        except NotAsSigned:
            return self._give_back((), NOT_AS_SIGNED)
        stop = self._send_together() if self._goes_together(rows) else self._send_in_order()
        if stop is None:
            look_up_unknown(self._claims, self._approval, self._door)
        return stop

    def _goes_together(self, rows: Sequence[LedgerRow]) -> bool:
        """Send as one Bundle only while nothing of it is in the chart, and the token covers all of it."""
        sendable = [row for row in rows if row.resource]
        method = choose_method(self._door.capabilities, self._door.profile, resources=len(sendable))
        untouched = len(left(sendable)) == len(sendable)
        return method is WriteMethod.TRANSACTION and untouched and all(self._may_create(row) for row in sendable)

    def _send_together(self) -> GuardStop | None:
        again = True
        while again and (rows := self._claims.claim_together()):
            stop = self._check()
            if stop is not None:
                return self._give_back(rows, stop)
            try:
                bundle = self._build_bundle(rows)
            except NotAsSigned:
                return self._give_back(rows, NOT_AS_SIGNED)
            stop, again = self._post(rows, partial(self._post_bundle, bundle), apply_together)
            if stop is not None:
                return stop
        return None

    def _build_bundle(self, rows: Sequence[LedgerRow]) -> Json:
        """Build the transaction, each entry conditional where this EHR understands that for its type."""
        bundle = build_transaction(planned_resource(row) for row in rows)
        for entry, row in zip(bundle["entry"], rows, strict=True):
            if (query := self._condition(row)) is not None:
                entry["request"]["ifNoneExist"] = query
        return bundle

    def _post_bundle(self, bundle: Json, start: Callable[[], None]) -> WriteOutcome:
        return self._door.writer.transaction(bundle, deadline=POST_SECONDS, before_first_byte=start)

    def _send_in_order(self) -> GuardStop | None:
        while (row := self._claims.claim_ready(self._passed_over)) is not None:
            stop = self._send_one(row)
            if stop is not None:
                return stop
            if self._clock() >= self._until:
                return STILL_SENDING if left(self._claims.rows()) else None
        return None

    def _send_one(self, row: LedgerRow) -> GuardStop | None:
        if not self._may_create(row):
            self._passed_over.add(row.id)
            reason = f"This launch has no right to write {row.resource_type}."
            self._claims.release((row,), RowState.WAITING, "no-scope", reason)
            return None
        stop = self._check()
        if stop is not None:
            return self._give_back((row,), stop)
        try:
            resource = resource_to_send(row, known_ids(self._claims.rows()))
        except NotAsSigned:
            return self._give_back((row,), NOT_AS_SIGNED)
        send = partial(self._post_one, resource, self._condition(row))
        stop, _ = self._post((row,), send, apply_each)
        return stop

    def _post_one(self, resource: Json, condition: str | None, start: Callable[[], None]) -> WriteOutcome:
        return self._door.writer.create(
            resource, if_none_exist=condition, deadline=POST_SECONDS, before_first_byte=start
        )

    def _post(
        self,
        rows: Sequence[LedgerRow],
        send: Callable[[Callable[[], None]], WriteOutcome],
        judge: Callable[[Sequence[LedgerRow], WriteOutcome, datetime], tuple[LedgerRow, ...]],
    ) -> tuple[GuardStop | None, bool]:
        """Send once and record the answer. Gives what stops the run, and whether the same rows may go again at once."""
        standing = list(rows)

        def start() -> None:
            standing[:] = self._claims.start_sending(rows)

        try:
            outcome = send(start)
        except (IllegalMove, LostClaim):
            # No byte has left: the lease is too short, or the row is another's.
            self._passed_over.update(row.id for row in rows)
            return None, False
        self._claims.record(judge(standing, outcome, self._clock()))
        if outcome.kind is not OutcomeKind.UNAUTHORIZED:
            return _PAUSES.get(outcome.kind), False
        if self._refresh():
            return None, True
        return self._give_back((), TOKEN_ENDED), False

    def _check(self) -> GuardStop | None:
        """Run the guard; an ended token is refreshed once in a run."""
        stop = check_still_true(self._approval, self._door)
        if stop is TOKEN_ENDED and self._refresh():
            stop = check_still_true(self._approval, self._door)
        return stop

    def _refresh(self) -> bool:
        if not self._may_refresh:
            return False
        self._may_refresh = False
        try:
            door = self._door.refresh()
        except (AppError, LaunchError):
            # Whatever ended the launch, what is left waits for the signer's next one.
            return False
        if door is None or check_door(self._approval, door) is not None:
            return False
        self._door = door
        return True

    def _give_back(self, rows: Sequence[LedgerRow], stop: GuardStop) -> GuardStop:
        """Let these rows and all others that are unsent wait, with the reason that the page shows."""
        self._claims.release(rows, RowState.WAITING, stop.code, stop.title)
        self._claims.hold_back(stop.code, stop.title)
        return stop

    def _may_create(self, row: LedgerRow) -> bool:
        return may_create(self._door.scopes, ResourceKind(row.kind).resource_type)

    def _condition(self, row: LedgerRow) -> str | None:
        """Give the query of a conditional create where the EHR lists it and its profile does not advise against it."""
        listed = self._door.capabilities is not None and self._door.capabilities.conditional_create(row.resource_type)
        return find_search(row) if listed and self._door.profile.conditional_create is Use.AUTO else None
