"""The work that no page waits for: finish writing, revoke tokens, stop forms left unfinished (one round at a time)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from launch.errors import LaunchError
from smart_app.errors import AppError
from smart_app.logs import get_logger, log_event, log_failure
from smart_app.model.approval import Approval
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.screening import ScreeningState
from smart_app.screening.drafts import TOO_OLD, is_too_old
from smart_app.screening.ending import revoke_unneeded
from smart_app.screening.tokens import door_for
from smart_app.services import Services
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.writer import finish_due

_PENDING_MARKS_KEPT = timedelta(days=1)
"""How long a used or expired ``state`` is still told from one that never was."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round did: approvals gone on with, sessions whose tokens were looked at, drafts stopped."""

    written: int
    sessions: int
    stopped: int


def run_round(app: Services) -> Round:
    """Do everything that is due once. Safe in many processes: rows are claimed, sessions and drafts are versioned."""
    ehr_ids = [ehr.id for ehr in app.ehrs]
    reports = finish_due(app.units, ehr_ids, lambda approval: find_door(app, approval), clock=app.clock)
    done = Round(written=len(reports), sessions=revoke_ended(app), stopped=stop_old_drafts(app))
    with app.units.write() as unit:
        unit.pending_launches.purge(app.clock() - _PENDING_MARKS_KEPT)
        unit.commit()
    log_event(_log, "worker-round", count=done.written + done.sessions + done.stopped)
    return done


def find_door(app: Services, approval: Approval) -> EhrDoor | None:
    """Give the way in with a token that one of the signers still holds for that patient, None without one."""
    with app.units.read() as unit:
        sessions = [unit.sessions.with_tokens(approval.patient, signer) for signer in approval.signers]
    for session in chain.from_iterable(sessions):
        try:
            return door_for(app, session.id)
        except (LaunchError, AppError) as failure:
            log_failure(_log, "no-door", failure, ehr_id=approval.patient.ehr_id)
    return None


def revoke_ended(app: Services) -> int:
    """Revoke the tokens of ended and of idle sessions that nothing needs any more; give the number looked at.

    An idle session may still save into its form, which needs no token.
    """
    with app.units.read() as unit:
        sessions = (
            *unit.sessions.ended_with_tokens(app.clock()),
            *unit.sessions.idle_with_tokens(app.clock() - app.rules.idle),
        )
    for session in sessions:
        revoke_unneeded(app, session)
    return len(sessions)


def stop_old_drafts(app: Services) -> int:
    """Stop forms left unfinished past the site's limit, with answers and alerts kept; give their number."""
    now = app.clock()
    with app.units.write() as unit:
        drafts = [
            draft
            for draft in unit.screenings.unsigned([ehr.id for ehr in app.ehrs])
            if draft.state is ScreeningState.IN_PROGRESS and is_too_old(app, draft, now)
        ]
        for draft in drafts:
            unit.screenings.save(draft.stop(now, TOO_OLD))
            unit.audit.append(
                AuditEvent(
                    action=AuditAction.SCREENING_STOPPED,
                    at=now,
                    patient=draft.patient,
                    entity=str(draft.id),
                    detail={"reason": "too-old"},
                )
            )
        unit.commit()
    return len(drafts)
