"""What one run of the writer found and did."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from smart_app.model.ledger import ENDED, LedgerRow, RowState
from smart_app.writeback.stops import GuardStop


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReport:
    """All rows of an approval after a run, in write order, and what stopped the run (None: nothing did)."""

    approval_id: UUID
    rows: tuple[LedgerRow, ...]
    stop: GuardStop | None = None

    @property
    def finished(self) -> bool:
        """True when every row has ended."""
        return all(row.state in ENDED for row in self.rows)

    def count(self, state: RowState) -> int:
        """Count the rows in a state."""
        return sum(row.state is state for row in self.rows)
