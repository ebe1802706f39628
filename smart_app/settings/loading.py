"""File and environment into Settings, naming every fault at once (design: "Settings")."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from launch.ehr import Ehr
from smart_app.settings.ehr_entry import EhrEntry, parse_ehr_entries
from smart_app.settings.errors import Fault, SettingsError
from smart_app.settings.faults import faults_of
from smart_app.settings.overrides import CONFIG, apply_overrides
from smart_app.settings.sections import (
    US_CRISIS_CONTACT,
    AlertsSection,
    AppSection,
    CrisisSection,
    EhrOptions,
    HttpSection,
    InstrumentsSection,
    LogsSection,
    PracticeSection,
    RetentionSection,
    RightsSection,
    Section,
    SessionsSection,
)

DEFAULT_PATH = Path("smart-screening.toml")
SECTIONS: dict[str, type[Section]] = {
    "app": AppSection,
    "http": HttpSection,
    "sessions": SessionsSection,
    "rights": RightsSection,
    "instruments": InstrumentsSection,
    "practice": PracticeSection,
    "alerts": AlertsSection,
    "crisis": CrisisSection,
    "retention": RetentionSection,
    "logs": LogsSection,
}
_SQLITE = "sqlite:///"
_Section = TypeVar("_Section", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one installation, checked. ``ehr_options`` has an entry for each of ``ehrs``, by id.

    ``client_secret_files``: those that were read.
    """

    app: AppSection
    ehrs: tuple[Ehr, ...]
    ehr_options: Mapping[str, EhrOptions]
    http: HttpSection
    sessions: SessionsSection
    rights: RightsSection
    instruments: InstrumentsSection
    practice: PracticeSection
    alerts: AlertsSection
    crisis: CrisisSection
    retention: RetentionSection
    logs: LogsSection
    client_secret_files: tuple[Path, ...] = ()

    @property
    def environment(self) -> str:
        """``test`` or ``production``; the two never share a database."""
        return self.app.environment

    @property
    def key_file(self) -> Path:
        """The key ring's file."""
        return self.app.key_file


