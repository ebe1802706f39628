"""Scores from answers, so that incomplete is never negative and can already be positive.

Source: SDC 4.0 calculatedExpression over itemWeight (http://hl7.org/fhir/uv/sdc/); bands, cut-offs and missing-item
rules from the instrument's ObservationDefinitions. Points throughout.

With answers missing, the lowest and the highest possible score decide: lowest at or above the cut-off is positive,
highest below it is negative, anything else is not known (None). A total needs every scored item, unless the rule for
missing items is the author's own or the caller asks for it (`prorate`).
"""

from decimal import ROUND_HALF_UP, Decimal

from fhir_mappings.answer_sum import AnswerSum, add_up, find_unanswered
from fhir_mappings.answers import Answers
from fhir_mappings.errors import Issue, Mapped, Severity
from fhir_mappings.instrument import Cutoff, Instrument, Points, ScoreDefinition
from fhir_mappings.r4 import as_number
from fhir_mappings.risk import find_risk
from fhir_mappings.scores import PatientFacts, Score, ScoreReport

__all__ = ["PatientFacts", "Score", "ScoreReport", "score_answers"]

NO_FACTS = PatientFacts()


def score_answers(
    instrument: Instrument,
    answers: Answers,
    patient: PatientFacts = NO_FACTS,
    *,
    handed_in: bool = True,
    prorate: bool = False,
) -> Mapped[ScoreReport]:
    """Score the answers to an instrument.

    Shapes: linkId → Answer. `handed_in`: the form is finished, so a blank risk item is "risk not known". `prorate`:
    the site has switched on missing-item rules that are not the author's own. One Issue per answer that is none of
    the item's options (it counts as unanswered). Pure.
    """
    sums = [add_up(instrument, definition, answers) for definition in instrument.scores]
    foreign = {link_id for total in sums for link_id in total.foreign}
    unanswered = find_unanswered(instrument, answers)
    if foreign:
        unanswered = tuple(item.link_id for item in instrument.items if item.link_id in foreign.union(unanswered))
    report = ScoreReport(
        instrument_id=instrument.id,
        canonical=instrument.canonical,
        complete=not unanswered,
        scores=tuple(
            _score(instrument, definition, total, patient, prorate=prorate)
            for definition, total in zip(instrument.scores, sums, strict=True)
        ),
        alerts=find_risk(instrument, answers, handed_in=handed_in),
        unanswered=unanswered,
    )
    return Mapped(value=report, issues=tuple(_foreign_answer(link_id) for link_id in sorted(foreign)))


def _foreign_answer(link_id: str) -> Issue:
    return Issue(
        severity=Severity.ERROR,
        code="unknown-option",
        expression=f"item.where(linkId='{link_id}').answer",
        text="The answer is none of the item's options; it counts as unanswered.",
    )


def _score(
    instrument: Instrument, definition: ScoreDefinition, total: AnswerSum, patient: PatientFacts, *, prorate: bool
) -> Score:
    value = total.low if not total.missing else None
    missing_rule = None
    if value is None and (prorated := _prorate(instrument, definition, total, asked_for=prorate)) is not None:
        value, missing_rule = prorated
    deciding = _deciding_cutoffs(definition, patient)
    return Score(
        id=definition.id,
        coding=definition.coding,
        value=value,
        range=definition.range,
        bounds=(total.low, total.high),
        band=None if value is None else definition.find_band(value),
        positive=_screen(deciding, total),
        cutoff=max(deciding, key=lambda cutoff: cutoff.at_least, default=None),
        missing_rule=missing_rule,
    )


def _screen(deciding: list[Cutoff], total: AnswerSum) -> bool | None:
    """Decide on the bounds alone: a prorated total never makes a positive or a negative."""
    if not deciding:
        return None
    if total.low >= max(cutoff.at_least for cutoff in deciding):
        return True
    if total.high < min(cutoff.at_least for cutoff in deciding):
        return False
    return None


def _deciding_cutoffs(definition: ScoreDefinition, patient: PatientFacts) -> list[Cutoff]:
    """Give the cut-offs that may hold for this patient; with sex or age unknown, that can be several."""
    return [cutoff for cutoff in definition.cutoffs if cutoff.default and _may_hold(cutoff, patient)]


def _may_hold(cutoff: Cutoff, patient: PatientFacts) -> bool:
    known_sex = patient.gender in ("male", "female")
    if cutoff.gender is not None and known_sex and cutoff.gender != patient.gender:
        return False
    age = patient.age
    if age is None:
        return True
    return (cutoff.age_min is None or age >= cutoff.age_min) and (cutoff.age_max is None or age <= cutoff.age_max)


def _prorate(
    instrument: Instrument, definition: ScoreDefinition, total: AnswerSum, *, asked_for: bool
) -> tuple[Points, str] | None:
    """Fill in missing items by the mean of the answered ones, where the rule allows; a risk item is never inferred."""
    rule = definition.missing_rule
    if rule is None or not (rule.is_author or asked_for) or len(total.missing) > rule.max_missing:
        return None
    if any(instrument.by_link_id[link_id].risk for link_id in total.missing):
        return None
    count = len(definition.item_link_ids)
    answered = count - len(total.missing)
    if answered == 0:
        return None
    mean_filled = Decimal(total.answered_weight) * count / answered
    value = as_number(mean_filled.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    return value, f"prorated from {answered} of {count} items, rule of {rule.owner}"
