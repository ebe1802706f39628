"""Ours beside LHC-Forms and fhirpath.js on the same answer sets, and every difference by name.

A difference is allowed only where a row of differences.json explains it: there ours follows a published rule for
unanswered items that the engines, which only evaluate the score's expression, know nothing of. `holds` of a row is a
FHIRPath condition for that rule and `value` what it gives, both evaluated by fhirpath.js. Two different numbers are
never explained.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from fhir_mappings.fhirpath_scoring import evaluate_expression
from fhir_mappings.instrument import Instrument
from fhir_mappings.r4 import Coding
from fhir_mappings.scores import Score
from fhir_mappings.systems import CALCULATED_EXPRESSION
from fhir_mappings.write_shape import ResourceKind, WriteShape
from tests.conformance.oracles.answer_sets import AnswerSet, value_of
from tests.conformance.oracles.ours import Outcome, extract, read
from tests.conformance.oracles.resident import Oracles

Json = dict[str, Any]
Number = int | float | Decimal
ROWS = Path(__file__).parent / "differences.json"
PART = 4
"""Of every so many responses one is also scored by the weights that it carries, by fhirpath.js and by fhirpathpy."""
EXTRACTED = (ResourceKind.OBSERVATION_ITEM, ResourceKind.OBSERVATION_DIFFICULTY, ResourceKind.OBSERVATION_TOTAL)
SHAPES = tuple(
    WriteShape(kind=kind, include_narrative=False) for kind in (ResourceKind.QUESTIONNAIRE_RESPONSE, *EXTRACTED)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One score, answer or Observation that ours and an engine do not agree on."""

    engine: str
    about: str
    ours: Any
    theirs: Any
    score: Score | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One answer set, what ours made of it and wrote, and where an engine disagrees."""

    answer_set: AnswerSet
    outcome: Outcome
    response: Json
    differences: tuple[Difference, ...]


def compare(
    oracles: Oracles, instrument: Instrument, answer_sets: Sequence[AnswerSet], *, questionnaire: Json | None = None
) -> list[Compared]:
    """Compare on each set. `questionnaire` is what the engines are given; default: the instrument's own."""
    questionnaire = questionnaire or instrument.questionnaire
    outcomes = [read(instrument, answer_set) for answer_set in answer_sets]
    written = [[planned.resource for planned in extract(outcome, SHAPES)] for outcome in outcomes]
    responses = [resources[0] for resources in written]
    expressions = find_expressions(questionnaire)
    bare = [without_weights(response) for response in responses]
    by_option = oracles.evaluate(questionnaire, expressions, bare).results
    by_coding = oracles.evaluate(questionnaire, expressions, responses[::PART]).results
    forms = oracles.fill_in(questionnaire, [all_answers(answer_set) for answer_set in answer_sets]).results
    compared = []
    for number, outcome in enumerate(outcomes):
        found = [
            *_compare_scores("fhirpath.js", outcome, _single_values(by_option[number])),
            *_compare_form(outcome, written[number][1:], forms[number]),
        ]
        if number % PART == 0:
            carried = _single_values(by_coding[number // PART])
            found.extend(_compare_scores("fhirpath.js, weights carried", outcome, carried))
            found.extend(_compare_scores("fhirpathpy", outcome, _evaluate(expressions, responses[number])))
        one = Compared(
            answer_set=answer_sets[number], outcome=outcome, response=responses[number], differences=tuple(found)
        )
        compared.append(one)
    return compared


def find_expressions(questionnaire: Json) -> dict[str, str]:
    """Score linkId → its calculatedExpression."""
    return {
        item["linkId"]: extension["valueExpression"]["expression"]
        for item in walk(questionnaire)
        for extension in item.get("extension", ())
        if extension["url"] == CALCULATED_EXPRESSION
    }


def walk(parent: Json) -> Iterator[Json]:
    """Every item at every depth."""
    for item in parent.get("item", ()):
        yield item
        yield from walk(item)


def all_answers(answer_set: AnswerSet) -> dict[str, Json]:
    """What a person put into the form, stray answers too: the form must drop those by itself."""
    return {link_id: value_of(given) for link_id, given in (answer_set.given | answer_set.stray).items()}


def without_weights(response: Json) -> Json:
    bare = deepcopy(response)
    for item in walk(bare):
        for answer in item.get("answer", ()):
            answer.get("valueCoding", {}).pop("extension", None)
    return bare


def _single_values(results: dict[str, list[Any]]) -> dict[str, Number | None]:
    for name, values in results.items():
        assert len(values) < 2, f"{name} gave {len(values)} values"
    return {name: values[0] if values else None for name, values in results.items()}


def _evaluate(expressions: dict[str, str], response: Json) -> dict[str, Number | None]:
    """The path that our own code takes where a site's Questionnaire scores by an expression of another form."""
    mapped = {name: evaluate_expression(text, response) for name, text in expressions.items()}
    assert not any(one.issues for one in mapped.values())
    return {name: one.value for name, one in mapped.items()}


def _compare_scores(engine: str, outcome: Outcome, theirs: dict[str, Number | None]) -> Iterator[Difference]:
    definitions = outcome.instrument.scores
    for definition, score in zip(definitions, outcome.report.scores, strict=True):
        their_value = theirs.get(definition.link_id)
        if score.value != their_value:
            yield Difference(engine=engine, about=definition.id, ours=score.value, theirs=their_value, score=score)
    unknown = theirs.keys() - {definition.link_id for definition in definitions}
    if unknown:
        yield Difference(engine=engine, about="score items", ours=None, theirs=sorted(unknown))


def _compare_form(outcome: Outcome, observations: Sequence[Json], form: Json) -> Iterator[Difference]:
    engine = "LHC-Forms"
    answered = {item["linkId"]: item["answer"] for item in walk(form["response"]) if "answer" in item}
    scores = {definition.link_id for definition in outcome.instrument.scores}
    theirs = {link_id: _value(answer[0]) for link_id, answer in answered.items() if link_id in scores}
    yield from _compare_scores(engine, outcome, theirs)
    kept = {
        link_id: (value.system, value.code) if isinstance(value, Coding) else value
        for link_id, answer in outcome.answers.items()
        for value in answer.given
    }
    their_kept = {link_id: _value(answer[0]) for link_id, answer in answered.items() if link_id not in scores}
    if kept != their_kept:
        yield Difference(engine=engine, about="answers that count", ours=kept, theirs=their_kept)
    codes = {(definition.coding.system, definition.coding.code) for definition in outcome.instrument.scores}
    ours, their = (
        sorted(pair for pair in map(_observed, found) if pair[0] not in codes and pair[1] is not None)
        for found in (observations, form["observations"])
    )
    if ours != their:
        yield Difference(engine=engine, about="item Observations", ours=ours, theirs=their)


def _observed(observation: Json) -> tuple[Any, Any]:
    (coding,) = observation["code"]["coding"]
    return (coding["system"], coding["code"]), _value(observation)


def _value(element: Json) -> Any:
    """The value[x] of an answer or an Observation: (system, code), or the bare value; None where there is none."""
    name = next((name for name in element if name.startswith("value")), "")
    match name:
        case "":
            return None
        case "valueQuantity":
            return element[name]["value"]
        case "valueCoding":
            return element[name]["system"], element[name]["code"]
        case "valueCodeableConcept":
            (coding,) = element[name]["coding"]
            return coding["system"], coding["code"]
    return element[name]
