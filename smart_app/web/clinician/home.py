"""The patient's overview, the results over time, and the start of an instrument."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from smart_app.errors import AppError
from smart_app.model.moves import MissingField
from smart_app.screening import workflow
from smart_app.screening.errors import InvalidField
from smart_app.screening.forms import GivingForm
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.clinician.rendering import render_page
from smart_app.web.request_services import services
from smart_app.web.usual_start import start_as_usual, view_start


@clinician.get("/")
def home() -> str:
    """Show what cannot wait first: alerts, unfinished work, what is due. Results are their own URL (slow EHR)."""
    return render_page("pages/home.html", workflow.view_home(services(), acting()))


@clinician.get("/history")
def history() -> str:
    """Show earlier results: a page, or with ``?fragment=1`` only its part for the overview."""
    view = workflow.view_history(services(), acting())
    if "fragment" in request.args:
        return render_template("fragments/history.html", view=view)
    return render_page("pages/history.html", view)


@clinician.get("/screenings/new")
def start() -> str:
    """Ask who answers, and how."""
    return _start_page(request.args.get("instrument", ""))


def _start_page(instrument_id: str, problem: AppError | None = None) -> str:
    view = view_start(services(), acting(), instrument_id)
    return render_page("pages/start.html", view, problem=problem, typed=request.form)


@clinician.post("/screenings/new")
def start_screening() -> ResponseReturnValue:
    """Start with what the form says; the overview's button sends no more than "as the site usually does"."""
    app, who, form = services(), acting(), request.form
    instrument_id = form.get("instrument", "")
    if form.get("as") == "default":
        screening_id = start_as_usual(app, who, instrument_id)
        if screening_id is None:
            return redirect(url_for("clinician.start", instrument=instrument_id), 303)
        return redirect(url_for("clinician.form", screening_id=screening_id), 303)
    giving = GivingForm(
        informant=form.get("informant", ""),
        mode=form.get("mode", ""),
        language=form.get("language", ""),
        relationship=form.get("relationship", "").strip(),
        interpreter=form.get("interpreter") == "yes",
        answered_at=form.get("answered_at", "").strip(),
        knowingly=form.get("knowingly") == "yes",
        although_deceased=form.get("although_deceased") == "yes",
    )
    try:
        screening_id = workflow.start_screening(app, who, instrument_id, giving)
    except (MissingField, InvalidField) as problem:
        return _start_page(instrument_id, problem), problem.http_status
    return redirect(url_for("clinician.form", screening_id=screening_id), 303)
