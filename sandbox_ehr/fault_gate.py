"""Stands before the simulated EHR and lets ordered faults strike, for real: sockets end, commits stand.

A fault after the commit lets the FHIR API finish first; one before it never asks the API. The request log says which.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, NoReturn

from werkzeug.test import run_wsgi_app

from sandbox_ehr.connection import Unanswered, reset, wait_for_hang_up
from sandbox_ehr.fault_answers import build_refusal, spoil_answer
from sandbox_ehr.faults import REFUSALS, Fault, FaultPlan
from sandbox_ehr.fhir_request import Access, Exchange, FhirRequest
from sandbox_ehr.http_answer import HttpAnswer
from sandbox_ehr.issued_tokens import IssuedToken
from sandbox_ehr.request_log import RequestLog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

CONTROL = "/_control"
EXCHANGE = "sandbox_ehr.exchange"
"""Key of the WSGI environment: the Exchange of a struck request."""
ARRIVED_TOKEN = "sandbox_ehr.arrived_token"  # noqa: S105  # the name of a key
"""Key of the WSGI environment: the access token as it stood when a late request arrived."""
_LONGEST_FAREWELL = 2.0
"""Seconds that an end waits for requests under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Struck:
    """One request and the faults that strike it. base: path of the FHIR base, None for what is none of FHIR."""

    environ: dict[str, Any]
    body: bytes
    faults: tuple[Fault, ...]
    base: str | None
    exchange: Exchange

    @property
    def decider(self) -> Fault | None:
        """The fault that decides what the client gets."""
        return next((fault for fault in self.faults if not (fault.is_standing or fault.is_event)), None)


class FaultGate:
    """WSGI middleware.

    logs: path of each FHIR base → its log. find_token: the active token of an Authorization header, or None. perform:
    makes an event happen.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        plan: FaultPlan,
        logs: Mapping[str, RequestLog],
        find_token: Callable[[str], IssuedToken | None],
        perform: Callable[[Fault], object],
    ) -> None:
        self._app = app
        self._plan = plan
        self._logs = logs
        self._find_token = find_token
        self._perform = perform
        self._stop = threading.Event()
        self._calm = threading.Condition()
        self._pending = 0

    @property
    def pending(self) -> int:
        """How many struck requests are not over yet: waiting to answer, to commit late or to be replayed."""
        with self._calm:
            return self._pending

    def wait_until_calm(self, seconds: float) -> bool:
        """Wait until no struck request is pending; tell whether that came about."""
        with self._calm:
            return self._calm.wait_for(lambda: self._pending == 0, seconds)

    def close(self) -> None:
        """End what waits; what has not committed by then never will."""
        self._stop.set()
        self.wait_until_calm(_LONGEST_FAREWELL)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or end it without an answer."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if path.startswith(CONTROL):
            return self._app(environ, start_response)
        base = self._find_base(path)
        is_fhir = base is not None and not path.startswith(f"{base}/.well-known/")
        faults = self._plan.take(method, path, is_fhir=is_fhir)
        if not faults:
            return self._app(environ, start_response)
        with self._counted():
            http_answer = self._answer(_receive(environ, faults, base))
        start_response(http_answer.status, list(http_answer.headers))
        return [http_answer.body]

    def _find_base(self, path: str) -> str | None:
        return next((base for base in self._logs if path == base or path.startswith(f"{base}/")), None)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._calm:
            self._pending += 1
        try:
            yield
        finally:
            with self._calm:
                self._pending -= 1
                self._calm.notify_all()

    def _answer(self, struck: _Struck) -> HttpAnswer:
        for fault in struck.faults:
            if fault.is_event:
                self._perform(fault)
            elif fault.fault == "latency":
                self._stop.wait(fault.seconds)
        decider = struck.decider
        if decider is None:
            return self._call(struck, struck.exchange)
        if decider.fault in REFUSALS:
            return self._refuse(struck, decider)
        unanswered = replace(struck.exchange, sent=0)
        match decider.fault:
            case "reset-before-commit":
                self._note_unreached(struck, 0)
                self._end(struck)
            case "reset-after-commit":
                self._call(struck, unanswered)
                self._end(struck)
            case "time-out-after-commit":
                self._call(struck, unanswered)
                wait_for_hang_up(struck.environ, decider.seconds, self._stop)
                self._end(struck)
            case "late-commit":
                token = self._find_token(struck.environ.get("HTTP_AUTHORIZATION", ""))
                reset(struck.environ)
                if not self._stop.wait(decider.seconds):
                    self._call(struck, unanswered, token)
                self._end(struck)
            case "replayed-request":
                return self._answer_and_replay(struck, decider.seconds)
        return spoil_answer(decider.fault, self._call(struck, struck.exchange))

    def _end(self, struck: _Struck) -> NoReturn:
        reset(struck.environ)
        raise Unanswered(f"ended by {struck.exchange.fault}")

    def _refuse(self, struck: _Struck, fault: Fault) -> HttpAnswer:
        status = REFUSALS[fault.fault]
        if fault.commit:
            self._call(struck, replace(struck.exchange, sent=status))
        else:
            self._note_unreached(struck, status)
        return build_refusal(fault)

    def _answer_and_replay(self, struck: _Struck, seconds: float) -> HttpAnswer:
        """Answer the first; the second follows at once or, in its own time, beside other requests."""
        first = self._call(struck, struck.exchange)
        again = replace(struck.exchange, sent=0, replayed=True)
        if not seconds:
            self._call(struck, again)
            return first

        def replay() -> None:
            with self._counted():
                if not self._stop.wait(seconds):
                    self._call(struck, again)

        threading.Thread(target=replay, daemon=True).start()
        return first

    def _call(self, struck: _Struck, exchange: Exchange, arrived: IssuedToken | None = None) -> HttpAnswer:
        """Let the EHR answer. arrived: the token that was good when the request came."""
        environ = {**struck.environ, EXCHANGE: exchange, "wsgi.input": BytesIO(struck.body)}
        if arrived is not None:
            environ[ARRIVED_TOKEN] = arrived
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        return HttpAnswer(status=status, headers=headers, body=b"".join(body))

    def _note_unreached(self, struck: _Struck, status: int) -> None:
        if struck.base is None:
            return
        environ = struck.environ
        request = FhirRequest(
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"].removeprefix(struck.base).strip("/"),
            headers={"X-Request-Id": environ["HTTP_X_REQUEST_ID"]} if "HTTP_X_REQUEST_ID" in environ else {},
            exchange=replace(struck.exchange, sent=status),
        )
        token = self._find_token(environ.get("HTTP_AUTHORIZATION", ""))
        access = Access(scope=token.scope, client_id=token.authorization.client_id) if token else None
        self._logs[struck.base].record(request, access, status=0)


def _receive(environ: dict[str, Any], faults: list[Fault], base: str | None) -> _Struck:
    lags = [fault.seconds for fault in faults if fault.fault == "lagging-search"]
    struck = _Struck(
        environ=environ,
        body=environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)),
        faults=tuple(faults),
        base=base,
        exchange=Exchange(search_lag=timedelta(seconds=max(lags)) if lags else None),
    )
    named = struck.decider or faults[0]
    return replace(struck, exchange=replace(struck.exchange, fault=named.fault))
