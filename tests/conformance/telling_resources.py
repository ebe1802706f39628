"""What an instrument writes, each kind of result once: every band and screen result, known and not, declined, skipped.

Resources that differ in nothing but ids are given once, so that a validator is not asked the same thing again.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from fhir_mappings.instrument import Instrument
from fhir_mappings.write_shape import ALL_SHAPES, ResourceKind
from tests.conformance.oracles.answer_sets import AnswerSet, make_answer_sets
from tests.conformance.oracles.ours import Outcome, extract, read
from tests.golden.golden_cases import CASES, load_json

Json = dict[str, Any]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TRIED = 120
# Notes and Provenance hardly differ by score: those of the golden cases tell enough.
SHAPES = tuple(s for s in ALL_SHAPES if s.kind not in (ResourceKind.DOCUMENT_REFERENCE, ResourceKind.PROVENANCE))


def find_written(instrument: Instrument) -> list[Json]:
    """Every resource of the recorded golden cases and of the telling answer sets."""
    recorded = (load_json(case / "bundle.json") for case in CASES if case.parent.name == instrument.id)
    planned = (extract(outcome, SHAPES) for outcome in find_telling(instrument))
    resources = [
        *(entry["resource"] for bundle in recorded for entry in bundle["entry"]),
        *(resource.resource for resources in planned for resource in resources),
    ]
    return list(_different(resources))


def find_telling(instrument: Instrument) -> Iterator[Outcome]:
    """Of random answer sets those that show something not yet seen."""
    seen: set[Any] = set()
    for answer_set in (*all_or_nothing(instrument), *_random_sets(instrument)):
        outcome = read(instrument, answer_set)
        shown = set(_show(outcome, answer_set))
        if shown - seen:
            seen |= shown
            yield outcome


def all_or_nothing(instrument: Instrument) -> Iterator[AnswerSet]:
    """Nothing answered, and everything declined."""
    nothing = AnswerSet(given={}, declined=frozenset(), stray={}, complete=False, gender=None)
    declined = frozenset(item.link_id for item in instrument.items if not item.enable_when)
    yield from (nothing, AnswerSet(given={}, declined=declined, stray={}, complete=False, gender=None))


def _random_sets(instrument: Instrument) -> Iterator[AnswerSet]:
    for complete in (True, False):
        yield from make_answer_sets(instrument, TRIED, complete=complete)


def _show(outcome: Outcome, answer_set: AnswerSet) -> Iterator[Any]:
    report = outcome.report
    yield "complete", report.complete
    for score in report.scores:
        yield score.id, score.value is None, score.positive, score.band and score.band.chart_label, score.missing_rule
    for link_id in outcome.answers:
        yield link_id, outcome.answers[link_id].status
    yield from (("alert", alert.link_id, alert.level) for alert in report.alerts)
    skipped = [i for i in outcome.instrument.items if i.enable_when and i.link_id not in answer_set.given]
    yield from (("skipped", item.link_id) for item in skipped if report.complete)


def _different(resources: Iterable[Json]) -> Iterator[Json]:
    """Leave out what repeats: the same but for ids, or an Observation of the same code with the same elements."""
    seen = set()
    for resource in resources:
        key = _UUID.sub("", json.dumps(resource, sort_keys=True, default=str))
        if resource["resourceType"] == "Observation":
            coding = resource["code"]["coding"][0]["code"]
            found = resource.get("interpretation", [{}])[0].get("coding", [{}])[0].get("code")
            key = f"{coding} {found} {sorted(resource)}"
        if key not in seen:
            seen.add(key)
            yield resource
