"""Unfinished forms: which may go on, and stopping those that may not, with everything kept (design section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from smart_app.access import event
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.screening import Screening, ScreeningState
from smart_app.services import Acting, Services

if TYPE_CHECKING:
    from smart_app.storage.unit_of_work import Unit

TOO_OLD = "left unfinished past the site's limit"
OTHER_INFORMANT = "started anew with another informant"


def is_too_old(app: Services, screening: Screening, now: datetime) -> bool:
    """Tell whether a draft has passed the site's limit."""
    return screening.state is ScreeningState.IN_PROGRESS and now - screening.started_at > app.rules.draft_within


def stop_old_drafts(app: Services, who: Acting) -> None:
    """Stop this patient's drafts that may not go on; answers and alerts stay."""
    with app.units.read() as unit:
        drafts = unit.screenings.for_patient(who.patient, {ScreeningState.IN_PROGRESS})
    if not any(is_too_old(app, draft, who.now) for draft in drafts):
        return
    with app.units.write() as unit:
        drafts = unit.screenings.for_patient(who.patient, {ScreeningState.IN_PROGRESS})
        for happened in stop_too_old(app, who, unit, drafts):
            unit.audit.append(happened)
        unit.commit()


def stop_too_old(app: Services, who: Acting, unit: Unit, drafts: Iterable[Screening]) -> list[AuditEvent]:
    """Stop those of the drafts that are too old, within the caller's unit of work; give the events for its audit."""
    stopped = [
        unit.screenings.save(draft.stop(who.now, TOO_OLD)) for draft in drafts if is_too_old(app, draft, who.now)
    ]
    return [event(who, AuditAction.SCREENING_STOPPED, draft.id, reason="too-old") for draft in stopped]
