"""Log out: the browser's session ends at once; what is still being written goes on (design section 6, "Tokens")."""

from __future__ import annotations

from flask import g, render_template

from smart_app.screening import workflow
from smart_app.web.clinician.blueprint import acting, clinician
from smart_app.web.request_services import services
from smart_app.web.session_interface import browser_session

_WORDS = "Your answers and drafts are kept. What is being written to the chart goes on."


@clinician.post("/log-out")
def log_out() -> str:
    """End this launch, here and on the server."""
    who = acting()
    workflow.log_out(services(), who)
    browser_session().end_launch(g.launch_id, framed=who.session.framed)
    return render_template("pages/ended.html", words=_WORDS)
