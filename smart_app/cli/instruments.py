"""`instruments list|show|check|export`: the library, and the lint of a site's own instrument."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fhir_mappings.errors import MalformedInstrument, MappingError
from fhir_mappings.instrument import Instrument, parse_instrument
from fhir_mappings.r4 import format_json
from smart_app.cli.lazy import Failure
from smart_app.instrument_lint import Finding, check_instrument
from smart_app.library import load_library

_LARGEST = 5 * 1024 * 1024


@click.group()
def instruments() -> None:
    """List, show, check or export instruments."""


@instruments.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_command(*, as_json: bool) -> None:
    """List the instruments that ship."""
    found = [
        {"id": instrument.id, "version": instrument.version, "title": instrument.title, "language": instrument.language}
        for instrument in load_library()
    ]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for entry in found:
        click.echo(f"{entry['id']:<12} {entry['version']:<8} {entry['language']:<6} {entry['title']}")


@instruments.command("show")
@click.argument("instrument_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the FHIR Bundle.")
def show_command(instrument_id: str, *, as_json: bool) -> None:
    """Show one instrument: items, scores with bands and cut-offs, risk rules, licence line."""
    instrument = _get(instrument_id)
    if as_json:
        click.echo(format_json(instrument.bundle))
        return
    click.echo("\n".join(describe(instrument)))


@instruments.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check_command(file: Path, *, as_json: bool) -> None:
    """Check a site's own instrument Bundle; exit 1 when it cannot be used."""
    if file.stat().st_size > _LARGEST:
        raise Failure(f"{file} is longer than {_LARGEST} bytes")
    try:
        findings = check_instrument(parse_instrument(file.read_bytes()))
    except MappingError as exc:
        code = exc.code if isinstance(exc, MalformedInstrument) else f"unreadable: {exc.code}"
        findings = (Finding(grade="ERROR", where=exc.expression, text=f"{code}: {exc.problem}"),)
    if as_json:
        click.echo(json.dumps([{"grade": f.grade, "where": f.where, "text": f.text} for f in findings]))
    else:
        for finding in findings:
            click.echo(f"{finding.grade:<8} {finding.where}: {finding.text}")
        click.echo(f"{file}: {'usable' if _is_usable(findings) else 'NOT usable'}, {len(findings)} findings")
    if not _is_usable(findings):
        raise SystemExit(1)


@instruments.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def export_command(folder: Path) -> None:
    """Write every definition as FHIR JSON into DIR, one file per resource and one Bundle per instrument."""
    folder.mkdir(parents=True, exist_ok=True)
    for instrument in load_library():
        _write(folder / f"Bundle-{instrument.id}.json", instrument.bundle)
        for entry in instrument.bundle["entry"]:
            resource = entry["resource"]
            _write(folder / f"{resource['resourceType']}-{resource['id']}.json", resource)
    click.echo(f"Wrote {len(list(folder.glob('*.json')))} files into {folder}.")


def describe(instrument: Instrument) -> list[str]:
    """Give the instrument as lines of plain text."""
    low, high = instrument.age_range
    lines = [
        f"{instrument.title} ({instrument.id}, version {instrument.version}, {instrument.language})",
        f"Canonical  {instrument.canonical}",
        f"Ages       {low if low is not None else 'any'} to {high if high is not None else 'any'}",
        f"Licence    {instrument.attribution}",
        "",
        instrument.instruction,
        "",
    ]
    for item in instrument.items:
        marks = "".join((" *" if item.required else "", " [risk]" if item.risk else ""))
        lines.append(f"{item.number or '-':>3}  {item.link_id}{marks}  {item.text}")
    for score in instrument.scores:
        lines += ["", f"{score.label}: {score.range[0]} to {score.range[1]}"]
        lines += [f"  {band.min} to {band.max}  {band.label}" for band in score.bands]
        lines += [f"  at least {cutoff.at_least}: {cutoff.meaning} ({cutoff.source})" for cutoff in score.cutoffs]
    lines += ["", *(f"Risk: {rule.reason} ({rule.level}; {rule.source})" for rule in instrument.risk_rules)]
    if not instrument.asks_about_suicide:
        lines.append("Risk: suicide not asked")
    return lines


def _get(instrument_id: str) -> Instrument:
    library = load_library()
    instrument = library.find(instrument_id)
    if instrument is None:
        raise Failure(f"there is no instrument {instrument_id}; there are {', '.join(i.id for i in library)}")
    return instrument


def _is_usable(findings: tuple[Finding, ...]) -> bool:
    return all(finding.grade != "ERROR" for finding in findings)


def _write(path: Path, resource: object) -> None:
    path.write_text(format_json(resource) + "\n", "utf-8")
