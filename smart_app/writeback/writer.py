"""Send what an Approval names, at most once: the only module that gives anything to the EHR (safety rules 1 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from smart_app.writeback.door import EhrDoor
from smart_app.writeback.report import WriteReport

if TYPE_CHECKING:
    from smart_app.model.approval import Approval
    from smart_app.storage.unit_of_work import Units


def write_approval(
    units: Units, approval_id: UUID, door: EhrDoor, *, clock: Callable[[], datetime], correlation_id: str | None = None
) -> WriteReport:
    """Send every row that is due, look up those of unknown outcome, and tell where all stand. Never raises for an EHR."""
    raise NotImplementedError


def finish_due(
    units: Units, find_door: Callable[[Approval], EhrDoor | None], *, clock: Callable[[], datetime]
) -> tuple[WriteReport, ...]:
    """Go on with every approval that has due rows and whose signer has a live launch (worker, "finish writing")."""
    raise NotImplementedError
