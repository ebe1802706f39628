"""What stands around every page of a launch: who the patient is, who the user is, and the open alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smart_app.access import event
from smart_app.chart import Chart, Visit
from smart_app.model.alert import Alert
from smart_app.model.audit import AuditAction
from smart_app.model.identity import PatientIdentity
from smart_app.model.launch_session import NO_VISIT
from smart_app.screening.form_words import name_item
from smart_app.screening.levels import say_level
from smart_app.screening.views import AlertStrip, Banner, Frame
from smart_app.screening.wording import say_born, say_moment, say_partial, say_span, shorten
from smart_app.services import Acting, Services

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from smart_app.storage.unit_of_work import Unit

# http://terminology.hl7.org/CodeSystem/v3-ActCode, the classes of R4 Encounter.class
_CLASSES = {
    "AMB": "Outpatient",
    "IMP": "Inpatient",
    "ACUTE": "Inpatient",
    "NONAC": "Inpatient",
    "OBSENC": "Observation",
    "SS": "Short stay",
    "EMER": "Emergency",
    "VR": "Virtual",
    "HH": "At home",
    "FLD": "In the field",
    "PRENC": "Before admission",
}
_STATUSES = {
    "planned": "planned",
    "arrived": "arrived",
    "triaged": "triaged",
    "in-progress": "in progress",
    "onleave": "on leave",
    "finished": "finished",
}


def build_frame(app: Services, who: Acting, chart: Chart, *, notice: str = "") -> Frame:
    """Build the frame; a page that shows open alerts is audited as having shown them."""
    with app.units.read() as unit:
        alerts = unit.alerts.open_for_patient(who.patient)
    if alerts:
        with app.units.write() as unit:
            audit_shown(who, unit, alerts)
            unit.commit()
    return frame_with(app, who, chart, alerts, notice=notice)


def audit_shown(who: Acting, unit: Unit, alerts: Sequence[Alert]) -> None:
    """Audit, within the caller's unit of work, that a page shows these alerts."""
    for alert in alerts:
        unit.audit.append(event(who, AuditAction.ALERT_VIEWED, alert.id))


def frame_with(app: Services, who: Acting, chart: Chart, alerts: Sequence[Alert], *, notice: str = "") -> Frame:
    """Build the frame from the patient's open alerts; the caller audits that they are shown."""
    return Frame(
        launch_id=who.session.id,
        banner=build_banner(app, who, chart),
        user_name=shorten(who.user.name),
        ehr_name=app.ehrs.get(who.session.ehr_id).name,
        is_test=app.rules.is_test,
        alerts=tuple(_build_strip(app, who, alert) for alert in alerts),
        rights=frozenset(who.rights),
        notice=notice,
    )


def build_banner(app: Services, who: Acting, chart: Chart) -> Banner:
    """Build the banner; name, birth date and number are on every page (safety rule 2)."""
    patient = chart.patient
    visit = chart.visit_notice
    if who.session.encounter_id == NO_VISIT:
        visit = "none, as chosen"
    elif chart.visit is not None:
        visit = say_visit(chart.visit, who.now, app.rules.zone)
    return Banner(
        name=shorten(patient.name),
        born=say_born(patient.birth_date, who.now.astimezone(app.rules.zone).date()),
        sex=(patient.gender or "not known").capitalize(),
        mrn=shorten(patient.mrn or "none in the EHR"),
        visit=visit,
        notices=say_patient_notices(patient),
    )


def say_patient_notices(patient: PatientIdentity) -> tuple[str, ...]:
    """Give what must be seen before anything is signed for this patient."""
    notices = []
    if patient.deceased:
        notices.append("The EHR says that this patient has died.")
    if not patient.active:
        notices.append("This record is not active in the EHR.")
    if patient.replaced_by is not None:
        notices.append("This record was merged into another one in the EHR.")
    return tuple(notices)


def say_visit(visit: Visit, now: datetime, zone: ZoneInfo) -> str:
    """Give "Outpatient, today 10:30, in progress"; the type where the EHR has one."""
    kind = _CLASSES.get(visit.class_code, "Visit")
    parts = [f"{kind} ({shorten(visit.type_text)})" if visit.type_text else kind]
    parts.append("no date" if visit.start is None else say_partial(visit.start, now, zone))
    if visit.status in _STATUSES:
        parts.append(_STATUSES[visit.status])
    return ", ".join(parts)


def _build_strip(app: Services, who: Acting, alert: Alert) -> AlertStrip:
    instrument = app.library.find(alert.instrument_id)
    name = instrument.short_name if instrument is not None else alert.instrument_id
    item = name_item(instrument, alert.link_id) if instrument is not None else "an item"
    taken = alert.hand_over
    waiting = f"Open for {say_span(alert.opened_at, who.now)}"
    if taken is not None and not alert.blocks_signing:
        text = f"{waiting}; assessment pending, with {taken.to_name}."
    else:
        done = "no action recorded" if not alert.actions else "not closed"
        text = f"{waiting}, {done}. Signing waits until it is closed or handed over."
    level = say_level(instrument, alert, lambda at: say_moment(at, who.now, app.rules.zone))
    why = _begin_small(alert.reason) if alert.kind == "risk-answer" else "risk not known"
    return AlertStrip(
        alert_id=alert.id,
        screening_id=alert.screening_id,
        title=f"Open risk alert: {name} {item}, {why}.",
        text=f"{level} {text}" if level else text,
        handed_over=not alert.blocks_signing,
    )


def _begin_small(words: str) -> str:
    """Give a sentence for the middle of another; a word all in capitals keeps them."""
    return words if words[:2].isupper() else words[:1].lower() + words[1:]
