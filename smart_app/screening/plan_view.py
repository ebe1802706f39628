"""What each choice of safety rule 13 would do, in words: the page shows the plan of the choice that is ticked."""

from __future__ import annotations

from smart_app.model.approval import WriteChoice
from smart_app.screening.review_material import Material, plan_for
from smart_app.screening.review_views import PlanLineView, PlanView
from smart_app.screening.wording import say_count
from smart_app.services import Acting, Services
from smart_app.writeback.plan import PlanLine, WritePlan
from smart_app.writeback.plan_words import UNDECIDED


def build_plans(app: Services, who: Acting, material: Material) -> tuple[PlanView, ...]:
    """Build the plan that stands when the page opens, then that of every other choice."""
    standing = material.plan
    others = [
        plan_for(app, who, material.result, material.organization, option.choice, note_text=material.note.text)
        for option in standing.options
        if option.choice is not standing.choice
    ]
    ehr_name, patient_name = app.ehrs.get(who.session.ehr_id).name, material.chart.patient.name
    return tuple(_build_plan(plan, ehr_name, patient_name) for plan in (standing, *others))


def _build_plan(plan: WritePlan, ehr_name: str, patient_name: str) -> PlanView:
    return PlanView(
        choice="" if plan.choice is None else plan.choice,
        lines=tuple(_build_line(line, is_chosen=plan.choice is not None) for line in plan.lines),
        summary=_say_plan(plan, ehr_name),
        release_notice=plan.release_notice,
        button=_say_button(plan, patient_name),
    )


def _build_line(line: PlanLine, *, is_chosen: bool) -> PlanLineView:
    """Build a line; while nothing is chosen it never reads as if writing were preset (safety rule 13)."""
    words = "Not written"
    if line.writes:
        words = "Write" if is_chosen else UNDECIDED
    return PlanLineView(
        what=line.label, chart_as=line.chart_as, writes=line.writes and is_chosen, words=words, reason=line.reason
    )


def _say_plan(plan: WritePlan, ehr_name: str) -> str:
    if plan.choice is None and plan.written_count:
        return " ".join((f"{UNDECIDED}: nothing is preset.", *plan.notices))
    if not plan.written_count:
        return " ".join((f"Nothing to the chart at {ehr_name}.", *plan.notices))
    written = f"{say_count(plan.written_count, 'item')} to the chart at {ehr_name}"
    not_written = f", {plan.unwritten_count} not" if plan.unwritten_count else ""
    return " ".join((f"{written}{not_written}.", *plan.notices))


def _say_button(plan: WritePlan, patient_name: str) -> str:
    if plan.choice is None:
        return f"Sign for {patient_name}, as chosen above"
    if plan.choice not in {WriteChoice.WRITE, WriteChoice.RESTRICTED} or not plan.written_count:
        return f"Sign for {patient_name}; nothing is written"
    return f"Sign and write {say_count(plan.written_count, 'item')} to the chart of {patient_name}"
