"""What became of each resource of a signature; co-signing, and writing what still waits."""

from __future__ import annotations

from uuid import UUID

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from smart_app.screening import workflow
from smart_app.screening.errors import InvalidField
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.clinician.rendering import render_page
from smart_app.web.request_services import services


@clinician.get("/screenings/<uuid:screening_id>/outcome")
def outcome(screening_id: UUID) -> str:
    """Each resource with its id in the chart, or the reason why it has none."""
    return render_page("pages/outcome.html", workflow.view_outcome(services(), acting(), screening_id))


@clinician.post("/screenings/<uuid:screening_id>/co-sign")
def co_sign(screening_id: UUID) -> ResponseReturnValue:
    """Sign what a trainee has signed."""
    workflow.co_sign(services(), acting(), screening_id)
    return redirect(url_for("clinician.outcome", screening_id=screening_id), 303)


@clinician.post("/finish-writing")
def finish_writing() -> ResponseReturnValue:
    """Write what waits, with the token of this launch."""
    try:
        screening_id = UUID(request.form.get("screening", ""))
    except ValueError as error:
        raise InvalidField(field="screening") from error
    confirmed = request.form.get("visit_confirmed") == "yes"
    workflow.finish_writing(services(), acting(), screening_id, visit_confirmed=confirmed)
    return redirect(url_for("clinician.outcome", screening_id=screening_id), 303)
