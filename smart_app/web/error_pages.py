"""Every refusal becomes a page, or JSON for the page's own script: what happened, what to do, code and correlation id.

Never a trace, a patient's datum or what was typed in a title. The only place that meets an unforeseen exception:
Flask hands it to the handler of 500, and the log gets its type and place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask, g, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, generate_csrf
from werkzeug.exceptions import HTTPException, InternalServerError

from launch.errors import LaunchError, UnknownIssuer
from launch.urls import normalize_base_url
from smart_app.access import LaunchIdle
from smart_app.errors import AppError
from smart_app.logs import get_logger, log_event, log_failure
from smart_app.screening import workflow
from smart_app.screening.errors import LaunchNotOpen, UnfitAnswer, UnknownItem, UnknownOption
from smart_app.screening.wording import say_day
from smart_app.services import Services
from smart_app.web import refusals
from smart_app.web.cookies import find_launch_id
from smart_app.web.correlation import correlation_id
from smart_app.web.metrics import Metrics
from smart_app.web.security import ANYONE, is_same_origin
from smart_app.web.session_interface import browser_session
from smart_app.web.typed import Typed, find_typed

_log = get_logger(__name__)
_BY_STATUS: dict[int, type[AppError]] = {
    404: refusals.PageNotFound,
    405: refusals.WrongMethod,
    413: refusals.BodyTooLarge,
    429: refusals.TooManyRequests,
}


_ANSWERS_REFUSED = (refusals.SaveConflict, UnknownItem, UnknownOption, UnfitAnswer)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """What error.html shows. ``new_window``: an address that may be opened outside of the frame.

    ``form``: the form to open again; ``saved``: say that what was saved is safe. ``may_send_again``: what was typed
    can be accepted if it is sent once more.
    """

    title: str
    remedy: str
    code: str
    correlation_id: str
    time: str
    kicker: str
    untouched: str
    tone: str = "warn"
    icon: str = "alert"
    ehr: str = ""
    field: str = ""
    problem: str = ""
    form: str = ""
    back: str = ""
    new_window: str = ""
    saved: bool = False
    may_send_again: bool = False
    typed: Typed | None = None


class ErrorPages:
    """The handlers of one app."""

    def __init__(self, app: Flask, services: Services, metrics: Metrics, *, base_url: str) -> None:
        self._services = services
        self._metrics = metrics
        self._origin = normalize_base_url(base_url)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        app.register_error_handler(UnknownIssuer, self.unknown_issuer)
        app.register_error_handler(LaunchError, self.launch_error)
        app.register_error_handler(AppError, self.app_error)
        app.register_error_handler(CSRFError, self.form_not_trusted)
        app.register_error_handler(refusals.CrossOrigin, self.foreign_form)
        app.register_error_handler(InternalServerError, self.our_fault)
        app.register_error_handler(HTTPException, self.http_error)

    def unknown_issuer(self, error: UnknownIssuer) -> ResponseReturnValue:
        """Show a bare page that whoever asked may frame: there is nothing in it to protect."""
        g.framers = ANYONE
        self._record(error, error.http_status)
        page = self._page(error, kicker="", untouched="Nothing was opened, read or written.")
        return render_template("bare_error.html", page=page), error.http_status

    def launch_error(self, error: LaunchError) -> ResponseReturnValue:
        """Say that an EHR or its sign-in failed us."""
        in_launch = find_launch_id(request.path) is not None
        untouched = (
            "Nothing was written to the chart." if in_launch else "No patient was opened, and nothing was written."
        )
        kicker = "The EHR could not be reached or refused" if in_launch else "The app was not opened"
        if error.ehr_id is not None:
            g.ehr_name = self._services.ehrs.get(error.ehr_id).name
        return self._answer(error, error.http_status, kicker=kicker, untouched=untouched, problem=error.problem)

    def app_error(self, error: AppError) -> ResponseReturnValue:
        """Say what a use case or the web layer refuses."""
        if isinstance(error, refusals.SavedOnly):
            kicker, tone, icon = "Saved", "good", "check"
        else:
            kicker, tone, icon = ("This was not done" if request.method == "POST" else "Not shown"), "warn", "alert"
        return self._answer(
            error,
            error.http_status,
            kicker=kicker,
            tone=tone,
            icon=icon,
            untouched="" if isinstance(error, refusals.PageNotFound) else "Nothing was written to the chart.",
            new_window=g.get("new_window", ""),
        )

    def form_not_trusted(self, error: CSRFError) -> ResponseReturnValue:
        """Tell a lost cookie from a foreign form: without the launch's cookie the cause is the cookie, not the form."""
        gone = find_launch_id(request.path) is not None and browser_session().secret is None
        return self.foreign_form(LaunchNotOpen() if gone else refusals.FormNotTrusted())

    def foreign_form(self, error: AppError) -> ResponseReturnValue:
        """Refuse a form before its launch is opened; where the launch is known, that is audited."""
        launch_id = find_launch_id(request.path)
        if launch_id is not None:
            secret = browser_session().secret
            workflow.audit_refused_request(self._services, launch_id, secret, error, correlation_id())
        return self.app_error(error)

    def http_error(self, error: HTTPException) -> ResponseReturnValue:
        """Say what Flask itself refuses: not found, wrong method, too large, too many."""
        return self.app_error(_BY_STATUS.get(error.code or 400, refusals.MalformedRequest)())

    def our_fault(self, error: InternalServerError) -> ResponseReturnValue:
        """Admit something unforeseen: the log gets its type and place, the page its correlation id."""
        log_failure(_log, "unforeseen-error", error.original_exception or error, endpoint=request.endpoint)
        return self.app_error(refusals.OurFault())

    def _answer(self, error: LaunchError | AppError, status: int, **words: Any) -> ResponseReturnValue:
        self._record(error, status)
        if _wants_json():
            body: Mapping[str, str] = {
                "code": error.code,
                "title": error.title,
                "remedy": error.remedy,
                "correlation_id": correlation_id(),
            }
            return jsonify(body), status
        typed = self._find_typed(error, status)
        page = self._page(
            error,
            form=_find_form(error),
            back=_find_back(error),
            typed=typed,
            saved=find_launch_id(request.path) is not None,
            may_send_again=_may_send_again(error, status),
            **words,
        )
        return render_template("error.html", page=page), status

    def _record(self, error: LaunchError | AppError, status: int) -> None:
        """Log and count the refusal, so that the correlation id on the page leads somewhere."""
        log_event(
            _log, "refused", reason_code=error.code, http_status=status, endpoint=request.endpoint, field=error.field
        )
        self._metrics.count_refusal(error.code)

    def _page(self, error: LaunchError | AppError, **words: Any) -> ErrorPage:
        local = self._services.clock().astimezone(self._services.rules.zone)
        return ErrorPage(
            title=error.title,
            remedy=error.remedy,
            code=error.code,
            correlation_id=correlation_id(),
            time=f"{say_day(local.date())}, {local:%H:%M:%S} ({local:%Z})",
            field=error.field or "",
            ehr=g.get("ehr_name", ""),
            **words,
        )

    def _find_typed(self, error: LaunchError | AppError, status: int) -> Typed | None:
        if (
            request.method != "POST"
            or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            or not is_same_origin(self._origin)
        ):
            return None
        if isinstance(error, refusals.SavedOnly):
            return None
        return find_typed(self._services.library, generate_csrf())


def _wants_json() -> bool:
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def _may_send_again(error: LaunchError | AppError, status: int) -> bool:
    """Tell whether the same form can be accepted later: a session that is over, or a conflict, stays what it is."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500 or isinstance(error, refusals.FormNotTrusted)


def _find_form(error: LaunchError | AppError) -> str:
    screening_id = (request.view_args or {}).get("screening_id")
    if screening_id is None or not isinstance(error, _ANSWERS_REFUSED):
        return ""
    return url_for("clinician.form", screening_id=screening_id)


def _find_back(error: LaunchError | AppError) -> str:
    if g.get("who") is None or isinstance(error, LaunchIdle | refusals.SavedOnly):
        return ""
    return url_for("clinician.home")
