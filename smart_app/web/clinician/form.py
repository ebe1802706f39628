"""The answering page: show, save one answer, hand in the whole form, stop (safety rules 4 and 6).

An idle session may still save into its own form: it then sees that the answers are saved, and nothing else.
"""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from smart_app.model.launch_session import SessionStanding
from smart_app.model.moves import MissingField
from smart_app.model.saving import SaveKind
from smart_app.screening import workflow
from smart_app.screening.errors import InvalidField, NothingToCarry
from smart_app.screening.forms import PostedForm
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.clinician.posted_answers import parse_form, parse_saves, saves_of
from smart_app.web.clinician.rendering import render_page
from smart_app.web.refusals import SaveConflict, SavedOnly
from smart_app.web.request_services import services


@clinician.get("/screenings/<uuid:screening_id>/form")
def form(screening_id: UUID) -> str:
    """Show the form with what is saved."""
    return render_page("pages/form.html", workflow.view_form(services(), acting(), screening_id))


@clinician.post("/screenings/<uuid:screening_id>/answers")
def save_answers(screening_id: UUID) -> ResponseReturnValue:
    """Save answers as they are given; the answer says what now stands."""
    try:
        body = request.get_json()
    except (BadRequest, UnsupportedMediaType, RecursionError) as error:  # the last: nested thousands deep
        raise InvalidField(field="body") from error
    report = workflow.save_answers(services(), acting(), screening_id, parse_saves(body))
    return jsonify(asdict(report))


@clinician.post("/screenings/<uuid:screening_id>/form")
def hand_in(screening_id: UUID) -> ResponseReturnValue:
    """Take the whole form: finish it, or keep it for later."""
    app, who, posted = services(), acting(), parse_form(request.form)
    if who.standing is not SessionStanding.LIVE:
        _save(screening_id, posted)
        raise SavedOnly
    if request.form.get("do") == "later":
        _save(screening_id, posted)
        return redirect(url_for("clinician.home", done="saved"), 303)
    result = workflow.hand_in(app, who, screening_id, posted)
    if not result.handed_in:
        view = workflow.view_hand_in(app, who, screening_id, posted, result)
        return render_page("pages/form.html", view), 422
    return redirect(url_for("clinician.review", screening_id=screening_id), 303)


@clinician.post("/screenings/<uuid:screening_id>/carry")
def carry(screening_id: UUID) -> ResponseReturnValue:
    """Take over one answer of an earlier form that the patient has confirmed; what else the page holds is saved too."""
    posted, link_id = parse_form(request.form), request.form.get("carry", "")
    _save(screening_id, posted)
    try:
        workflow.carry_answer(services(), acting(), screening_id, link_id)
    except NothingToCarry:
        return redirect(url_for("clinician.form", screening_id=screening_id), 303)
    return redirect(url_for("clinician.form", screening_id=screening_id, _anchor=f"q-{link_id}"), 303)


def _save(screening_id: UUID, posted: PostedForm) -> None:
    report = workflow.save_answers(services(), acting(), screening_id, saves_of(posted))
    if any(save.kind == SaveKind.CONFLICT for save in report.saves):
        raise SaveConflict


@clinician.post("/screenings/<uuid:screening_id>/stop")
def stop(screening_id: UUID) -> ResponseReturnValue:
    """End a draft that will not go on."""
    try:
        workflow.stop_screening(services(), acting(), screening_id, request.form.get("reason", ""))
    except MissingField:
        return redirect(url_for("clinician.form", screening_id=screening_id), 303)
    return redirect(url_for("clinician.home", done="stopped"), 303)
