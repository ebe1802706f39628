"""What the outcome page says of each row: what it is, where it stands, its id in the chart or the reason (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fhir_mappings.instrument import Instrument
from fhir_mappings.write_shape import ResourceKind
from smart_app.model.approval import Approval
from smart_app.model.identity import User
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.writeback.stops import NOT_CO_SIGNED, OTHER_USER, STILL_SENDING, GuardStop, find_stop

STATE_WORDS = {
    RowState.PLANNED: "Not sent yet",
    RowState.SENDING: "Being sent",
    RowState.WAITING: "Waiting",
    RowState.WRITTEN: "Written",
    RowState.HELD: "Held by the EHR",
    RowState.REFUSED: "Refused",
    RowState.UNKNOWN: "Not known yet",
    RowState.NOT_SUPPORTED: "Not written, as planned",
    RowState.CANCELLED: "Not written",
}

UNSENT = frozenset({RowState.PLANNED, RowState.WAITING})
"""States of rows of which no byte has left, or of which it is proven that nothing arrived."""


class OutcomeGroup(StrEnum):
    """Where a row stands on the page, what needs a look first."""

    TO_LOOK_AT = "to-look-at"
    ON_ITS_WAY = "on-its-way"
    WRITTEN = "written"
    NOT_WRITTEN = "not-written"


_GROUPS = {
    RowState.PLANNED: OutcomeGroup.ON_ITS_WAY,
    RowState.SENDING: OutcomeGroup.ON_ITS_WAY,
    RowState.WAITING: OutcomeGroup.TO_LOOK_AT,
    RowState.WRITTEN: OutcomeGroup.WRITTEN,
    RowState.HELD: OutcomeGroup.TO_LOOK_AT,
    RowState.REFUSED: OutcomeGroup.TO_LOOK_AT,
    RowState.UNKNOWN: OutcomeGroup.TO_LOOK_AT,
    RowState.NOT_SUPPORTED: OutcomeGroup.NOT_WRITTEN,
    RowState.CANCELLED: OutcomeGroup.NOT_WRITTEN,
}

_NAMES = {
    ResourceKind.QUESTIONNAIRE_RESPONSE: "Answers as given",
    ResourceKind.OBSERVATION_DIFFICULTY: "Difficulty item",
    ResourceKind.OBSERVATION_TOTAL: "Total",
    ResourceKind.OBSERVATION_PANEL: "Panel",
    ResourceKind.DOCUMENT_REFERENCE: "Note",
    ResourceKind.PROVENANCE: "Who signed, with what",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeLine:
    """One row in words. ``reference`` is its id in the chart ("Observation/f41"), "" where there is none.

    ``reason`` says why it is not there, or what is done about it; its code is in the ledger. ``count``: of resources.
    """

    what: str
    chart_as: str
    group: OutcomeGroup
    state: RowState
    state_words: str
    reference: str
    reason: str
    count: int


def describe_rows(rows: Iterable[LedgerRow], instrument: Instrument) -> tuple[OutcomeLine, ...]:
    """Put the rows of an approval into words: what needs a look first, otherwise in write order."""
    order = list(OutcomeGroup)
    lines = [_describe(row, instrument) for row in rows]
    return tuple(sorted(lines, key=lambda line: order.index(line.group)))


def find_stops(approval: Approval, rows: Iterable[LedgerRow], user: User) -> tuple[GuardStop, ...]:
    """Give why unsent rows are not sent, each once: what keeps this user's launch out, then what the rows say.

    Told by the rows alone, so that the page says after a restart what it said after signing. Rows that nothing holds
    back are simply not sent yet.
    """
    unsent = [row for row in rows if row.state in UNSENT]
    if not unsent:
        return ()
    if approval.waits:
        return (NOT_CO_SIGNED,)
    found = [] if approval.is_signed_by(user) else [OTHER_USER]
    found += [stop for row in unsent if (stop := find_stop(row.reason_code)) is not None]
    if not found and all(row.state is RowState.PLANNED for row in unsent):
        found = [STILL_SENDING]
    return tuple(dict.fromkeys(found))


def _describe(row: LedgerRow, instrument: Instrument) -> OutcomeLine:
    kind = ResourceKind(row.kind)
    without_id = row.state is RowState.WRITTEN and row.resource_id is None
    fell_out = row.state is RowState.CANCELLED and bool(row.full_url)  # signed to be written, yet never sent
    return OutcomeLine(
        what=_name(row, kind, instrument),
        chart_as=_chart_as(row, kind, instrument),
        group=OutcomeGroup.TO_LOOK_AT if without_id or fell_out else _GROUPS[row.state],
        state=row.state,
        state_words=STATE_WORDS[row.state],
        reference=f"{row.resource_type}/{row.resource_id}" if row.resource_id else "",
        reason=row.reason,
        count=row.count,
    )


def _name(row: LedgerRow, kind: ResourceKind, instrument: Instrument) -> str:
    item = instrument.by_link_id.get(_link_id(row))
    if item is not None and kind is ResourceKind.OBSERVATION_ITEM:
        return f"Item {item.number}"
    if kind is ResourceKind.OBSERVATION_ITEM:
        return "1 item" if row.count == 1 else f"{row.count} items"
    if kind in {ResourceKind.OBSERVATION_TOTAL, ResourceKind.OBSERVATION_PANEL}:
        return f"{instrument.short_name} {_NAMES[kind].lower()}"
    return _NAMES[kind]


def _chart_as(row: LedgerRow, kind: ResourceKind, instrument: Instrument) -> str:
    """Give the resource type, and for an Observation its code: "Observation 44250-9"."""
    link_id = _link_id(row)
    item = instrument.by_link_id.get(link_id)
    coding = item.coding if item is not None else None
    if kind is ResourceKind.OBSERVATION_TOTAL:
        coding = next((score.coding for score in instrument.scores if score.link_id == link_id), coding)
    if kind is ResourceKind.OBSERVATION_PANEL:
        coding = instrument.coding
    return row.resource_type if coding is None else f"{row.resource_type} {coding.code}"


def _link_id(row: LedgerRow) -> str:
    return row.key.partition(":")[2]
