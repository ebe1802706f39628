"""One process's connections to its EHRs: a Transport each, our signing keys, and what discovery has read (launch/)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime

from launch.callback import complete_launch
from launch.capabilities import Capabilities, fetch_capabilities
from launch.discovery import SmartConfiguration, fetch_smart_configuration
from launch.documents import DocumentCache
from launch.ehr import EhrRegistry
from launch.errors import LaunchError
from launch.fhir_reader import FhirReader
from launch.session import ActiveLaunch, PendingLaunch
from launch.signing_keys import SigningKeys
from launch.tokens import RevocationResult, refresh_tokens, revoke_tokens
from launch.transport import Transport


class Connections:
    """Everything that speaks to an EHR but the writer. Thread-safe; one per process."""

    def __init__(
        self,
        ehrs: EhrRegistry,
        *,
        keys: SigningKeys | None,
        proxy: str | None = None,
        ca_file: str | None = None,
        timeout: tuple[float, float] = (3.05, 15.0),
    ) -> None:
        """``timeout``: seconds to connect and between two reads. ``keys`` None: no EHR uses private_key_jwt."""
        self._ehrs = ehrs
        self._keys = keys
        self._proxy = proxy
        self._ca_file = ca_file
        self._timeout = timeout
        self._documents = DocumentCache()
        self._transports: dict[str, Transport] = {}
        self._lock = threading.Lock()

    @property
    def keys(self) -> SigningKeys | None:
        """Our keys: the public half stands at ``/.well-known/jwks.json``."""
        return self._keys

    def transport(self, ehr_id: str) -> Transport:
        """Give the transport of one EHR, made when first needed. Raises: UnknownIssuer."""
        ehr = self._ehrs.get(ehr_id)
        with self._lock:
            if ehr_id not in self._transports:
                self._transports[ehr_id] = Transport(
                    ehr, timeout=self._timeout, proxy=self._proxy, ca_file=self._ca_file
                )
            return self._transports[ehr_id]

    def configuration(self, ehr_id: str, now: datetime) -> SmartConfiguration:
        """Give the SMART configuration, cached. Raises: LaunchError."""
        return fetch_smart_configuration(self._ehrs.get(ehr_id), self.transport(ehr_id), self._documents, now)

    def find_capabilities(self, ehr_id: str, now: datetime) -> Capabilities | None:
        """Give the CapabilityStatement, cached; None where it cannot be read: then nothing can be promised."""
        try:
            return fetch_capabilities(self._ehrs.get(ehr_id), self.transport(ehr_id), self._documents, now)
        except LaunchError:
            return None

    def complete(
        self, params: Mapping[str, Sequence[str]], pending: PendingLaunch, *, ehr_id: str, now: datetime
    ) -> ActiveLaunch:
        """Trade the callback for a launch. Raises: LaunchError."""
        return complete_launch(
            params,
            pending,
            ehr=self._ehrs.get(ehr_id),
            transport=self.transport(ehr_id),
            keys=self._keys,
            jwks_cache=self._documents,
            now=now,
        )

    def reader(self, active: ActiveLaunch) -> FhirReader:
        """Give a reader with the token of one launch."""
        return FhirReader(active, self._ehrs.get(active.ehr_id), self.transport(active.ehr_id))

    def refresh(self, active: ActiveLaunch, now: datetime) -> ActiveLaunch:
        """Refresh the tokens: the caller holds the lease and stores the result. Raises: LaunchError."""
        ehr, transport = self._ehrs.get(active.ehr_id), self.transport(active.ehr_id)
        return refresh_tokens(active, ehr=ehr, transport=transport, keys=self._keys, now=now)

    def revoke(self, active: ActiveLaunch, now: datetime) -> RevocationResult:
        """Tell the EHR to forget the tokens. Never raises for what the EHR does."""
        ehr, transport = self._ehrs.get(active.ehr_id), self.transport(active.ehr_id)
        return revoke_tokens(active, ehr=ehr, transport=transport, keys=self._keys, now=now)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()
