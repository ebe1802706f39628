"""The registry of EHRs: which ones we talk to, as whom, and where (SMART App Launch 2.2 "Register App"; section "aud").

Only an EHR with an entry here is ever called. `iss` is compared with the entries before any network call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from launch.ehr_profile import EhrProfile
from launch.errors import InvalidEhr, UnknownIssuer
from launch.urls import InvalidUrl, Reference, find_reference, host_and_port, normalize_base_url, split_http_url


class ClientAuth(StrEnum):
    """How we prove who we are at the token endpoint."""

    PUBLIC = "public"
    CLIENT_SECRET_BASIC = "client_secret_basic"  # noqa: S105 - the name of the method, not a secret
    PRIVATE_KEY_JWT = "private_key_jwt"


class NonceRule(StrEnum):
    """Whether an id_token without our nonce is refused. SMART does not demand that an EHR returns it."""

    REQUIRE = "require"
    IF_RETURNED = "if-returned"


# A wider or a broken source would end in the header of every page: no scheme alone, no lone `*`, no path, no `;`.
_HOST_SOURCE = re.compile(r"https?://(?:\*\.)?(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+(?::(?:[0-9]{1,5}|\*))?")
SigningAlgorithm = Literal["ES384", "RS384"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ehr:
    """One registered EHR.

    `aliases`: other spellings of `iss` under which the same FHIR base launches us. `issuer`: `iss` of its id_tokens
    where it is not the one that discovery names. `endpoint_hosts`: `host` or `host:port` of its OAuth endpoints and
    keys; the host of the FHIR base is always allowed. `allow_private`: networks that its names may lead to although
    they are not public; plain http is spoken only there. `scopes`: further scopes asked for at this site.
    `frame_ancestors`: origins of the EHR's pages that may show ours in a frame (CSP 3, host-source).
    `organization`: reference such as `Organization/12`. `tenant_required`: this EHR tells its tenants apart by the
    launch parameter `tenant`, so one must come.
    """

    id: str
    name: str
    fhir_base_url: str
    client_id: str
    profile: EhrProfile
    client_auth: ClientAuth = ClientAuth.PUBLIC
    client_secret: str | None = field(default=None, repr=False)
    signing_alg: SigningAlgorithm = "ES384"
    aliases: tuple[str, ...] = ()
    issuer: str | None = None
    endpoint_hosts: frozenset[str] = frozenset()
    allow_private: tuple[IPv4Network | IPv6Network, ...] = ()
    require_s256_advertised: bool = True
    nonce: NonceRule = NonceRule.IF_RETURNED
    organization: str | None = None
    organization_name: str | None = None
    frame_ancestors: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    tenant_required: bool = False

    def __post_init__(self) -> None:
        """Refuse an entry that could not work. Raises InvalidEhr."""
        for name in ("id", "name", "client_id"):
            if not getattr(self, name):
                raise InvalidEhr("is empty", ehr_id=self.id, field=name)
        for base in (self.fhir_base_url, *self.aliases):
            try:
                normalize_base_url(base)
            except InvalidUrl as exc:
                raise InvalidEhr(str(exc), ehr_id=self.id, field="fhir_base_url") from exc
        if split_http_url(self.fhir_base_url).scheme == "http" and not self.allow_private:
            raise InvalidEhr("plain http needs allow_private", ehr_id=self.id, field="fhir_base_url")
        if (self.client_auth is ClientAuth.CLIENT_SECRET_BASIC) != bool(self.client_secret):
            raise InvalidEhr(
                "belongs to client_secret_basic and to nothing else", ehr_id=self.id, field="client_secret"
            )
        if self.signing_alg not in ("ES384", "RS384"):
            raise InvalidEhr("must be ES384 or RS384", ehr_id=self.id, field="signing_alg")
        if self.organization is not None:
            reference = find_reference(self.organization, fhir_base_url=self.fhir_base_url)
            if reference is None or reference.resource_type != "Organization":
                raise InvalidEhr("is not a reference to an Organization here", ehr_id=self.id, field="organization")
        self._check_hosts()

    def _check_hosts(self) -> None:
        for source in self.frame_ancestors:
            if _HOST_SOURCE.fullmatch(source) is None:
                raise InvalidEhr(
                    "is not an origin such as https://ehr.example", ehr_id=self.id, field="frame_ancestors"
                )
        for host in self.endpoint_hosts:
            try:
                plain = split_http_url(f"https://{host}/").netloc == host and not host.endswith(":")
            except InvalidUrl as exc:
                raise InvalidEhr("is not host or host:port", ehr_id=self.id, field="endpoint_hosts") from exc
            if not plain:
                raise InvalidEhr("is not host or host:port", ehr_id=self.id, field="endpoint_hosts")

    def allows_endpoint(self, url: str) -> bool:
        """Whether host and port of `url` are those of the FHIR base or of `endpoint_hosts`."""
        try:
            target, scheme = host_and_port(url), split_http_url(url).scheme
        except InvalidUrl:
            return False
        if scheme == "http" and not self.allow_private:
            return False
        if scheme == split_http_url(self.fhir_base_url).scheme and target == host_and_port(self.fhir_base_url):
            return True
        return any(target == host_and_port(f"{scheme}://{host}/") for host in self.endpoint_hosts)

    def find_reference(self, text: str) -> Reference | None:
        """Read a reference on this EHR, relative or below its base or one of its aliases; None for anything else."""
        found = (find_reference(text, fhir_base_url=base) for base in (self.fhir_base_url, *self.aliases))
        return next((reference for reference in found if reference is not None), None)


class EhrRegistry:
    """The EHRs of this installation, found by `iss` or by id. Immutable."""

    def __init__(self, ehrs: Iterable[Ehr]) -> None:
        """Raise InvalidEhr when two entries share an id or a base URL."""
        self._by_id: dict[str, Ehr] = {}
        self._by_base: dict[str, Ehr] = {}
        for ehr in ehrs:
            if ehr.id in self._by_id:
                raise InvalidEhr("is used twice", ehr_id=ehr.id, field="id")
            self._by_id[ehr.id] = ehr
            for base in {normalize_base_url(base) for base in (ehr.fhir_base_url, *ehr.aliases)}:
                if base in self._by_base:
                    raise InvalidEhr("is registered twice", ehr_id=ehr.id, field="fhir_base_url")
                self._by_base[base] = ehr

    def __iter__(self) -> Iterator[Ehr]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, ehr_id: str) -> Ehr:
        """Return the entry with this id. Raises UnknownIssuer."""
        try:
            return self._by_id[ehr_id]
        except KeyError as exc:
            raise UnknownIssuer("there is no such entry", field="ehr_id") from exc

    def get_by_iss(self, iss: str) -> Ehr:
        """Return the entry whose FHIR base or alias is `iss`, normalized; no network. Raises UnknownIssuer."""
        try:
            return self._by_base[normalize_base_url(iss)]
        except (InvalidUrl, KeyError) as exc:
            raise UnknownIssuer("is not registered", field="iss") from exc
