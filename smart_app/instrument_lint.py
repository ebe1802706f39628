"""Check an instrument that parses: what would still surprise a patient, a clinician or an EHR. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from fhir_mappings.instrument import Instrument, ScoreDefinition
from fhir_mappings.systems import CANONICAL_BASE

Grade = Literal["WARNING", "ERROR"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding. An ERROR makes the instrument unusable; ``where`` is an id of the instrument."""

    grade: Grade
    where: str
    text: str


def check_instrument(instrument: Instrument) -> tuple[Finding, ...]:
    """Give all findings, errors first."""
    findings = [*_check_frame(instrument), *_check_items(instrument), *_check_scores(instrument)]
    return tuple(sorted(findings, key=lambda finding: finding.grade))


def _check_frame(instrument: Instrument) -> Iterator[Finding]:
    if not instrument.attribution.strip():
        yield Finding(grade="ERROR", where=instrument.id, text="has no licence line: unlicensed text is never shown")
    if instrument.url.startswith(CANONICAL_BASE) and instrument.id not in instrument.url:
        yield Finding(grade="ERROR", where=instrument.id, text="its canonical does not end in its id")
    if not instrument.scores:
        yield Finding(grade="WARNING", where=instrument.id, text="has no score: only the answers are written")
    if instrument.age_range == (None, None):
        yield Finding(grade="WARNING", where=instrument.id, text="says no validated ages: the form cannot warn")


def _check_items(instrument: Instrument) -> Iterator[Finding]:
    for item in instrument.items:
        if item.coding is None:
            yield Finding(grade="WARNING", where=item.link_id, text="has no code: no Observation can be written of it")
        if item.risk and not any(rule.link_id == item.link_id for rule in instrument.risk_rules):
            yield Finding(grade="ERROR", where=item.link_id, text="is a risk item without a risk rule")


def _check_scores(instrument: Instrument) -> Iterator[Finding]:
    for score in instrument.scores:
        if score.bands:
            yield from _check_bands(score)
        else:
            yield Finding(grade="WARNING", where=score.id, text="has no bands: the score is shown without words")
        if not score.cutoffs:
            yield Finding(grade="WARNING", where=score.id, text="has no cut-off: nothing is positive or negative")


def _check_bands(score: ScoreDefinition) -> Iterator[Finding]:
    bands = sorted(score.bands, key=lambda band: band.min)
    low, high = score.range
    if bands[0].min > low or bands[-1].max < high:
        yield Finding(grade="ERROR", where=score.id, text="its bands do not cover the whole range")
    for before, after in pairwise(bands):
        if after.min <= before.max:
            yield Finding(grade="ERROR", where=score.id, text=f"the bands overlap at {after.min}")
        elif after.min != before.max + 1:
            yield Finding(grade="ERROR", where=score.id, text=f"no band between {before.max} and {after.min}")
