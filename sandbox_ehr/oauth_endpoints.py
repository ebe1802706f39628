"""The HTTP side of the authorization server: token, introspection, revocation, keys, discovery, management.

Sources: SMART App Launch 2.2 conformance and token-introspection (https://hl7.org/fhir/smart-app-launch/STU2.2/), RFC
7009, RFC 7517.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request

from sandbox_ehr.authorization import SmartAuthorizationServer
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.discovery import build_openid_configuration, build_smart_configuration
from sandbox_ehr.grants import SandboxRequest
from sandbox_ehr.http_headers import HeaderPolicy
from sandbox_ehr.personas import load_persona


def build_oauth_endpoints(config: SandboxConfig, server: SmartAuthorizationServer, policy: HeaderPolicy) -> Blueprint:
    """Give the routes below `/auth` that programs use, and the page on which access is taken back."""
    routes = Blueprint("oauth", __name__, url_prefix="/auth")

    def from_app(answer: Callable[[SandboxRequest], Response]) -> Callable[[], Response]:
        def view() -> Response:
            if request.method == "OPTIONS":
                http_response = Response(status=204)
            else:
                http_response = answer(SandboxRequest("POST", request.form, request.headers))
            policy.allow_app_origins(http_response, request.headers.get("Origin"))
            return http_response

        return view

    def introspect(oauth_request: SandboxRequest) -> Response:
        return cast(Response, server.create_endpoint_response("introspection", oauth_request))

    def revoke(oauth_request: SandboxRequest) -> Response:
        return cast(Response, server.create_endpoint_response("revocation", oauth_request))

    answers = {"token": server.create_token_response, "introspect": introspect, "revoke": revoke}
    for name, answer in answers.items():
        routes.add_url_rule(f"/{name}", name, from_app(answer), methods=["POST", "OPTIONS"])

    @routes.get("/jwks")
    def jwks() -> Response:
        http_response = jsonify(server.keys.build_jwks())
        http_response.headers["Cache-Control"] = "public, max-age=60"
        policy.allow_any_origin(http_response)
        return http_response

    @routes.get("/manage")
    def manage() -> Response:
        authorizations = server.tokens.active_authorizations()
        return make_response(render_template("manage.html", authorizations=authorizations, clients=server.clients))

    @routes.post("/manage")
    def take_back() -> Response:
        if urlsplit(request.headers.get("Origin", "")).netloc != request.host:
            abort(403)
        server.tokens.revoke_family(request.form.get("family", ""))
        return cast(Response, redirect(f"{config.base_url}/auth/manage", 303))

    return routes


def build_discovery_endpoints(config: SandboxConfig, policy: HeaderPolicy) -> Blueprint:
    """Give the discovery documents of every FHIR base."""
    routes = Blueprint("discovery", __name__)
    documents: Mapping[str, Callable[..., dict[str, Any]]] = {
        "smart-configuration": build_smart_configuration,
        "openid-configuration": build_openid_configuration,
    }

    def publish(document: Mapping[str, Any]) -> Callable[[], Response]:
        def view() -> Response:
            http_response = Response(status=204) if request.method == "OPTIONS" else jsonify(document)
            http_response.headers["Cache-Control"] = "public, max-age=60"
            policy.allow_any_origin(http_response)
            return http_response

        return view

    for persona_name, fhir_base_url in config.fhir_base_urls().items():
        for name, build in documents.items():
            document = build(
                fhir_base_url=fhir_base_url,
                jwks_uri=f"{config.base_url}/auth/jwks",
                endpoints=config.smart_endpoints(),
                persona=load_persona(persona_name),
            )
            path = fhir_base_url.removeprefix(config.base_url) + f"/.well-known/{name}"
            routes.add_url_rule(path, f"{persona_name}-{name}", publish(document), methods=["GET", "OPTIONS"])
    return routes
