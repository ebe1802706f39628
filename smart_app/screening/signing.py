"""Sign a reviewed result and have it written; co-sign a trainee's; finish what could not be written (section 6)."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from fhir_mappings.result import Signer
from launch.errors import LaunchError
from smart_app.access import NotThisPatient, event, get_screening, permitted
from smart_app.model.approval import Approval, WriteChoice
from smart_app.model.audit import AuditAction
from smart_app.model.moves import IllegalMove
from smart_app.model.rights import NotAllowed, Right
from smart_app.model.screening import REVIEWABLE
from smart_app.screening.errors import LaunchOver, SigningBlocked
from smart_app.screening.review_material import Material, gather
from smart_app.screening.sign_panel import find_blockers, find_supervisor
from smart_app.screening.tokens import door_for
from smart_app.services import Acting, Services
from smart_app.writeback.outcome import find_stops
from smart_app.writeback.signing import SignRequest, sign
from smart_app.writeback.stops import EHR_UNREACHABLE, ENCOUNTER_CHANGED, TOKEN_ENDED
from smart_app.writeback.writer import hold_back, write_approval

LONGEST_REASON = 2_000


def sign_screening(
    app: Services,
    who: Acting,
    screening_id: UUID,
    *,
    displayed_hash: str,
    choice: WriteChoice | None,
    choice_reason: str = "",
    deceased_confirmed: bool = False,
) -> UUID:
    """Sign what the page displayed, then write what can be written at once; give the approval's id.

    Raises: NotAllowed, SigningBlocked, ChangedSinceShown, AlertStillOpen, ChoiceMissing, MissingField (a reason, the
    confirmation that the patient has died), IllegalMove, StaleVersion, NotThisPatient; LaunchError before signing only.
    """
    with permitted(app, who, Right.SIGN):
        with app.units.read() as unit:
            screening = get_screening(unit, who, screening_id)
        if screening.state not in REVIEWABLE:
            raise IllegalMove(f"a screening that is {screening.state} cannot be signed")
        material = gather(app, who, screening, choice=choice)
        _check_blockers(app, who, material)
        approval = sign(
            app.units,
            replace(
                _request(app, who, material),
                displayed_hash=displayed_hash,
                choice_reason=choice_reason[:LONGEST_REASON],
                deceased_confirmed=deceased_confirmed,
            ),
            now=who.now,
            new_id=app.new_id,
            random_bytes=app.random_bytes,
        )
    _write(app, who, approval)
    return approval.id


def co_sign(app: Services, who: Acting, screening_id: UUID) -> None:
    """Sign a trainee's approval as the supervisor whom it names, and send it with this launch's token.

    Raises: NotAllowed for anybody else, IllegalMove when nothing waits, StaleVersion, NotThisPatient.
    """
    with permitted(app, who, Right.CO_SIGN), app.units.write() as unit:
        screening = get_screening(unit, who, screening_id)
        approval = unit.approvals.find_for_screening(screening.id)
        if approval is None or not approval.waits:
            raise IllegalMove("nothing waits for a second signature")
        if not is_supervisor(who, approval):
            raise NotAllowed(field=Right.CO_SIGN.value)
        approval = unit.approvals.save(replace(approval, co_signed_by=who.user, co_signed_at=who.now))
        unit.audit.append(event(who, AuditAction.CO_SIGNED, screening_id, approval=str(approval.id)))
        unit.commit()
    _write(app, who, approval)


def is_supervisor(who: Acting, approval: Approval) -> bool:
    """Tell whether an approval waits for this person, by fhirUser reference or subject; never the signer."""
    if approval.awaiting is None or approval.signer.same_person(who.user):
        return False
    return approval.awaiting in {who.user.fhir_user, who.user.subject}


def finish_writing(app: Services, who: Acting, screening_id: UUID, *, visit_confirmed: bool = False) -> None:
    """Send what is left with this launch's token, of what the user signed or co-signed.

    ``visit_confirmed``: the user says that it belongs to the visit although that has changed since signing. It counts,
    and is kept and audited, only where sending has stopped for that reason.
    Raises: NotAllowed for who did neither, NotThisPatient, StaleVersion.
    """
    with permitted(app, who), app.units.write() as unit:
        screening = get_screening(unit, who, screening_id)
        approval = unit.approvals.find_for_screening(screening.id)
        if approval is None:
            raise NotThisPatient
        if not approval.is_signed_by(who.user) or not who.rights.keys() & {Right.SIGN, Right.CO_SIGN}:
            raise NotAllowed(field=Right.SIGN.value)
        stops = find_stops(approval, unit.ledger.rows_of(approval.id), who.user)
        if visit_confirmed and ENCOUNTER_CHANGED in stops:
            approval = unit.approvals.save(replace(approval, visit_confirmed=True))
            unit.audit.append(event(who, AuditAction.VISIT_CONFIRMED, screening_id, approval=str(approval.id)))
            unit.commit()
    _write(app, who, approval)


def _check_blockers(app: Services, who: Acting, material: Material) -> None:
    blockers = find_blockers(app, who, material)
    # An open alert is refused by sign() itself, in the transaction that would sign.
    blocked = next((blocker for blocker in blockers if blocker.code != "alert-open"), None)
    if blocked is None:
        return
    with app.units.write() as unit:
        unit.audit.append(
            event(
                who, AuditAction.SIGN_REFUSED, material.screening.id, outcome=SigningBlocked.code, reason=blocked.code
            )
        )
        unit.commit()
    raise SigningBlocked(field=blocked.code)


def _request(app: Services, who: Acting, material: Material) -> SignRequest:
    """Give everything but what the form says; without its hash nothing can be signed."""
    return SignRequest(
        screening=material.screening,
        result=material.result,
        plan=material.plan,
        patient_identity=material.chart.patient,
        encounter_id=who.session.encounter_id or None,
        encounter_status=None if material.chart.visit is None else material.chart.visit.status,
        signer=who.user,
        signer_name=Signer(reference=who.user.fhir_user or "", display=who.user.name),
        organization=material.organization,
        launch_id=who.session.id,
        note_text=material.note.text,
        displayed_hash="",
        current_hash=material.displayed_hash,
        awaiting=find_supervisor(who),
        awaiting_name=material.supervisor_name,
        zone=app.rules.zone,
        software_version=app.software_version,
        correlation_id=who.correlation_id,
    )


def _write(app: Services, who: Acting, approval: Approval) -> None:
    """Send what is due. What cannot be sent now waits in the ledger with its reason; the outcome page says both."""
    if approval.waits:
        return
    try:
        door = door_for(app, who.session.id)
    except (LaunchOver, LaunchError) as failure:
        stop = TOKEN_ENDED if isinstance(failure, LaunchOver) else EHR_UNREACHABLE
        hold_back(
            app.units,
            approval.id,
            stop,
            user=who.user,
            launch_id=who.session.id,
            clock=app.clock,
            correlation_id=who.correlation_id,
        )
        return
    write_approval(app.units, approval.id, door, clock=app.clock, correlation_id=who.correlation_id)
