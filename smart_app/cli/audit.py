"""`audit verify`, `audit export`: the hash chain, and the events as BALP AuditEvents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from smart_app.audit_export import build_audit_event
from smart_app.cli.lazy import Failure
from smart_app.cli.opening import config_option, open_app_units, open_settings, utc_now
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.storage.audit import HEAD_LOG_CODE
from smart_app.storage.audit_chain import Anchor


@click.group()
def audit() -> None:
    """Verify or export the audit."""


@audit.command("verify")
@click.option(
    "--anchor",
    "anchor_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of log lines (JSON) kept outside the database; each audit-head in it must still be in the chain.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@config_option
def verify_command(config: Path | None, anchor_files: tuple[Path, ...], *, as_json: bool) -> None:
    """Read the whole chain; exit 1 and name every row that was changed, removed, moved or put in.

    Without --anchor, a roll-back of the whole database is not seen.
    """
    anchors = [anchor for path in anchor_files for anchor in read_anchors(path)]
    if anchor_files and not anchors:
        raise Failure(f"there is no {HEAD_LOG_CODE} line in the files given")
    with open_app_units(open_settings(config)).read() as unit:
        report = unit.audit.verify(anchors)
    if as_json:
        faults = [{"seq": fault.seq, "code": fault.code, "text": fault.text} for fault in report.faults]
        head = None if report.head is None else {"seq": report.head.seq, "mac": report.head.mac}
        click.echo(json.dumps({"intact": report.is_intact, "rows": report.rows, "head": head, "faults": faults}))
    else:
        for fault in report.faults:
            click.echo(f"row {fault.seq}: {fault.code}: {fault.text}")
        anchored = f", {len(anchors)} anchors" if anchors else ", no anchor"
        click.echo(f"{'intact' if report.is_intact else 'NOT intact'}: {report.rows} rows{anchored}")
    if not report.is_intact:
        raise SystemExit(1)


@audit.command("export")
@click.option("--since", type=click.DateTime(formats=["%Y-%m-%d"]), help="Only events from this day on (UTC).")
@config_option
def export_command(config: Path | None, since: datetime | None) -> None:
    """Print every event as an IHE BALP AuditEvent, one JSON object a line (NDJSON). The export is audited itself."""
    units = open_app_units(open_settings(config))
    from_time = None if since is None else since.replace(tzinfo=utc_now().tzinfo)
    count = 0
    with units.read() as unit:
        for seq, event in unit.audit.export(from_time):
            click.echo(json.dumps(build_audit_event(seq, event), ensure_ascii=False, separators=(",", ":")))
            count += 1
    with units.write() as unit:
        unit.audit.append(
            AuditEvent(action=AuditAction.EXPORTED, at=utc_now(), entity="audit", detail={"count": count})
        )
        unit.commit()


def read_anchors(path: Path) -> Iterator[Anchor]:
    """Find the audit heads among a file's lines; every other line, JSON or not, is passed over."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if HEAD_LOG_CODE not in line:
                continue
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict) and values.get("event") == HEAD_LOG_CODE:
                seq, mac = values.get("seq"), values.get("mac")
                if isinstance(seq, int) and isinstance(mac, str):
                    yield Anchor(seq=seq, mac=mac)
