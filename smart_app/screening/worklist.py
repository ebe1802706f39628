"""Open alerts and unwritten results that this user may see, over all patients of this EHR (safety rule 4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from smart_app.access import event, permitted
from smart_app.model.alert import Alert
from smart_app.model.approval import Approval
from smart_app.model.audit import AuditAction
from smart_app.model.identity import PatientIdentity, PatientKey
from smart_app.model.rights import Right
from smart_app.model.screening import Screening
from smart_app.screening.context import get_chart
from smart_app.screening.form_words import name_item
from smart_app.screening.frame import build_frame
from smart_app.screening.levels import say_level
from smart_app.screening.review_views import WorklistRow, WorklistView
from smart_app.screening.wording import say_born, say_count, say_moment, say_span, shorten
from smart_app.services import Acting, Services

if TYPE_CHECKING:
    from smart_app.storage.unit_of_work import Unit

UNWRITTEN_AFTER = timedelta(hours=24)


def view_worklist(app: Services, who: Acting) -> WorklistView:
    """Show open alerts to who gave the screening and to whom the site names, each view audited; unwritten results.

    Raises: LaunchIdle, LaunchOver, LaunchError for the patient.
    """
    with permitted(app, who, Right.ACT_ON_ALERT):
        chart = get_chart(app, who)
        with app.units.write() as unit:
            found = [(alert, unit.screenings.get(alert.screening_id)) for alert in unit.alerts.all_open()]
            seen = [(alert, screening) for alert, screening in found if _may_see(app, who, alert, screening)]
            for alert, _ in seen:
                unit.audit.append(event(who, AuditAction.ALERT_VIEWED, alert.id, list="worklist"))
            unwritten = _unwritten_rows(app, who, unit)
            unit.commit()
    seen.sort(key=lambda pair: (bool(pair[0].actions), pair[0].opened_at))
    return WorklistView(
        frame=build_frame(app, who, chart),
        alerts=tuple(_alert_row(app, who, alert, screening) for alert, screening in seen),
        unwritten=unwritten,
        as_of=say_moment(who.now, who.now, app.rules.zone),
    )


def _may_see(app: Services, who: Acting, alert: Alert, screening: Screening) -> bool:
    if (alert.patient.ehr_id, alert.patient.tenant) != (who.patient.ehr_id, who.patient.tenant):
        return False
    is_named = bool(app.rules.alert_readers & {who.user.fhir_user, who.user.subject})
    return is_named or alert.patient == who.patient or screening.was_given_by(who.user)


def _alert_row(app: Services, who: Acting, alert: Alert, screening: Screening) -> WorklistRow:
    instrument = app.library.find(alert.instrument_id)
    kind = "risk answer" if alert.kind == "risk-answer" else "risk not known"
    taken = alert.hand_over
    state = f"Open for {say_span(alert.opened_at, who.now)}"
    if taken is not None and not alert.blocks_signing:
        state += f", with {taken.to_name}"
    elif not alert.actions:
        state += ", no action recorded"
    item = "" if instrument is None else f" {name_item(instrument, alert.link_id)}"
    level = say_level(instrument, alert, lambda at: say_moment(at, who.now, app.rules.zone))
    return WorklistRow(
        kind="alert",
        patient=_say_patient(app, who, screening.identity, alert.patient),
        what=f"{alert.instrument_id if instrument is None else instrument.short_name}{item}, {kind}",
        when=say_moment(alert.opened_at, who.now, app.rules.zone),
        state=state,
        level=level,
    )


def _unwritten_rows(app: Services, who: Acting, unit: Unit) -> tuple[WorklistRow, ...]:
    """Give results signed over a day ago of which something is not at its end; others may see that, not what."""
    before = who.now - UNWRITTEN_AFTER
    counts: dict[Approval, int] = {}
    approvals: dict[str, Approval] = {}
    for row in unit.ledger.unfinished(who.session.ehr_id, before):
        approval = approvals.setdefault(str(row.approval_id), unit.approvals.get(row.approval_id))
        if approval.patient.tenant == who.patient.tenant:
            counts[approval] = counts.get(approval, 0) + 1
    return tuple(
        WorklistRow(
            kind="unwritten",
            patient=_say_initials(approval.patient_identity),
            what=f"{say_count(count, 'item')} not written, signed by {approval.signer.name}",
            when=say_moment(approval.signed_at, who.now, app.rules.zone),
            state="Waits for the signer's next launch on this patient",
        )
        for approval, count in counts.items()
    )


def _say_patient(app: Services, who: Acting, identity: PatientIdentity | None, key: PatientKey) -> str:
    """Give full name, birth date and number: an alert must find its patient."""
    if identity is None:
        return f"Patient {key.patient_id} of the EHR"
    born = say_born(identity.birth_date, who.now.astimezone(app.rules.zone).date())
    return f"{shorten(identity.name)}, born {born}, MRN {shorten(identity.mrn or 'none')}"


def _say_initials(identity: PatientIdentity) -> str:
    """Give initials and the last four of the number: no chart is open on this page."""
    initials = " ".join(f"{part[0]}." for part in identity.name.replace(",", " ").split()[:2])
    return f"{initials} …{identity.mrn[-4:]}" if identity.mrn else initials
