"""End a launch: the browser session at once, its tokens as soon as no signed row needs them (design section 6)."""

from __future__ import annotations

from datetime import timedelta

from smart_app.access import event
from smart_app.model.audit import AuditAction
from smart_app.model.launch_session import LaunchSession
from smart_app.screening.tokens import revoke
from smart_app.services import Acting, Services

TOKENS_KEPT_FOR = timedelta(minutes=10)


def log_out(app: Services, who: Acting) -> None:
    """End this session, also an idle one; its chart is forgotten at once."""
    with app.units.write() as unit:
        session = unit.sessions.save(unit.sessions.get(who.session.id).end(who.now))
        unit.audit.append(event(who, AuditAction.LAUNCH_ENDED))
        unit.commit()
    app.charts.forget(session.id)
    revoke_unneeded(app, session)


def revoke_unneeded(app: Services, session: LaunchSession) -> None:
    """Revoke an ended or idle session's tokens unless rows that its user signed still wait, for ten minutes at most."""
    now = app.clock()
    kept_until = (session.ended_at or session.last_seen_at + app.rules.idle) + TOKENS_KEPT_FOR
    with app.units.read() as unit:
        mine = {a.id for a in unit.approvals.for_patient(session.patient) if a.is_signed_by(session.user)}
        waiting = any(row.approval_id in mine for row in unit.ledger.unfinished_for_patient(session.patient))
    if not waiting or now >= kept_until:
        revoke(app, session)
