"""Start a screening: who answers, who asks, how, when and in which language (design section 3)."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

from fhir_mappings.administration import SELF_ENTERED, Informant, Mode
from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import Precision, parse_partial_date_time
from fhir_mappings.wording import describe_age_fit
from smart_app.access import event, permitted
from smart_app.chart import Chart
from smart_app.model.audit import AuditAction, AuditEvent
from smart_app.model.moves import MissingField
from smart_app.model.rights import Right
from smart_app.model.screening import Giving, Screening, ScreeningState
from smart_app.screening.answers import get_offered
from smart_app.screening.context import get_chart
from smart_app.screening.drafts import OTHER_INFORMANT, is_too_old, stop_old_drafts, stop_too_old
from smart_app.screening.errors import InvalidField
from smart_app.screening.form_words import INFORMANT_LABELS, MODE_LABELS, say_giving, say_progress
from smart_app.screening.forms import GivingForm
from smart_app.screening.frame import build_frame
from smart_app.screening.moments import parse_moment
from smart_app.screening.views import Choice, StartView
from smart_app.screening.wording import find_age, say_moment
from smart_app.services import Acting, EhrRules, Services

LONGEST_TEXT = 200
TOLD_BEFOREHAND = (
    "Tell the young person before the first question who may see this: the clinic; and what is written to the chart "
    "may be read at once in the portal, by a parent or other proxy, too."
)
"""Stands on overview, start and form of a patient who is, or may be, a minor (safety rule 13)."""
USUAL_MODE = Mode.INTERVIEW
_Choices = TypeVar("_Choices", Informant, Mode)
# Handing over a device needs the lock of design section 7, an own device the one-time code: neither is offered yet.
_OFFERED_MODES = tuple(mode for mode in MODE_LABELS if mode not in SELF_ENTERED)


def view_start(app: Services, who: Acting, instrument_id: str) -> StartView:
    """Show the "who and how" form. Raises: NoSuchInstrument."""
    with permitted(app, who, Right.ENTER):
        instrument = get_offered(app.library, instrument_id)
        stop_old_drafts(app, who)
    chart = get_chart(app, who)
    with app.units.read() as unit:
        drafts = unit.screenings.for_patient(who.patient, {ScreeningState.IN_PROGRESS})
    draft = next((draft for draft in drafts if draft.instrument_id == instrument_id), None)
    return StartView(
        frame=build_frame(app, who, chart),
        instrument_id=instrument.id,
        short_name=instrument.short_name,
        title=instrument.title,
        informants=tuple(
            Choice(value=informant, label=label, chosen=informant is Informant.PATIENT)
            for informant, label in INFORMANT_LABELS.items()
        ),
        modes=tuple(Choice(value=mode, label=MODE_LABELS[mode]) for mode in _OFFERED_MODES),
        languages=tuple(
            Choice(value=code, label=name, chosen=len(offered) == 1)
            for offered in [app.rules.languages_of(instrument)]
            for code, name in offered
        ),
        draft_id=None if draft is None else draft.id,
        draft="" if draft is None else _say_draft(app, who, instrument, draft),
        warnings=say_warnings(app, who, instrument, chart),
        asks_knowingly=not instrument.fits_age(
            find_age(chart.patient.birth_date, who.now.astimezone(app.rules.zone).date())
        ),
        asks_deceased=chart.patient.deceased,
    )


def find_usual_giving(app: Services, instrument_id: str) -> GivingForm | None:
    """Give who and how as it usually is: the patient answers, the clinician asks; None where the language is a choice.

    Raises: NoSuchInstrument.
    """
    languages = app.rules.languages_of(get_offered(app.library, instrument_id))
    if len(languages) != 1:
        return None
    return GivingForm(informant=Informant.PATIENT, mode=USUAL_MODE, language=languages[0][0])


def start_screening(app: Services, who: Acting, instrument_id: str, form: GivingForm) -> UUID:
    """Start one, or go on with the draft of the same informant.

    A draft of another informant is stopped and kept, as is every one that is too old.

    Raises: NoSuchInstrument, MissingField, also for a patient who has died where nobody says that they know;
    InvalidField.
    """
    with permitted(app, who, Right.ENTER):
        instrument = get_offered(app.library, instrument_id)
        chart = get_chart(app, who)
        deceased = chart.patient.deceased
        if deceased and not form.although_deceased:
            raise MissingField(field="although_deceased")
        giving = parse_giving(app, who, instrument, form, birth_date=chart.patient.birth_date)
        with app.units.write() as unit:
            events: list[AuditEvent] = []
            drafts = unit.screenings.for_patient(who.patient, {ScreeningState.IN_PROGRESS})
            of_this = [draft for draft in drafts if draft.instrument_id == instrument_id]
            for draft in of_this:
                if draft.may_go_on(who.now, app.rules.draft_within, giving.informant):
                    return draft.id
            events += stop_too_old(app, who, unit, drafts)
            for draft in of_this:
                if not is_too_old(app, draft, who.now):
                    unit.screenings.save(draft.stop(who.now, OTHER_INFORMANT))
                    events.append(event(who, AuditAction.SCREENING_STOPPED, draft.id, reason="started-anew"))
            screening = Screening(
                id=app.new_id(),
                patient=who.patient,
                instrument_id=instrument.id,
                canonical=instrument.canonical,
                state=ScreeningState.IN_PROGRESS,
                giving=giving,
                encounter_id=None if chart.visit is None else chart.visit.id,
                started_by=who.user,
                started_at=who.now,
                updated_at=who.now,
                identity=chart.patient,
            )
            unit.screenings.add(screening)
            events.append(
                event(
                    who,
                    AuditAction.SCREENING_STARTED,
                    screening.id,
                    instrument=instrument.id,
                    although_deceased=deceased,
                )
            )
            for happened in events:
                unit.audit.append(happened)
            unit.commit()
    return screening.id


def parse_giving(
    app: Services, who: Acting, instrument: Instrument, form: GivingForm, *, birth_date: str | None
) -> Giving:
    """Read the form. ``answered_at`` is a FHIR date or dateTime, or a browser's local time in the site's zone.

    Raises: MissingField, also where an instrument is not known to suit the age and nobody says that they know it;
    InvalidField (a time in the future or before the patient was born, a month only, an unknown choice).
    """
    informant = _parse_choice(Informant, form.informant, "informant")
    mode = _parse_choice(Mode, form.mode, "mode")
    if mode not in _OFFERED_MODES:
        raise InvalidField(field="mode")
    relationship = form.relationship.strip()
    if len(relationship) > LONGEST_TEXT:
        raise InvalidField(field="relationship")
    if informant is Informant.PROXY and not relationship:
        raise MissingField(field="relationship")
    if not form.language:
        raise MissingField(field="language")
    if form.language not in dict(app.rules.languages_of(instrument)):
        raise InvalidField(field="language")
    if mode is Mode.PAPER and not form.answered_at.strip():
        raise MissingField(field="answered_at")
    answered_at = parse_answered_at(app, form.answered_at.strip(), who.now, birth_date)
    fits = instrument.fits_age(find_age(birth_date, _day_of(app, who, answered_at)))
    if not fits and not form.knowingly:
        raise MissingField(field="knowingly")
    return Giving(
        informant=informant,
        relationship=relationship if informant is Informant.PROXY else None,
        mode=mode,
        administered_by=who.user.name,
        language=form.language,
        interpreter=form.interpreter,
        answered_at=answered_at,
        knowingly=not fits,
    )


def _day_of(app: Services, who: Acting, answered_at: str | None) -> date:
    if answered_at is None:
        return who.now.astimezone(app.rules.zone).date()
    return parse_partial_date_time(answered_at, "answered_at").earliest.date()


def parse_answered_at(app: Services, text: str, now: datetime, birth_date: str | None) -> str | None:
    """Give the time as FHIR dateTime with its precision kept, None for "". Raises: InvalidField."""
    if not text:
        return None
    when = parse_moment(text, "answered_at", zone=app.rules.zone, birth_date=birth_date)
    today = now.astimezone(app.rules.zone).date()
    if when.earliest.date() > today if when.precision is Precision.DAY else when.earliest > now:
        raise InvalidField(field="answered_at")
    return when.text


def _parse_choice(choices: type[_Choices], text: str, field: str) -> _Choices:
    if not text:
        raise MissingField(field=field)
    try:
        return choices(text)
    except ValueError as error:
        raise InvalidField(field=field) from error


def _say_draft(app: Services, who: Acting, instrument: Instrument, draft: Screening) -> str:
    progress = say_progress(instrument, draft)["progress"]
    when = say_moment(draft.updated_at, who.now, app.rules.zone)
    giving = say_giving(draft.giving, dict(app.rules.languages))
    return f"{progress}, saved {when} by {draft.started_by.name}. {giving}."


def say_warnings(app: Services, who: Acting, instrument: Instrument, chart: Chart) -> tuple[str, ...]:
    """Give what speaks against the instrument for this patient, on start and form alike (safety rules 5, 12 and 13)."""
    age = find_age(chart.patient.birth_date, who.now.astimezone(app.rules.zone).date())
    fit = describe_age_fit(instrument, age)
    suicide = instrument.suicide_notice
    if suicide and instrument.has_plan:
        suicide = f"{instrument.short_name} does not ask about suicide."
    return tuple(words for words in (say_told_beforehand(app, who, chart), fit, suicide) if words)


def say_told_beforehand(app: Services, who: Acting, chart: Chart) -> str:
    """Give what a young person is told before the first question, "" for an adult (safety rule 13)."""
    age = find_age(chart.patient.birth_date, who.now.astimezone(app.rules.zone).date())
    rules = app.rules.ehrs.get(who.session.ehr_id, EhrRules())
    return TOLD_BEFOREHAND if age is None or age < rules.write_site.age_of_majority else ""
