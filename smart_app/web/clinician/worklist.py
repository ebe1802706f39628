"""Open alerts and unwritten results of other patients, for those with the right; each look is audited."""

from __future__ import annotations

from smart_app.screening import workflow
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.clinician.rendering import render_page
from smart_app.web.request_services import services


@clinician.get("/worklist")
def worklist() -> str:
    """Show the list. It opens no other chart: that takes a launch of its own (safety rule 2)."""
    return render_page("pages/worklist.html", workflow.view_worklist(services(), acting()))
