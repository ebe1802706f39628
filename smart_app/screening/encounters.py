"""Choose the visit where the launch has none that can be read: from this patient's recent ones, never silently."""

from __future__ import annotations

from dataclasses import replace

from launch.errors import LaunchError
from smart_app.access import event, permitted
from smart_app.chart import Chart
from smart_app.model.audit import AuditAction
from smart_app.model.launch_session import NO_VISIT
from smart_app.model.moves import MissingField
from smart_app.model.rights import Right
from smart_app.model.screening import Screening
from smart_app.screening.context import get_chart, get_visits
from smart_app.screening.errors import InvalidField
from smart_app.screening.frame import build_frame, say_visit
from smart_app.screening.review_views import EncounterOption, EncounterView
from smart_app.screening.tokens import get_active
from smart_app.services import Acting, Services

_SET_ASIDE = "it could not be read, and is set aside"
NONE = "none"
"""Form value for "this belongs to no visit"."""


def view_encounters(app: Services, who: Acting) -> EncounterView:
    """Show this patient's recent visits. Raises: LaunchOver, LaunchError for the patient."""
    with permitted(app, who):
        chart = get_chart(app, who)
        notice = "The launch had no visit open."
        if find_launch_visit(app, who) is not None:
            notice = f"The EHR opened the app from a visit: {chart.visit_notice or _SET_ASIDE}."
        options = build_options(app, who)
        if len(options) == 1:
            notice += " The EHR has no other recent visit of this patient, or it could not be read."
        notice += " Choose the one that the result belongs to, or none."
        return EncounterView(frame=build_frame(app, who, chart), options=options, notice=notice)


def choose_encounter(app: Services, who: Acting, encounter_id: str) -> None:
    """Choose one of the visits shown, or "none". The launch's own visit is never replaced while it can be read.

    Raises: MissingField, InvalidField (not one of this patient's recent visits), LaunchError.
    """
    with permitted(app, who, Right.ENTER):
        if not encounter_id:
            raise MissingField(field="encounter")
        if not may_choose_visit(app, who, get_chart(app, who)):
            raise InvalidField(field="encounter")
        if encounter_id != NONE and encounter_id not in {visit.id for visit in get_visits(app, who)}:
            raise InvalidField(field="encounter")
        with app.units.write() as unit:
            session = unit.sessions.get(who.session.id)
            chosen = NO_VISIT if encounter_id == NONE else encounter_id
            unit.sessions.save(replace(session, encounter_id=chosen))
            unit.audit.append(event(who, AuditAction.ENCOUNTER_CHOSEN, encounter_id))
            unit.commit()
    app.charts.forget_chart(who.session.id)


def find_launch_visit(app: Services, who: Acting) -> str | None:
    """Give the id of the visit that the EHR had open at launch, None where there was none."""
    return get_active(app, who).context.encounter


def may_choose_visit(app: Services, who: Acting, chart: Chart) -> bool:
    """Tell whether a visit is to be chosen: one that the EHR had open at launch holds, unless it cannot be read."""
    return find_launch_visit(app, who) is None or chart.visit is None or is_set_aside(app, who)


def is_set_aside(app: Services, who: Acting) -> bool:
    """Tell whether another visit, or none, was chosen in place of the launch's own, which could not be read."""
    return find_launch_visit(app, who) not in (None, who.session.encounter_id)


def build_options(app: Services, who: Acting) -> tuple[EncounterOption, ...]:
    """Give the visits to choose from, and "none"; an EHR that does not answer leaves "none" alone."""
    try:
        visits = get_visits(app, who)
    except LaunchError:
        visits = ()
    chosen = who.session.encounter_id
    return (
        *(
            EncounterOption(
                encounter_id=visit.id,
                words=say_visit(visit, who.now, app.rules.zone),
                chosen=visit.id == chosen,
            )
            for visit in visits
        ),
        EncounterOption(encounter_id=NONE, words="None: the result belongs to no visit", chosen=chosen == NO_VISIT),
    )


def say_encounter_notice(who: Acting, screening: Screening) -> str:
    """Say when the answers were given in another visit than the one signed in."""
    signed_in = who.session.encounter_id or None
    if screening.encounter_id is None or screening.encounter_id == signed_in:
        return ""
    return "The answers were given in another visit than the one of this launch; both are kept."
