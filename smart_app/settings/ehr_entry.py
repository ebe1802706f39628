"""One ``[[ehr]]`` of the settings, made into ``launch.ehr.Ehr`` entries (SMART App Launch 2.2, "Register App").

An entry with ``sites_file`` stands for many FHIR bases that share one client: the file holds a ``[[site]]`` each.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, IPvAnyNetwork, ValidationError

from launch.ehr import ClientAuth, Ehr, EhrRegistry, NonceRule, SigningAlgorithm
from launch.ehr_profile import get_ehr_profile
from launch.errors import InvalidEhr
from smart_app.settings.errors import Fault
from smart_app.settings.faults import faults_of
from smart_app.settings.sections import EhrOptions, OptionalRead, Section, Text, WritesSection

EhrId = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]


class SiteEntry(Section):
    """One FHIR base of a ``sites_file``."""

    id: EhrId
    name: Text
    fhir_base_url: Text
    aliases: tuple[Text, ...] = ()
    organization: Text | None = None
    organization_name: Text | None = None


class EhrEntry(Section):
    """``[[ehr]]``: one registration at one EHR (meanings of the fields: ``launch.ehr.Ehr``)."""

    id: EhrId
    name: Text
    fhir_base_url: Text | None = None
    sites_file: Path | None = None
    aliases: tuple[Text, ...] = ()
    profile: Text = "generic"
    client_id: Text
    client_auth: ClientAuth = ClientAuth.PUBLIC
    client_secret_file: Path | None = None
    client_secret: str | None = Field(default=None, repr=False)
    signing_alg: SigningAlgorithm = "ES384"
    issuer: Text | None = None
    endpoint_hosts: tuple[Text, ...] = ()
    allow_private: tuple[IPvAnyNetwork, ...] = ()
    require_s256_advertised: bool = True
    nonce: NonceRule = NonceRule.IF_RETURNED
    organization: Text | None = None
    organization_name: Text | None = None
    frame_ancestors: tuple[Text, ...] = ()
    scopes: tuple[Text, ...] = ()
    tenant_required: bool = False
    online_access: bool = False
    reads: tuple[OptionalRead, ...] = ()
    writes: WritesSection = WritesSection()

    def options(self) -> EhrOptions:
        """Give what the app needs of this entry."""
        return EhrOptions(reads=self.reads, writes=self.writes, online_access=self.online_access)


def parse_ehr_entries(
    entries: list[Any], folder: Path, faults: list[Fault]
) -> tuple[tuple[Ehr, ...], dict[str, EhrOptions]]:
    """Read all ``[[ehr]]`` tables, adding what is wrong to ``faults``; give the EHRs and their options by id."""
    ehrs: list[Ehr] = []
    options: dict[str, EhrOptions] = {}
    for index, values in enumerate(entries):
        where = _where(index, values)
        try:
            entry = EhrEntry.model_validate(values)
        except ValidationError as exc:
            faults += faults_of(exc, where)
            continue
        for ehr in _build(entry, folder, where, faults):
            ehrs.append(ehr)
            options[ehr.id] = entry.options()
    try:
        EhrRegistry(ehrs)
    except InvalidEhr as exc:
        faults.append(Fault(where=f"ehr[{exc.ehr_id}].{exc.field}", problem=exc.problem))
    return tuple(ehrs), options


def _where(index: int, values: object) -> str:
    name = values.get("id") if isinstance(values, Mapping) else None
    return f"ehr[{name if isinstance(name, str) else index}]"


def _build(entry: EhrEntry, folder: Path, where: str, faults: list[Fault]) -> Iterator[Ehr]:
    secret = _read_secret(entry, folder, where, faults)
    if (entry.fhir_base_url is None) == (entry.sites_file is None):
        faults.append(Fault(where=where, problem="needs either fhir_base_url or sites_file"))
        return
    for site in _sites(entry, folder, where, faults):
        try:
            yield Ehr(
                id=site.id,
                name=site.name,
                fhir_base_url=site.fhir_base_url,
                aliases=site.aliases,
                client_id=entry.client_id,
                profile=get_ehr_profile(entry.profile),
                client_auth=entry.client_auth,
                client_secret=secret,
                signing_alg=entry.signing_alg,
                issuer=entry.issuer,
                endpoint_hosts=frozenset(entry.endpoint_hosts),
                allow_private=entry.allow_private,
                require_s256_advertised=entry.require_s256_advertised,
                nonce=entry.nonce,
                organization=site.organization,
                organization_name=site.organization_name,
                frame_ancestors=entry.frame_ancestors,
                scopes=entry.scopes,
                tenant_required=entry.tenant_required,
            )
        except InvalidEhr as exc:
            faults.append(Fault(where=f"{where}.{exc.field}" if exc.field else where, problem=exc.problem))


def _read_secret(entry: EhrEntry, folder: Path, where: str, faults: list[Fault]) -> str | None:
    if entry.client_secret_file is None:
        return entry.client_secret
    if entry.client_secret is not None:
        faults.append(Fault(where=f"{where}.client_secret_file", problem="is set, and the environment too"))
        return None
    try:
        secret = (folder / entry.client_secret_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        faults.append(Fault(where=f"{where}.client_secret_file", problem="cannot be read"))
        return None
    if not secret:
        faults.append(Fault(where=f"{where}.client_secret_file", problem="is empty"))
    return secret or None


def _sites(entry: EhrEntry, folder: Path, where: str, faults: list[Fault]) -> Iterator[SiteEntry]:
    if entry.sites_file is None:
        yield SiteEntry(
            id=entry.id,
            name=entry.name,
            fhir_base_url=entry.fhir_base_url or "",
            aliases=entry.aliases,
            organization=entry.organization,
            organization_name=entry.organization_name,
        )
        return
    where = f"{where}.sites_file"
    try:
        sites = tomllib.loads((folder / entry.sites_file).read_text("utf-8")).get("site")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        faults.append(Fault(where=where, problem="cannot be read as TOML"))
        return
    if not isinstance(sites, list) or not sites:
        faults.append(Fault(where=where, problem="holds no [[site]]"))
        return
    for index, site in enumerate(sites):
        try:
            yield SiteEntry.model_validate(site)
        except ValidationError as exc:
            faults += faults_of(exc, f"{where}.site[{index}]")
