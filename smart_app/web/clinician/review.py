"""Review and sign in one page: the result, the alerts, the note, the visit, the plan and the signature."""

from __future__ import annotations

from uuid import UUID

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from smart_app.errors import AppError
from smart_app.model.approval import WriteChoice
from smart_app.model.moves import IllegalMove, MissingField
from smart_app.screening import workflow
from smart_app.screening.errors import InvalidField, SigningBlocked
from smart_app.storage.errors import StaleVersion
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.clinician.posted_answers import parse_number
from smart_app.web.clinician.rendering import render_page
from smart_app.web.refusals import NoteSavedFirst
from smart_app.web.request_services import services
from smart_app.writeback.errors import AlertStillOpen, ChangedSinceShown, ChoiceMissing, PlanNotMet

_ASK_AGAIN = (
    NoteSavedFirst,
    SigningBlocked,
    MissingField,
    InvalidField,
    AlertStillOpen,
    ChangedSinceShown,
    ChoiceMissing,
    PlanNotMet,
)
"""Refusals after which the page is shown as it is now, with the reason on top."""


@clinician.get("/screenings/<uuid:screening_id>/review")
def review(screening_id: UUID) -> ResponseReturnValue:
    """Show the result of one screening; one that is signed already has its outcome instead."""
    try:
        return review_page(screening_id)
    except IllegalMove:
        return redirect(url_for("clinician.outcome", screening_id=screening_id))


def review_page(screening_id: UUID, problem: AppError | None = None) -> str:
    """Render the review, with what was refused on top and what was typed kept."""
    view = workflow.view_review(services(), acting(), screening_id)
    shown = {alert.alert_id for alert in view.alerts}
    others = tuple(strip for strip in view.frame.alerts if strip.alert_id not in shown)
    return render_page("pages/review.html", view, problem=problem, typed=request.form, other_alerts=others)


@clinician.post("/screenings/<uuid:screening_id>/note")
def save_note(screening_id: UUID) -> ResponseReturnValue:
    """Save the clinician's own words; the page comes back as it would now be signed."""
    _save_note(screening_id)
    return redirect(url_for("clinician.review", screening_id=screening_id, done="note", _anchor="note-h"), 303)


@clinician.post("/screenings/<uuid:screening_id>/note/renew")
def renew_note(screening_id: UUID) -> ResponseReturnValue:
    """Drop the edits: the note is again what the app makes of the result."""
    workflow.renew_note(services(), acting(), screening_id, _posted_version())
    return redirect(url_for("clinician.review", screening_id=screening_id, done="renewed", _anchor="note-h"), 303)


def _save_note(screening_id: UUID) -> None:
    workflow.save_note(services(), acting(), screening_id, _posted_note(), _posted_version())


def _posted_version() -> int:
    return parse_number(request.form.get("version"), "version")


def _posted_note() -> str:
    return request.form.get("text", "").replace("\r\n", "\n")


@clinician.post("/screenings/<uuid:screening_id>/sign")
def sign(screening_id: UUID) -> ResponseReturnValue:
    """Sign what was displayed. A note that was changed and not saved is saved and shown first: nothing is signed."""
    app, who = services(), acting()
    try:
        _check_note_as_shown(screening_id)
        workflow.sign_screening(
            app,
            who,
            screening_id,
            displayed_hash=request.form.get("displayed_hash", ""),
            choice=_choice(request.form.get("choice", "")),
            choice_reason=request.form.get("choice_reason", "").strip(),
            deceased_confirmed=request.form.get("deceased_confirmed") == "yes",
        )
    except _ASK_AGAIN as problem:
        return review_page(screening_id, problem), problem.http_status
    except (StaleVersion, IllegalMove) as problem:
        return _signed_before(screening_id, problem)
    return redirect(url_for("clinician.outcome", screening_id=screening_id), 303)


def _signed_before(screening_id: UUID, problem: StaleVersion | IllegalMove) -> ResponseReturnValue:
    """Say who was first where somebody has just signed it; any other change since the page was shown is raised."""
    try:
        view = workflow.view_outcome(services(), acting(), screening_id)
    except IllegalMove:
        raise problem from None
    return render_page("pages/outcome.html", view, signed_before=True), problem.http_status


def _check_note_as_shown(screening_id: UUID) -> None:
    """Save a note that was changed on the page and not saved. Raises: NoteSavedFirst when it did."""
    if "text" not in request.form:
        return
    shown = workflow.view_review(services(), acting(), screening_id).note.text
    if _posted_note().strip("\n") != shown.strip("\n"):
        _save_note(screening_id)
        raise NoteSavedFirst


def _choice(text: str) -> WriteChoice | None:
    if not text:
        return None
    try:
        return WriteChoice(text)
    except ValueError as error:
        raise InvalidField(field="choice") from error


@clinician.post("/screenings/<uuid:screening_id>/comment")
def comment(screening_id: UUID) -> ResponseReturnValue:
    """Save a comment on the result."""
    workflow.set_comment(services(), acting(), screening_id, request.form.get("text", ""))
    return redirect(url_for("clinician.review", screening_id=screening_id, done="comment"), 303)


@clinician.post("/screenings/<uuid:screening_id>/reopen")
def reopen(screening_id: UUID) -> ResponseReturnValue:
    """Go back to the form; what stood before is kept."""
    workflow.reopen_screening(services(), acting(), screening_id)
    return redirect(url_for("clinician.form", screening_id=screening_id), 303)


@clinician.post("/screenings/<uuid:screening_id>/reject")
def reject(screening_id: UUID) -> ResponseReturnValue:
    """Refuse a result unsigned, with a reason."""
    try:
        workflow.reject_screening(services(), acting(), screening_id, request.form.get("reason", ""))
    except MissingField as problem:
        return review_page(screening_id, problem), problem.http_status
    return redirect(url_for("clinician.home", done="rejected"), 303)
