"""Who may do what to which record: every use case passes here, and every refusal is audited (safety rule 2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from smart_app.errors import AppError
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.launch_session import SessionStanding
from smart_app.model.rights import NotAllowed, PatientAccount, Right
from smart_app.services import Acting, Services
from smart_app.storage.errors import UnknownAlert, UnknownScreening

if TYPE_CHECKING:
    from smart_app.model.alert import Alert
    from smart_app.model.screening import Screening
    from smart_app.storage.unit_of_work import Unit


class NotThisPatient(AppError):
    """The thing belongs to another patient, EHR or tenant, or does not exist: the page does not tell which."""

    code = "not-this-patient"
    title = "This is not part of the open chart"
    remedy = "Open the app from the chart of the patient that you mean."
    http_status = 404


class LaunchIdle(AppError):
    """The session has been idle too long: it may only save into its own form, and shows nothing."""

    code = "launch-idle"
    title = "The app was left alone for a while"
    remedy = "What was saved is kept. Go back to the EHR and open the app again to go on."
    http_status = 401


@contextmanager
def permitted(app: Services, who: Acting, right: Right | None = None, *, even_idle: bool = False) -> Iterator[None]:
    """Let a use case run if the session is live and the user has the right; ``right`` None: any clinician may.

    A refusal, also one raised inside for another patient's record, is audited in a transaction of its own, after that
    of the use case was rolled back. Raises: LaunchIdle, NotAllowed, NotThisPatient.
    """
    try:
        _check(who, right, even_idle=even_idle)
        yield
    except (LaunchIdle, NotAllowed, NotThisPatient) as refusal:
        with app.units.write() as unit:
            refused = event(who, AuditAction.ACCESS_REFUSED, outcome=refusal.code, right=right and right.value)
            unit.audit.append(refused)
            unit.commit()
        raise


def _check(who: Acting, right: Right | None, *, even_idle: bool) -> None:
    if who.standing is not SessionStanding.LIVE and not even_idle:
        raise LaunchIdle
    if who.user.is_patient_side:
        raise PatientAccount
    if right is not None and right not in who.rights:
        raise NotAllowed(field=right.value)


def event(
    who: Acting,
    action: AuditAction,
    entity: UUID | str | None = None,
    *,
    outcome: str = "success",
    **detail: str | int | bool | None,
) -> AuditEvent:
    """Make the audit event of what is being done; ``detail`` holds codes, ids and counts only."""
    return AuditEvent(
        action=action,
        at=who.now,
        outcome=outcome,
        user=who.user,
        patient=who.patient,
        launch_id=who.session.id,
        entity=None if entity is None else str(entity),
        correlation_id=who.correlation_id,
        detail=detail,
    )


def get_screening(unit: Unit, who: Acting, screening_id: UUID, *, lock: bool = False) -> Screening:
    """Give a screening of this launch's patient; ``lock`` it for a change that others may make too.

    Raises: NotThisPatient.
    """
    try:
        screening = unit.screenings.get(screening_id, lock=lock)
    except UnknownScreening as error:
        raise NotThisPatient from error
    if screening.patient != who.patient:
        raise NotThisPatient
    return screening


def get_alert(unit: Unit, who: Acting, alert_id: UUID) -> Alert:
    """Give an alert of this launch's patient. Raises: NotThisPatient."""
    try:
        alert = unit.alerts.get(alert_id)
    except UnknownAlert as error:
        raise NotThisPatient from error
    if alert.patient != who.patient:
        raise NotThisPatient
    return alert
