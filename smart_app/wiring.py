"""The one place where the parts are put together: settings → services → web app (design section 2)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from fhir_mappings.errors import UnknownFigure
from fhir_mappings.site_choice import SiteChoice
from launch.ehr import ClientAuth, EhrRegistry
from launch.signing_keys import SigningKeys
from smart_app.chart import ChartCache
from smart_app.connections import Connections
from smart_app.library import Library, NotOffered, load_library
from smart_app.services import Services
from smart_app.settings import Settings, SettingsError
from smart_app.settings.errors import Fault
from smart_app.site_rules import build_site_choice, build_site_rules
from smart_app.storage.key_ring import KeyRing
from smart_app.storage.opening import open_units
from smart_app.storage.unit_of_work import Units
from smart_app.version import find_version

if TYPE_CHECKING:
    from flask import Flask

_SECRET_BYTES = 24


def utc_now() -> datetime:
    """Give the present time, aware, in UTC."""
    return datetime.now(UTC)


def build_services(settings: Settings, *, units: Units, clock: Callable[[], datetime] = utc_now) -> Services:
    """Put the services of one process together.

    Raises: SettingsError when an EHR uses private_key_jwt and the signing keys cannot be read, when an instrument is
    offered that there is not or whose language the site does not list, or when a chosen figure is not published;
    SiteFileError; MalformedInstrument.
    """
    library, rules = _load_library(settings).with_fetched(partial(find_fetched, units)), build_site_rules(settings)
    unworded = [instrument.id for instrument in library if not rules.languages_of(instrument)]
    if unworded:
        problem = f"lists no language in which these are worded: {', '.join(unworded)}"
        raise SettingsError([Fault(where="instruments.languages", problem=problem)])
    ehrs = EhrRegistry(settings.ehrs)
    http = settings.http
    return Services(
        units=units,
        clock=clock,
        new_id=uuid4,
        new_secret=lambda: secrets.token_urlsafe(_SECRET_BYTES),
        random_bytes=secrets.token_bytes,
        library=library,
        ehrs=ehrs,
        connections=Connections(
            ehrs,
            keys=load_signing_keys(settings),
            proxy=http.proxy,
            ca_file=None if http.ca_file is None else str(http.ca_file),
            timeout=(http.connect_timeout, http.read_timeout),
        ),
        charts=ChartCache(),
        rules=rules,
        software_version=find_version(),
    )


def find_fetched(units: Units, questionnaire_id: str) -> bytes | None:
    """Give a Questionnaire that was fetched from an EHR, by this process or another."""
    with units.read() as unit:
        return unit.questionnaires.find(questionnaire_id)


def _load_library(settings: Settings) -> Library:
    """Read the instruments, each choice of the site on its own first, so that every fault is named at once."""
    try:
        library = load_library(settings.instruments.enabled, settings.instruments.folder)
    except NotOffered as error:
        raise SettingsError([Fault(where="instruments.enabled", problem=str(error))]) from error
    choice = build_site_choice(settings.instruments)
    single = [(f"cutoffs.{name}", SiteChoice(cutoffs={name: points})) for name, points in choice.cutoffs.items()]
    single += [
        (f"change_figures.{name}.{kind}", SiteChoice(figures={name: {kind: figure}}))
        for name, figures in choice.figures.items()
        for kind, figure in figures.items()
    ]
    faults = []
    for where, one in single:
        try:
            library.choose(one)
        except UnknownFigure as error:
            faults.append(Fault(where=f"instruments.{where}", problem=f"{error.problem}: docs/instruments.md has them"))
    if faults:
        raise SettingsError(faults)
    return library.choose(choice)


def create_app(settings: Settings, *, units: Units | None = None, clock: Callable[[], datetime] = utc_now) -> Flask:
    """Make the web app of one process, after a fork. Raises: SettingsError, StorageError, MalformedInstrument."""
    from smart_app.web.app import WebOptions  # noqa: PLC0415  # the worker needs no Flask
    from smart_app.web.app import create_app as create_web_app  # noqa: PLC0415  # the same

    services = build_services(settings, units=units or open_units(settings), clock=clock)
    options = WebOptions(
        secret_key=KeyRing.load(settings.key_file).derive("web"),
        trusted_proxies=settings.http.trusted_proxies,
    )
    return create_web_app(services, options)


def load_signing_keys(settings: Settings) -> SigningKeys | None:
    """Read our private keys; None where there is no file and no EHR needs it. Raises: SettingsError."""
    path: Path = settings.app.signing_keys_file
    needed = any(ehr.client_auth is ClientAuth.PRIVATE_KEY_JWT for ehr in settings.ehrs)
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise SettingsError([Fault(where="app.signing_keys_file", problem="may be read by others: chmod 600")])
        return SigningKeys.from_json(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if not needed:
            return None
        raise SettingsError([Fault(where="app.signing_keys_file", problem="is missing")]) from error
    except OSError as error:
        raise SettingsError([Fault(where="app.signing_keys_file", problem="cannot be read")]) from error
