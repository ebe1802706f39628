"""Act on a risk alert: close, hand over, ask again, add; each recorded with name and time (safety rule 4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from fhir_mappings.errors import MappingError
from fhir_mappings.r4 import Precision
from smart_app.access import event, get_alert, permitted
from smart_app.model.alert import Alert, Assessment, Disposition
from smart_app.model.audit import AuditAction
from smart_app.model.moves import MissingField
from smart_app.model.rights import Right
from smart_app.screening.alert_view import DONE, build_alert_view
from smart_app.screening.answers import get_instrument
from smart_app.screening.errors import InvalidField
from smart_app.screening.forms import AssessmentForm, HandOverForm
from smart_app.screening.moments import parse_moment
from smart_app.screening.review_views import AlertView
from smart_app.services import Acting, Services

LONGEST_TEXT = 5_000


def view_alert(app: Services, who: Acting, alert_id: UUID) -> AlertView:
    """Show an alert with everything recorded on it; the view is audited. Raises: NotThisPatient."""
    with permitted(app, who), app.units.write() as unit:
        alert = get_alert(unit, who, alert_id)
        screening = unit.screenings.get(alert.screening_id)
        unit.audit.append(event(who, AuditAction.ALERT_VIEWED, alert.id))
        unit.commit()
    return build_alert_view(app, who, alert, screening)


def close_alert(app: Services, who: Acting, alert_id: UUID, form: AssessmentForm) -> AlertView:
    """Close with an assessment; "left", "declined" and "not reached" record an outreach plan and leave it open.

    Raises: MissingField, InvalidField, IllegalMove, StaleVersion, NotThisPatient.
    """
    with permitted(app, who, Right.CLOSE_ALERT):
        assessment = _parse_assessment(app, who, alert_id, form)
        _act(app, who, alert_id, AuditAction.ALERT_CLOSED, lambda alert: alert.close(who.user, who.now, assessment))
    return view_alert(app, who, alert_id)


def hand_over_alert(app: Services, who: Acting, alert_id: UUID, form: HandOverForm) -> AlertView:
    """Record that a named person has accepted the assessment, and when.

    Raises: MissingField, InvalidField, IllegalMove, StaleVersion, NotThisPatient.
    """
    with permitted(app, who, Right.ACT_ON_ALERT):
        _check_length(form.name, "to_name")
        _check_length(form.text, "text")
        accepted_at = _parse_time(app, who, alert_id, form.accepted_at, "accepted_at")
        _act(
            app,
            who,
            alert_id,
            AuditAction.ALERT_HANDED_OVER,
            lambda alert: alert.hand_over_to(
                who.user, who.now, name=form.name, accepted_at=accepted_at, text=form.text.strip()
            ),
        )
    return view_alert(app, who, alert_id)


def ask_again(app: Services, who: Acting, alert_id: UUID, *, code: str, reason: str) -> AlertView:
    """Put a second answer beside the first, with by whom and why: "answered in error" never closes alone.

    ``code`` is an option of the item. Raises: MissingField, InvalidField, IllegalMove, StaleVersion, NotThisPatient.
    """
    with permitted(app, who, Right.ACT_ON_ALERT):
        _check_length(reason, "reason")
        with app.units.read() as unit:
            alert = get_alert(unit, who, alert_id)
        if not code:
            raise MissingField(field="answer")
        item = get_instrument(app.library, alert.instrument_id).get_item(alert.link_id)
        try:
            answer = item.get_option(code).text
        except MappingError as error:
            raise InvalidField(field="answer") from error
        _act(
            app,
            who,
            alert_id,
            AuditAction.ALERT_ACTED,
            lambda alert: alert.ask_again(who.user, who.now, answer=answer, reason=reason),
        )
    return view_alert(app, who, alert_id)


def add_to_alert(app: Services, who: Acting, alert_id: UUID, text: str) -> AlertView:
    """Add words to an alert, open or closed. Raises: MissingField, InvalidField, StaleVersion, NotThisPatient."""
    with permitted(app, who, Right.ACT_ON_ALERT):
        _check_length(text, "text")
        _act(app, who, alert_id, AuditAction.ALERT_ACTED, lambda alert: alert.add(who.user, who.now, text.strip()))
    return view_alert(app, who, alert_id)


def _act(app: Services, who: Acting, alert_id: UUID, action: AuditAction, move: Callable[[Alert], Alert]) -> None:
    with app.units.write() as unit:
        moved = unit.alerts.save(move(get_alert(unit, who, alert_id)))
        done = AuditAction.ALERT_ACTED if action is AuditAction.ALERT_CLOSED and moved.is_open else action
        unit.audit.append(event(who, done, alert_id, kind=moved.actions[-1].kind, state=moved.state))
        unit.commit()


def _parse_assessment(app: Services, who: Acting, alert_id: UUID, form: AssessmentForm) -> Assessment:
    for field in ("assessor", "risk_level", "reasons", "plan", "outreach_plan"):
        _check_length(getattr(form, field), field)
    if not form.disposition:
        raise MissingField(field="disposition")
    try:
        disposition = Disposition(form.disposition)
    except ValueError as error:
        raise InvalidField(field="disposition") from error
    if not set(form.done) <= DONE.keys():
        raise InvalidField(field="done")
    return Assessment(
        assessor=form.assessor.strip() or who.user.name,
        assessed_at=_parse_time(app, who, alert_id, form.assessed_at, "assessed_at"),
        risk_level=form.risk_level.strip(),
        reasons=form.reasons.strip(),
        plan=form.plan.strip(),
        disposition=disposition,
        outreach_plan=form.outreach_plan.strip(),
        done=form.done,
        into_note=form.into_note,
    )


def _parse_time(app: Services, who: Acting, alert_id: UUID, text: str, field: str) -> datetime:
    """Read a time of day as ``parse_moment`` does; "" is now. Raises: InvalidField, also for a day only."""
    if not text.strip():
        return who.now
    with app.units.read() as unit:
        identity = unit.screenings.get(get_alert(unit, who, alert_id).screening_id).identity
    birth_date = None if identity is None else identity.birth_date
    when = parse_moment(text.strip(), field, zone=app.rules.zone, birth_date=birth_date)
    if when.precision is not Precision.SECOND:
        raise InvalidField(field=field)
    return when.earliest


def _check_length(text: str, field: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise InvalidField(field=field)
