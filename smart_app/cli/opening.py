"""What most commands begin with: read the settings, open the database with its keys."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from smart_app.settings import Settings
    from smart_app.storage.engine import Database
    from smart_app.storage.unit_of_work import Units

config_option = click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings file (default: SMART_SCREENING_CONFIG, else ./smart-screening.toml).",
)


def utc_now() -> datetime:
    """Give the present time, aware, in UTC."""
    return datetime.now(UTC)


def open_settings(config: Path | None) -> Settings:
    """Read the settings. Raises SettingsError, which names every fault."""
    from smart_app.settings import load_settings  # noqa: PLC0415  # commands import when called

    return load_settings(config, os.environ)


def open_app_database(settings: Settings) -> Database:
    """Open the database of the settings, whatever its schema. Raises StorageError."""
    from smart_app.storage.engine import open_database  # noqa: PLC0415  # commands import when called

    return open_database(settings.app.database_url)


def open_app_units(settings: Settings) -> Units:
    """Open the database at this release's schema, with its keys, and the log, which gets every new head of the audit.

    Raises StorageError.
    """
    from smart_app.logs import set_up_logs  # noqa: PLC0415  # commands import when called
    from smart_app.storage.opening import open_units  # noqa: PLC0415  # the same

    set_up_logs(settings.logs.format, settings.logs.level)
    return open_units(settings)
