"""Check an instrument before it is given: what is not supported, and what would surprise whoever meets it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from fhir_mappings.answer_value import AnswerValue, Quantity
from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.errors import Issue, MappingError, Severity
from fhir_mappings.fhirpath_scoring import evaluate_scores
from fhir_mappings.instrument import Instrument, Item, ScoreDefinition, ScoreKind
from fhir_mappings.r4 import parse_json_strict, parse_partial_date_time
from fhir_mappings.r4_shape import check_r4
from fhir_mappings.site_questionnaire import check_site_instrument, parse_site_instrument
from fhir_mappings.systems import CANONICAL_BASE

Grade = Literal["WARNING", "ERROR"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding. An ERROR makes the instrument unusable; ``where`` is an element or an id, ``code`` never changes."""

    grade: Grade
    code: str
    where: str
    text: str


def lint_instrument(body: bytes) -> tuple[Finding, ...]:
    """Check a site's instrument Bundle or bare R4 Questionnaire; all findings, errors first. Raises nothing."""
    issues = check_site_instrument(body)
    findings = [_find(issue) for issue in issues]
    if is_usable(findings):
        instrument = parse_site_instrument(body)
        findings += [*check_instrument(instrument), *_try_expressions(instrument)]
    return tuple(sorted(findings, key=lambda finding: finding.grade))


def check_shape(body: bytes) -> tuple[Finding, ...]:
    """Check by the models of fhir.resources whether R4 knows every element of it; those take a second to load."""
    try:
        check_r4(parse_json_strict(body))
    except MappingError as fault:
        return (_error(fault.code, fault.expression, fault.problem),)
    return ()


def is_usable(findings: list[Finding] | tuple[Finding, ...]) -> bool:
    """Tell whether nothing found makes the instrument unusable."""
    return all(finding.grade != "ERROR" for finding in findings)


def check_instrument(instrument: Instrument) -> tuple[Finding, ...]:
    """Give the findings on an instrument that parses, errors first."""
    findings = [*_check_frame(instrument), *_check_items(instrument), *_check_scores(instrument)]
    return tuple(sorted(findings, key=lambda finding: finding.grade))


def _find(issue: Issue) -> Finding:
    grade: Grade = "ERROR" if issue.severity is Severity.ERROR else "WARNING"
    return Finding(grade=grade, code=issue.code, where=issue.expression, text=issue.text)


def _error(code: str, where: str, text: str) -> Finding:
    return Finding(grade="ERROR", code=code, where=where, text=text)


def _warning(code: str, where: str, text: str) -> Finding:
    return Finding(grade="WARNING", code=code, where=where, text=text)


def _check_frame(instrument: Instrument) -> Iterator[Finding]:
    # A bare Questionnaire without copyright was warned of as such: there the site answers for its words.
    if not instrument.attribution.strip() and instrument.observation_definitions:
        yield _error("licence-missing", instrument.id, "has no licence line: unlicensed text is never shown")
    if instrument.url.startswith(CANONICAL_BASE) and instrument.id not in instrument.url:
        yield _error("canonical-differs", instrument.id, "its canonical does not end in its id")
    if not instrument.scores:
        yield _warning("no-score", instrument.id, "has no score: only the answers are written")
    if instrument.age_range == (None, None):
        yield _warning("no-ages", instrument.id, "says no validated ages: the form cannot warn")


def _check_items(instrument: Instrument) -> Iterator[Finding]:
    for item in instrument.items:
        if item.coding is None:
            yield _warning("no-code", item.link_id, "has no code: no Observation can be written of it")
        if item.risk and not any(rule.link_id == item.link_id for rule in instrument.risk_rules):
            yield _error("risk-without-rule", item.link_id, "is a risk item without a risk rule")


def _check_scores(instrument: Instrument) -> Iterator[Finding]:
    for score in instrument.scores:
        if score.bands:
            yield from _check_bands(score)
        else:
            yield _warning("no-bands", score.id, "has no bands: the score is shown without words")
        if not score.cutoffs:
            yield _warning("no-cut-off", score.id, "has no cut-off: nothing is positive or negative")


def _check_bands(score: ScoreDefinition) -> Iterator[Finding]:
    bands = sorted(score.bands, key=lambda band: band.min)
    low, high = score.range
    if bands[0].min > low or bands[-1].max < high:
        yield _error("bands-incomplete", score.id, "its bands do not cover the whole range")
    for before, after in pairwise(bands):
        if after.min <= before.max:
            yield _error("bands-overlap", score.id, f"the bands overlap at {after.min}")
        elif after.min != before.max + 1:
            yield _error("bands-gap", score.id, f"no band between {before.max} and {after.min}")


def _try_expressions(instrument: Instrument) -> Iterator[Finding]:
    """Evaluate each expression once with every item answered: what fails then would fail in front of a patient."""
    expressions = {score.link_id: score.expression for score in instrument.scores if score.kind is ScoreKind.EXPRESSION}
    answers = {item.link_id: _answer_somehow(item) for item in instrument.items}
    if not expressions:
        return
    tried = evaluate_scores(instrument, answers, expressions)
    yield from (_find(issue) for issue in tried.issues if issue.severity is Severity.ERROR)
    told = {issue.expression for issue in tried.issues}
    for link_id, value in tried.value.items():
        if value is None and not any(f"'{link_id}'" in expression for expression in told):
            yield _warning("expression-empty", link_id, "gives no score for a form that is fully answered")


def _answer_somehow(item: Item) -> Answer:
    if item.is_single_choice:
        return Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=item.options[-1].coding)
    value = _SAMPLES.get(item.type) if item.min_value is None else item.min_value
    if item.options:
        value = item.options[-1].coding
    values = () if value is None else (value,)
    return Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, values=item.initial or values)


_DAY = parse_partial_date_time("2026-01-02", "sample")
_SAMPLES: dict[str, AnswerValue] = {
    "boolean": True,
    "integer": 1,
    "decimal": Decimal(1),
    "string": "one",
    "text": "one",
    "open-choice": "one",
    "date": _DAY,
    "dateTime": _DAY,
    "time": time(10),
    "quantity": Quantity(value=1),
}
