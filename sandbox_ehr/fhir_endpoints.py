"""The HTTP side of the FHIR API: the path and body in, the access behind the token, the answer out (RFC 6750)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request

from sandbox_ehr.authorization import SmartAuthorizationServer
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.fault_gate import ARRIVED_TOKEN, EXCHANGE
from sandbox_ehr.fhir_json import dump_json
from sandbox_ehr.fhir_request import Access, AnswersFhir, Exchange, FhirRequest
from sandbox_ehr.grants import build_context_parameters
from sandbox_ehr.http_headers import HeaderPolicy
from sandbox_ehr.issued_tokens import IssuedToken, TokenStore
from sandbox_ehr.outcome import Issue, build_outcome
from sandbox_ehr.request_log import RequestLog
from sandbox_ehr.store import FhirStore

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


MakeApi = Callable[[str, str, RequestLog], AnswersFhir]
"""Makes what answers at one FHIR base, from the persona's name, the base and its log."""


def build_fhir_endpoints(
    config: SandboxConfig, server: SmartAuthorizationServer, store: FhirStore, policy: HeaderPolicy, make_api: MakeApi
) -> Blueprint:
    """Give the routes of every FHIR base, one per persona."""
    routes = Blueprint("fhir", __name__)
    for persona_name, fhir_base_url in config.fhir_base_urls().items():
        log = RequestLog(store, persona=persona_name, clock=config.clock)
        endpoint = _FhirEndpoint(
            api=make_api(persona_name, fhir_base_url, log),
            log=log,
            fhir_base_url=fhir_base_url,
            server=server,
            policy=policy,
        )
        path = fhir_base_url.removeprefix(config.base_url)
        for rule in (path, f"{path}/", f"{path}/<path:below>"):
            routes.add_url_rule(rule, persona_name, endpoint.answer, methods=_METHODS, strict_slashes=False)
    return routes


class _FhirEndpoint:
    def __init__(
        self,
        *,
        api: AnswersFhir,
        log: RequestLog,
        fhir_base_url: str,
        server: SmartAuthorizationServer,
        policy: HeaderPolicy,
    ) -> None:
        self._api = api
        self._log = log
        self._fhir_base_url = fhir_base_url
        self._server = server
        self._policy = policy

    def answer(self, below: str = "") -> Response:
        http_response = Response(status=204) if request.method == "OPTIONS" else self._handle(below)
        http_response.headers.setdefault("Cache-Control", "no-store")
        if below == "metadata":
            self._policy.allow_any_origin(http_response)
        else:
            self._policy.allow_app_origins(http_response, request.headers.get("Origin"))
        return http_response

    def _handle(self, below: str) -> Response:
        access = None
        sent = request.headers.get("Authorization")
        query = parse_qsl(request.query_string.decode("utf-8", "replace"), keep_blank_values=True)
        fhir_request = FhirRequest(
            method=request.method,
            path=below,
            query=tuple(query),
            headers=dict(request.headers.items()),
            body=request.get_data(),
            exchange=request.environ.get(EXCHANGE, Exchange()),
        )
        if sent is not None and below != "metadata":
            # A request that a fault holds back was let in when it came.
            token = request.environ.get(ARRIVED_TOKEN) or find_active_token(self._server.tokens, sent)
            if token is None or token.authorization.fhir_base_url != self._fhir_base_url:
                self._log.record(fhir_request, None, status=401)
                return _refuse_token()
            access = _build_access(token)
        answer = self._api.handle(fhir_request, access)
        return Response(answer.body, status=answer.status, headers=dict(answer.headers))


def find_active_token(tokens: TokenStore, authorization: str) -> IssuedToken | None:
    """Give the access token of an Authorization header if it may be used now, or None."""
    scheme, _, secret = authorization.partition(" ")
    return tokens.find_active(secret.strip(), "access_token") if scheme.lower() == "bearer" else None


def _build_access(token: IssuedToken) -> Access:
    authorization = token.authorization
    context = build_context_parameters(authorization, style_url="")
    user = authorization.context.user
    return Access(
        scope=token.scope,
        client_id=authorization.client_id,
        patient=context.get("patient"),
        encounter=context.get("encounter"),
        user=user.fhir_user if user else None,
    )


def build_failure(status: int, text: str) -> Response:
    """Give the OperationOutcome of what goes wrong outside the FHIR API: a body over the limit, a fault of ours."""
    code = {401: "login", 413: "too-long"}.get(status, "exception" if status >= 500 else "processing")
    body = dump_json(build_outcome([Issue(code=code, text=text)]))
    return Response(body, status=status, content_type="application/fhir+json")


def _refuse_token() -> Response:
    text = "The access token is unknown, expired, revoked or for another FHIR base"
    http_response = build_failure(401, text)
    http_response.headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{text}"'
    return http_response
