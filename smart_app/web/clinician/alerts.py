"""One alert's page, and what can be recorded on an alert; nothing here closes one by itself (safety rule 4)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from smart_app.model.moves import MissingField
from smart_app.screening import workflow
from smart_app.screening.errors import InvalidField
from smart_app.screening.forms import AssessmentForm, HandOverForm
from smart_app.screening.review_views import AlertView
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.clinician.rendering import keep_typed, render_page
from smart_app.web.clinician.review import review_page
from smart_app.web.request_services import services


@clinician.get("/alerts/<uuid:alert_id>")
def alert(alert_id: UUID) -> str:
    """Show the alert with everything recorded on it."""
    return _alert_page(workflow.view_alert(services(), acting(), alert_id))


def _alert_page(view: AlertView) -> str:
    around = workflow.view_home(services(), acting())
    others = tuple(strip for strip in around.frame.alerts if strip.alert_id != view.alert_id)
    return render_page("pages/alert.html", around, alert=view, other_alerts=others)


def _record(alert_id: UUID, verb: str, record: Callable[[], AlertView]) -> ResponseReturnValue:
    """Record, then go back to the page that the form stood on; a refusal keeps what was typed."""
    on_review = request.form.get("back") == "review"
    try:
        view = record()
    except (MissingField, InvalidField) as problem:
        keep_typed(alert_id, verb, problem)
        view = workflow.view_alert(services(), acting(), alert_id)
        page = review_page(view.screening_id) if on_review else _alert_page(view)
        return page, problem.http_status
    anchor = f"alert-h-{alert_id}"
    if on_review:
        return redirect(url_for("clinician.review", screening_id=view.screening_id, done="alert", _anchor=anchor), 303)
    return redirect(url_for("clinician.alert", alert_id=alert_id, done="alert", _anchor=anchor), 303)


@clinician.post("/alerts/<uuid:alert_id>/close")
def close_alert(alert_id: UUID) -> ResponseReturnValue:
    """Record the clinician's own assessment."""
    form = request.form
    assessment = AssessmentForm(
        risk_level=form.get("risk_level", ""),
        reasons=form.get("reasons", ""),
        plan=form.get("plan", ""),
        disposition=form.get("disposition", ""),
        assessor=form.get("assessor", ""),
        assessed_at=form.get("assessed_at", "").strip(),
        outreach_plan=form.get("outreach_plan", ""),
        done=tuple(form.getlist("done")),
        into_note=form.get("into_note") == "yes",
    )
    return _record(alert_id, "close", lambda: workflow.close_alert(services(), acting(), alert_id, assessment))


@clinician.post("/alerts/<uuid:alert_id>/hand-over")
def hand_over_alert(alert_id: UUID) -> ResponseReturnValue:
    """Record that a named person has accepted the assessment."""
    form = request.form
    handed = HandOverForm(
        name=form.get("to_name", ""), accepted_at=form.get("accepted_at", "").strip(), text=form.get("text", "")
    )
    return _record(alert_id, "hand-over", lambda: workflow.hand_over_alert(services(), acting(), alert_id, handed))


@clinician.post("/alerts/<uuid:alert_id>/ask-again")
def ask_again(alert_id: UUID) -> ResponseReturnValue:
    """Put a second answer beside the first."""
    code, reason = request.form.get("answer", ""), request.form.get("reason", "")
    return _record(
        alert_id, "ask-again", lambda: workflow.ask_again(services(), acting(), alert_id, code=code, reason=reason)
    )


@clinician.post("/alerts/<uuid:alert_id>/add")
def add_to_alert(alert_id: UUID) -> ResponseReturnValue:
    """Add words to an alert, open or closed."""
    text = request.form.get("text", "")
    return _record(alert_id, "add", lambda: workflow.add_to_alert(services(), acting(), alert_id, text))
