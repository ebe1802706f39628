"""What of a result holds at the patient's age: outside the validated range a total stands alone (docs/adr/0013).

Sources: Questionnaire.useContext (validated ages), ObservationDefinition.qualifiedInterval.age (cut-offs published
for some ages). Rule 5 and 12 of the safety rules: unknown is never negative, and no claim that nobody has published.
"""

from dataclasses import replace

from fhir_mappings.instrument import Instrument
from fhir_mappings.score_definition import Cutoff, Points, ScoreDefinition, ScoreKind
from fhir_mappings.scores import PatientFacts, Score, ScoreReport
from fhir_mappings.scoring import may_hold, score_value, screen


def limit_to_age(instrument: Instrument, report: ScoreReport, patient: PatientFacts) -> ScoreReport:
    """Take out of a report what is not established at the patient's age; alerts are left as they are.

    Without the day of the answers (`patient.on`) nothing is asked about age. With it, an unknown age is outside.
    """
    if patient.on is None or instrument.fits_age(patient.age):
        return report
    pairs = zip(instrument.scores, report.scores, strict=True)
    return replace(report, scores=tuple(_limit(instrument, definition, score, patient) for definition, score in pairs))


def judge_value(
    instrument: Instrument, definition: ScoreDefinition, value: Points, patient: PatientFacts, *, prorated: bool = False
) -> Score:
    """Judge a value known from elsewhere, such as the chart's, as one of our own; a prorated one is never screened."""
    score = score_value(instrument, definition, value, patient)
    if patient.on is not None and not instrument.fits_age(patient.age):
        score = _limit(instrument, definition, score, patient)
    return replace(score, positive=None, missing_rule="prorated") if prorated else score


def _limit(instrument: Instrument, definition: ScoreDefinition, score: Score, patient: PatientFacts) -> Score:
    if definition.kind is not ScoreKind.LEVEL:
        return _limit_total(definition, score, patient)
    if instrument.asks_about_suicide and score.positive:
        return score  # a level of risk is acted on at any age
    return replace(score, value=None, band=None, positive=None, established=False)


def _limit_total(definition: ScoreDefinition, score: Score, patient: PatientFacts) -> Score:
    deciding = tuple(cutoff for cutoff in definition.cutoffs if _is_published_for(cutoff, patient))
    return replace(score, band=None, positive=screen(deciding, score.bounds), cutoffs=deciding, established=False)


def _is_published_for(cutoff: Cutoff, patient: PatientFacts) -> bool:
    """Tell whether a cut-off names ages, and this patient's is one of them; of several by sex, all that may hold."""
    names_ages = cutoff.age_min is not None or cutoff.age_max is not None
    return names_ages and patient.age is not None and may_hold(cutoff, patient)
