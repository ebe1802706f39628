"""The tokens of a session: given to a reader or a door, refreshed under a lease, revoked when nothing needs them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

from launch.errors import LaunchError, PatientChanged, TransportError
from launch.session import ActiveLaunch
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.launch_session import LaunchSession
from smart_app.screening.errors import LaunchOver
from smart_app.services import Acting, Services
from smart_app.writeback.door import EhrDoor
from smart_app.writeback.open_door import open_door

_LEASE = timedelta(seconds=60)
_WAIT_SECONDS = 0.1
_MOST_WAITS = 50


def get_active(app: Services, who: Acting) -> ActiveLaunch:
    """Give the launch with a token that has not run out, refreshing it if need be.

    Raises: LaunchOver when there is no token, or it has run out and cannot be refreshed.
    """
    return get_active_launch(app, who.session.id)


def get_active_launch(app: Services, launch_id: str) -> ActiveLaunch:
    """Give the launch of a session with a usable token. Raises: LaunchOver."""
    with app.units.read() as unit:
        session = unit.sessions.get(launch_id)
    active = _parse(session)
    if not active.tokens.is_expired(app.clock()):
        return active
    fresh = refresh(app, launch_id, session)
    if fresh is None:
        raise LaunchOver
    return fresh


def missing_scopes(who: Acting) -> tuple[str, ...]:
    """Give what this launch asked for and was not given, () once its tokens are gone."""
    return _parse(who.session).missing_scopes.optional if who.session.launch else ()


def refresh(app: Services, launch_id: str, found: LaunchSession | None = None) -> ActiveLaunch | None:
    """Refresh the tokens of a session, one process at a time; None when that is not possible.

    ``found``: the session whose token was too old; if it has another by now, somebody else has just refreshed it.

    A refresh that answers another patient ends the launch. A refresh token that may have been used is not used again.
    """
    if (before := found) is None:
        with app.units.read() as unit:
            before = unit.sessions.get(launch_id)
    for _ in range(_MOST_WAITS):
        now = app.clock()
        with app.units.write() as unit:
            is_abandoned = unit.sessions.get(launch_id).refresh_lease_until is not None
            leased = unit.sessions.lease_refresh(launch_id, now, now + _LEASE)
            session = unit.sessions.get(launch_id)
            if leased and session.launch == before.launch:
                if is_abandoned and session.launch:
                    # Whoever leased it died over it: nobody knows whether the refresh token was sent.
                    unit.sessions.put_launch(launch_id, _without_refresh_token(_parse(session)))
                    unit.commit()
                    return None
                unit.commit()
                return _refresh_leased(app, session)
        # Not committed: somebody else refreshes, or has just done so.
        if session.launch != before.launch:
            return None if not session.launch else _parse(session)
        time.sleep(_WAIT_SECONDS)
    return None


def door_for(app: Services, launch_id: str) -> EhrDoor:
    """Give the way to write with a session's token. Raises: LaunchOver."""
    active = get_active_launch(app, launch_id)
    with app.units.read() as unit:
        session = unit.sessions.get(launch_id)
    ehr = app.ehrs.get(active.ehr_id)

    def refreshed() -> EhrDoor | None:
        return None if refresh(app, launch_id) is None else door_for(app, launch_id)

    return open_door(
        active,
        ehr,
        app.connections.transport(ehr.id),
        capabilities=app.connections.find_capabilities(ehr.id, app.clock()),
        launch_id=launch_id,
        patient=session.patient,
        user=session.user,
        refresh=refreshed,
    )


def revoke(app: Services, session: LaunchSession) -> None:
    """Have the EHR forget a session's tokens, and forget them here."""
    if not session.launch:
        return
    active = _parse(session)
    with app.units.write() as unit:
        unit.sessions.put_launch(session.id, "")
        unit.commit()
    app.connections.revoke(active, app.clock())


def _refresh_leased(app: Services, session: LaunchSession) -> ActiveLaunch | None:
    active = _parse(session)
    fresh: ActiveLaunch | None = None
    given_up: ActiveLaunch | None = None
    stored = ""
    try:
        fresh = app.connections.refresh(active, app.clock())
        stored = fresh.to_json()
    except PatientChanged as refusal:
        _end(app, session, refusal)
        given_up = active
    except TransportError as failure:
        stored = active.to_json() if not failure.sent else _without_refresh_token(active)
    except LaunchError:
        stored = _without_refresh_token(active)
    with app.units.write() as unit:
        # Given up in the meantime, by a log-out: then the tokens that have just come are not kept either.
        is_kept = bool(unit.sessions.get(session.id).launch)
        unit.sessions.put_launch(session.id, stored if is_kept else "")
        unit.commit()
    if not is_kept:
        given_up, fresh = fresh, None
    if given_up is not None:
        app.connections.revoke(given_up, app.clock())
    return fresh


def _end(app: Services, session: LaunchSession, refusal: LaunchError) -> None:
    now = app.clock()
    with app.units.write() as unit:
        unit.sessions.save(unit.sessions.get(session.id).end(now))
        unit.audit.append(
            AuditEvent(
                action=AuditAction.LAUNCH_ENDED,
                at=now,
                outcome=refusal.code,
                user=session.user,
                patient=session.patient,
                launch_id=session.id,
            )
        )
        unit.commit()


def _without_refresh_token(active: ActiveLaunch) -> str:
    return replace(active, tokens=replace(active.tokens, refresh_token=None)).to_json()


def _parse(session: LaunchSession) -> ActiveLaunch:
    if not session.launch:
        raise LaunchOver
    return ActiveLaunch.from_json(session.launch)
