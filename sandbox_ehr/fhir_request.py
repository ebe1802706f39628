"""What passes between a web server and the FHIR API: one request, the access behind it, one response.

Plain values, so that the API can be mounted under any web framework or called from a test without one.
Source: FHIR R4 http, http://hl7.org/fhir/R4/http.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

Clock = Callable[[], datetime]
"""Gives the present time as an aware UTC datetime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What befalls a request on its way, where a test ordered it.

    fault: its name. sent: the status that the client gets whatever the FHIR API answers, 0 for no answer at all.
    replayed: the network sends the request once more. search_lag: how old a new resource must be to be found.
    """

    fault: str | None = None
    sent: int | None = None
    replayed: bool = False
    search_lag: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirRequest:
    """One HTTP request below the FHIR base.

    method: upper case. path: below the base, percent-decoded, without a leading slash: `Patient/1`, or `` for the base.
    query: decoded pairs in the order sent (a parameter may repeat). headers: looked up without regard to case.
    body: as received.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    exchange: Exchange = Exchange()

    def header(self, name: str) -> str | None:
        """Give the value of a header whatever the case of its name, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the access token of a request allows.

    scope: the granted scopes, space separated, in either SMART spelling. patient, encounter: logical ids from the
    launch context.
    user: a relative reference such as `Practitioner/1`. client_id: of the client that the token was issued to.
    """

    scope: str
    client_id: str
    patient: str | None = None
    encounter: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirHttpResponse:
    """One HTTP response: status, headers (`Content-Type` among them where there is a body) and body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartEndpoints:
    """Absolute addresses of the authorization server, as CapabilityStatement's `oauth-uris` extension gives them."""

    authorize: str
    token: str
    introspect: str | None = None
    revoke: str | None = None
    register: str | None = None
    manage: str | None = None


class AnswersFhir(Protocol):
    """What answers the FHIR requests of one base: FhirApi over a store, or BackendApi before a server."""

    def handle(self, request: FhirRequest, access: Access | None) -> FhirHttpResponse:
        """Answer one request."""
