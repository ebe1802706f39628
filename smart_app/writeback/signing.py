"""Sign a reviewed result: Approval, ledger rows, screening and audit in one commit (design: "What is signed").

What is signed are the planned resources with ``urn:uuid:`` references and the identifiers made here; their hash is in
the Approval, and the writer checks it again before each send. Nothing is sent from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from uuid import UUID

from fhir_mappings.administration import Party
from fhir_mappings.extract import PlannedResource, build_chart_resources, content_hash
from fhir_mappings.r4 import format_json
from fhir_mappings.result import ScreeningResult, Signer
from smart_app.errors import AppError
from smart_app.model.approval import Approval
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.identity import PatientIdentity, User
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.model.moves import MissingField
from smart_app.model.screening import Screening
from smart_app.storage.errors import StaleVersion
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.errors import AlertStillOpen, ChangedSinceShown, ChoiceMissing, PlanNotMet
from smart_app.writeback.facts import signed_result
from smart_app.writeback.obstacles import BY_CHOICE, Obstacle
from smart_app.writeback.plan import PlanLine, WritePlan
from smart_app.writeback.reference_code import new_reference_code


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """Everything a signature rests on.

    ``screening`` and ``result`` as displayed; ``plan`` made for the clinician's choice; ``displayed_hash`` as the form
    posted it, ``current_hash`` as the page would show it now. ``signer`` is the user, ``signer_name`` the reference
    and name that go into the resources. ``awaiting`` is a supervisor whose co-signature must come first,
    ``awaiting_name`` their name, "" where it is not known. ``zone`` is the site's, for the time in the note's text.
    """

    screening: Screening
    result: ScreeningResult = field(repr=False)
    plan: WritePlan
    patient_identity: PatientIdentity = field(repr=False)
    encounter_id: str | None
    encounter_status: str | None
    signer: User
    signer_name: Signer
    organization: Party | None
    launch_id: str
    note_text: str = field(repr=False)
    displayed_hash: str
    current_hash: str
    choice_reason: str = field(default="", repr=False)
    deceased_confirmed: bool = False
    awaiting: str | None = None
    awaiting_name: str = ""
    zone: tzinfo = UTC
    software_version: str
    correlation_id: str | None = None


def sign(
    units: Units,
    request: SignRequest,
    *,
    now: datetime,
    new_id: Callable[[], UUID],
    random_bytes: Callable[[int], bytes],
) -> Approval:
    """Sign. Refused when the page has changed, an alert is open, or a choice or its reason is missing.

    A refusal is audited in a transaction of its own. Raises: ChangedSinceShown, AlertStillOpen, ChoiceMissing,
    MissingField, PlanNotMet, IllegalMove, StaleVersion.
    """
    try:
        return _sign(units, request, now=now, new_id=new_id, random_bytes=random_bytes)
    except AppError as exc:
        with units.write() as unit:
            unit.audit.append(_event(request, AuditAction.SIGN_REFUSED, now, outcome=exc.code))
            unit.commit()
        raise


def _sign(
    units: Units,
    request: SignRequest,
    *,
    now: datetime,
    new_id: Callable[[], UUID],
    random_bytes: Callable[[int], bytes],
) -> Approval:
    _check_request(request)
    reference_code = new_reference_code(random_bytes)
    planned = _build(request, reference_code, now, new_id)
    _check_counts(request.plan, planned)
    approval = _approval(request, planned, reference_code, now, new_id())
    rows = [
        *(_row(resource, approval.id, ordinal, new_id()) for ordinal, resource in enumerate(planned, start=1)),
        *_unsent_rows(request.plan.lines, approval.id, len(planned) + 1, now, new_id),
    ]
    with units.write() as unit:
        standing = unit.screenings.get(request.screening.id)
        if standing.version != request.screening.version:
            raise StaleVersion(field="screening")
        if any(alert.blocks_signing for alert in unit.alerts.for_screening(standing.id)):
            raise AlertStillOpen(field="alert")
        unit.screenings.save(standing.sign(now))
        unit.approvals.add(approval)
        unit.ledger.add_all(rows)
        unit.audit.append(
            _event(
                request,
                AuditAction.SIGNED,
                now,
                detail={
                    "approval": str(approval.id),
                    "reference_code": reference_code,
                    "content_hash": approval.content_hash,
                    "displayed_hash": approval.displayed_hash,
                    "choice": approval.choice.value,
                    "resources": len(planned),
                    "awaiting_co_signature": approval.awaiting is not None,
                },
            )
        )
        unit.commit()
    return approval


def _check_request(request: SignRequest) -> None:
    if request.displayed_hash != request.current_hash:
        raise ChangedSinceShown(field="displayed_hash")
    option = request.plan.find_option(request.plan.choice)
    if option is None:
        raise ChoiceMissing(field="choice")
    if option.needs_reason and not request.choice_reason.strip():
        raise MissingField(field="choice_reason")
    if request.patient_identity.deceased and not request.deceased_confirmed:
        raise MissingField(field="deceased_confirmed")


def _build(
    request: SignRequest, reference_code: str, now: datetime, new_id: Callable[[], UUID]
) -> tuple[PlannedResource, ...]:
    if not request.plan.shapes:
        return ()
    numbers: dict[str, UUID] = {}

    def number(key: str) -> UUID:
        return numbers.setdefault(key, new_id())

    signed = signed_result(
        request.result,
        signer=request.signer_name,
        signed_at=now.astimezone(request.zone),
        organization=request.organization,
        note_text=request.note_text,
        reference_code=reference_code,
        software_version=request.software_version,
        co_signer=_co_signer(request),
    )
    return build_chart_resources(signed, request.plan.shapes, number)


def _co_signer(request: SignRequest) -> Party | None:
    if request.awaiting is None:
        return None
    # A site may name a supervisor by OpenID subject, which is no reference of the chart.
    reference = request.awaiting if request.awaiting.startswith("Practitioner") else None
    return Party(reference=reference, display=request.awaiting_name or "the supervisor")


def _check_counts(plan: WritePlan, planned: Sequence[PlannedResource]) -> None:
    """Refuse to sign what the page did not show (the counts are those that it read aloud)."""
    made = Counter(resource.kind for resource in planned)
    if made != Counter({line.kind: line.count for line in plan.lines if line.writes}):
        raise PlanNotMet(field="plan")


def _approval(
    request: SignRequest, planned: Sequence[PlannedResource], reference_code: str, now: datetime, approval_id: UUID
) -> Approval:
    option = request.plan.find_option(request.plan.choice)
    if option is None:
        raise ChoiceMissing(field="choice")
    return Approval(
        id=approval_id,
        screening_id=request.screening.id,
        patient=request.screening.patient,
        patient_identity=request.patient_identity,
        encounter_id=request.encounter_id,
        encounter_status=request.encounter_status,
        signer=request.signer,
        signed_at=now,
        launch_id=request.launch_id,
        reference_code=reference_code,
        content_hash=content_hash([resource.resource for resource in planned]),
        displayed_hash=request.displayed_hash,
        choice=option.choice,
        choice_reason=request.choice_reason.strip(),
        note_text=request.note_text,
        plan_text=request.plan.text,
        deceased_confirmed=request.deceased_confirmed,
        awaiting=request.awaiting,
        awaiting_name=request.awaiting_name,
    )


def _row(planned: PlannedResource, approval_id: UUID, ordinal: int, row_id: UUID) -> LedgerRow:
    return LedgerRow(
        id=row_id,
        approval_id=approval_id,
        ordinal=ordinal,
        key=planned.key,
        kind=planned.kind.value,
        resource_type=planned.kind.resource_type,
        full_url=planned.full_url,
        identifier_value=planned.identifier_value,
        resource=format_json(planned.resource),
        content_hash=content_hash([planned.resource]),
        depends_on=planned.depends_on,
        state=RowState.PLANNED,
    )


def _unsent_rows(
    lines: Sequence[PlanLine], approval_id: UUID, first: int, now: datetime, new_id: Callable[[], UUID]
) -> list[LedgerRow]:
    """One row without content for each kind that is not written, so that the outcome tells it with its reason."""
    unsent = [line for line in lines if not line.writes]
    return [
        LedgerRow(
            id=new_id(),
            approval_id=approval_id,
            ordinal=ordinal,
            key=f"{line.kind.value}:{line.count}",
            kind=line.kind.value,
            resource_type=line.kind.resource_type,
            full_url="",
            identifier_value="",
            resource="",
            content_hash="",
            depends_on=(),
            state=RowState.CANCELLED if Obstacle(line.reason_code) in BY_CHOICE else RowState.NOT_SUPPORTED,
            reason_code=line.reason_code,
            reason=line.reason,
            ended_at=now,
        )
        for ordinal, line in enumerate(unsent, start=first)
    ]


def _event(
    request: SignRequest,
    action: AuditAction,
    now: datetime,
    *,
    outcome: str = "success",
    detail: dict[str, str | int | bool | None] | None = None,
) -> AuditEvent:
    return AuditEvent(
        action=action,
        at=now,
        outcome=outcome,
        user=request.signer,
        patient=request.screening.patient,
        launch_id=request.launch_id,
        entity=f"screening/{request.screening.id}",
        correlation_id=request.correlation_id,
        detail=detail or {},
    )
