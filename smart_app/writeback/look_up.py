"""Find out what became of a write whose answer was lost (design: "Resolving unknown"; FHIR R4 search).

One match by our identifier, of our patient: it is written. Nothing, twice, the second time ``settle_seconds`` after the
first, is proof of absence only where the EHR's profile says so; an empty search alone is none, for a server can commit
after our time-out and an index can lag. Several matches, or no proof: a person decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl
from uuid import UUID

from launch.ehr_profile import AbsenceProof, NoteLookUp
from launch.errors import LaunchError
from launch.fhir_reader import FhirResource
from smart_app.model.approval import Approval
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.writeback.claims import Claims
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.guard import refers_to_patient
from smart_app.writeback.note_search import find_note_search, tell_own_notes
from smart_app.writeback.signed import carries, find_search

_LONGEST_PAUSE = timedelta(hours=1)
_PERSON = "We cannot look it up here: a person decides after a look at the chart."
_NOT_FOUND_YET = "The EHR does not show it yet. We look again; we do not send it twice."
_NO_PROOF = "The EHR does not show it, which proves nothing here. A person decides after a look at the chart."
_TOGETHER = "The EHR has all that was sent with it, in one transaction; it does not let us look for the id."
_SEVERAL = "The EHR shows more than one. A person decides after a look at the chart."


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Resources that are ours by identifier or line; ``complete``: the EHR gave all it has, and all was read."""

    matches: tuple[FhirResource, ...]
    complete: bool


_NOT_ASKED = Found(matches=(), complete=False)


def look_up_unknown(claims: Claims, approval: Approval, door: EhrDoor) -> None:
    """Look for every row of unknown outcome, and for the ids of those written without; record what was found.

    Reads only. Rows sent together stand or fall together: while one of them is in the chart, none is proven absent.
    """
    begun, standing = claims.now(), claims.rows()
    rows = [row for row in standing if row.resource and _is_due(row, begun)]
    found = {row.id: search_for(row, approval, door) for row in rows}
    # From the end of one look-up to the beginning of the next: a slow EHR takes no part of the time to settle.
    now = claims.now()
    in_chart = {row.sent_at for row in standing if row.state is RowState.WRITTEN}
    in_chart |= {row.sent_at for row in rows if (seen := found[row.id]) is not None and seen.matches}
    moved = [
        change
        for row in rows
        if (change := _find_mates(row, standing, found, now)) is not None
        or (change := _move(row, found[row.id], door, begun, now, alone=row.sent_at not in in_chart)) is not None
    ]
    if moved:
        claims.record(moved)


def _find_mates(
    row: LedgerRow, standing: Sequence[LedgerRow], found: Mapping[UUID, Found | None], now: datetime
) -> LedgerRow | None:
    """Give the row as written where it cannot be looked up itself, but all that can be of its transaction is there."""
    if row.state is not RowState.UNKNOWN or row.sent_at is None or found[row.id] is not None:
        return None
    mates = [mate for mate in standing if mate.sent_at == row.sent_at and mate.id != row.id]
    seen = [mate for mate in mates if mate.state is RowState.WRITTEN]
    seen += [mate for mate in mates if (one := found.get(mate.id)) is not None and len(one.matches) == 1]
    blind = [mate for mate in mates if mate.state is RowState.UNKNOWN and found.get(mate.id, _NOT_ASKED) is None]
    if not seen or {mate.id for mate in mates} != {mate.id for mate in (*seen, *blind)}:
        return None
    return row.end(RowState.WRITTEN, now, reason_code="found-together", reason=_TOGETHER)


def _is_due(row: LedgerRow, now: datetime) -> bool:
    if row.state is RowState.WRITTEN:
        return row.resource_id is None
    return row.state is RowState.UNKNOWN and (row.not_before is None or row.not_before <= now)


