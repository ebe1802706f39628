"""Audit refusals before a session is open: of a launch that is known, never of one that is not (design section 6).

A ``state`` or a launch id that nobody gave out is in the log alone: whoever sends it could fill the audit. What names a
known launch is audited in a transaction of its own; while nobody is known to stand behind it, within a budget.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from launch.errors import LaunchError
from smart_app.errors import AppError
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.services import Services


def digest(secret: str) -> str:
    """Give what is stored of a secret of 128 random bits or more."""
    return sha256(secret.encode()).hexdigest()


def is_secret(stored: str, secret: str | None) -> bool:
    """Tell, in constant time, whether a cookie holds the secret of which a digest is stored."""
    return secret is not None and hmac.compare_digest(stored, digest(secret))


def audit_launch_refusal(
    app: Services, ehr_id: str | None, refusal: LaunchError | AppError, correlation_id: str, *, known: bool
) -> None:
    """Audit that a launch which we began did not open; ``known``: its user had signed in to the EHR."""
    left_out = 0 if known else app.refusals.spend(app.clock())
    if left_out is None:
        return
    refused = AuditEvent(
        action=AuditAction.LAUNCH_REFUSED,
        at=app.clock(),
        outcome=refusal.code,
        correlation_id=correlation_id,
        detail={"ehr": ehr_id, "field": refusal.field, **_told(left_out)},
    )
    _commit(app, refused)


def audit_refused_request(
    app: Services, launch_id: str, secret: str | None, refusal: AppError, correlation_id: str
) -> None:
    """Audit a request to a launch that was refused before its session was opened: another's cookie, a foreign form.

    The user is named only where the request had the launch's own cookie. An unknown launch id is not audited.
    """
    with app.units.read() as unit:
        session = unit.sessions.find(launch_id)
    if session is None:
        return
    is_own = is_secret(session.secret_hash, secret)
    left_out = app.refusals.spend(app.clock())
    if left_out is None:
        return
    refused = AuditEvent(
        action=AuditAction.ACCESS_REFUSED,
        at=app.clock(),
        outcome=refusal.code,
        user=session.user if is_own else None,
        patient=session.patient,
        launch_id=launch_id,
        correlation_id=correlation_id,
        detail={"cookie": "own" if is_own else "none" if secret is None else "another", **_told(left_out)},
    )
    _commit(app, refused)


def _told(left_out: int) -> dict[str, str | int | bool | None]:
    return {"left_out_before": left_out} if left_out else {}


def _commit(app: Services, refused: AuditEvent) -> None:
    with app.units.write() as unit:
        unit.audit.append(refused)
        unit.commit()
