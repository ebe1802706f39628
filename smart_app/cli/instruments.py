"""`instruments list|show|check|export`: the library, and the lint of a site's own instrument."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from fhir_mappings.instrument import Instrument, ScoreDefinition
from fhir_mappings.r4 import format_json
from smart_app.cli.lazy import Failure
from smart_app.instrument_lint import check_shape, is_usable, lint_instrument
from smart_app.library import Library, load_catalog, read_own_definitions
from smart_app.licensed_text import find_missing_text

_LARGEST = 5 * 1024 * 1024


@click.group()
def instruments() -> None:
    """List, show, check or export instruments."""


_folder = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The site's own instruments and licensed texts (`[instruments] folder`).",
)


@instruments.command("list")
@_folder
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_command(folder: Path | None, *, as_json: bool) -> None:
    """List the instruments, and which of them need their licensed text before they can be given."""
    found = [
        {
            "id": instrument.id,
            "version": instrument.version,
            "title": instrument.title,
            "language": instrument.language,
            "needs_text": list(find_missing_text(instrument.bundle)),
        }
        for instrument in load_catalog(folder)
    ]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for entry in found:
        mark = "needs text" if entry["needs_text"] else ""
        click.echo(f"{entry['id']:<22} {entry['version']:<8} {entry['language']:<6} {mark:<11} {entry['title']}")


@instruments.command("show")
@click.argument("instrument_id", metavar="ID")
@_folder
@click.option("--json", "as_json", is_flag=True, help="Print the FHIR Bundle.")
def show_command(instrument_id: str, folder: Path | None, *, as_json: bool) -> None:
    """Show one instrument: items, scores with bands and cut-offs, risk rules, licence line."""
    instrument = _get(instrument_id, load_catalog(folder))
    if as_json:
        click.echo(format_json(instrument.bundle))
        return
    click.echo("\n".join(describe(instrument)))


@instruments.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check_command(file: Path, *, as_json: bool) -> None:
    """Check a site's own instrument, a Bundle or a bare R4 Questionnaire; exit 1 when it cannot be used."""
    if file.stat().st_size > _LARGEST:
        raise Failure(f"{file} is longer than {_LARGEST} bytes")
    body = file.read_bytes()
    findings = lint_instrument(body)
    if is_usable(findings):
        findings = (*check_shape(body), *findings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            click.echo(f"{finding.grade:<8} {finding.code}  {finding.where}: {finding.text}")
        click.echo(f"{file}: {'usable' if is_usable(findings) else 'NOT usable'}, {len(findings)} findings")
    if not is_usable(findings):
        raise SystemExit(1)


@instruments.command("export")
@click.argument("target", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@_folder
def export_command(target: Path, folder: Path | None) -> None:
    """Write every definition as FHIR JSON into DIR, one file per resource and one Bundle per instrument.

    Our extensions and code systems are among them; so is licensed wording that `--folder` adds.
    """
    target.mkdir(parents=True, exist_ok=True)
    for instrument in load_catalog(folder):
        _write(target / f"Bundle-{instrument.id}.json", instrument.bundle)
        for entry in instrument.bundle["entry"]:
            resource = entry["resource"]
            _write(target / f"{resource['resourceType']}-{resource['id']}.json", resource)
    for (resource_type, resource_id), resource in read_own_definitions().items():
        _write(target / f"{resource_type}-{resource_id}.json", resource)
    click.echo(f"Wrote {len(list(target.glob('*.json')))} files into {target}.")


def describe(instrument: Instrument) -> list[str]:
    """Give the instrument as lines of plain text."""
    low, high = instrument.age_range
    lines = [
        f"{instrument.title} ({instrument.id}, version {instrument.version}, {instrument.language})",
        f"Canonical  {instrument.canonical}",
        f"Ages       {low if low is not None else 'any'} to {high if high is not None else 'any'}",
        f"Licence    {instrument.attribution}",
        *_say_missing_text(instrument),
        "",
        *([instrument.instruction, ""] if instrument.instruction else []),
    ]
    for item in instrument.items:
        marks = "".join((" *" if item.required else "", " [risk]" if item.risk else ""))
        lines.append(f"{item.number or '-':>3}  {item.link_id}{marks}  {item.text}")
    for score in instrument.scores:
        lines += ["", *_describe_score(score)]
    lines += ["", *(f"Risk: {rule.reason} ({rule.level}; {rule.source})" for rule in instrument.risk_rules)]
    if instrument.suicide_notice:
        lines.append(f"Risk: {instrument.suicide_notice[:1].lower()}{instrument.suicide_notice[1:].rstrip('.')}")
    lines += [f"Advice: {rule.reason} ({rule.level}; {rule.source})" for rule in instrument.advice]
    lines += [f"Next: {follow.reason} ({follow.source})" for follow in instrument.next_instruments]
    return lines


def _describe_score(score: ScoreDefinition) -> list[str]:
    limits = f"{score.range[0]} to {score.range[1]}" if score.is_bounded else "no published range"
    if score.levels:
        lines = [f"{score.label}: a level, positive from {score.levels[1].label} on"]
        return lines + [f"  {level.label}{f': {level.action}' if level.action else ''}" for level in score.levels]
    lines = [f"{score.label}: {limits}"]
    lines += [f"  {band.min} to {band.max}  {band.label}" for band in score.bands]
    for cutoff in score.cutoffs:
        ages = "" if cutoff.age_min is None else f", ages {cutoff.age_min} to {cutoff.age_max or 'any'}"
        sex = "" if cutoff.gender is None else f", {cutoff.gender}"
        least = "most" if cutoff.or_fewer else "least"
        decides = "" if cutoff.default else " [for a site to choose]"
        lines.append(f"  at {least} {cutoff.points}{sex}{ages}: {cutoff.meaning} ({cutoff.source}){decides}")
    return lines


def _say_missing_text(instrument: Instrument) -> list[str]:
    missing = find_missing_text(instrument.bundle)
    if not missing:
        return []
    return [f"Wording    licensed, not shipped: {instrument.needs_text}", f"To word    {', '.join(missing)}"]


def _get(instrument_id: str, library: Library) -> Instrument:
    instrument = library.find(instrument_id)
    if instrument is None:
        raise Failure(f"there is no instrument {instrument_id}; there are {', '.join(i.id for i in library)}")
    return instrument


def _write(path: Path, resource: object) -> None:
    path.write_text(format_json(resource) + "\n", "utf-8")
