"""`db upgrade`, `db check`: the schema of the database."""

from __future__ import annotations

from pathlib import Path

import click

from smart_app.cli.opening import config_option, open_app_database, open_settings
from smart_app.storage.migrate import upgrade
from smart_app.storage.schema_version import REVISION, check_schema, claim_environment


@click.group()
def db() -> None:
    """Upgrade or check the database's schema."""


@db.command("upgrade")
@config_option
def upgrade_command(config: Path | None) -> None:
    """Bring the database to this release's schema. Stop the app first."""
    settings = open_settings(config)
    database = open_app_database(settings)
    upgrade(database)
    claim_environment(database, settings.environment)
    click.echo(f"The database is at {REVISION}.")


@db.command("check")
@config_option
def check_command(config: Path | None) -> None:
    """Exit 1 unless the database is at this release's schema and of this environment."""
    settings = open_settings(config)
    database = open_app_database(settings)
    check_schema(database)
    claim_environment(database, settings.environment)
    click.echo(f"The database is at {REVISION}, as this release needs.")
