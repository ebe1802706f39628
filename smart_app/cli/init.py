"""`init`: commented smart-screening.toml, keys, database."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click

from smart_app.cli.keys import make_missing_keys
from smart_app.cli.lazy import Failure
from smart_app.cli.opening import open_app_database
from smart_app.settings import SettingsError, load_settings
from smart_app.settings.template import FirstAnswers, render_settings_file
from smart_app.storage.migrate import upgrade
from smart_app.storage.schema_version import claim_environment

_IDENTITY = re.compile(r"(Practitioner|PractitionerRole|Person)/[A-Za-z0-9\-.]{1,64}")
_TYPES = ("Practitioner", "PractitionerRole", "Person")


@click.command()
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), default=Path("smart-screening.toml"))
@click.option("--base-url", prompt="Address of the app (https://…)", help="Where browsers reach the app.")
@click.option("--environment", type=click.Choice(["test", "production"]), default="test", show_default=True)
@click.option("--country", default="US", show_default=True, help="ISO 3166-1 code; outside US: --crisis-contact.")
@click.option("--crisis-contact", help="Crisis line as readable text.")
@click.option("--ehr-id", default="ehr", show_default=True, help="Our short name of the EHR.")
@click.option("--ehr-name", prompt="Name of the EHR", help="As clinicians know it.")
@click.option("--fhir-base-url", prompt="FHIR base URL of the EHR", help="As it stands in `iss`.")
@click.option("--client-id", prompt="Client id at the EHR")
@click.option("--profile", default="generic", show_default=True, help="Vendor profile.")
@click.option("--allow-private", multiple=True, metavar="CIDR", help="Private network that the EHR is in.")
@click.option(
    "--signers",
    multiple=True,
    metavar="TYPE|CODE|IDENTITY",
    help="Who signs and closes alerts: a fhirUser type, a role code (system|code), or Practitioner/ID or a subject.",
)
def init(config: Path, signers: tuple[str, ...], **answers: str | tuple[str, ...] | None) -> None:
    """Write the settings file with every setting explained, make the keys, create the database.

    Nothing that exists is overwritten.
    """
    if config.exists():
        raise Failure(f"{config} exists already; it is not overwritten")
    if not signers:
        click.echo("Nobody may sign or close an alert until the site says who. Three ways to name them:")
        click.echo('  a role code such as "http://snomed.info/sct|309343006", Practitioner/ID, or a type: Practitioner')
        typed = click.prompt("Who signs and closes alerts (comma between several, empty: nobody yet)", default="")
        signers = tuple(part.strip() for part in typed.split(",") if part.strip())
    tables = tuple(build_rights_table(signer) for signer in signers)
    first = FirstAnswers(**answers, signers=tables, closers=tables)  # type: ignore[arg-type]  # click gives each its type
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(render_settings_file(first), "utf-8")
    try:
        settings = load_settings(config, os.environ)
    except SettingsError:
        # A file that would not start is not left behind.
        config.unlink()
        raise
    click.echo(f"Wrote {config}.")
    for path in make_missing_keys(settings):
        click.echo(f"Made {path}. Back it up apart from the database: without it nothing can be read.")
    database = open_app_database(settings)
    upgrade(database)
    claim_environment(database, settings.environment)
    database.close()
    click.echo("The database is ready. Next: smart-screening ehr sheet, then smart-screening serve.")


def build_rights_table(signer: str) -> str:
    """Give the inline table of ``[rights]`` for a fhirUser type, a role code, or an identity."""
    if signer in _TYPES:
        return f"{{ fhir_user_type = {json.dumps(signer)} }}"
    if "|" in signer and not _IDENTITY.fullmatch(signer):
        return f"{{ role_codes = [{json.dumps(signer)}] }}"
    return f"{{ identities = [{json.dumps(signer, ensure_ascii=False)}] }}"
