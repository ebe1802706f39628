"""From the EHR to a session: begin, finish, open (SMART App Launch 2.2; design section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from launch import authorize
from launch.callback import find_state
from launch.errors import LaunchError, PendingLaunchExpired, StateMismatch
from launch.scopes import compute_scopes
from launch.session import ActiveLaunch, PendingLaunch
from smart_app.errors import AppError
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.identity import PatientKey, User
from smart_app.model.launch_session import LaunchSession, SessionStanding
from smart_app.model.rights import PatientAccount, rights_of
from smart_app.screening.asked_instrument import find_asked
from smart_app.screening.context import FirstWave, fetch_first_wave
from smart_app.screening.errors import LaunchNotOpen, LaunchOver
from smart_app.screening.refusing import audit_launch_refusal, audit_refused_request, digest, is_secret
from smart_app.services import Acting, Services
from smart_app.storage.pending_launches import PendingFate, TakenLaunch

_TOUCH_EVERY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunLaunch:
    """Where to send the browser. ``binding`` goes into the cookie whose name derives from ``state``."""

    authorize_url: str = field(repr=False)
    state: str = field(repr=False)
    binding: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedLaunch:
    """A session that has begun. ``secret`` goes into the cookie of ``/launches/<launch_id>/`` and nowhere else.

    ``who`` acts in the rest of the same request.

    ``instrument_id``: the one that the EHR asks for in fhirContext, None where it names none; ``refusal``: why the one
    it names cannot be given.
    """

    launch_id: str
    secret: str = field(repr=False)
    framed: bool
    who: Acting
    instrument_id: str | None
    refusal: AppError | None = None


def begin_launch(app: Services, *, iss: str, launch: str | None, framed: bool) -> BegunLaunch:
    """Begin an EHR launch (``launch`` None: standalone); the pending launch is kept for ten minutes and one use.

    Not audited, for anybody can do it: the audit begins at the callback.
    Raises: LaunchError; UnknownIssuer before any network call.
    """
    now = app.clock()
    ehr = app.ehrs.get_by_iss(iss)
    configuration = app.connections.configuration(ehr.id, now)
    scopes = compute_scopes(
        app.rules.features_at(ehr.id),
        standalone=launch is None,
        capabilities=configuration.capabilities,
        extra=ehr.scopes,
    )
    begun = authorize.begin_launch(
        ehr=ehr,
        iss=iss,
        launch=launch,
        redirect_uri=f"{app.rules.base_url}/callback",
        scopes=scopes,
        configuration=configuration,
        now=now,
    )
    binding = app.new_secret()
    with app.units.write() as unit:
        unit.pending_launches.add(
            begun.pending.to_json(),
            state_hash=digest(begun.pending.state),
            binding_hash=digest(binding),
            ehr_id=ehr.id,
            iss=iss,
            framed=framed,
            created_at=now,
            expires_at=begun.pending.expires_at,
        )
        unit.commit()
    return BegunLaunch(authorize_url=begun.authorize_url, state=begun.pending.state, binding=binding)


def finish_launch(
    app: Services, *, params: Mapping[str, Sequence[str]], binding: str | None, correlation_id: str
) -> FinishedLaunch:
    """Finish a launch: one use of ``state``, from the browser that began it; then tokens, identity and first reads.

    Raises: LaunchError (StateMismatch for an unknown, used or foreign state), PatientAccount for a patient or relative,
    MalformedPatient.
    """
    now = app.clock()
    taken = _take(app, find_state(params), binding, correlation_id)
    launch_id = app.new_secret()
    active = None
    try:
        pending = PendingLaunch.from_json(taken.pending_json)
        active = app.connections.complete(params, pending, ehr_id=taken.ehr_id, now=now)
        wave, user = _read_who(app, active, launch_id)
    except (LaunchError, AppError) as refusal:
        audit_launch_refusal(app, taken.ehr_id, refusal, correlation_id, known=active is not None)
        raise
    secret = app.new_secret()
    session = LaunchSession(
        id=launch_id,
        secret_hash=digest(secret),
        ehr_id=active.ehr_id,
        patient=PatientKey(
            ehr_id=active.ehr_id, tenant=active.context.tenant or "", patient_id=wave.chart.patient.patient_id
        ),
        user=user,
        role_codes=wave.role_codes,
        encounter_id=active.context.encounter,
        launch=active.to_json(),
        framed=taken.framed,
        started_at=now,
        last_seen_at=now,
    )
    with app.units.write() as unit:
        unit.sessions.add(session)
        for action in (AuditAction.LAUNCH_COMPLETED, AuditAction.CHART_READ):
            unit.audit.append(
                AuditEvent(
                    action=action,
                    at=now,
                    user=user,
                    patient=session.patient,
                    launch_id=launch_id,
                    correlation_id=correlation_id,
                    detail={"ehr": active.ehr_id},
                )
            )
        unit.commit()
    app.charts.keep(launch_id, now, chart=wave.chart, failed=wave.failed)
    asked = find_asked(
        app,
        app.connections.reader(active),
        active.context.fhir_context,
        ehr_id=active.ehr_id,
        fhir_base_url=active.fhir_base_url,
        now=now,
    )
    return FinishedLaunch(
        launch_id=launch_id,
        secret=secret,
        framed=taken.framed,
        who=_act(app, session, SessionStanding.LIVE, now, correlation_id),
        instrument_id=asked.instrument_id,
        refusal=asked.refusal,
    )


def open_session(app: Services, launch_id: str, secret: str | None, *, correlation_id: str) -> Acting:
    """Open the session that a cookie belongs to, and move its idle clock on unless it has run out.

    Raises: LaunchNotOpen (no cookie, wrong secret, unknown id), LaunchOver (ended, or past its absolute limit).
    """
    now = app.clock()
    with app.units.read() as unit:
        session = unit.sessions.find(launch_id)
    if session is None or not is_secret(session.secret_hash, secret):
        refusal = LaunchNotOpen()
        audit_refused_request(app, launch_id, secret, refusal, correlation_id)
        raise refusal
    standing = session.standing(now, idle=app.rules.idle, absolute=app.rules.absolute)
    if standing is SessionStanding.OVER:
        raise LaunchOver
    if standing is SessionStanding.LIVE and now - session.last_seen_at >= _TOUCH_EVERY:
        with app.units.write() as unit:
            unit.sessions.touch(launch_id, now)
            unit.commit()
    return _act(app, session, standing, now, correlation_id)


def _act(
    app: Services, session: LaunchSession, standing: SessionStanding, now: datetime, correlation_id: str
) -> Acting:
    return Acting(
        session=session,
        standing=standing,
        rights=rights_of(session.user, ehr_id=session.ehr_id, role_codes=session.role_codes, rules=app.rules.rights),
        now=now,
        correlation_id=correlation_id,
    )


def _take(app: Services, state: str, binding: str | None, correlation_id: str) -> TakenLaunch:
    now = app.clock()
    with app.units.write() as unit:
        taken = unit.pending_launches.take(digest(state), now)
        # Left uncommitted for another browser's callback, so that it cannot use up this one's launch.
        if isinstance(taken, TakenLaunch) and is_secret(taken.binding_hash, binding):
            unit.commit()
            return taken
    refusal = PendingLaunchExpired() if taken is PendingFate.EXPIRED else StateMismatch(field="state")
    if taken is not PendingFate.UNKNOWN:
        ehr_id = taken.ehr_id if isinstance(taken, TakenLaunch) else None
        audit_launch_refusal(app, ehr_id, refusal, correlation_id, known=False)
    raise refusal


def _read_who(app: Services, active: ActiveLaunch, launch_id: str) -> tuple[FirstWave, User]:
    """Read patient and user; tokens of a launch that is refused here are given back at once."""
    try:
        wave = fetch_first_wave(app, active)
        user = _user_of(active, wave, launch_id)
        _check_clinician(user)
    except (LaunchError, AppError):
        app.connections.revoke(active, app.clock())
        raise
    return wave, user


def _check_clinician(user: User) -> None:
    if user.is_patient_side:
        raise PatientAccount(field="fhirUser")


def _user_of(active: ActiveLaunch, wave: FirstWave, launch_id: str) -> User:
    if active.user is None:
        # Nobody vouches for this person: no one else is ever the same, and without fhirUser nobody signs.
        return User(issuer=active.fhir_base_url, subject=f"launch:{launch_id}", fhir_user=None, name="Unknown user")
    return User(
        issuer=active.user.issuer,
        subject=active.user.subject,
        fhir_user=active.user.fhir_user,
        name=wave.user_name or active.user.name or "User without a name",
    )
