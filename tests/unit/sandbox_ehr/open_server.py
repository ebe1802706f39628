"""An R4 server without authorization, as HAPI is out of the box: the store and API of the simulated EHR, bare."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox_ehr.fhir_api import FhirApi
from sandbox_ehr.fhir_request import FhirRequest
from sandbox_ehr.personas import load_persona
from sandbox_ehr.store import FhirStore
from tests.unit.sandbox_ehr.app_driver import SettableClock
from tests.unit.sandbox_ehr.fhir_client import ENDPOINTS, EVERYTHING


@dataclass(kw_only=True)
class OpenServer:
    """The server, its store, and the headers of every request that reached it. answer: given instead, where set."""

    url: str
    store: FhirStore
    received: list[dict[str, str]] = field(default_factory=list)
    answer: Response | None = None


@contextmanager
def running_open_server(clock: SettableClock | None = None) -> Iterator[OpenServer]:
    app = Flask(__name__)
    web = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    clock = clock or SettableClock()
    with FhirStore(":memory:", clock=clock) as store:
        server = OpenServer(url=f"http://127.0.0.1:{web.server_port}/r4", store=store)
        persona = load_persona("open")
        api = FhirApi(store=store, persona=persona, fhir_base_url=server.url, endpoints=ENDPOINTS, clock=clock)

        def serve(below: str = "") -> Response:
            server.received.append(dict(request.headers.items()))
            if server.answer is not None:
                return server.answer
            query = tuple(parse_qsl(request.query_string.decode(), keep_blank_values=True))
            headers = dict(request.headers.items())
            fhir_request = FhirRequest(
                method=request.method, path=below, query=query, headers=headers, body=request.get_data()
            )
            answer = api.handle(fhir_request, EVERYTHING)
            return Response(answer.body, status=answer.status, headers=dict(answer.headers))

        methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
        app.add_url_rule("/r4", view_func=serve, methods=methods)
        app.add_url_rule("/r4/<path:below>", view_func=serve, methods=methods)
        thread = threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            web.shutdown()
            thread.join()
            web.server_close()


class _Silent(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""
