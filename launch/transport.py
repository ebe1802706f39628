"""Every request to an EHR goes through here (SMART App Launch 2.2 "App protection"; OWASP ASVS 5.0, 13.2.4 and 13.2.5).

Only allowed hosts, only checked addresses, no redirects, no cookies, no environment (`.netrc` would override our
Bearer header), bodies cut off at a cap, and a deadline for the whole exchange. GET is tried again on failures that
are safe to repeat; POST and PUT never, and each on a connection of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError, ReadTimeoutError

from launch.addresses import AddressRefused, Resolver, check_addresses, find_literal, resolve_host
from launch.ehr import Ehr
from launch.errors import (
    ConnectFailed,
    ConnectionBroken,
    EndpointNotAllowed,
    PrivateAddressRefused,
    ReadTimeout,
    RedirectRefused,
    TooLarge,
)
from launch.exchange import Exchange, PinnedAdapter
from launch.urls import host_and_port, split_http_url

_MOST_TRIES = 3
_LONGEST_WAIT = 2.0
_FIRST_WAIT = 0.2
_TRY_AGAIN_STATUS = frozenset({429, 502, 503, 504})
_CHUNK = 64 * 1024
_MOST_DIGITS = 15
_Read = TypeVar("_Read")
_LONGEST_RETRY_AFTER = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one exchange may cost: `seconds` from first name look-up to last byte, `max_bytes` of decoded body."""

    seconds: float
    max_bytes: int


