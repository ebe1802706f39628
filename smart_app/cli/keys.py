"""`keys new`, `keys rotate`: the keys that seal what is stored, chain the audit and sign for EHRs."""

from __future__ import annotations

from pathlib import Path

import click

from launch.errors import InvalidSigningKeys
from launch.signing_keys import SigningKeys
from smart_app.cli.lazy import Failure
from smart_app.cli.opening import config_option, open_app_units, open_settings, utc_now
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.secret_file import write_secret_file
from smart_app.settings import Settings
from smart_app.storage.key_ring import KeyEnd, KeyRing
from smart_app.storage.sealing_keys import seal_anew
from smart_app.storage.unit_of_work import Units


@click.group()
def keys() -> None:
    """Make or rotate the app's keys."""


@keys.command("new")
@config_option
def new_command(config: Path | None) -> None:
    """Make the key files that are missing; none is ever overwritten."""
    for path in make_missing_keys(open_settings(config)):
        click.echo(f"Made {path}. Back it up apart from the database: without it nothing can be read.")


def make_missing_keys(settings: Settings) -> list[Path]:
    """Make key ring and signing keys where there are none; give the files made."""
    now, made = utc_now(), []
    if not settings.app.key_file.exists():
        KeyRing.generate(now).save(settings.app.key_file)
        made.append(settings.app.key_file)
    if not settings.app.signing_keys_file.exists():
        write_secret_file(settings.app.signing_keys_file, SigningKeys.generate(now).to_json())
        made.append(settings.app.signing_keys_file)
    return made


@keys.command("rotate")
@click.option("--signing", is_flag=True, help="Rotate the keys that sign for EHRs; otherwise those of the database.")
@config_option
def rotate_command(config: Path | None, *, signing: bool) -> None:
    """Put a new key into use. Restart the app afterwards.

    Database: everything is sealed with the new key; the old one stays until `keys retire`, after the restart.
    Signing: the new key is published at once and signs after a day; keys replaced a week ago go.
    """
    settings = open_settings(config)
    if signing:
        _rotate_signing_keys(settings.app.signing_keys_file)
        click.echo("New signing keys are published now and sign in a day. Restart the app.")
        return
    units = open_app_units(settings)
    ring = KeyRing.load(settings.app.key_file).rotate(utc_now())
    # The new key is on disk before the first value needs it; the old ones stay, for processes still running.
    ring.save(settings.app.key_file)
    changed = seal_anew(units.database, ring)
    with Units(units.database, ring).write() as unit:
        unit.audit.append(AuditEvent(action=AuditAction.KEYS_ROTATED, at=utc_now(), detail={"resealed": changed}))
        unit.commit()
    click.echo(f"{changed} values are sealed with the new key {ring.sealing[0].id}. Restart the app.")


@keys.command("retire")
@config_option
def retire_command(config: Path | None) -> None:
    """Take the old database keys away, after everything was sealed anew and every process restarted.

    Old audit keys stay to verify the rows that they made; a row or head made with one from now on is a fault.
    """
    settings = open_settings(config)
    units = open_app_units(settings)
    ring = KeyRing.load(settings.app.key_file)
    changed = seal_anew(units.database, ring)
    with units.write() as unit:
        retired = AuditEvent(action=AuditAction.KEYS_RETIRED, at=utc_now(), detail={"keys": len(ring.audit) - 1})
        unit.audit.append(retired)
        unit.commit()
    # The row just written is of the new key and covers all before it: from there on the old ones prove nothing.
    with units.read() as unit:
        end = unit.audit.get_end()
    ring.retire(KeyEnd(seq=end.seq, mac=end.mac)).save(settings.app.key_file)
    click.echo(f"{changed} values were still to be sealed anew; {len(ring.sealing) - 1} old keys are gone.")


def _rotate_signing_keys(path: Path) -> None:
    try:
        signing = SigningKeys.from_json(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, InvalidSigningKeys) as exc:
        raise Failure(f"the signing keys {path} cannot be read") from exc
    now = utc_now()
    write_secret_file(path, signing.rotate(now).prune(now).to_json())
