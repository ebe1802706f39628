"""What the network can do to a client's connection: end it by a reset, or leave it silent.

The socket is the one that Werkzeug's server puts into the WSGI environment; under another server nothing happens to it.
Source: RFC 9293 section 3.5.3 (reset), socket(7) (SO_LINGER).
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from typing import Any

_ABORT = struct.pack("ii", 1, 0)
_SLICE_SECONDS = 0.1


class Unanswered(ConnectionAbortedError):
    """The request ends without an answer; Werkzeug's server drops the connection on it."""


def reset(environ: dict[str, Any]) -> None:
    """End the connection at once with a TCP reset. Idempotent."""
    connection = _find_socket(environ)
    if connection is None or connection.fileno() < 0:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    # Detached first: a plain close waits until the server has let go of its own file objects.
    os.close(connection.detach())


def wait_for_hang_up(environ: dict[str, Any], seconds: float, stop: threading.Event) -> None:
    """Leave the connection silent until the client hangs up, the seconds are over or `stop` is set."""
    connection, end = _find_socket(environ), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not stop.is_set():
        if connection is None:
            stop.wait(left)
            return
        readable, _, _ = select.select([connection], [], [], min(left, _SLICE_SECONDS))
        if readable and _has_ended(connection):
            return


def _has_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except ConnectionError:
        return True


def _find_socket(environ: dict[str, Any]) -> socket.socket | None:
    found = environ.get("werkzeug.socket")
    return found if isinstance(found, socket.socket) else None