DOCUMENT_LIMITS = Limits(seconds=5, max_bytes=1_000_000)
TOKEN_LIMITS = Limits(seconds=15, max_bytes=1_000_000)
CAPABILITIES_LIMITS = Limits(seconds=15, max_bytes=10_000_000)
READ_LIMITS = Limits(seconds=20, max_bytes=10_000_000)
WRITE_LIMITS = Limits(seconds=30, max_bytes=10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A complete answer. `headers` are looked up without case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def date(self) -> datetime | None:
        """The `Date` header, UTC."""
        return _find_http_date(self.headers.get("Date"))

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from 0 to a day. A date counts from the answer's own `Date`, so no clock is compared."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), _LONGEST_RETRY_AFTER)
        until, sent_at = _find_http_date(text), self.date
        if until is None or sent_at is None:
            return None
        return min(max(0.0, (until - sent_at).total_seconds()), _LONGEST_RETRY_AFTER)


class Transport:
    """Requests to one EHR. Thread-safe; keep one per EHR and process, and close it at the end.

    `timeout`: seconds to connect, and between two reads. `pool_size`: connections kept, and reads at once. `proxy`: URL
    of the site's proxy, which then resolves names itself, so that only literal addresses can be checked. `ca_file`: PEM
    file instead of the built-in authorities.
    """

    def __init__(
        self,
        ehr: Ehr,
        *,
        timeout: tuple[float, float] = (3.05, 15.0),
        proxy: str | None = None,
        ca_file: str | None = None,
        pool_size: int = 32,
        resolve: Resolver = resolve_host,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ehr = ehr
        self._timeout = timeout
        self._proxy = proxy
        self._ca_file = ca_file
        self._pool_size = pool_size
        self._resolve = resolve
        self._sleep = sleep
        self._monotonic = monotonic
        self._session = self._new_session()
        # Its threads begin when first needed, and are kept: a thread for each read costs more than many a read.
        self._readers = ThreadPoolExecutor(max_workers=pool_size, thread_name_prefix="fhir-read")

    def close(self) -> None:
        """Close the pooled connections; reads that have not begun are dropped."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def read_aside(self, read: Callable[[], _Read]) -> Future[_Read]:
        """Run a read beside the calling thread, which bounds it by the deadline of its own exchange."""
        return self._readers.submit(read)

    def get(
        self, url: str, *, limits: Limits, headers: Mapping[str, str] | None = None, conditional: bool = False
    ) -> HttpResponse:
        """GET, up to three tries within `limits.seconds`. With `conditional`, a 304 is an answer.

        Tried again: failed or broken connections; 429, 502, 503 and 504 when the wait is at most two seconds. Raises
        TransportError; any status but 3xx is returned.
        """
        end = self._monotonic() + limits.seconds
        attempt = 0
        while True:
            attempt += 1
            wait = _FIRST_WAIT * 2 ** (attempt - 1)
            left = end - self._monotonic()
            try:
                response = self._exchange(
                    self._session,
                    "GET",
                    url,
                    headers=headers or {},
                    body=None,
                    limits=Limits(seconds=left, max_bytes=limits.max_bytes),
                )
            except (ConnectFailed, ConnectionBroken):
                if attempt == _MOST_TRIES or self._monotonic() + wait >= end:
                    raise
            else:
                wait = wait if response.retry_after is None else response.retry_after
                give_up = attempt == _MOST_TRIES or wait > _LONGEST_WAIT or self._monotonic() + wait >= end
                if response.status not in _TRY_AGAIN_STATUS or give_up:
                    return self._refuse_redirect(response, conditional=conditional)
            self._sleep(wait)

    def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        limits: Limits,
        before_first_byte: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """POST or PUT once, on a fresh connection. Raises TransportError, whose `sent` tells whether a byte left.

        `before_first_byte` is called after the connection stands and directly before the request leaves; what it raises
        stops the request.
        """
        session = self._new_session()
        try:
            response = self._exchange(
                session,
                method,
                url,
                headers=headers,
                body=body,
                limits=limits,
                before_first_byte=before_first_byte,
            )
        finally:
            session.close()
        return self._refuse_redirect(response, conditional=False)

    def check_url(self, url: str, *, field: str | None = None) -> None:
        """Refuse an address that we would not call. No network. Raises EndpointNotAllowed, PrivateAddressRefused."""
        if not self.ehr.allows_endpoint(url):
            raise EndpointNotAllowed("is not on an allowed host", sent=False, ehr_id=self.ehr.id, field=field)
        host, _ = host_and_port(url)
        if find_literal(host) is not None:
            self._check((host.strip("[]"),), url)

    def _exchange(
        self,
        session: requests.Session,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        limits: Limits,
        before_first_byte: Callable[[], None] | None = None,
    ) -> HttpResponse:
        self.check_url(url)
        request = session.prepare_request(requests.Request(method, url, headers=dict(headers), data=body))
        prepared_url = request.url or ""
        self.check_url(prepared_url)

        def find_addresses(host: str, port: int) -> tuple[str, ...]:
            return self._check(self._resolve(host, port), prepared_url)

        exchange = Exchange(
            seconds=limits.seconds,
            find_addresses=None if self._proxy else find_addresses,
            before_first_byte=before_first_byte,
        )
        verify: bool | str = self._ca_file or True
        try:
            with exchange.running():
                answer = session.send(request, stream=True, timeout=self._timeout, verify=verify, allow_redirects=False)
                try:
                    content = self._read_body(answer, limits.max_bytes)
                finally:
                    answer.close()
        except (requests.RequestException, HTTPError, HTTPException, OSError) as exc:
            if exchange.hook_failure is not None:
                raise exchange.hook_failure from None
            raise self._failure(exchange, exc) from exc
        if exchange.expired:
            raise ReadTimeout("deadline", sent=True, ehr_id=self.ehr.id)
        return HttpResponse(status=answer.status_code, headers=CaseInsensitiveDict(answer.headers), body=content)

    def _read_body(self, answer: requests.Response, max_bytes: int) -> bytes:
        """Read to the end or to the cap; a gzip bomb counts decoded."""
        length = answer.headers.get("Content-Length", "")
        # Python refuses to read a number of thousands of digits, which a header has room for.
        if length.isascii() and length.isdigit() and (len(length) > _MOST_DIGITS or int(length) > max_bytes):
            raise TooLarge(sent=True, ehr_id=self.ehr.id)
        content = bytearray()
        while chunk := answer.raw.read1(_CHUNK, decode_content=True):
            content += chunk
            if len(content) > max_bytes:
                raise TooLarge(sent=True, ehr_id=self.ehr.id)
        return bytes(content)

    def _failure(self, exchange: Exchange, exc: Exception) -> ConnectFailed | ReadTimeout | ConnectionBroken:
        if not exchange.sent:
            return ConnectFailed(type(exc).__name__, sent=False, ehr_id=self.ehr.id)
        if exchange.expired or isinstance(exc, requests.Timeout | ReadTimeoutError | TimeoutError):
            return ReadTimeout("deadline" if exchange.expired else "", sent=True, ehr_id=self.ehr.id)
        return ConnectionBroken(type(exc).__name__, sent=True, ehr_id=self.ehr.id)

    def _check(self, addresses: tuple[str, ...], url: str) -> tuple[str, ...]:
        public = split_http_url(url).scheme == "https"
        try:
            return check_addresses(addresses, allow_private=self.ehr.allow_private, public=public)
        except AddressRefused as exc:
            raise PrivateAddressRefused(sent=False, ehr_id=self.ehr.id) from exc

    def _refuse_redirect(self, response: HttpResponse, *, conditional: bool) -> HttpResponse:
        if 300 <= response.status < 400 and not (conditional and response.status == 304):
            raise RedirectRefused(str(response.status), sent=True, ehr_id=self.ehr.id)
        return response

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        # A cookie of the EHR would tie the launches of two patients together.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        if self._proxy is not None:
            session.proxies = {"http": self._proxy, "https": self._proxy}
        for scheme in ("http://", "https://"):
            session.mount(scheme, PinnedAdapter(pool_connections=8, pool_maxsize=self._pool_size, max_retries=0))
        return session


def _find_http_date(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter for a number or an offset that leads out of the calendar
        return None
