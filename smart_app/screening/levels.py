"""The level that an alert tells: the highest that its form ever reached, with the times (safety rule 4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fhir_mappings.instrument import Instrument
from smart_app.model.alert import Alert


def say_level(instrument: Instrument | None, alert: Alert, say_time: Callable[[datetime], str]) -> str:
    """Give "Highest level reached: acute positive, today 10:40; before: positive, acuity not known, today 10:38.".

    "" where the form has no published levels and the alert never told but one thing.
    """
    rules = () if instrument is None else instrument.risk_rules
    has_levels = any(rule.id == alert.rule_id and rule.level_of is not None for rule in rules)
    if not has_levels and not alert.reached:
        return ""
    *before, highest = (f"{told.level}, {say_time(told.at)}" for told in alert.levels)
    earlier = "".join(f"; before: {told}" for told in reversed(before))
    return f"Highest level reached: {highest}{earlier}."
