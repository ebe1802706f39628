"""Opens risk alerts, in the same unit of work as the save that calls for them (safety rule 4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.instrument import Instrument
from fhir_mappings.risk import RISK_NOT_KNOWN_LEVEL, RiskFlag, RiskKind, find_risk
from smart_app.access import event
from smart_app.model.alert import ActionKind, Alert, AlertState
from smart_app.model.audit import AuditAction
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import SavedStatus, Screening
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

    One alert per screening and rule: an open one stays, whatever the answer becomes, and tells the highest level that
    the form has reached. A closed one opens again when an item in ``changed`` was given a risk answer after it was
    closed.
    """
    flags = find_risk(instrument, current_answers(instrument, screening), handed_in=handed_in)
    standing = _raise_standing(who, unit, instrument, screening, flags)
    opened = []
    for flag in flags:
        alert = standing.get(flag.rule_id)
        if alert is None:
            alert = _new_alert(app, who, screening, flag)
            unit.alerts.add(alert)
            opened.append(alert)
        elif alert.state is AlertState.CLOSED and flag.kind is RiskKind.RISK_ANSWER and flag.link_id in changed:
            opened.append(unit.alerts.save(alert.reopen(who.user, who.now)))
    return tuple(opened)


def open_for_unsaved(
    app: Services,
    who: Acting,
    unit: Unit,
    instrument: Instrument,
    screening: Screening,
    *,
    answer: IncomingAnswer,
) -> tuple[Alert, ...]:
    """Open what an answer calls for that came too late, or in conflict with another page, and is not saved itself.

    It was given all the same: unless the history has it, the alert keeps it, once; a closed one opens again. Gives the
    alerts opened, or opened again.
    """
    item = instrument.by_link_id[answer.link_id]
    option = item.by_code.get(answer.code or "")
    if option is None or any(saved.code == option.coding.code for saved in screening.history(item.link_id)):
        return ()  # it stands in the history already, and opened what it calls for then
    flags = _find_flags(instrument, screening, answer, who.now)
    standing = _raise_standing(who, unit, instrument, screening, flags)
    opened = []
    for flag in flags:
        if flag.link_id != item.link_id:
            continue
        alert = standing.get(flag.rule_id)
        if alert is None:
            alert = replace(_new_alert(app, who, screening, flag), opened_by_version=0)
            alert = alert.keep_answer(who.user, who.now, option.text)
            unit.alerts.add(alert)
            opened.append(alert)
        elif all((a.kind, a.text) != (ActionKind.ANSWER_KEPT, option.text) for a in alert.actions):
            kept = alert.keep_answer(who.user, who.now, option.text)
            if alert.is_open:
                unit.alerts.save(kept)
            else:
                opened.append(unit.alerts.save(kept.reopen(who.user, who.now)))
    return tuple(opened)


def keep_on_alerts(
    app: Services,
    who: Acting,
    unit: Unit,
    instrument: Instrument,
    screening: Screening,
    *,
    incoming: Iterable[IncomingAnswer],
) -> bool:
    """Keep the risk answers of a form that is over on their alerts, opened where needed; tell whether there were any.

    An answer that the history has, and that stood there when the form ended, is no news.
    """
    risky = False
    for answer in incoming:
        for alert in open_for_unsaved(app, who, unit, instrument, screening, answer=answer):
            unit.audit.append(event(who, AuditAction.ALERT_OPENED, alert.id, rule=alert.rule_id))
        saved = screening.current(answer.link_id)
        is_news = saved is None or saved.code != answer.code
        flags = _find_flags(instrument, screening, answer, who.now)
        risky = risky or (is_news and any(flag.link_id == answer.link_id for flag in flags))
    return risky


def _find_flags(
    instrument: Instrument, screening: Screening, answer: IncomingAnswer, now: datetime
) -> tuple[RiskFlag, ...]:
    """Give what an answer and those that stand call for together; nothing for one that is no option of its item."""
    item = instrument.by_link_id[answer.link_id]
    option = item.by_code.get(answer.code or "")
    if answer.status is not SavedStatus.ANSWERED or option is None:
        return ()
    given = Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=option.coding, at=now)
    answers = {**current_answers(instrument, screening), item.link_id: given}
    return find_risk(instrument, answers, handed_in=False)


def _raise_standing(
    who: Acting, unit: Unit, instrument: Instrument, screening: Screening, flags: Iterable[RiskFlag]
) -> dict[str, Alert]:
    """Raise the form's alerts to the levels that its answers now reach; give all that stand, rule id → alert."""
    rules = {rule.id: rule for rule in instrument.risk_rules}
    own = {flag.rule_id: flag for flag in flags}
    highest: dict[str, RiskFlag] = {}
    for flag in sorted(own.values(), key=lambda flag: flag.rank):
        if flag.level_of is not None and flag.kind is RiskKind.RISK_ANSWER:
            highest[flag.level_of] = flag
    standing = {}
    for alert in unit.alerts.for_screening(screening.id):
        rule = rules.get(alert.rule_id)
        of_form = None if rule is None or rule.level_of is None else highest.get(rule.level_of)
        raised = alert
        for told in (own.get(alert.rule_id), of_form):
            raised = raised if told is None else _raise(raised, told, who.now)
        if raised is not alert:
            raised = unit.alerts.save(raised)
            unit.audit.append(event(who, AuditAction.ALERT_RAISED, alert.id, rule=alert.rule_id))
        standing[alert.rule_id] = raised
    return standing


def _raise(alert: Alert, flag: RiskFlag, now: datetime) -> Alert:
    if flag.rule_id == alert.rule_id and flag.kind in (RiskKind.RISK_ANSWER, alert.kind):
        return alert.raise_level(
            now, kind=flag.kind, level=flag.level, reason=flag.reason, source=flag.source, rank=flag.rank
        )
    # The level is the form's; what this alert says of its own item stays.
    level = flag.level.removeprefix(f"{RISK_NOT_KNOWN_LEVEL}: ")
    if alert.kind != RiskKind.RISK_ANSWER:
        level = f"{RISK_NOT_KNOWN_LEVEL}: {level}"
    low, _, high = flag.rank
    return alert.raise_level(
        now,
        kind=alert.kind,
        level=level,
        reason=alert.reason,
        source=alert.source,
        rank=(low, int(alert.kind == RiskKind.RISK_ANSWER), high),
    )


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
        rank=flag.rank,
        reason=flag.reason,
        source=flag.source,
        opened_at=who.now,
        opened_by_version=saved.version if saved is not None and flag.kind is RiskKind.RISK_ANSWER else 0,
    )
