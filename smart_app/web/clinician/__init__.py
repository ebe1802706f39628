"""The clinician's pages: everything under /launches/<launch_id>/, one module per page."""

from smart_app.web.clinician import alerts, encounter, form, home, outcome, review, session_end, unfinished, worklist
from smart_app.web.clinician.blueprint import clinician

__all__ = [
    "alerts",
    "clinician",
    "encounter",
    "form",
    "home",
    "outcome",
    "review",
    "session_end",
    "unfinished",
    "worklist",
]
