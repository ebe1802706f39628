"""One request on the wire: pinned address, hard deadline, and whether a byte of it left (HTTP/1.1, RFC 9112).

urllib3 knows timeouts between two reads, not for a whole exchange, and does not tell a failure before the first byte
from one after it. A write needs both: "not sent" may be sent again, "sent, no answer" must be looked up.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import create_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

_current: ContextVar[Exchange] = ContextVar("launch_exchange")


class Exchange:
    """The state of one request. `sent` turns true directly before the first byte, `expired` when the deadline fell.

    `hook_failure`: what `before_first_byte` raised, kept because urllib3 would take an OSError for one of the network.

    `find_addresses`: host and port → addresses that were checked; None behind a proxy, which resolves the name itself.
    """

    def __init__(
        self,
        *,
        seconds: float,
        find_addresses: Callable[[str, int], tuple[str, ...]] | None,
        before_first_byte: Callable[[], None] | None,
    ) -> None:
        self.sent = False
        self.expired = False
        self.hook_failure: Exception | None = None
        self.find_addresses = find_addresses
        self._before_first_byte = before_first_byte
        self._connection: HTTPConnection | None = None
        self._over = False
        self._lock = threading.Lock()
        self._seconds = seconds
        self.ends_at = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make this the exchange of the calling thread and let its deadline run."""
        token = _current.set(self)
        self.ends_at = time.monotonic() + self._seconds
        _watch.add(self)
        try:
            yield
        finally:
            with self._lock:
                self._over = True
            _watch.drop(self)
            _current.reset(token)

    def start_sending(self, connection: HTTPConnection) -> None:
        """Note that bytes of the request leave now on `connection`. Raises TimeoutError past the deadline."""
        with self._lock:
            self._connection = connection
            if self.expired:
                raise TimeoutError("deadline")
        if not self.sent:
            self._run_hook()
            self.sent = True

    def _run_hook(self) -> None:
        if self._before_first_byte is None:
            return
        try:
            self._before_first_byte()
        except Exception as exc:
            self.hook_failure = exc
            raise

    def abort(self) -> None:
        """End it unless it is over: its deadline has fallen."""
        with self._lock:
            if self._over:
                return
            self.expired = True
            sock = None if self._connection is None else self._connection.sock
            if sock is not None:
                # Wakes the thread that reads. The base method, because SSLSocket's own drops its TLS state under the
                # reader.
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _DeadlineWatch:
    """One thread that ends the exchanges whose deadline falls; a timer each would be a thread each."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[Exchange] = set()
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    def add(self, exchange: Exchange) -> None:
        """Watch an exchange."""
        with self._changed:
            self._running.add(exchange)
            # Not alive also after a fork, which takes no thread along.
            if self._thread is None or not self._thread.is_alive():
                self._wakes_at = 0.0
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif exchange.ends_at < self._wakes_at:
                self._changed.notify()

    def drop(self, exchange: Exchange) -> None:
        """Watch it no longer."""
        with self._changed:
            self._running.discard(exchange)

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                fallen = [exchange for exchange in self._running if exchange.ends_at <= now]
                self._running.difference_update(fallen)
                if not fallen:
                    self._wakes_at = min((exchange.ends_at for exchange in self._running), default=float("inf"))
                    self._changed.wait(None if self._wakes_at == float("inf") else self._wakes_at - now)
            for exchange in fallen:
                exchange.abort()


_watch = _DeadlineWatch()


class PinnedHTTPConnection(HTTPConnection):
    """Connects only to addresses that the exchange has checked, and tells it when bytes leave."""

    _connecting = False

    def connect(self) -> None:
        """Connect; what a proxy tunnel sends meanwhile is not yet the request."""
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        """Send, after connecting and after telling the exchange."""
        if self.sock is None:
            self.connect()
        if not self._connecting:
            _current.get().start_sending(self)
        super().send(data)

    def _new_conn(self) -> socket.socket:
        find_addresses = _current.get().find_addresses
        if find_addresses is None:
            return super()._new_conn()
        failure: OSError = OSError("the name has no address")
        for address in find_addresses(self._dns_host, self.port):
            try:
                return create_connection(
                    (address, self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as exc:
                failure = exc
        raise failure


class PinnedHTTPSConnection(PinnedHTTPConnection, HTTPSConnection):
    """The same over TLS; server name and Host stay those of the URL."""


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = PinnedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = PinnedHTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class PinnedAdapter(HTTPAdapter):
    """The requests adapter whose connections are pinned. It never retries: Transport decides that."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        """Use pools of pinned connections."""
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Watch connections through a proxy too."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
