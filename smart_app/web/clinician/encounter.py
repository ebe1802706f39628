"""The visit that results are filed under, where the launch brought none (design section 7, "Encounter")."""

from __future__ import annotations

from uuid import UUID

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from smart_app.errors import AppError
from smart_app.model.moves import MissingField
from smart_app.screening import workflow
from smart_app.screening.errors import InvalidField
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.clinician.rendering import render_page
from smart_app.web.request_services import services


@clinician.get("/encounter")
def encounter() -> str:
    """Show this patient's recent visits."""
    return _encounter_page(request.args.get("back", ""))


def _encounter_page(back: str, problem: AppError | None = None) -> str:
    view = workflow.view_encounters(services(), acting())
    return render_page("pages/encounter.html", view, back=back, problem=problem)


@clinician.post("/encounter")
def choose_encounter() -> ResponseReturnValue:
    """Take the visit chosen, then go back to the result that it was chosen for."""
    back = request.form.get("back", "")
    try:
        workflow.choose_encounter(services(), acting(), request.form.get("encounter", ""))
    except (MissingField, InvalidField) as problem:
        return _encounter_page(back, problem), problem.http_status
    screening_id = _find_uuid(back)
    if screening_id is not None:
        return redirect(url_for("clinician.review", screening_id=screening_id, done="visit"), 303)
    return redirect(url_for("clinician.home", done="visit"), 303)


def _find_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
