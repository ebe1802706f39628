"""The one place where the parts are put together: settings → services → web app (design section 2)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from fhir_mappings.r4 import Coding
from fhir_mappings.systems import LOINC
from fhir_mappings.write_shape import ResourceKind
from launch.ehr import ClientAuth, EhrRegistry
from launch.scopes import Feature
from launch.signing_keys import SigningKeys
from smart_app.chart import ChartCache
from smart_app.connections import Connections
from smart_app.library import load_library
from smart_app.services import EhrRules, Services, SiteRules
from smart_app.settings import EhrOptions, OptionalRead, Settings, SettingsError, WritesSection
from smart_app.settings.errors import Fault
from smart_app.site_rules import build_rights_rules
from smart_app.storage.engine import open_database
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.migrate import check_schema, claim_environment
from smart_app.storage.unit_of_work import Units
from smart_app.version import find_version
from smart_app.writeback.plan import WriteSite

if TYPE_CHECKING:
    from flask import Flask

_READS = {
    OptionalRead.CONDITIONS: Feature.CONDITIONS,
    OptionalRead.MEDICATIONS: Feature.MEDICATIONS,
    OptionalRead.DOCUMENTS: Feature.DOCUMENTS,
}
_SECRET_BYTES = 24


def utc_now() -> datetime:
    """Give the present time, aware, in UTC."""
    return datetime.now(UTC)


def open_units(settings: Settings) -> Units:
    """Open the database at this release's schema and in its environment, with its keys. Raises: StorageError."""
    keys = KeyRing.load(settings.key_file)
    database = open_database(settings.app.database_url)
    check_schema(database)
    claim_environment(database, settings.environment)
    return Units(database, keys)


def build_services(settings: Settings, *, units: Units, clock: Callable[[], datetime] = utc_now) -> Services:
    """Put the services of one process together.

    Raises: SettingsError when an EHR uses private_key_jwt and the signing keys cannot be read; MalformedInstrument.
    """
    ehrs = EhrRegistry(settings.ehrs)
    http = settings.http
    return Services(
        units=units,
        clock=clock,
        new_id=uuid4,
        new_secret=lambda: secrets.token_urlsafe(_SECRET_BYTES),
        random_bytes=secrets.token_bytes,
        library=load_library(settings.instruments.enabled),
        ehrs=ehrs,
        connections=Connections(
            ehrs,
            keys=load_signing_keys(settings),
            proxy=http.proxy,
            ca_file=None if http.ca_file is None else str(http.ca_file),
            timeout=(http.connect_timeout, http.read_timeout),
        ),
        charts=ChartCache(),
        rules=build_site_rules(settings),
        software_version=find_version(),
    )


def build_site_rules(settings: Settings) -> SiteRules:
    """Give what the use cases need of the settings."""
    minutes, hours = settings.sessions.idle_minutes, settings.sessions.absolute_hours
    return SiteRules(
        base_url=settings.app.base_url,
        is_test=settings.environment == "test",
        rights=build_rights_rules(settings.rights),
        crisis=settings.crisis.contact,
        ehrs={ehr.id: _ehr_rules(settings.ehr_options[ehr.id]) for ehr in settings.ehrs},
        idle=timedelta(minutes=minutes),
        absolute=timedelta(hours=hours),
        draft_within=timedelta(hours=settings.practice.draft_hours),
        prorate=settings.instruments.prorate,
    )


def create_app(settings: Settings, *, units: Units | None = None, clock: Callable[[], datetime] = utc_now) -> Flask:
    """Make the web app of one process, after a fork. Raises: SettingsError, StorageError, MalformedInstrument."""
    from smart_app.web.app import WebOptions  # noqa: PLC0415  # the worker needs no Flask
    from smart_app.web.app import create_app as create_web_app  # noqa: PLC0415

    services = build_services(settings, units=units or open_units(settings), clock=clock)
    keys = services.connections.keys
    options = WebOptions(
        secret_key=KeyRing.load(settings.key_file).derive("web"),
        jwks={"keys": []} if keys is None else keys.public_jwks(),
        trusted_proxies=settings.http.trusted_proxies,
    )
    return create_web_app(services, options)


def load_signing_keys(settings: Settings) -> SigningKeys | None:
    """Read our private keys; None where there is no file and no EHR needs it. Raises: SettingsError."""
    path: Path = settings.app.signing_keys_file
    needed = any(ehr.client_auth is ClientAuth.PRIVATE_KEY_JWT for ehr in settings.ehrs)
    try:
        return SigningKeys.from_json(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if not needed:
            return None
        raise SettingsError([Fault(where="app.signing_keys_file", problem="is missing")]) from error
    except OSError as error:
        raise SettingsError([Fault(where="app.signing_keys_file", problem="cannot be read")]) from error


def _ehr_rules(options: EhrOptions) -> EhrRules:
    writes = options.writes
    features = {Feature.BASE, *(_READS[read] for read in options.reads)}
    features |= {
        feature
        for feature, wanted in (
            (Feature.ONLINE_ACCESS, options.online_access),
            (Feature.WRITE_RESPONSES, writes.responses),
            (Feature.WRITE_OBSERVATIONS, writes.observations),
            (Feature.WRITE_NOTES, writes.notes),
            (Feature.WRITE_PROVENANCE, writes.provenance),
        )
        if wanted
    }
    return EhrRules(features=frozenset(features), write_site=_write_site(writes))


def _write_site(writes: WritesSection) -> WriteSite:
    items = writes.observations and writes.item_observations
    kinds = {
        ResourceKind.QUESTIONNAIRE_RESPONSE: writes.responses,
        ResourceKind.OBSERVATION_ITEM: items,
        ResourceKind.OBSERVATION_DIFFICULTY: items,
        ResourceKind.OBSERVATION_TOTAL: writes.observations,
        ResourceKind.OBSERVATION_PANEL: writes.observations,
        ResourceKind.DOCUMENT_REFERENCE: writes.notes,
        ResourceKind.PROVENANCE: writes.provenance,
    }
    return WriteSite(
        kinds=frozenset(kind for kind, wanted in kinds.items() if wanted),
        note_type=_loinc(writes.note_type),
        restricted_note_type=_loinc(writes.restricted_note_type),
    )


def _loinc(code: str | None) -> Coding | None:
    return None if code is None else Coding(system=LOINC, code=code)
