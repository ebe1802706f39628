"""`ehr list|check|sheet`: the registry, the graded self-test, the registration sheet."""

from __future__ import annotations

import html
import ipaddress
import json
from pathlib import Path
from urllib.parse import urlsplit

import click

from launch.capabilities import fetch_capabilities
from launch.discovery import fetch_smart_configuration
from launch.documents import DocumentCache
from launch.ehr import Ehr, EhrRegistry
from launch.ehr_profile import get_ehr_profile, profile_names
from launch.errors import InvalidEhr, LaunchError, UnknownIssuer
from launch.scopes import Feature
from launch.transport import Transport
from smart_app.cli.lazy import Failure
from smart_app.cli.opening import config_option, open_settings, utc_now
from smart_app.ehr_check import Check, Grade, check_capabilities, check_configuration, check_failure, worst
from smart_app.registration import build_registration_sheet, render_markdown
from smart_app.settings import EhrOptions, Settings, SettingsError
from smart_app.settings.sections import LOOPBACK
from smart_app.site_rules import build_site_rules


@click.group()
def ehr() -> None:
    """List the registered EHRs, check one, print the registration sheet."""


@ehr.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@config_option
def list_command(config: Path | None, *, as_json: bool) -> None:
    """List the EHRs of the settings, and the vendor profiles that ship."""
    settings = open_settings(config)
    entries = [
        {
            "id": entry.id,
            "name": entry.name,
            "fhirBaseUrl": entry.fhir_base_url,
            "profile": entry.profile.name,
            "clientAuth": str(entry.client_auth),
        }
        for entry in settings.ehrs
    ]
    if as_json:
        click.echo(json.dumps({"ehrs": entries, "profiles": list(profile_names())}, ensure_ascii=False))
        return
    for entry in entries:
        click.echo("  ".join(entry.values()))
    click.echo(f"Profiles: {', '.join(profile_names())}")


@ehr.command("check")
@click.argument("fhir_base_url")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as HTML too.")
@click.option("--profile", default="generic", show_default=True, help="Vendor profile, for a base not in the settings.")
@config_option
def check_command(config: Path | None, fhir_base_url: str, report: Path | None, profile: str, *, as_json: bool) -> None:
    """Read what an EHR publishes and grade it: OK, WARNING, ERROR, each with its reason. Exit 1 for an ERROR.

    No patient, no token: only the SMART configuration and the CapabilityStatement are read.
    """
    entry, options = _find_entry(config, fhir_base_url, profile)
    checks = run_checks(entry, options)
    grade = worst(checks)
    if as_json:
        values = [{"name": c.name, "grade": c.grade, "reason": c.reason, "remedy": c.remedy} for c in checks]
        click.echo(json.dumps({"fhirBaseUrl": entry.fhir_base_url, "grade": grade, "checks": values}))
    else:
        for check in checks:
            click.echo(f"{check.grade:<8} {check.name}: {check.reason}")
            if check.remedy:
                click.echo(f"         → {check.remedy}")
        click.echo(f"{entry.fhir_base_url}: {grade}")
    if report is not None:
        report.write_text(render_report(entry.fhir_base_url, checks), "utf-8")
    if grade is Grade.ERROR:
        raise SystemExit(1)


@ehr.command("sheet")
@click.option("--vendor", type=click.Choice(profile_names()), help="For one vendor's EHR, with what we know of it.")
@config_option
def sheet_command(config: Path | None, vendor: str | None) -> None:
    """Print what the EHR's IT needs to register the app, as Markdown."""
    settings = open_settings(config)
    rules = build_site_rules(settings)
    features = frozenset[Feature]().union(*(rules.features_at(entry.id) for entry in settings.ehrs))
    profile = None if vendor is None else get_ehr_profile(vendor)
    extra = sorted({scope for entry in settings.ehrs for scope in entry.scopes})
    sheet = build_registration_sheet(settings.app.base_url, features, profile=profile, extra_scopes=extra)
    click.echo(render_markdown(sheet), nl=False)


def run_checks(entry: Ehr, options: EhrOptions) -> tuple[Check, ...]:
    """Read both documents of an EHR, and grade what could be read."""
    transport, cache, now = Transport(entry), DocumentCache(), utc_now()
    checks: list[Check] = []
    try:
        try:
            configuration = fetch_smart_configuration(entry, transport, cache, now)
            checks += check_configuration(entry, configuration, options.features)
        except LaunchError as exc:
            checks.append(check_failure("SMART configuration", exc))
        try:
            checks += check_capabilities(entry, fetch_capabilities(entry, transport, cache, now))
        except LaunchError as exc:
            checks.append(check_failure("CapabilityStatement", exc))
    finally:
        transport.close()
    return tuple(checks)


def render_report(fhir_base_url: str, checks: tuple[Check, ...]) -> str:
    """Give the report as one HTML page that needs nothing else."""
    rows = "\n".join(
        f"<tr><td>{check.grade}</td><th scope=row>{html.escape(check.name)}</th>"
        f"<td>{html.escape(check.reason)}</td><td>{html.escape(check.remedy)}</td></tr>"
        for check in checks
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>EHR check</title>
<style>body {{ font: 16px/1.5 system-ui; margin: 2rem }} td, th {{ padding: .3rem .8rem; text-align: left }}</style>
</head><body><h1>EHR check: {html.escape(fhir_base_url)}</h1><p>Overall: <strong>{worst(checks)}</strong></p>
<table><thead><tr><th>Grade</th><th>Check</th><th>Reason</th><th>What to do</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def _find_entry(config: Path | None, fhir_base_url: str, profile: str) -> tuple[Ehr, EhrOptions]:
    """Take the entry of the settings for this base; without one, an entry just for this check."""
    settings = _find_settings(config)
    if settings is not None:
        try:
            entry = EhrRegistry(settings.ehrs).get_by_iss(fhir_base_url)
        except UnknownIssuer:
            pass
        else:
            return entry, settings.ehr_options[entry.id]
    host = urlsplit(fhir_base_url).hostname or ""
    # A server on this machine is what a developer checks; other private addresses need an entry.
    loopback = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")) if host in LOOPBACK else ()
    try:
        entry = Ehr(
            id="checked",
            name=host or "checked",
            fhir_base_url=fhir_base_url,
            client_id="ehr-check",
            profile=get_ehr_profile(profile),
            allow_private=loopback,
        )
    except InvalidEhr as exc:
        raise Failure(f"{exc.field}: {exc.problem}") from exc
    return entry, EhrOptions()


def _find_settings(config: Path | None) -> Settings | None:
    try:
        return open_settings(config)
    except SettingsError:
        if config is not None:
            raise
        return None
