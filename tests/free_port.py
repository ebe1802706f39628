"""A loopback port that nobody listens on, for servers that must be told theirs beforehand."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Give a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
