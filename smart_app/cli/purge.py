"""`purge`: erase what retention says is due; place or release a legal hold."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from smart_app.cli.opening import config_option, open_app_units, open_settings, utc_now
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.identity import PatientKey
from smart_app.storage.errors import UnknownRecord
from smart_app.storage.retention import RetentionRules

_YEAR = timedelta(days=365.25)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count what is due.")
@click.option("--hold", nargs=2, metavar="EHR PATIENT", help="Put a patient's records under legal hold instead.")
@click.option("--release", nargs=2, metavar="EHR PATIENT", help="Release a legal hold instead.")
@click.option("--tenant", default="", help="The patient's tenant, where the EHR has tenants.")
@config_option
def purge(
    config: Path | None,
    hold: tuple[str, str] | None,
    release: tuple[str, str] | None,
    tenant: str,
    *,
    dry_run: bool,
) -> None:
    """Erase answers whose copy is in the chart, old launches and old audit, as [retention] says.

    Open alerts and unwritten results never go by themselves; a legal hold stops it.
    """
    settings = open_settings(config)
    units = open_app_units(settings)
    now = utc_now()
    if hold or release:
        ehr_id, patient_id = hold or release or ("", "")
        key = PatientKey(ehr_id=ehr_id, tenant=tenant, patient_id=patient_id)
        with units.write() as unit:
            if hold:
                unit.retention.place_hold(key, now)
            elif not unit.retention.release_hold(key):
                raise UnknownRecord("there is no legal hold on this patient")
            detail: dict[str, str | int | bool | None] = {"legal_hold": "placed" if hold else "released"}
            unit.audit.append(AuditEvent(action=AuditAction.PURGED, at=now, patient=key, detail=detail))
            unit.commit()
        click.echo("The legal hold is placed." if hold else "The legal hold is released.")
        return
    rules = RetentionRules(
        structured=timedelta(days=settings.retention.answers_days),
        note_only=settings.retention.note_only_years * _YEAR,
    )
    with units.read() as unit:
        due = unit.retention.due(now, rules)
    click.echo(f"{len(due)} screenings are due.")
    if dry_run:
        return
    for screening_id in due:
        with units.write() as unit:
            # Asked again under the write lock: an alert or a hold may have come since.
            if not unit.retention.due(now, rules, only=screening_id):
                continue
            unit.retention.erase(screening_id, now)
            unit.audit.append(AuditEvent(action=AuditAction.PURGED, at=now, entity=f"screening/{screening_id}"))
            unit.commit()
    with units.write() as unit:
        counts: dict[str, str | int | bool | None] = {
            "pending_launches": unit.pending_launches.purge(now),
            "sessions": unit.sessions.purge(now - timedelta(days=settings.retention.session_days)),
            "audit_events": unit.audit.purge(now - settings.retention.audit_years * _YEAR),
        }
        unit.audit.append(AuditEvent(action=AuditAction.PURGED, at=now, detail=counts))
        unit.commit()
    click.echo("Erased: " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) + ".")
