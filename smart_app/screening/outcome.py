"""The outcome page: what became of each resource of one signature, and what is left to do (design section 6)."""

from __future__ import annotations

from collections import Counter
from uuid import UUID
from zoneinfo import ZoneInfo

from fhir_mappings.instrument import Instrument
from fhir_mappings.note import add_signature
from fhir_mappings.write_shape import ResourceKind
from smart_app.access import event, get_screening, permitted
from smart_app.model.approval import Approval, WriteChoice
from smart_app.model.audit import AuditAction
from smart_app.model.ledger import ENDED, LedgerRow, RowState
from smart_app.model.moves import IllegalMove
from smart_app.model.rights import Right
from smart_app.screening.answers import get_instrument
from smart_app.screening.context import get_chart
from smart_app.screening.frame import build_frame
from smart_app.screening.review_views import OutcomeCount, OutcomeGroup, OutcomeRow, OutcomeView
from smart_app.screening.signing import is_supervisor
from smart_app.screening.wording import say_born, say_count, say_moment
from smart_app.services import Acting, Services
from smart_app.writeback.outcome import STATE_WORDS, UNSENT, OutcomeLine, describe_rows, find_stops
from smart_app.writeback.outcome import OutcomeGroup as Group
from smart_app.writeback.stops import ENCOUNTER_CHANGED, NOT_CO_SIGNED, OTHER_USER, GuardStop

_TITLES = {
    Group.TO_LOOK_AT: "To look at",
    Group.ON_ITS_WAY: "On its way",
    Group.WRITTEN: "Written",
    Group.NOT_WRITTEN: "Not written, as planned",
}


def view_outcome(app: Services, who: Acting, screening_id: UUID) -> OutcomeView:
    """Show it. Raises: IllegalMove for a screening that is not signed, NotThisPatient."""
    with permitted(app, who):
        with app.units.write() as unit:
            screening = get_screening(unit, who, screening_id)
            approval = unit.approvals.find_for_screening(screening_id)
            if approval is None:
                raise IllegalMove("the screening is not signed")
            rows = unit.ledger.rows_of(approval.id)
            unit.audit.append(event(who, AuditAction.SCREENING_VIEWED, screening_id, approval=str(approval.id)))
            unit.commit()
        chart = get_chart(app, who)
    instrument = get_instrument(app.library, screening.instrument_id)
    lines = describe_rows(rows, instrument)
    stops = find_stops(approval, rows, who.user)
    mine = approval.waits and Right.CO_SIGN in who.rights and is_supervisor(who, approval)
    may_finish = approval.is_signed_by(who.user) and not approval.waits and _is_unfinished(rows)
    return OutcomeView(
        frame=build_frame(app, who, chart),
        screening_id=screening_id,
        heading=_say_heading(instrument, approval, rows, mine=mine),
        signed=_say_signed(app, who, approval),
        counts=_say_counts(rows),
        groups=_build_groups(approval, lines),
        next_steps=tuple(_next_steps(approval, rows, stops, mine=mine)),
        reference_code=approval.reference_code,
        may_finish_writing=may_finish,
        asks_visit=may_finish and ENCOUNTER_CHANGED in stops,
        may_co_sign=mine,
        note_text=_say_note(approval, app.rules.zone),
    )


def _is_unfinished(rows: tuple[LedgerRow, ...]) -> bool:
    return any(row.state not in ENDED for row in rows)


def _say_heading(instrument: Instrument, approval: Approval, rows: tuple[LedgerRow, ...], *, mine: bool) -> str:
    """Say how much of the result is in the chart: of all of it, also of what the plan left out."""
    name = instrument.short_name
    if mine:
        return f"{name} waits for your signature"
    if approval.waits:
        return f"{name} signed; waits for the signature of {approval.awaiting_name or 'the supervisor'}"
    if not any(row.full_url for row in rows):
        return f"{name} signed and kept in this app; nothing was written to the chart"
    written = sum(row.state is RowState.WRITTEN for row in rows)
    total = sum(row.count for row in rows)
    if written == total:
        return f"{name} signed: {'all ' if written > 1 else ''}{say_count(written, 'item')} in the chart"
    return f"{name} signed: {written} of {say_count(total, 'item')} in the chart"


