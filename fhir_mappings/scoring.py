"""Scores from answers, so that incomplete is never negative and can already be positive.

Source: SDC 4.0 calculatedExpression over itemWeight (http://hl7.org/fhir/uv/sdc/); bands, cut-offs and missing-item
rules from the instrument's ObservationDefinitions. Points throughout.

With answers missing, the lowest and the highest possible score decide: lowest at or above the cut-off is positive,
highest below it is negative, anything else is not known (None). A total needs every scored item, unless the rule for
missing items is the author's own or the caller asks for it (`prorate`). A level is its rank.
"""

from decimal import ROUND_HALF_UP, Decimal

from fhir_mappings.answer_sum import AnswerSum, add_up, find_unanswered
from fhir_mappings.answers import Answers, keep_enabled
from fhir_mappings.applicability import Applicabilities, find_gated
from fhir_mappings.errors import Issue, Mapped, Severity
from fhir_mappings.fhirpath_scoring import evaluate_scores
from fhir_mappings.instrument import Band, Cutoff, Instrument, Points, ScoreDefinition, ScoreKind
from fhir_mappings.level import Levels
from fhir_mappings.r4 import as_number
from fhir_mappings.risk import find_risk
from fhir_mappings.score_definition import Formula
from fhir_mappings.scores import PatientFacts, Score, ScoreReport

__all__ = ["PatientFacts", "Score", "ScoreReport", "may_hold", "score_answers", "score_value", "screen"]

NO_FACTS = PatientFacts()


def score_answers(
    instrument: Instrument,
    answers: Answers,
    patient: PatientFacts = NO_FACTS,
    *,
    handed_in: bool = True,
    prorate: bool = False,
    unasked: Answers | None = None,
) -> Mapped[ScoreReport]:
    """Score the answers to an instrument.

    Shapes: linkId → Answer. `handed_in`: the form is finished, so a blank risk item is "risk not known". `prorate`:
    the site has switched on missing-item rules that are not the author's own. `unasked`: answers to items that the
    others do not enable, in which only risk is looked for, as in those among `answers`. One Issue per answer that is
    none of the item's options (it counts as unanswered), per value that a rule filled in, and per expression that
    can't be evaluated. A risk answer where nothing was asked contradicts the others: no score of that item is known,
    and none is negative. Pure.
    """
    answers, aside = _part(instrument, answers)
    aside = {**aside, **(unasked or {})}
    levels = Levels(instrument, answers, Applicabilities(instrument, answers))
    flags = find_risk(instrument, answers, handed_in=handed_in, unasked=aside, levels=levels)
    told = tuple(flag.link_id for flag in flags if flag.link_id in aside)
    issues: list[Issue] = []
    sums = _add_up(instrument, answers, patient, issues, levels, handed_in=handed_in)
    if told:
        sums = [_leave_open(one, total, told) for one, total in zip(instrument.scores, sums, strict=True)]
    foreign = {link_id for total in sums for link_id in total.foreign}
    issues += [_foreign_answer(link_id) for link_id in sorted(foreign)]
    unanswered = find_unanswered(instrument, answers, patient.gender)
    if foreign:
        unanswered = tuple(item.link_id for item in instrument.items if item.link_id in foreign.union(unanswered))
    scores = tuple(
        _score(instrument, definition, total, patient, prorate=prorate, told=told)
        for definition, total in zip(instrument.scores, sums, strict=True)
    )
    report = ScoreReport(
        instrument_id=instrument.id,
        canonical=instrument.canonical,
        complete=not unanswered and not told,
        scores=scores,
        alerts=flags,
        unanswered=unanswered,
    )
    issues += [
        _prorated(definition, score.missing_rule)
        for definition, score in zip(instrument.scores, scores, strict=True)
        if score.missing_rule is not None
    ]
    return Mapped(value=report, issues=tuple(issues))


def _part(instrument: Instrument, answers: Answers) -> tuple[Answers, Answers]:
    """Part what is enabled from answers to what is not, as a response is written."""
    enabled = keep_enabled(find_gated(instrument), answers)
    if len(enabled) == len(answers):
        return answers, {}
    return enabled, {link_id: answer for link_id, answer in answers.items() if link_id not in enabled}


def score_value(
    instrument: Instrument, definition: ScoreDefinition, value: Points, patient: PatientFacts = NO_FACTS
) -> Score:
    """Give a value that is known from elsewhere as a score, with band and screen."""
    return _score(instrument, definition, AnswerSum(value, value, value, (), ()), patient, prorate=False)


def _add_up(
    instrument: Instrument,
    answers: Answers,
    patient: PatientFacts,
    issues: list[Issue],
    levels: Levels,
    *,
    handed_in: bool,
) -> list[AnswerSum]:
    """Give value and bounds of each score, whatever its kind; what FHIRPath finds wrong goes to the issues."""
    sums: list[AnswerSum] = []
    expressions: dict[str, str] = {}
    for definition in instrument.scores:
        if definition.adds_weights:
            sums.append(add_up(instrument, definition, answers, patient.gender, levels.applicabilities))
        elif definition.kind is ScoreKind.LEVEL:
            low, high, foreign = levels.find(definition, handed_in=handed_in)
            sums.append(AnswerSum(low, low, high, () if low == high else definition.item_link_ids, foreign))
        else:
            expressions[definition.link_id] = definition.expression
            sums.append(AnswerSum(0, *definition.range, (definition.link_id, *definition.item_link_ids), ()))
    if not expressions:
        return sums
    known = {
        definition.link_id: total.low
        for definition, total in zip(instrument.scores, sums, strict=True)
        if definition.link_id not in expressions and not total.missing
    }
    evaluated = evaluate_scores(instrument, answers, expressions, known)
    issues += evaluated.issues
    return [
        AnswerSum(value, value, value, (), ())
        if (value := evaluated.value.get(definition.link_id)) is not None
        else total
        for definition, total in zip(instrument.scores, sums, strict=True)
    ]


