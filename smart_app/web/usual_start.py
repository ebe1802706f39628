"""Start an instrument as the site usually does: the patient answers, the clinician asks; one click or none."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from smart_app.model.moves import MissingField
from smart_app.screening import workflow
from smart_app.screening.starting import USUAL_MODE
from smart_app.screening.views import StartView
from smart_app.services import Acting, Services


def view_start(app: Services, who: Acting, instrument_id: str) -> StartView:
    """Give the "who and how" form with the usual mode chosen. Raises: NoSuchInstrument."""
    view = workflow.view_start(app, who, instrument_id)
    modes = tuple(replace(choice, chosen=choice.value == USUAL_MODE) for choice in view.modes)
    return replace(view, modes=modes)


def start_as_usual(app: Services, who: Acting, instrument_id: str) -> UUID | None:
    """Start, or go on with the draft; None where it must be asked: language, or knowing of the age or the death.

    Raises: NoSuchInstrument.
    """
    giving = workflow.find_usual_giving(app, instrument_id)
    try:
        return None if giving is None else workflow.start_screening(app, who, instrument_id, giving)
    except MissingField:
        return None
