"""The words for scores, screens and times: one phrasing for note, Observation and narrative.

A score is not a diagnosis: ranges and "screens positive", never a finding. Unknown is said as not known.
"""

from collections.abc import Sequence
from typing import Final

from fhir_mappings.instrument import Cutoff, Instrument, RiskRule, ScoreDefinition
from fhir_mappings.r4 import PartialDateTime, Precision
from fhir_mappings.score_definition import UNBOUNDED
from fhir_mappings.scores import Score

NOT_ESTABLISHED: Final = "range and cut-off not established at this age"
UNASKED_RISK: Final = "a risk answer was given to an item that was not asked"
NOT_A_DIAGNOSIS: Final = "A screening score, not a diagnosis."
_SEXES: Final = {"male": " (men)", "female": " (women)"}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def describe_score(definition: ScoreDefinition, score: Score) -> str:
    """Say value, range, band and screen: "Total 13 of 27, moderate range; at or above … (screens positive)."."""
    if score.is_level:
        return f"{_describe_level(definition, score)}."
    if score.value is None:
        start = f"{definition.label} not known: {describe_bounds(score)}"
    else:
        start = f"{definition.label} {score.value}{f' of {score.range[1]}' if definition.is_bounded else ''}"
        if score.missing_rule is not None:
            start += f" ({score.missing_rule}; {describe_bounds(score)})"
        if score.band is not None:
            start += f", {score.band.chart_label}"
    if score.cutoffs:
        limited = "" if score.established else ", range not established at this age"
        return f"{start}{limited}; {describe_screen(score)}."
    return f"{start}." if score.established else f"{start}; {NOT_ESTABLISHED}."


def _describe_level(definition: ScoreDefinition, score: Score) -> str:
    """Say the level, or what of it is sure: "Result: non-acute positive; screens positive"."""
    if score.band is None:
        told = f"{definition.label} not known: {describe_bounds(score)}"
    else:
        told = f"{definition.label}: {score.band.chart_label}"
    return f"{told}; {describe_screen(score)}" if score.cutoffs else told


def describe_bounds(score: Score) -> str:
    """Say what the score can still be."""
    low, high = score.bounds
    if score.is_level and not score.established:
        return "not established at this age"
    if score.unasked:
        return UNASKED_RISK
    if score.is_level or score.bounds == UNBOUNDED:
        return "not all items answered"
    return f"not all items answered, between {low} and {high} of {score.range[1]}"


def describe_screen(score: Score) -> str:
    """Say the screen result against its cut-off; "at least" where the total is not known."""
    if score.is_level:
        verdict = {True: "screens positive", False: "screens negative", None: "not known whether it screens positive"}
        return verdict[score.positive]
    known, beyond, side = f"at least {score.bounds[0]}, ", "at or above", "below"
    if score.cutoff is not None and score.cutoff.or_fewer:
        known, beyond, side = f"at most {score.bounds[1]}, ", "at or below", "above"
    cutoff = describe_cutoffs(score.cutoffs)
    if score.positive is None:
        return f"not known whether {beyond} {cutoff}"
    if score.positive:
        is_open = score.bounds[0] != score.bounds[1]
        return f"{known if is_open else ''}{beyond} {cutoff} (screens positive)"
    return f"{side} {cutoff} (screens negative)"


def describe_cutoffs(cutoffs: Sequence[Cutoff]) -> str:
    """Say the cut-offs that decide: "the published cut-off of 4 (men) or 3 (women)"."""
    if not cutoffs:
        return "the published cut-off"
    return "the published cut-off of " + " or ".join(
        f"{cutoff.points}{_SEXES.get(cutoff.gender or '', '')}{describe_ages(cutoff)}" for cutoff in cutoffs
    )


def describe_action(definition: ScoreDefinition, score: Score) -> str:
    """Say what is published to do at this level; of one that is not known to the end, whose rule it is.

    "" where nothing is.
    """
    if not score.is_level or score.band is None:
        return ""
    stated = definition.find_open_level(score.bounds)
    if stated is not None:
        return f"Action: {stated.action} ({stated.source})."
    action = definition.levels[int(score.bounds[0])].action
    return f"Published action: {action}." if action else ""


def describe_advice(rule: RiskRule) -> str:
    """Say what an answer calls for besides a risk alert, and who published it."""
    return f"{rule.reason}: {rule.action} ({rule.source})."


def describe_age_fit(instrument: Instrument, age: int | None) -> str:
    """Say that ranges, cut-off and change figures do not hold at an age in years, or that it is not known; else ""."""
    name, (low, high) = instrument.short_name, instrument.age_range
    fits = instrument.fits_age(age)
    if fits:
        return ""
    if fits is None:
        return (
            f"The birth date is not known, so whether {name} suits the age cannot be told: no range or cut-off is used."
        )
    return (
        f"{name} is validated for ages {_say_ages(low, high)}; at {age} its ranges, usual cut-off and figures of "
        "change are not established."
    )


def describe_ages(cutoff: Cutoff) -> str:
    """Say for which ages a cut-off was published, " for ages 13 to 17"; "" for one that names none."""
    if cutoff.age_min is None and cutoff.age_max is None:
        return ""
    return f" for ages {_say_ages(cutoff.age_min, cutoff.age_max)}"


def _say_ages(low: int | None, high: int | None) -> str:
    return f"{low} and older" if high is None else f"up to {high}" if low is None else f"{low} to {high}"


def describe_day(at: PartialDateTime) -> str:
    """Say the day as written there: "23 Nov 2026"; "Nov 2026" or "2026" where that is all."""
    year, month, day = at.text[:4], at.text[5:7], at.text[8:10]
    if at.precision is Precision.YEAR:
        return year
    name = _MONTHS[int(month) - 1]
    return f"{name} {year}" if at.precision is Precision.MONTH else f"{int(day)} {name} {year}"


def describe_time(at: PartialDateTime) -> str:
    """Say day and, where known, the time on the clock it was written by; "UTC" where that clock was UTC."""
    if at.precision < Precision.SECOND:
        return describe_day(at)
    return f"{describe_day(at)} {at.text[11:16]}{' UTC' if at.text.endswith('Z') else ''}"
