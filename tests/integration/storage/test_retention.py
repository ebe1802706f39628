"""Retention erases what the chart holds, and never an open alert, an unwritten result or one under legal hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from smart_app.model.alert import Alert, AlertState
from smart_app.model.approval import Approval
from smart_app.model.ledger import RowState
from smart_app.model.screening import Screening, ScreeningState
from smart_app.storage.retention import RetentionRules
from smart_app.storage.unit_of_work import Units
from tests.integration.storage.factories import (
    NOW,
    PATIENT,
    make_alert,
    make_approval,
    make_note,
    make_row,
    make_saved,
    make_screening,
)

RULES = RetentionRules(structured=timedelta(days=90), note_only=timedelta(days=2557))
LATE = NOW + timedelta(days=10_000)


def _put(
    units: Units,
    *,
    kinds: tuple[str, ...] = ("questionnaire-response",),
    row_state: RowState = RowState.WRITTEN,
    alert_state: AlertState = AlertState.CLOSED,
    **changes: Any,
) -> tuple[Screening, Approval, Alert]:
    screening = make_screening(answers=(make_saved(),), **{"state": ScreeningState.SIGNED, **changes})
    approval, alert = make_approval(screening), make_alert(screening, state=alert_state)
    with units.write() as unit:
        unit.screenings.add(screening)
        unit.alerts.add(alert)
        unit.notes.put(make_note(screening))
        unit.approvals.add(approval)
        unit.ledger.add_all(
            make_row(approval, ordinal, kind=kind, state=row_state, resource_id="r-1")
            for ordinal, kind in enumerate(kinds)
        )
        unit.commit()
    return screening, approval, alert


@pytest.mark.parametrize(
    ("kinds", "days"),
    [
        (("questionnaire-response", "document-reference"), 90),
        (("observation-total",), 90),
        (("document-reference",), 2557),
    ],
)
def test_answers_are_due_after_what_the_chart_holds_of_them(units: Units, kinds: tuple[str, ...], days: int) -> None:
    screening, _, _ = _put(units, kinds=kinds)
    with units.read() as unit:
        assert unit.retention.due(NOW + timedelta(days=days, microseconds=-1), RULES) == ()
        assert unit.retention.due(NOW + timedelta(days=days), RULES) == (screening.id,)


@pytest.mark.parametrize(
    "kept",
    [
        {"alert_state": AlertState.OPEN},
        {"alert_state": AlertState.HANDED_OVER},
        {"row_state": RowState.PLANNED},
        {"row_state": RowState.WAITING},
        {"row_state": RowState.UNKNOWN},
        {"row_state": RowState.REFUSED},
        {"row_state": RowState.CANCELLED},
        {"kinds": ()},
        {"kinds": ("provenance",)},
        {"state": ScreeningState.IN_REVIEW},
        {"state": ScreeningState.STOPPED},
        {"state": ScreeningState.REJECTED},
    ],
)
def test_what_is_open_or_not_in_the_chart_is_never_due(units: Units, kept: dict[str, Any]) -> None:
    _put(units, **kept)
    with units.read() as unit:
        assert unit.retention.due(LATE, RULES) == ()


def test_one_unwritten_row_keeps_the_whole_result(units: Units) -> None:
    _, approval, _ = _put(units)
    with units.write() as unit:
        unit.ledger.add_all([make_row(approval, 7)])
        assert unit.retention.due(LATE, RULES) == ()


def test_a_legal_hold_stops_it_until_it_is_released(units: Units) -> None:
    screening, _, _ = _put(units)
    with units.write() as unit:
        unit.retention.place_hold(PATIENT, NOW)
        assert unit.retention.due(LATE, RULES) == ()
        assert not unit.retention.release_hold(replace(PATIENT, tenant="north"))
        assert unit.retention.release_hold(PATIENT)
        assert unit.retention.due(LATE, RULES) == (screening.id,)


def test_erasing_takes_the_words_and_leaves_who_signed_what_when(units: Units) -> None:
    screening, approval, alert = _put(units)
    with units.write() as unit:
        unit.retention.erase(screening.id, LATE)
        unit.commit()
    with units.read() as unit:
        assert unit.screenings.get(screening.id) == replace(screening, answers=(), purged_at=LATE)
        assert unit.notes.find(screening.id) is None
        assert unit.approvals.get(approval.id) == replace(approval, note_text="", plan_text="")
        assert unit.alerts.get(alert.id) == alert
        [row] = unit.ledger.rows_of(approval.id)
        assert (row.resource, row.content_hash, row.resource_id) == ("", "", "r-1")
        assert unit.retention.due(LATE, RULES) == ()