def search_for(row: LedgerRow, approval: Approval, door: EhrDoor) -> Found | None:
    """Search by our identifier, or for our line in the notes; None where this EHR or token does not let us."""
    if door.capabilities is None:
        return None
    by_content = _is_found_by_content(row, door)
    query = find_search(row)
    params = find_note_search(row, approval, door.capabilities) if by_content else parse_qsl(query or "")
    if not params:
        return None
    can = door.capabilities.allows(row.resource_type, "search-type")
    listed = {name for name, _ in params} <= door.capabilities.search_params(row.resource_type)
    if not (can and listed and door.scopes.allows(row.resource_type, "s")):
        return None
    try:
        result = door.reader.search(row.resource_type, params)
    except LaunchError:
        # Asked and not answered: to be asked again, and no part of any proof.
        return Found(matches=(), complete=False)
    if by_content:
        told = tell_own_notes(result.resources, approval, door)
        own = tuple(note for note, is_own in zip(result.resources, told, strict=True) if is_own)
        return Found(matches=own, complete=result.complete and None not in told)
    ours = [match for match in result.resources if _is_ours(match, row, approval, door)]
    return Found(matches=tuple(ours), complete=result.complete)


def _is_found_by_content(row: LedgerRow, door: EhrDoor) -> bool:
    return row.resource_type == "DocumentReference" and door.profile.note_look_up is NoteLookUp.CONTENT


def _is_ours(match: FhirResource, row: LedgerRow, approval: Approval, door: EhrDoor) -> bool:
    """Read what a search gave, for a server may ignore a parameter that it does not know."""
    if match.resource_type != row.resource_type or not carries(match.resource, row.identifier_value):
        return False
    return row.resource_type == "Provenance" or refers_to_patient(
        match.resource.get("subject"), approval.patient.patient_id, door.fhir_base_url
    )


def _move(
    row: LedgerRow, found: Found | None, door: EhrDoor, begun: datetime, now: datetime, *, alone: bool
) -> LedgerRow | None:
    if found is not None and len(found.matches) == 1:
        return _written(row, found.matches[0], now)
    if row.state is RowState.WRITTEN:
        return None
    if found is None:
        # A POST that the server itself makes conditional needs no search to be safe, only time for the first to settle.
        if not _may_repeat(row, door):
            told = row.reason_code == "cannot-look-up"
            return None if told else row.look_up(now, reason_code="cannot-look-up", reason=_PERSON, counts=False)
        found = Found(matches=(), complete=True)
    if len(found.matches) > 1:
        return row.look_up(now, reason_code="several-found", reason=_SEVERAL, not_before=_next(row, door, now))
    return _absent(row, door, begun, now, counts=found.complete and alone)


def _written(row: LedgerRow, match: FhirResource, now: datetime) -> LedgerRow:
    if row.state is RowState.WRITTEN:
        return row.identify(match.id, match.version_id)
    return row.end(
        RowState.WRITTEN, now, resource_id=match.id, version_id=match.version_id, reason_code="found", reason=""
    )


def _absent(row: LedgerRow, door: EhrDoor, begun: datetime, now: datetime, *, counts: bool) -> LedgerRow:
    if door.profile.absence_proof is AbsenceProof.NONE:
        return row.look_up(now, reason_code="no-proof", reason=_NO_PROOF, not_before=_next(row, door, now))
    settle = timedelta(seconds=door.profile.settle_seconds)
    # A person may have it looked up at any time: two look-ups in one breath are one.
    counts = counts and (row.look_ups == 0 or row.looked_up_at is None or begun - row.looked_up_at >= settle)
    if counts and row.look_ups > 0:
        return row.prove_absent(now)
    return row.look_up(
        now, reason_code="not-found-yet", reason=_NOT_FOUND_YET, not_before=_next(row, door, now), counts=counts
    )


def _next(row: LedgerRow, door: EhrDoor, now: datetime) -> datetime:
    """Give the time of the next look-up: settled once, then ever more seldom."""
    settled = timedelta(seconds=door.profile.settle_seconds * (1 << min(row.look_ups, 10)))
    return now + min(settled, _LONGEST_PAUSE)


def _may_repeat(row: LedgerRow, door: EhrDoor) -> bool:
    return (
        door.profile.absence_proof is AbsenceProof.CONDITIONAL_CREATE
        and door.capabilities is not None
        and door.capabilities.conditional_create(row.resource_type)
        and find_search(row) is not None
    )
