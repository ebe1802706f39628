"""Settings of one simulated EHR, as values; addresses are derived here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox_ehr.backend import READ_SECONDS
from sandbox_ehr.client_authentication import JwksFetcher, fetch_jwks
from sandbox_ehr.errors import InvalidBackend
from sandbox_ehr.fhir_request import Clock, SmartEndpoints
from sandbox_ehr.personas import list_personas, load_persona
from sandbox_ehr.registered_clients import RegisteredClient, demo_clients


def utc_now() -> datetime:
    """Give the present time as an aware UTC datetime."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """What a simulated EHR is made from.

    base_url: absolute, without a trailing slash. persona: the one at `/fhir`; the others are at `/personas/NAME/fhir`,
    over the same
    store. database: a path or `:memory:`. seeded: whether an empty store gets the synthetic patients. require_login:
    ask who the user
    is also in an EHR launch. tenant: given with every token when set. control: whether `/_control/…` takes orders of
    faults. backend_url: FHIR base of an open R4 server that answers in place of the store; seed_backend: whether it
    gets the synthetic patients; backend_seconds: how long it may be silent. fetch_jwks: how clients' JWK Sets are
    fetched. Raises InvalidPersona for an unknown persona, InvalidBackend for another one than `open` with a back end,
    which plays itself, and for an order to seed none.
    """

    base_url: str = "http://127.0.0.1:9000"
    persona: str = "open"
    database: str = ":memory:"
    clients: tuple[RegisteredClient, ...] = field(default_factory=demo_clients)
    seeded: bool = True
    require_login: bool = False
    tenant: str | None = None
    control: bool = False
    backend_url: str | None = None
    seed_backend: bool = False
    backend_seconds: float = READ_SECONDS
    clock: Clock = utc_now
    fetch_jwks: JwksFetcher = fetch_jwks

    def __post_init__(self) -> None:
        load_persona(self.persona)
        if self.backend_url is not None and self.persona != "open":
            raise InvalidBackend("With a FHIR back end there is no persona: it plays itself")
        if self.seed_backend and self.backend_url is None:
            raise InvalidBackend("There is no FHIR back end to seed")

    @property
    def fhir_base_url(self) -> str:
        """The FHIR base of the configured persona: `iss` and `aud` of its launches."""
        return f"{self.base_url}/fhir"

    @property
    def token_endpoint(self) -> str:
        """The address that client assertions must name as `aud`."""
        return f"{self.base_url}/auth/token"

    def fhir_base_urls(self) -> Mapping[str, str]:
        """Give persona → FHIR base, the configured persona first, and alone before a back end."""
        if self.backend_url is not None:
            return {self.persona: self.fhir_base_url}
        others = [name for name in list_personas() if name != self.persona]
        return {self.persona: self.fhir_base_url} | {name: f"{self.base_url}/personas/{name}/fhir" for name in others}

    def smart_endpoints(self) -> SmartEndpoints:
        """Give the addresses of the authorization server."""
        auth = f"{self.base_url}/auth"
        return SmartEndpoints(
            authorize=f"{auth}/authorize",
            token=self.token_endpoint,
            introspect=f"{auth}/introspect",
            revoke=f"{auth}/revoke",
            manage=f"{auth}/manage",
        )
