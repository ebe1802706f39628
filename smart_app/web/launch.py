"""The way in: EHR launch, standalone launch and callback (SMART App Launch 2.2, "EHR Launch", "Standalone Launch").

In a frame the browser may drop our cookies. That is found out before the EHR is asked for anything, while the
``launch`` is unspent: the page then offers the same launch in a window of its own.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from flask import Blueprint, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from launch.errors import MissingIss, MissingLaunch
from smart_app.screening import workflow
from smart_app.screening.launching import FinishedLaunch
from smart_app.web.cookies import is_framed
from smart_app.web.correlation import correlation_id
from smart_app.web.refusals import CookieMissing
from smart_app.web.request_services import cookie_rules, services
from smart_app.web.security import allow_framing_by
from smart_app.web.session_interface import browser_session
from smart_app.web.usual_start import start_as_usual

launching = Blueprint("launch", __name__)


@launching.get("/launch")
def ehr_launch() -> ResponseReturnValue:
    """Begin for the patient on the EHR's screen."""
    iss, launch = request.args.getlist("iss"), request.args.getlist("launch")
    if len(iss) != 1 or not iss[0]:
        raise MissingIss(field="iss")
    ehr = services().ehrs.get_by_iss(iss[0])
    if len(launch) != 1 or not launch[0]:
        raise MissingLaunch(field="launch", ehr_id=ehr.id)
    return _begin(iss[0], launch[0])


@launching.get("/standalone")
def standalone_launch() -> ResponseReturnValue:
    """Begin without a patient; the EHR then asks for one."""
    iss = request.args.getlist("iss")
    if len(iss) != 1 or not iss[0]:
        raise MissingIss(field="iss")
    return _begin(iss[0], None)


def _begin(iss: str, launch: str | None) -> ResponseReturnValue:
    ehr = services().ehrs.get_by_iss(iss)
    allow_framing_by(ehr)
    g.ehr_name = ehr.name
    framed = is_framed(request)
    if framed and (answer := _probe(iss, launch)) is not None:
        return answer
    begun = workflow.begin_launch(services(), iss=iss, launch=launch, framed=framed)
    browser_session().bind(begun.state, begun.binding, framed=framed)
    return redirect(begun.authorize_url)


def _probe(iss: str, launch: str | None) -> ResponseReturnValue | None:
    """Send one round with a cookie; None when it came back."""
    session, number = browser_session(), request.args.get("probe", "")
    again = {"iss": iss} if launch is None else {"iss": iss, "launch": launch}
    if not number.isalnum():
        number = secrets.token_hex(8)
        session.probe(number)
        return redirect(f"{request.path}?{urlencode({**again, 'probe': number})}")
    if cookie_rules().probe_name(number) not in request.cookies:
        g.new_window = f"{request.path}?{urlencode(again)}"
        raise CookieMissing
    session.end_probe(number)
    return None


@launching.get("/callback")
def callback() -> ResponseReturnValue:
    """Take the browser back from the EHR: a launch begins, or a page says why not."""
    params = request.args.to_dict(flat=False)
    states, session, framed = params.get("state", []), browser_session(), is_framed(request)
    binding = None
    if len(states) == 1:
        binding = request.cookies.get(cookie_rules().binding_name(states[0]))
        session.unbind(states[0], framed=framed)
    finished = workflow.finish_launch(services(), params=params, binding=binding, correlation_id=correlation_id())
    session.begin_launch(finished.launch_id, finished.secret, framed=finished.framed)
    if finished.refusal is not None:
        g.launch_id, g.who = finished.launch_id, finished.who  # the launch is open: the page leads on to its overview
        raise finished.refusal
    if finished.instrument_id is not None:
        return redirect(_to_the_form(finished, finished.instrument_id))
    return redirect(url_for("clinician.home", launch_id=finished.launch_id))


def _to_the_form(finished: FinishedLaunch, instrument_id: str) -> str:
    """Give the address of the form that the EHR's button asked for: that click is the start."""
    launch_id = finished.launch_id
    screening_id = start_as_usual(services(), finished.who, instrument_id)
    if screening_id is None:
        return url_for("clinician.start", launch_id=launch_id, instrument=instrument_id)
    return url_for("clinician.form", launch_id=launch_id, screening_id=screening_id)
