"""Start an instrument as the site usually does: the patient answers, the clinician asks; one click or none."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from fhir_mappings.administration import Mode
from smart_app.screening import workflow
from smart_app.screening.forms import GivingForm
from smart_app.screening.views import Choice, StartView
from smart_app.services import Acting, Services


def view_start(app: Services, who: Acting, instrument_id: str) -> StartView:
    """Give the "who and how" form with the usual mode chosen. Raises: NoSuchInstrument."""
    view = workflow.view_start(app, who, instrument_id)
    if chosen(view.modes):
        return view
    modes = tuple(replace(choice, chosen=choice.value == Mode.INTERVIEW) for choice in view.modes)
    return replace(view, modes=modes)


def start_as_usual(app: Services, who: Acting, instrument_id: str) -> UUID | None:
    """Start, or go on with the draft; None where the site has no usual way, so that the form must ask.

    Raises: NoSuchInstrument.
    """
    view = view_start(app, who, instrument_id)
    informant, mode, language = chosen(view.informants), chosen(view.modes), chosen(view.languages)
    if not (informant and mode and language):
        return None
    return workflow.start_screening(
        app, who, instrument_id, GivingForm(informant=informant, mode=mode, language=language)
    )


def chosen(choices: tuple[Choice, ...]) -> str:
    """Give the value of the chosen one, "" without one."""
    return next((choice.value for choice in choices if choice.chosen), "")
