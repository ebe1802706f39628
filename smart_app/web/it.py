"""For IT: health, metrics, our public keys, the FHIR definitions, the registration sheet. No patient data, no session.

Sources: RFC 7517 (JWK Set); SMART App Launch 2.2, "Register App with EHR"; http://hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, render_template
from flask.typing import ResponseReturnValue

from fhir_mappings.r4 import format_json
from launch.scopes import Feature
from smart_app.registration import build_registration_sheet
from smart_app.web.metrics import Metrics
from smart_app.web.request_services import services

it = Blueprint("it", __name__)

_FEW_MINUTES = "public, max-age=300"


@it.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Say that the process answers."""
    return Response("ok\n", content_type="text/plain; charset=utf-8")


@it.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Say that the process can reach its database; otherwise the answer is 503, and the log says why."""
    with services().units.read() as unit:
        unit.sessions.find("readyz")
    return Response("ready\n", content_type="text/plain; charset=utf-8")


@it.get("/metrics")
def metrics() -> ResponseReturnValue:
    """Give the counts of this process."""
    found: Metrics = current_app.extensions["smart_screening_metrics"]
    return Response(found.render(), content_type="text/plain; version=0.0.4; charset=utf-8")


@it.get("/.well-known/jwks.json")
def jwks() -> ResponseReturnValue:
    """Give our public keys, for EHRs that verify our client assertions."""
    keys = services().connections.keys
    return _json({"keys": []} if keys is None else keys.public_jwks(), "application/json")


@it.get("/fhir/<resource_type>/<resource_id>")
def definition(resource_type: str, resource_id: str) -> ResponseReturnValue:
    """Give a definition that our resources refer to."""
    found = services().library.find_definition(resource_type, resource_id)
    if found is not None:
        return _json(found, "application/fhir+json")
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "not-found", "diagnostics": "There is no such definition here."}],
    }
    return _json(outcome, "application/fhir+json", 404)


@it.get("/registration")
def registration() -> ResponseReturnValue:
    """Show what an EHR's IT needs to register the app, from the settings as they are."""
    app = services()
    features = frozenset[Feature]().union(*(app.rules.features_at(ehr.id) for ehr in app.ehrs))
    sheet = build_registration_sheet(app.rules.base_url, features)
    return render_template("pages/registration.html", sheet=sheet)


def _json(value: Any, media_type: str, status: int = 200) -> Response:
    response = Response(format_json(value), status=status, content_type=f"{media_type}; charset=utf-8")
    response.headers["Cache-Control"] = _FEW_MINUTES if status == 200 else "no-store"
    return response
