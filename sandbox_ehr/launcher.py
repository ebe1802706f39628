"""The launcher: where a person, or a script, starts an app with a patient.

Source: SMART App Launch 2.2, https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.datastructures import MultiDict

from sandbox_ehr.accounts import Account
from sandbox_ehr.authorization import SmartAuthorizationServer
from sandbox_ehr.charts import Charts
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.errors import SandboxError
from sandbox_ehr.launch_context import IssuedLaunch, LaunchContext
from sandbox_ehr.personas import load_persona
from sandbox_ehr.registered_clients import RegisteredClient
from sandbox_ehr.simulated_errors import AUTHORIZE_ERRORS, SIMULATED_ERRORS, TOKEN_ERRORS

NO_ENCOUNTER = "none"


class ImpossibleLaunch(SandboxError):
    """A launch link that names something that is not there; the message names the parameter."""

    code = "impossible-launch"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOrder:
    """A launch as ordered by a link or the form, every part checked."""

    context: LaunchContext
    client: RegisteredClient
    launch_uri: str
    fhir_base_url: str
    in_frame: bool


class Launcher:
    """The launcher page, the launch links and the frame page."""

    def __init__(
        self, config: SandboxConfig, server: SmartAuthorizationServer, charts: Charts, accounts: Mapping[str, Account]
    ) -> None:
        self._config = config
        self._server = server
        self._charts = charts
        self._accounts = accounts

    def build_blueprint(self) -> Blueprint:
        """Give `/`, `/launch` and `/frame`."""
        routes = Blueprint("launcher", __name__)
        routes.add_url_rule("/", "page", self.show_page)
        routes.add_url_rule("/launch", "launch", self.launch)
        routes.add_url_rule("/frame", "frame", self.show_frame)
        return routes

    def show_page(self) -> Response:
        """Show the form; what a link already names is chosen in it."""
        return self._render_page(None, 200)

    def launch(self) -> Response:
        """Send the browser to the app's launch address, or to the frame page that holds the app."""
        try:
            order = self.parse_order(request.args)
        except ImpossibleLaunch as exc:
            return self._render_page(str(exc), 400)
        launch = self._server.launches.issue(
            order.context, client_id=order.client.client_id, fhir_base_url=order.fhir_base_url
        )
        if order.in_frame:
            return _redirect(f"{self._config.base_url}/frame?{urlencode({'launch': launch, 'at': order.launch_uri})}")
        return _redirect(build_launch_address(order.launch_uri, fhir_base_url=order.fhir_base_url, launch=launch))

    def show_frame(self) -> Response:
        """Show the app inside the chart of a simulated EHR."""
        launch, launch_uri = request.args.get("launch", ""), request.args.get("at", "")
        issued = self._server.launches.find(launch)
        client = self._server.query_client(issued.client_id) if issued else None
        if issued is None or client is None or not client.may_launch_at(launch_uri):
            page = render_template(
                "refusal.html", heading="This launch is over", text="Start a new one from the launcher."
            )
            return make_response(page, 404)
        return make_response(self._render_frame(issued, launch, launch_uri))

    def parse_order(self, parameters: MultiDict[str, str]) -> LaunchOrder:
        """Parse the parameters of a launch link. Raises ImpossibleLaunch for the first that names nothing known."""
        client = self._server.query_client(parameters.get("client") or next(iter(self._server.clients)))
        if client is None:
            raise ImpossibleLaunch("client is not registered")
        launch_uri = parameters.get("launch_uri") or client.launch_uri
        if launch_uri is None or not client.may_launch_at(launch_uri):
            raise ImpossibleLaunch("launch_uri is missing or not registered for this client")
        patient = self._charts.find_patient(parameters.get("patient", ""))
        if patient is None:
            raise ImpossibleLaunch("patient is missing or unknown")
        user = self._accounts.get(parameters.get("user") or next(iter(self._accounts)))
        if user is None:
            raise ImpossibleLaunch("user is unknown")
        fhir_base_url = self._config.fhir_base_urls().get(parameters.get("persona") or self._config.persona)
        if fhir_base_url is None:
            raise ImpossibleLaunch("persona is unknown")
        simulated = parameters.get("simulate") or None
        if simulated is not None and simulated not in SIMULATED_ERRORS:
            raise ImpossibleLaunch("simulate names no simulated error")
        in_frame = parameters.get("frame") == "1"
        questionnaire = parameters.get("questionnaire")
        context = LaunchContext(
            patient=patient.patient_id,
            encounter=self._parse_encounter(patient.patient_id, parameters.get("encounter", "")),
            user=user,
            # In a frame the EHR's own banner is on the page.
            need_patient_banner={"true": True, "false": False}.get(parameters.get("banner", ""), not in_frame),
            intent=parameters.get("intent") or None,
            tenant=self._config.tenant,
            fhir_context=({"canonical": questionnaire, "type": "Questionnaire"},) if questionnaire else (),
            app_context=parameters.get("app_context") or None,
            login=parameters.get("login") == "on",
            withheld=tuple(parameters.get("withhold", "").split()),
            simulated_error=simulated,
        )
        return LaunchOrder(
            context=context, client=client, launch_uri=launch_uri, fhir_base_url=fhir_base_url, in_frame=in_frame
        )

    def _parse_encounter(self, patient_id: str, asked: str) -> str | None:
        if not asked:
            return self._charts.find_current_encounter(patient_id)
        if asked == NO_ENCOUNTER:
            return None
        if asked not in {entry.encounter_id for entry in self._charts.list_encounters(patient_id)}:
            raise ImpossibleLaunch("encounter is not one of this patient")
        return asked

    def _render_page(self, problem: str | None, status: int) -> Response:
        patients = self._charts.list_patients()
        chosen = request.args.get("patient") or (patients[0].patient_id if patients else "")
        page = render_template(
            "launcher.html",
            problem=problem,
            patients=patients,
            encounters=self._charts.list_encounters(chosen),
            current=self._charts.find_current_encounter(chosen),
            accounts=self._accounts.values(),
            clients=self._server.clients.values(),
            personas=[load_persona(name) for name in self._config.fhir_base_urls()],
            authorize_errors=AUTHORIZE_ERRORS,
            token_errors=TOKEN_ERRORS,
            fhir_base_url=self._config.fhir_base_url,
            chosen=request.args.to_dict() | {"patient": chosen},
        )
        return make_response(page, status)

    def _render_frame(self, issued: IssuedLaunch, launch: str, launch_uri: str) -> str:
        return render_template(
            "frame.html",
            patient=self._charts.find_patient(issued.context.patient or ""),
            user=issued.context.user,
            app_address=build_launch_address(launch_uri, fhir_base_url=issued.fhir_base_url, launch=launch),
        )


def build_launch_address(launch_uri: str, *, fhir_base_url: str, launch: str) -> str:
    """Add `iss` and `launch` to a launch address, which may have a query of its own."""
    separator = "&" if urlsplit(launch_uri).query else "?"
    return f"{launch_uri}{separator}{urlencode({'iss': fhir_base_url, 'launch': launch})}"


def _redirect(address: str) -> Response:
    return cast(Response, redirect(address, 302))