def _leave_open(definition: ScoreDefinition, total: AnswerSum, told: tuple[str, ...]) -> AnswerSum:
    """Let a score be as bad as it can where one of its items has a risk answer and was not asked."""
    found = tuple(link_id for link_id in told if link_id in definition.item_link_ids)
    if not found:
        return total
    low, high = definition.range
    opened = total._replace(low=low) if definition.higher_is_better else total._replace(high=high)
    return opened if opened.low == opened.high else opened._replace(missing=(*total.missing, *found))


def _foreign_answer(link_id: str) -> Issue:
    return Issue(
        severity=Severity.ERROR,
        code="unknown-option",
        expression=f"item.where(linkId='{link_id}').answer",
        text="The answer is none of the item's options; it counts as unanswered.",
    )


def _prorated(definition: ScoreDefinition, rule: str) -> Issue:
    return Issue(
        severity=Severity.INFORMATION,
        code="prorated",
        expression=f"item.where(linkId='{definition.link_id}')",
        text=f"Not all items are answered: the value is {rule}.",
    )


def _score(
    instrument: Instrument,
    definition: ScoreDefinition,
    total: AnswerSum,
    patient: PatientFacts,
    *,
    prorate: bool,
    told: tuple[str, ...] = (),
) -> Score:
    value = total.low if not total.missing else None
    missing_rule = None
    if value is None and (filled := _fill_in(instrument, definition, total, asked_for=prorate)) is not None:
        value, missing_rule = filled
    deciding = _deciding_cutoffs(definition, patient)
    return Score(
        id=definition.id,
        coding=definition.coding,
        value=value,
        range=definition.range,
        bounds=(total.low, total.high),
        band=_find_band(definition, total, value),
        positive=screen(deciding, (total.low, total.high)),
        cutoffs=deciding,
        missing_rule=missing_rule,
        is_level=definition.kind is ScoreKind.LEVEL,
        unasked=tuple(link_id for link_id in told if link_id in total.missing),
    )


def _find_band(definition: ScoreDefinition, total: AnswerSum, value: Points | None) -> Band | None:
    """Give the band of the value; of a level that is not known, what can be said of it: never the lowest as one."""
    rule = definition.missing_rule
    if total.missing and rule is not None and rule.formula is Formula.BLANK_COUNTS_ZERO:
        # A blank counted as 0 pulls downwards: only a range that holds whatever the blanks were is told.
        band = definition.find_band(total.low)
        return band if band is definition.find_band(total.high) else None
    if value is not None:
        return definition.find_band(value)
    return definition.find_partial_band((total.low, total.high)) if definition.levels else None


def screen(deciding: tuple[Cutoff, ...], bounds: tuple[Points, Points]) -> bool | None:
    """Decide on the bounds alone: a value that a rule filled in never makes a positive or a negative."""
    met = {cutoff.is_met(bound) for cutoff in deciding for bound in bounds}
    return met.pop() if len(met) == 1 else None


def _deciding_cutoffs(definition: ScoreDefinition, patient: PatientFacts) -> tuple[Cutoff, ...]:
    """Give the cut-offs that may hold for this patient; with sex or age unknown, that can be several."""
    return tuple([cutoff for cutoff in definition.cutoffs if cutoff.default and may_hold(cutoff, patient)])


def may_hold(cutoff: Cutoff, patient: PatientFacts) -> bool:
    """Tell whether a cut-off was published for people like this patient, as far as sex and age are known."""
    known_sex = patient.gender in ("male", "female")
    if cutoff.gender is not None and known_sex and cutoff.gender != patient.gender:
        return False
    age = patient.age
    if age is None:
        return True
    return (cutoff.age_min is None or age >= cutoff.age_min) and (cutoff.age_max is None or age <= cutoff.age_max)


def _fill_in(
    instrument: Instrument, definition: ScoreDefinition, total: AnswerSum, *, asked_for: bool
) -> tuple[Points, str] | None:
    """Fill in missing items where the rule allows, and name the rule; a risk item is never inferred."""
    rule = definition.missing_rule
    if rule is None or not (rule.is_author or asked_for) or len(total.missing) > rule.max_missing:
        return None
    if not definition.adds_weights:
        return None
    if any(instrument.by_link_id[link_id].risk for link_id in total.missing):
        return None
    count = len(definition.item_link_ids)
    answered = count - len(total.missing)
    if answered == 0:
        return None
    if rule.formula is Formula.BLANK_COUNTS_ZERO:
        return total.answered_points, f"{answered} of {count} items, blanks counted as 0, rule of {rule.owner}"
    mean_filled = Decimal(total.answered_points) * count / answered
    value = as_number(mean_filled.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    return value, f"prorated from {answered} of {count} items, rule of {rule.owner}"
