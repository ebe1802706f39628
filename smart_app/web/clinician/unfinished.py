"""What of a signature is in doubt, and what a person decides on it."""

from __future__ import annotations

from uuid import UUID

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from smart_app.screening import workflow
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.clinician.rendering import render_page
from smart_app.web.request_services import services


@clinician.get("/screenings/<uuid:screening_id>/unfinished")
def unfinished(screening_id: UUID) -> str:
    """Each write of unknown outcome, with what the EHR shows of it now."""
    return render_page("pages/unfinished.html", workflow.view_unfinished(services(), acting(), screening_id))


@clinician.post("/screenings/<uuid:screening_id>/unfinished")
def decide_unfinished(screening_id: UUID) -> ResponseReturnValue:
    """Carry out the choice; the outcome page says what came of it."""
    workflow.decide_unfinished(
        services(),
        acting(),
        screening_id,
        request.form.get("row", ""),
        request.form.get("decision", ""),
        attempt=request.form.get("attempt", ""),
        candidate=request.form.get("candidate", ""),
        looked=request.form.get("looked") == "yes",
    )
    return redirect(url_for("clinician.outcome", screening_id=screening_id), 303)
