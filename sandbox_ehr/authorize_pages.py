"""The authorization endpoint and the pages it may show.

Source: SMART App Launch 2.2, https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code.

An EHR launch goes straight through, unless a login was asked for. A standalone launch asks who the user is and, as far
as the scopes ask, for patient and encounter. Between pages the request waits here under a random id: no cookie, and
nothing of the user in the address.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.datastructures import MultiDict

from sandbox_ehr.accounts import Account
from sandbox_ehr.authorization import SmartAuthorizationServer, simulated_authorize_error
from sandbox_ehr.charts import Charts
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.grants import SandboxRequest
from sandbox_ehr.issued_tokens import Authorization
from sandbox_ehr.launch_context import LaunchContext
from sandbox_ehr.scope_grant import asks_for

PAGE_LIFETIME = timedelta(minutes=10)
NO_ENCOUNTER = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRequest:
    """An authorization request that waits for a person. chosen: which of user, patient, encounter have been decided."""

    parameters: tuple[tuple[str, str], ...]
    context: LaunchContext
    chosen: frozenset[str]
    expires: datetime


class AuthorizePages:
    """The endpoint and its pages over one authorization server."""

    def __init__(
        self, config: SandboxConfig, server: SmartAuthorizationServer, charts: Charts, accounts: Mapping[str, Account]
    ) -> None:
        self._config = config
        self._server = server
        self._charts = charts
        self._accounts = accounts
        self._waiting: dict[str, WaitingRequest] = {}
        self._lock = threading.Lock()

    def build_blueprint(self) -> Blueprint:
        """Give the routes below `/auth`."""
        routes = Blueprint("authorize", __name__, url_prefix="/auth")
        routes.add_url_rule("/authorize", "authorize", self.authorize, methods=["GET", "POST"])
        routes.add_url_rule("/choose", "choose", self.choose, methods=["POST"])
        return routes

    def authorize(self) -> Response:
        """Take an authorization request: redirect with code or error, show a page, or explain why not."""
        parameters = request.args if request.method == "GET" else request.form
        return self._proceed(parameters, None)

    def choose(self) -> Response:
        """Take what a person chose on a page and go on."""
        with self._lock:
            waiting = self._waiting.pop(request.form.get("request", ""), None)
        if waiting is None or waiting.expires <= self._config.clock():
            return _refuse_here("This page is no longer valid", "Go back to the app and start again.")
        parameters = MultiDict(waiting.parameters)
        if "deny" in request.form:
            denied = OAuth2Error(
                "The user said no",
                error="access_denied",
                redirect_uri=parameters["redirect_uri"],
                state=parameters["state"],
            )
            return self._server.handle_error_response(SandboxRequest("POST", parameters), denied)
        return self._proceed(parameters, self._apply_choice(waiting))

    def _proceed(self, parameters: MultiDict[str, str], waiting: WaitingRequest | None) -> Response:
        client = self._server.query_client(parameters.get("client_id", ""))
        if client is None or len(parameters.getlist("client_id")) > 1:
            return _refuse_here("This app is not registered here", "client_id is missing or unknown.")
        redirect_uri = parameters.get("redirect_uri", "")
        if len(parameters.getlist("redirect_uri")) > 1 or not client.check_redirect_uri(redirect_uri):
            return _refuse_here(
                "This app sent an address that is not registered",
                "redirect_uri is missing or not exactly a registered one.",
            )
        oauth_request = SandboxRequest("POST", parameters)
        try:
            return self._decide(oauth_request, waiting, client.name)
        except OAuth2Error as error:
            error.redirect_uri, error.state = redirect_uri, parameters.get("state")
            return self._server.handle_error_response(oauth_request, error)

    def _decide(self, oauth_request: SandboxRequest, waiting: WaitingRequest | None, app_name: str) -> Response:
        """Check the request, ask for what is missing, else authorize. Raises OAuth2Error for what the app must hear."""
        parameters = oauth_request.form
        _check_response_type(parameters)
        grant = self._server.get_consent_grant(oauth_request)
        waiting = waiting or self._begin(oauth_request)
        missing = _find_missing(parameters, waiting)
        if missing and parameters.get("prompt") == "none":
            error = "login_required" if missing == "user" else "interaction_required"
            raise OAuth2Error("A person would have to act", error=error)
        if missing:
            return self._show(missing, parameters, waiting, app_name)
        context = waiting.context
        oauth_request.authorization = self._build_authorization(oauth_request, context)
        answer = self._server.create_authorization_response(oauth_request, grant_user=context.user, grant=grant)
        return cast(Response, answer)

    def _begin(self, oauth_request: SandboxRequest) -> WaitingRequest:
        """Start from the launch, or from nothing. Raises the error that the launch asks for."""
        parameters = oauth_request.form
        launch = self._server.find_launch(oauth_request)
        context = launch.context if launch else LaunchContext(tenant=self._config.tenant)
        if error := simulated_authorize_error(context.simulated_error):
            raise error
        chosen = set() if context.login or self._config.require_login or context.user is None else {"user"}
        if launch is not None or not asks_for(parameters["scope"], "launch/patient"):
            chosen |= {"patient", "encounter"}
        elif not asks_for(parameters["scope"], "launch/encounter"):
            chosen |= {"encounter"}
        return WaitingRequest(
            parameters=tuple(parameters.items(multi=True)),
            context=context,
            chosen=frozenset(chosen),
            expires=self._config.clock() + PAGE_LIFETIME,
        )

    def _show(self, step: str, parameters: MultiDict[str, str], waiting: WaitingRequest, app_name: str) -> Response:
        choices: dict[str, Any] = {"accounts": self._accounts.values()}
        if step == "patient" and waiting.context.user is not None:
            user = waiting.context.user
            choices = {"patients": [entry for entry in self._charts.list_patients() if user.may_open(entry.patient_id)]}
        elif step == "encounter":
            choices = {"encounters": self._charts.list_encounters(waiting.context.patient or "")}
        request_id = secrets.token_urlsafe(24)
        now = self._config.clock()
        with self._lock:
            self._waiting = {key: entry for key, entry in self._waiting.items() if entry.expires > now}
            self._waiting[request_id] = waiting
        page = render_template(
            "choose.html",
            step=step,
            request_id=request_id,
            app_name=app_name,
            scopes=parameters["scope"].split(),
            user=waiting.context.user,
            preset=waiting.context.user.account_id if waiting.context.user else None,
            **choices,
        )
        return make_response(page)

    def _apply_choice(self, waiting: WaitingRequest) -> WaitingRequest:
        """Take one choice into the context; one that was not offered leaves the request where it was."""
        context, chosen = waiting.context, set(waiting.chosen)
        account = self._accounts.get(request.form.get("user", ""))
        patient = self._charts.find_patient(request.form.get("patient", ""))
        encounter = request.form.get("encounter", "")
        if account is not None:
            context = replace(context, user=account)
            chosen |= {"user", "login"}
            if account.patient_id and "patient" not in chosen:
                context = replace(context, patient=account.patient_id)
                chosen.add("patient")
        elif patient is not None and context.user is not None and context.user.may_open(patient.patient_id):
            context = replace(context, patient=patient.patient_id)
            chosen.add("patient")
        elif encounter == NO_ENCOUNTER:
            chosen.add("encounter")
        elif encounter in {entry.encounter_id for entry in self._charts.list_encounters(context.patient or "")}:
            context = replace(context, encounter=encounter)
            chosen.add("encounter")
        return replace(waiting, context=context, chosen=frozenset(chosen))

    def _build_authorization(self, oauth_request: SandboxRequest, context: LaunchContext) -> Authorization:
        parameters = oauth_request.form
        user = context.user
        if user is None or (context.patient is not None and not user.may_open(context.patient)):
            raise OAuth2Error("This user may not open this chart", error="access_denied")
        return Authorization(
            family=secrets.token_hex(16),
            client_id=parameters["client_id"],
            scope=self._server.grant_scope(oauth_request, context=context, user=user),
            context=context,
            fhir_base_url=parameters["aud"].rstrip("/"),
            redirect_uri=parameters["redirect_uri"],
            code_challenge=parameters["code_challenge"],
            nonce=parameters.get("nonce"),
            authorized_at=self._config.clock(),
        )


def _find_missing(parameters: MultiDict[str, str], waiting: WaitingRequest) -> str | None:
    """Give what a person has to choose next. `prompt=login` asks again who the user is."""
    if parameters.get("prompt") == "login" and "login" not in waiting.chosen:
        return "user"
    return next((step for step in ("user", "patient", "encounter") if step not in waiting.chosen), None)


def _check_response_type(parameters: MultiDict[str, str]) -> None:
    """Ask for `code`, before Authlib does, whose description would repeat what was sent."""
    if "response_type" not in parameters:
        raise OAuth2Error("response_type is missing", error="invalid_request")
    if parameters["response_type"] != "code":
        raise OAuth2Error("response_type must be code", error="unsupported_response_type")


def _refuse_here(heading: str, text: str) -> Response:
    """Explain on a page of ours: RFC 6749 section 4.1.2.1 forbids a redirect to an address that is not known good."""
    return make_response(render_template("refusal.html", heading=heading, text=text), 400)
