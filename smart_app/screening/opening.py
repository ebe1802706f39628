"""Opens risk alerts, in the same unit of work as the save that calls for them (safety rule 4)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from fhir_mappings.instrument import Instrument
from fhir_mappings.risk import RiskFlag, RiskKind, find_risk
from smart_app.model.alert import Alert, AlertState
from smart_app.model.screening import Screening
from smart_app.screening.answers import current_answers
from smart_app.services import Acting, Services

if TYPE_CHECKING:
    from smart_app.storage.unit_of_work import Unit


def open_alerts(
    app: Services,
    who: Acting,
    unit: Unit,
    instrument: Instrument,
    screening: Screening,
    *,
    changed: Collection[str],
    handed_in: bool,
) -> tuple[Alert, ...]:
    """Open what the present answers call for; give the alerts opened, or opened again.

    One alert per screening and rule: an open one stays as it is, whatever the answer becomes. A closed one opens again
    when an item in ``changed`` was given a risk answer after it was closed.
    """
    standing = {alert.rule_id: alert for alert in unit.alerts.for_screening(screening.id)}
    opened = []
    for flag in find_risk(instrument, current_answers(instrument, screening), handed_in=handed_in):
        alert = standing.get(flag.rule_id)
        if alert is None:
            alert = _new_alert(app, who, screening, flag)
            unit.alerts.add(alert)
            opened.append(alert)
        elif alert.state is AlertState.CLOSED and flag.kind is RiskKind.RISK_ANSWER and flag.link_id in changed:
            opened.append(unit.alerts.save(alert.reopen(who.user, who.now)))
    return tuple(opened)


def _new_alert(app: Services, who: Acting, screening: Screening, flag: RiskFlag) -> Alert:
    saved = screening.current(flag.link_id)
    return Alert(
        id=app.new_id(),
        screening_id=screening.id,
        patient=screening.patient,
        instrument_id=screening.instrument_id,
        rule_id=flag.rule_id,
        link_id=flag.link_id,
        kind=flag.kind,
        level=flag.level,
        reason=flag.reason,
        source=flag.source,
        opened_at=who.now,
        opened_by_version=saved.version if saved is not None and flag.kind is RiskKind.RISK_ANSWER else 0,
    )
