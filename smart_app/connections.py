"""One process's connections to its EHRs: a Transport each, and what discovery has read (launch/)."""

from __future__ import annotations

import threading

from launch.ehr import EhrRegistry
from launch.transport import Transport


class Connections:
    """Transports by EHR, made when first needed and kept. Thread-safe."""

    def __init__(self, ehrs: EhrRegistry, *, proxy: str | None = None, ca_file: str | None = None) -> None:
        self._ehrs = ehrs
        self._proxy = proxy
        self._ca_file = ca_file
        self._transports: dict[str, Transport] = {}
        self._lock = threading.Lock()

    def transport(self, ehr_id: str) -> Transport:
        """Give the transport of one EHR. Raises: launch.errors.UnknownIssuer."""
        ehr = self._ehrs.get(ehr_id)
        with self._lock:
            if ehr_id not in self._transports:
                self._transports[ehr_id] = Transport(ehr, proxy=self._proxy, ca_file=self._ca_file)
            return self._transports[ehr_id]

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()
