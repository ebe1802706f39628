"""`score`: a QuestionnaireResponse in, its scores as one line of JSON out (design section 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

import click

from fhir_mappings.errors import CanonicalMismatch, Issue, MappingError, Severity
from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import MAX_BYTES, Json, parse_json_strict
from fhir_mappings.response import ParsedResponse, compare_stated_scores, find_canonical, parse_response
from fhir_mappings.scores import ScoreReport
from fhir_mappings.scoring import score_answers
from smart_app.library import Library, load_catalog


@click.command()
@click.option("--ndjson", is_flag=True, help="One response a line; one line out for each.")
@click.argument("file", type=click.File("rb"))
def score(file: IO[bytes], *, ndjson: bool) -> None:
    """Score the QuestionnaireResponse in FILE (- for standard input).

    Prints one line of JSON for each. Exit 1 when an answer or a whole response could not be used: `issues` says why.
    """
    library = load_catalog()
    usable = True
    for body in read_lines(file) if ndjson else (read_bounded(file),):
        line, is_usable = score_body(body, library)
        usable = usable and is_usable
        click.echo(line)
    if not usable:
        raise SystemExit(1)


def score_body(body: bytes, library: Library) -> tuple[str, bool]:
    """Score one response; give the line to print, and False when something in it could not be used."""
    try:
        response = parse_json_strict(body)
        instrument, parsed, issues = read_response(response, library)
        scored = score_answers(instrument, parsed.answers, handed_in=parsed.handed_in, unasked=parsed.unasked)
    except MappingError as exc:
        return print_failure(exc), False
    issues = (*issues, *scored.issues, *compare_stated_scores(parsed, scored.value, instrument))
    return _to_line(scored.value.to_json(issues)), not has_error(issues)


def read_response(response: Json, library: Library) -> tuple[Instrument, ParsedResponse, tuple[Issue, ...]]:
    """Find the instrument that a response answers, and parse it. Raises MappingError."""
    named = find_canonical(response)
    url = named[0] if named else ""
    instrument = library.find_by_canonical(url)
    if instrument is None:
        # What is no QuestionnaireResponse at all is told as that.
        if response.get("resourceType") != "QuestionnaireResponse":
            parse_response(response, next(iter(library)))
        raise CanonicalMismatch("QuestionnaireResponse.questionnaire", "names no instrument of this library")
    mapped = parse_response(response, instrument)
    return instrument, mapped.value, mapped.issues


def has_error(issues: tuple[Issue, ...]) -> bool:
    """Whether an issue says that something could not be used."""
    return any(issue.severity is Severity.ERROR for issue in issues)


def print_failure(error: MappingError) -> str:
    """Give the line for a response of which nothing can be made: nothing is known, and why."""
    issue = Issue(severity=Severity.ERROR, code=error.code, expression=error.expression, text=error.problem)
    empty = ScoreReport(instrument_id="", canonical="", complete=False, scores=(), alerts=(), unanswered=())
    return _to_line({**empty.to_json((issue,)), "instrument": None, "canonical": None})


def read_bounded(file: IO[bytes]) -> bytes:
    """Read a whole file, but no more than shows that it is too long."""
    return file.read(MAX_BYTES + 1)


def read_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Give the lines that are not blank; of one that is too long only as much as shows it."""
    while line := file.readline(MAX_BYTES + 1):
        rest = line
        while len(rest) > MAX_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MAX_BYTES + 1)
        if len(line) > MAX_BYTES or line.strip():
            yield line


def _to_line(values: Json) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(", ", ": "))
