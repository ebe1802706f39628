"""The blueprint of a launch: opens the session of the launch in the path before any view runs (safety rule 2)."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, g

from smart_app.screening import workflow
from smart_app.services import Acting
from smart_app.web.correlation import correlation_id
from smart_app.web.request_services import services
from smart_app.web.security import allow_framing_by
from smart_app.web.session_interface import browser_session

clinician = Blueprint("clinician", __name__, url_prefix="/launches/<launch_id>")


@clinician.url_value_preprocessor
def take_launch_id(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Take the launch id out of the view's arguments: views speak of the session, never of an id."""
    if values is not None:
        g.launch_id = values.pop("launch_id")


@clinician.url_defaults
def add_launch_id(endpoint: str, values: dict[str, Any]) -> None:
    """Keep every link inside the launch that the page belongs to."""
    if "launch_id" in g:
        values.setdefault("launch_id", g.launch_id)


@clinician.before_request
def open_launch() -> None:
    """Refuse whoever does not hold the cookie of this launch. Raises: LaunchNotOpen, LaunchOver."""
    app = services()
    g.who = workflow.open_session(app, g.launch_id, browser_session().secret, correlation_id=correlation_id())
    ehr = app.ehrs.get(g.who.session.ehr_id)
    g.ehr_name = ehr.name
    allow_framing_by(ehr)


def acting() -> Acting:
    """Give who is acting in this request."""
    return cast("Acting", g.who)
