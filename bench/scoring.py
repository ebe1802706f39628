"""Scoring and extraction per response, beside LHC-Forms and fhirpath.js in the same run; `score --ndjson` on 10,000.

Processor time inside each process, the best of two after a first run that warms it up. fhirpath.js keeps its compiled
expression; LHC-Forms is measured as it is used, with the form opened for each response, and with one form kept open.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fhir_mappings.extract import build_chart_resources
from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import parse_json_strict
from fhir_mappings.scoring import score_answers
from fhir_mappings.write_shape import WriteShape
from smart_app.library import load_catalog
from tests.conformance.oracles.answer_sets import make_answer_sets
from tests.conformance.oracles.comparison import EXTRACTED, all_answers, find_expressions
from tests.conformance.oracles.ours import build_raw_response, make_id, read, sign
from tests.conformance.oracles.resident import Batch, Oracles, missing_prerequisite

RESPONSES = 50
OPENED = 5
RUNS = 2
LINES = 10_000
SHAPES = tuple(WriteShape(kind=kind, include_narrative=False) for kind in EXTRACTED)


def measure(folder: Path) -> list[str]:
    """Give the lines of the report."""
    return [*_measure_engines(), *_measure_command(folder)]


def _measure_engines() -> list[str]:
    reason = missing_prerequisite()
    if reason is not None:
        return [f"scoring beside LHC-Forms and fhirpath.js: not measured, {reason}"]
    with Oracles() as oracles:
        rows = {one.id: _compare(oracles, one) for one in load_catalog() if one.scores}
    lines = []
    for what, engine in _MEASURED:
        ours, theirs = rows["phq-9"][what, engine]
        ratios = {name: row[what, engine][1] / row[what, engine][0] for name, row in rows.items()}
        least = min(ratios, key=ratios.__getitem__)
        lines.append(
            f"{what}: PHQ-9 {ours:.0f} µs, {engine} {theirs:.0f} µs, {theirs / ours:.0f} times; "
            f"median of {len(ratios)} instruments {statistics.median(ratios.values()):.0f} times, "
            f"least {ratios[least]:.0f} times, {least} (goal ≥ 10)"
        )
    return lines


_MEASURED = (
    ("score", "fhirpath.js"),
    ("score", "LHC-Forms, form kept open"),
    ("score and Observations", "LHC-Forms"),
    ("score and Observations", "LHC-Forms, form kept open"),
)


def _compare(oracles: Oracles, instrument: Instrument) -> dict[tuple[str, str], tuple[float, float]]:
    """Give what was measured and the engine → µs of ours and of the engine's, per response."""
    answer_sets = make_answer_sets(instrument, RESPONSES, complete=True)
    outcomes = [read(instrument, one) for one in answer_sets]
    signed = [sign(outcome) for outcome in outcomes]
    responses = [build_raw_response(instrument, one) for one in answer_sets]
    filled_in = [all_answers(one) for one in answer_sets]
    questionnaire, expressions = instrument.questionnaire, find_expressions(instrument.questionnaire)
    few = filled_in[:OPENED]
    score = _time(lambda: [score_answers(instrument, outcome.answers) for outcome in outcomes])
    extract = _time(lambda: [build_chart_resources(result, SHAPES, make_id) for result in signed])
    engines = (
        _best(lambda: oracles.evaluate(questionnaire, expressions, responses)),
        _best(lambda: oracles.fill_in(questionnaire, filled_in, extract=False)),
        _best(lambda: oracles.fill_in(questionnaire, few, fresh=True)),
        _best(lambda: oracles.fill_in(questionnaire, filled_in)),
    )
    ours = (score, score, score + extract, score + extract)
    return dict(zip(_MEASURED, zip(ours, engines, strict=True), strict=True))


def _best(ask: Callable[[], Batch]) -> float:
    ask()
    return min(batch.microseconds / len(batch.results) for batch in (ask() for _ in range(RUNS)))


def _time(action: Callable[[], object]) -> float:
    def run() -> float:
        start = time.process_time()
        action()
        return 1e6 * (time.process_time() - start) / RESPONSES

    run()
    return min(run() for _ in range(RUNS))


def _measure_command(folder: Path) -> list[str]:
    """Run `smart-screening score --ndjson` on one core."""
    phq9 = load_catalog().find("phq-9")
    assert phq9 is not None
    few = [json.dumps(build_raw_response(phq9, one)) for one in make_answer_sets(phq9, RESPONSES, complete=True)]
    assert all(parse_json_strict(line.encode()) for line in few)
    file = folder / "phq-9.ndjson"
    file.write_text("\n".join(few * (LINES // RESPONSES)) + "\n", encoding="utf-8")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    core = {min(os.sched_getaffinity(0))}
    command = [str(Path(sys.executable).parent / "smart-screening"), "score", "--ndjson", str(file)]
    done = subprocess.run(command, capture_output=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, core))
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.count(b"\n") == LINES
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [
        f"`score --ndjson`, {LINES} PHQ-9 responses on one core, start-up and all: {seconds:.2f} s, "
        f"{cpu:.2f} s of it computing (goal < 5 s)"
    ]
