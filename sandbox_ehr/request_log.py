"""The log of FHIR requests: what came, what became of it, and what the client was told, which need not be the same."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox_ehr.fhir_request import Access, Clock, FhirRequest
from sandbox_ehr.store import FhirStore
from sandbox_ehr.store_session import LoggedRequest


class RequestLog:
    """Writes the log of one FHIR base."""

    def __init__(self, store: FhirStore, *, persona: str, clock: Clock) -> None:
        self._store = store
        self._persona = persona
        self._clock = clock

    def record(self, request: FhirRequest, access: Access | None, *, status: int, written: Iterable[str] = ()) -> None:
        """Note one request. status: of the FHIR API, 0 where it was not reached; written: references with version."""
        exchange = request.exchange
        logged = LoggedRequest(
            time=self._clock(),
            method=request.method,
            path=request.path,
            status=status,
            persona=self._persona,
            client_id=access.client_id if access else None,
            request_id=request.header("X-Request-Id"),
            written=tuple(written),
            sent=status if exchange.sent is None else exchange.sent,
            fault=exchange.fault,
            replayed=exchange.replayed,
        )
        with self._store.writing() as session:
            session.log(logged)