def find_settings_path(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Tell where the file is: as given, else ``SMART_SCREENING_CONFIG``, else ./smart-screening.toml."""
    return path or Path(environ.get(CONFIG) or DEFAULT_PATH)


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the file and the environment. Raises SettingsError with every fault."""
    path = find_settings_path(path, environ)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        fault = Fault(where=str(path), problem="cannot be read; `smart-screening init` writes one")
        raise SettingsError([fault]) from exc
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError([Fault(where=str(path), problem=f"is not TOML: {exc}")]) from exc
    return parse_settings(values, environ, folder=path.resolve().parent)


def parse_settings(values: Mapping[str, Any], environ: Mapping[str, str], *, folder: Path) -> Settings:
    """Make Settings of a file's values; relative paths start at ``folder``. Raises SettingsError with every fault."""
    faults = _check_file(values)
    merged = apply_overrides(dict(values), environ, SECTIONS, EhrEntry, faults)
    entries = merged.pop("ehr", [])
    for name in sorted(merged.keys() - SECTIONS.keys()):
        faults.append(Fault(where=name, problem="is not a section"))
    if not isinstance(entries, list) or not entries:
        faults.append(Fault(where="ehr", problem="at least one [[ehr]] is needed"))
        entries = []
    app = _section(AppSection, "app", merged, faults)
    crisis = _crisis(merged, faults)
    ehrs, options = parse_ehr_entries(entries, folder, faults)
    http = _section(HttpSection, "http", merged, faults)
    sessions = _section(SessionsSection, "sessions", merged, faults)
    rights = _section(RightsSection, "rights", merged, faults)
    instruments = _section(InstrumentsSection, "instruments", merged, faults)
    practice = _section(PracticeSection, "practice", merged, faults)
    alerts = _section(AlertsSection, "alerts", merged, faults)
    retention = _section(RetentionSection, "retention", merged, faults)
    logs = _section(LogsSection, "logs", merged, faults)
    faults += _check_rights(rights, ehrs)
    if http is not None and http.ca_file is not None and not (folder / http.ca_file).is_file():
        faults.append(Fault(where="http.ca_file", problem="there is no such file"))
    if instruments and "folder" in instruments.model_fields_set and not (folder / instruments.folder).is_dir():
        faults.append(Fault(where="instruments.folder", problem="there is no such folder"))
    if (
        faults
        or not (app and crisis and http and sessions and rights)
        or not (instruments and practice and alerts and retention and logs)
    ):
        raise SettingsError(faults)
    return Settings(
        app=_anchor_paths(app, folder),
        ehrs=ehrs,
        ehr_options=options,
        http=http if http.ca_file is None else http.model_copy(update={"ca_file": folder / http.ca_file}),
        sessions=sessions,
        rights=rights,
        instruments=instruments.model_copy(update={"folder": folder / instruments.folder}),
        practice=practice,
        alerts=alerts,
        crisis=crisis,
        retention=retention,
        logs=logs,
        client_secret_files=tuple(folder / str(e["client_secret_file"]) for e in entries if "client_secret_file" in e),
    )


def _check_file(values: Mapping[str, Any]) -> list[Fault]:
    entries = values.get("ehr")
    faults = [
        Fault(
            where=f"{section}.{key}",
            problem=f"a password is never in this file: use SMART_SCREENING_{section.upper()}_{key.upper()}",
        )
        for section, key in (("app", "database_url"), ("http", "proxy"))
        if isinstance(table := values.get(section), Mapping) and _has_password(table.get(key))
    ]
    return faults + [
        Fault(
            where=f"ehr[{entry.get('id', index)}].client_secret",
            problem="a secret is never in this file: use client_secret_file or the environment",
        )
        for index, entry in enumerate(entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and "client_secret" in entry
    ]


def _has_password(url: object) -> bool:
    try:
        return isinstance(url, str) and urlsplit(url).password is not None
    except ValueError:
        return False  # no URL at all: that is said of the setting itself


def _section(kind: type[_Section], name: str, values: Mapping[str, Any], faults: list[Fault]) -> _Section | None:
    try:
        return kind.model_validate(values.get(name, {}))
    except ValidationError as exc:
        faults += faults_of(exc, name)
        return None


def _crisis(values: Mapping[str, Any], faults: list[Fault]) -> CrisisSection | None:
    app = values.get("app")
    country = app.get("country", "US") if isinstance(app, Mapping) else "US"
    if "crisis" in values:
        return _section(CrisisSection, "crisis", values, faults)
    if country == "US":
        return CrisisSection(contact=US_CRISIS_CONTACT)
    faults.append(
        Fault(where="crisis.contact", problem="is missing: outside the US the site must name its crisis line")
    )
    return None


def _check_rights(rights: RightsSection | None, ehrs: tuple[Ehr, ...]) -> list[Fault]:
    if rights is None:
        return []
    known = {ehr.id for ehr in ehrs}
    faults = []
    for name, entries in rights:
        for index, entry in enumerate(entries):
            if entry.ehr is not None and entry.ehr not in known:
                faults.append(Fault(where=f"rights.{name}[{index}].ehr", problem="there is no such [[ehr]]"))
            if entry.supervisor is not None and name != "sign":
                faults.append(Fault(where=f"rights.{name}[{index}].supervisor", problem="belongs to sign only"))
            elif entry.supervisor is not None and not rights.co_sign:
                problem = "the signature would wait for ever: name the supervisor in co_sign too"
                faults.append(Fault(where=f"rights.{name}[{index}].supervisor", problem=problem))
    return faults


def _anchor_paths(app: AppSection, folder: Path) -> AppSection:
    update: dict[str, Any] = {
        "key_file": folder / app.key_file,
        "signing_keys_file": folder / app.signing_keys_file,
    }
    if app.database_url.startswith(_SQLITE):
        update["database_url"] = _SQLITE + str(folder / app.database_url.removeprefix(_SQLITE))
    return app.model_copy(update=update)
