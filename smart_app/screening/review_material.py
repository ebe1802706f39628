"""Everything that review, note and signature of one screening rest on, gathered once for each of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256

from fhir_mappings.administration import Party
from fhir_mappings.instrument import Instrument
from fhir_mappings.result import ScreeningResult, Signer
from smart_app.chart import Chart, ChartHistory
from smart_app.model.alert import Alert
from smart_app.model.approval import WriteChoice
from smart_app.model.note import NoteDraft
from smart_app.model.rights import Right
from smart_app.model.screening import Screening, ScreeningState
from smart_app.notes.drafting import ComposedNote, compose_note
from smart_app.screening.answers import get_instrument
from smart_app.screening.context import get_chart, get_history, get_supervisor_name
from smart_app.screening.encounters import is_set_aside
from smart_app.screening.result import build_result
from smart_app.screening.series import find_points, find_written
from smart_app.screening.tokens import get_active
from smart_app.services import Acting, Services
from smart_app.writeback.facts import find_facts
from smart_app.writeback.plan import WritePlan, make_plan

COUNTED = frozenset({ScreeningState.SIGNED, ScreeningState.CORRECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One screening under review. ``previous`` is the patient's last signed result of the same instrument.

    ``others`` are all of the patient's screenings in this app. ``supervisor_name``: whoever must sign too, "" where the
    user signs alone or the name is not known.
    """

    screening: Screening
    instrument: Instrument
    chart: Chart
    history: ChartHistory
    alerts: tuple[Alert, ...]
    previous: Screening | None
    others: tuple[Screening, ...]
    result: ScreeningResult = field(repr=False)
    note: ComposedNote = field(repr=False)
    draft: NoteDraft | None = field(repr=False)
    plan: WritePlan
    organization: Party | None
    supervisor_name: str
    displayed_hash: str


def gather(app: Services, who: Acting, screening: Screening, *, choice: WriteChoice | None = None) -> Material:
    """Gather it. Reads the EHR where the launch's cache is empty, outside of any unit of work.

    Raises: LaunchOver, LaunchError and MalformedPatient for the patient; what else is missing is said on the page.
    """
    chart = get_chart(app, who)
    history = get_history(app, who)
    instrument = get_instrument(app.library, screening.instrument_id)
    with app.units.read() as unit:
        alerts = unit.alerts.for_screening(screening.id)
        draft = unit.notes.find(screening.id)
        everything = unit.screenings.for_patient(who.patient)
        earlier = tuple(other for other in everything if other.state in COUNTED)
        written = find_written(unit, who.patient)
    points = find_points(app, instrument, chart.patient, earlier=earlier, chart=history, written=written)
    result = build_result(app, who, instrument, screening, chart=chart, alerts=alerts, points=points)
    note = compose_note(result, draft)
    organization = find_organization(app, who, chart)
    plan = plan_for(app, who, result, organization, choice, note_text=note.text)
    same = [other for other in earlier if other.instrument_id == instrument.id and other.id != screening.id]
    return Material(
        screening=screening,
        instrument=instrument,
        chart=chart,
        history=history,
        alerts=alerts,
        others=everything,
        previous=max(same, key=lambda other: other.started_at, default=None),
        result=result,
        note=note,
        draft=draft,
        plan=plan,
        organization=organization,
        supervisor_name=get_supervisor_name(app, who),
        displayed_hash=_hash(who, screening, chart, alerts, signed=[result.report.to_json(), note.text, plan.hash]),
    )


def find_organization(app: Services, who: Acting, chart: Chart) -> Party | None:
    """Give whom the clinician signs for: the visit's service provider, else the EHR entry's organization, else None."""
    if chart.visit is not None and chart.visit.service_provider is not None:
        return chart.visit.service_provider
    ehr = app.ehrs.get(who.session.ehr_id)
    if ehr.organization is None:
        return None
    return Party(reference=ehr.organization, display=ehr.organization_name or ehr.name)


def plan_for(
    app: Services,
    who: Acting,
    result: ScreeningResult,
    organization: Party | None,
    choice: WriteChoice | None,
    *,
    note_text: str,
) -> WritePlan:
    """Make the write plan for a result with this launch's scopes and this EHR's abilities."""
    ehr = app.ehrs.get(who.session.ehr_id)
    rule = who.rights.get(Right.SIGN)
    waits = rule is not None and rule.supervisor is not None
    supervisor = get_supervisor_name(app, who) or "the supervisor"
    return make_plan(
        capabilities=app.connections.find_capabilities(ehr.id, who.now),
        scopes=get_active(app, who).scopes,
        profile=ehr.profile,
        site=app.rules.at(ehr.id).write_site,
        facts=find_facts(
            result,
            signer=Signer(reference=who.user.fhir_user or "", display=who.user.name),
            note_text=note_text,
            organization=organization,
            now=who.now,
            co_signer=Party(reference=None, display=supervisor) if waits else None,
            launch_visit_set_aside=is_set_aside(app, who),
        ),
        choice=choice,
    )


def _hash(who: Acting, screening: Screening, chart: Chart, alerts: tuple[Alert, ...], *, signed: list[object]) -> str:
    """Hash what the page displays, without what only the clock changes ("open for 14 min")."""
    patient = chart.patient
    displayed = {
        "patient": [
            patient.patient_id,
            patient.name,
            patient.birth_date,
            patient.gender,
            [list(pair) for pair in patient.identifiers],
            [patient.active, patient.deceased, patient.replaced_by],
        ],
        "signer": [who.user.issuer, who.user.subject],
        "encounter": who.session.encounter_id,
        "screening": [str(screening.id), screening.version],
        "alerts": [[str(alert.id), alert.version] for alert in alerts],
        "signed": signed,
    }
    return sha256(json.dumps(displayed, sort_keys=True).encode()).hexdigest()
