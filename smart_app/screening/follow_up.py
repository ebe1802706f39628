"""Which instrument a result calls for next, by the published rules of its PlanDefinition, and how to start it."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_mappings.instrument import Instrument, NextInstrument, Points
from fhir_mappings.scores import Score
from smart_app.model.identity import PatientIdentity
from smart_app.model.screening import Screening, ScreeningState
from smart_app.practice.due import CalledFor
from smart_app.screening.answers import current_answers, score_screening
from smart_app.screening.review_views import NextView
from smart_app.services import Services

_OVER = frozenset({ScreeningState.REJECTED, ScreeningState.RETRACTED, ScreeningState.STOPPED})


def find_calls(app: Services, screening: Screening, patient: PatientIdentity) -> tuple[CalledFor, ...]:
    """Give what a screening's answers and scores call for.

    A score calls at its points, also where it is incomplete but surely there; a screen that is negative for this
    patient (a cut-off by sex) calls for nothing, one that is not known does.
    """
    instrument = app.library.find(screening.instrument_id)
    if instrument is None or screening.purged_at is not None or screening.state is ScreeningState.REJECTED:
        return ()
    on = screening.updated_at.astimezone(app.rules.zone).date()
    report = score_screening(app, instrument, screening, patient, handed_in=False)
    scores = {definition.link_id: score for definition, score in zip(instrument.scores, report.scores, strict=True)}
    weights = _weights(instrument, screening)
    return tuple(
        CalledFor(canonical=rule.canonical, reason=rule.reason, source=rule.source, on=on)
        for rule in instrument.next_instruments
        if _calls(rule, scores.get(rule.link_id), weights.get(rule.link_id))
    )


def find_open_calls(
    app: Services, screening: Screening, patient: PatientIdentity, others: Iterable[Screening]
) -> tuple[CalledFor, ...]:
    """Give what a screening calls for that has not been begun since."""
    begun = {
        other.canonical.partition("|")[0]
        for other in others
        if other.started_at >= screening.started_at and other.id != screening.id and other.state not in _OVER
    }
    calls = find_calls(app, screening, patient)
    return tuple(call for call in calls if call.canonical.partition("|")[0] not in begun)


def find_next(
    app: Services, screening: Screening, patient: PatientIdentity, others: Iterable[Screening]
) -> tuple[NextView, ...]:
    """Give the instruments to give next, to be started in the way in which this one was given."""
    giving = screening.giving
    fields = {
        "informant": giving.informant,
        "relationship": giving.relationship or "",
        "mode": giving.mode,
        "language": giving.language,
        "interpreter": "yes" if giving.interpreter else "",
    }
    return tuple(
        NextView(
            instrument_id=instrument.id,
            short_name=instrument.short_name,
            reason=end_sentence(call.reason),
            source=call.source,
            fields=tuple(fields.items()),
        )
        for call in find_open_calls(app, screening, patient, others)
        if (instrument := app.library.find_by_canonical(call.canonical)) is not None
    )


def end_sentence(words: str) -> str:
    """Give a rule's reason, which may or may not have its full stop, with one."""
    return words if words.endswith(".") else f"{words}."


def _weights(instrument: Instrument, screening: Screening) -> dict[str, Points]:
    weights = {}
    for link_id, answer in current_answers(instrument, screening).items():
        option = None
        if answer.coding is not None:
            option = instrument.by_link_id[link_id].by_code.get(answer.coding.code)
        if option is not None and option.weight is not None:
            weights[link_id] = option.weight
    return weights


def _calls(rule: NextInstrument, score: Score | None, weight: Points | None) -> bool:
    if score is None:
        return weight is not None and weight >= rule.at_least
    return score.bounds[0] >= rule.at_least and score.positive is not False