def _say_signed(app: Services, who: Acting, approval: Approval) -> str:
    zone = app.rules.zone
    words = f"Signed {say_moment(approval.signed_at, who.now, zone)} by {approval.signer.name}."
    if approval.co_signed_by is not None and approval.co_signed_at is not None:
        words += f" Signed too {say_moment(approval.co_signed_at, who.now, zone)} by {approval.co_signed_by.name}."
    return words


def _say_note(approval: Approval, zone: ZoneInfo) -> str:
    """Give the signed note whole, to be copied: a part would lose the risk item and the alert (safety rule 4)."""
    if not approval.note_text:
        return ""  # purged
    patient, signed_at = approval.patient_identity, approval.signed_at.astimezone(zone)
    born = say_born(patient.birth_date, signed_at.date())
    signed = add_signature(
        approval.note_text,
        signer=approval.signer.name,
        signed_at=signed_at,
        patient=patient.name,
        reference_code=approval.reference_code,
        co_signer=None if approval.awaiting is None else approval.awaiting_name or "the supervisor",
    )
    return f"{patient.name}, born {born}, MRN {patient.mrn or 'none'}\n\n{signed}"


def _say_counts(rows: tuple[LedgerRow, ...]) -> tuple[OutcomeCount, ...]:
    counts = Counter(row.state for row in rows for _ in range(row.count))
    order = (RowState.UNKNOWN, RowState.REFUSED, RowState.HELD, RowState.WAITING, RowState.PLANNED, RowState.SENDING)
    shown = (*order, RowState.WRITTEN, RowState.NOT_SUPPORTED, RowState.CANCELLED)
    return tuple(
        OutcomeCount(state=state, words=f"{counts[state]} {STATE_WORDS[state][:1].lower()}{STATE_WORDS[state][1:]}")
        for state in shown
        if counts[state]
    )


def _build_groups(approval: Approval, lines: tuple[OutcomeLine, ...]) -> tuple[OutcomeGroup, ...]:
    groups = []
    titles = _TITLES | ({Group.ON_ITS_WAY: "Waits for the second signature"} if approval.waits else {})
    for group, title in titles.items():
        rows = tuple(_build_row(line) for line in lines if line.group is group)
        if rows:
            groups.append(OutcomeGroup(title=title, rows=rows))
    return tuple(groups)


def _build_row(line: OutcomeLine) -> OutcomeRow:
    return OutcomeRow(
        what=line.what,
        chart_as=line.chart_as,
        state=line.state,
        state_words=line.state_words,
        reference=line.reference,
        detail=line.reason,
    )


def _next_steps(
    approval: Approval, rows: tuple[LedgerRow, ...], stops: tuple[GuardStop, ...], *, mine: bool
) -> list[str]:
    """Say what is left to do; where sending has stopped, why and what helps."""
    steps = []
    states = {row.state for row in rows}
    if mine:
        steps.append(
            f"{approval.signer.name} has signed this in training. Read the note, then co-sign it: that sends it."
        )
    elif approval.waits:
        supervisor = approval.awaiting_name or "The supervisor"
        steps.append(f"{supervisor} opens this patient in the app and signs too; only then is anything sent.")
    elif OTHER_USER in stops:
        names = " or ".join(signer.name for signer in approval.signers)
        steps.append(f"The next launch of {names} on this patient sends what is left.")
    steps += [f"{stop.title}. {stop.remedy}" for stop in stops if stop not in (OTHER_USER, NOT_CO_SIGNED)]
    if states & UNSENT and not stops:
        steps.append("“Finish writing” sends what is left.")
    if RowState.UNKNOWN in states:
        steps.append("Whether the chart has it is not known yet. “Finish writing” looks it up; nothing is sent twice.")
    if RowState.REFUSED in states:
        note_refused = any(
            row.state is RowState.REFUSED and row.kind == ResourceKind.DOCUMENT_REFERENCE for row in rows
        )
        steps.append(
            "Copy the note into the chart by hand: the EHR did not take it."
            if note_refused
            else "Enter a refused item by hand if your site wants it coded; the note says the same in words."
        )
    if RowState.HELD in states:
        steps.append("The EHR has taken it and holds it for somebody to accept there.")
    if approval.choice is WriteChoice.COPY_BY_HAND:
        steps.append("Copy the text into the chart by hand.")
    return steps or ["Nothing. You may close this page."]
