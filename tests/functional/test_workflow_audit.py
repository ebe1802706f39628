"""The audit of the main job: every change is there, in order, in a chain that verifies, and without patient text."""

from __future__ import annotations

import re

from smart_app.model.audit import AuditAction
from smart_app.screening import workflow
from tests.fakes.clinic import Clinic, phq9

VIEWS = {AuditAction.CHART_READ, AuditAction.SCREENING_VIEWED, AuditAction.ALERT_VIEWED}


def _main_job(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(2, 2, 3, 2, 0, 1, 2, 0, 1))
    workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id))
    note = workflow.view_review(clinic.app, who, screening_id).note
    workflow.save_note(clinic.app, who, screening_id, f"{note.text}\nSeen with partner.", note.version)
    clinic.close_alerts(who, screening_id)
    clinic.sign(who, screening_id)
    workflow.log_out(clinic.app, who)


def test_every_change_is_audited_in_order_and_the_chain_holds(clinic: Clinic) -> None:
    _main_job(clinic)
    with clinic.app.units.read() as unit:
        events = [event for _, event in unit.audit.export()]
        assert unit.audit.verify().is_intact
    changes = [event.action for event in events if event.action not in VIEWS]
    assert changes == [
        AuditAction.LAUNCH_COMPLETED,
        AuditAction.SCREENING_STARTED,
        *[AuditAction.ANSWER_SAVED] * 9,
        AuditAction.ALERT_OPENED,
        AuditAction.SCREENING_HANDED_IN,
        AuditAction.NOTE_SAVED,
        AuditAction.ALERT_CLOSED,
        AuditAction.SIGNED,
        *[event.action for event in events if event.action in {AuditAction.ROW_SENDING, AuditAction.ROW_RESULT}],
        AuditAction.LAUNCH_ENDED,
    ]
    assert all(event.user is not None and event.patient is not None for event in events)
    assert AuditAction.ROW_RESULT in changes


def test_the_audit_names_ids_and_codes_and_never_what_was_said(clinic: Clinic) -> None:
    _main_job(clinic)
    with clinic.app.units.read() as unit:
        details = " ".join(str((event.detail, event.entity, event.outcome)) for _, event in unit.audit.export())
    details = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", details)  # an id may hold any year by chance
    for told in ("Delgado", "Rosa", "SIM-0001", "1992", "LA65", "partner", "no plan", "Several days", "moderate"):
        assert told not in details
