"""From saved answers to the answers that are scored: the newest save of each item, by its option's coding."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from fhir_mappings.age_fit import limit_to_age
from fhir_mappings.answers import Answer, Answers, AnswerStatus, keep_enabled
from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import parse_partial_date_time
from fhir_mappings.scores import PatientFacts, ScoreReport
from fhir_mappings.scoring import score_answers
from smart_app.library import Library
from smart_app.model.identity import PatientIdentity
from smart_app.model.screening import SavedStatus, Screening
from smart_app.screening.errors import NoSuchInstrument
from smart_app.screening.typed_answers import find_fixed, read_saved
from smart_app.screening.wording import find_birth_day, say_carried
from smart_app.services import Services

_UTC = ZoneInfo("UTC")


def get_instrument(library: Library, instrument_id: str) -> Instrument:
    """Give an instrument of the library. Raises: NoSuchInstrument."""
    instrument = library.find(instrument_id)
    if instrument is None:
        raise NoSuchInstrument(field="instrument")
    return instrument


def get_offered(library: Library, instrument_id: str) -> Instrument:
    """Give an instrument that may be started. Raises: NoSuchInstrument, also for one that the site has switched off."""
    instrument = get_instrument(library, instrument_id)
    if not library.offers(instrument):
        raise NoSuchInstrument(field="instrument")
    return instrument


def current_answers(instrument: Instrument, screening: Screening, zone: ZoneInfo = _UTC) -> Answers:
    """Give linkId → Answer for the newest save of each item; a save of an unknown option counts as not reached.

    ``zone`` is that of the times at which carried answers were given.
    """
    answers: dict[str, Answer] = dict(find_fixed(instrument))
    for link_id, saved in screening.current_answers().items():
        item = instrument.by_link_id.get(link_id)
        if item is None:
            continue
        if saved.status is SavedStatus.DECLINED:
            answers[link_id] = Answer(link_id=link_id, status=AnswerStatus.DECLINED, at=saved.saved_at)
            continue
        answer = read_saved(item, saved)
        if answer is not None:
            carried_from = None if saved.carried is None else say_carried(saved.carried, zone)
            answers[link_id] = replace(answer, carried_from=carried_from)
    return answers


def enabled_answers(instrument: Instrument, screening: Screening, zone: ZoneInfo = _UTC) -> Answers:
    """Give the current answers without those of items that the others do not enable: such an answer is kept aside."""
    return keep_enabled(instrument.items, current_answers(instrument, screening, zone))


def score_screening(
    app: Services, instrument: Instrument, screening: Screening, patient: PatientIdentity | None, *, handed_in: bool
) -> ScoreReport:
    """Score what stands now. Without ``patient``, cut-offs that depend on sex or age stay open (safety rule 3).

    With one, what is not established at their age on the day of the answers is left out (docs/adr/0013).
    """
    facts = PatientFacts()
    if patient is not None:
        answered_on = (screening.completed_at or screening.updated_at).astimezone(app.rules.zone).date()
        if screening.giving.answered_at is not None:
            answered_on = parse_partial_date_time(screening.giving.answered_at, "answered_at").earliest.date()
        facts = PatientFacts(gender=patient.gender, birth_date=find_birth_day(patient.birth_date), on=answered_on)
    answers = current_answers(instrument, screening)
    report = score_answers(instrument, answers, facts, handed_in=handed_in, prorate=app.rules.prorate).value
    return limit_to_age(instrument, report, facts)
