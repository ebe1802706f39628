"""Small made-up instruments, for one form of score each; they go through the parser like a shipped one.

Options of an item are coded "o0", "o1" … in `SYSTEM`; an answer is named by its place. Expressions are not written out
here: the parser says which text follows from items, conditions and rules, and takes no other.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.errors import MalformedInstrument
from fhir_mappings.instrument import Instrument, parse_instrument
from fhir_mappings.r4 import Coding, Json
from fhir_mappings.systems import (
    ACTION_CODE,
    CALCULATED_EXPRESSION,
    CANONICAL_BASE,
    EXT_APPLIES_TO,
    EXT_CUT_OFF,
    EXT_INSTRUMENT,
    EXT_LEVEL,
    EXT_MISSING_ITEM_RULE,
    EXT_OPEN_LEVEL,
    EXT_RISK_RULE,
    EXT_SCORE_DEFINITION,
    EXT_SEVERITY_BAND,
    ITEM_WEIGHT,
    SCORE_IDENTIFIER,
    SCORE_INTERVAL,
    UNIT,
)

SYSTEM = "urn:example:options"
DECLINED = "declined"
_SHOULD_BE = "its expression should be "
Given = Mapping[str, int | str | None]


def code(place: int) -> str:
    return f"o{place}"


def question(
    link_id: str,
    weights: Sequence[int] = (0, 1, 2),
    *,
    when: Sequence[tuple[str, str, int | bool]] = (),
    behavior: str = "any",
    applies_to: str | None = None,
) -> Json:
    """A choice item; `when` lists question, operator and the place of an option, or a boolean."""
    item: Json = {
        "linkId": link_id,
        "code": [{"system": SYSTEM, "code": f"item-{link_id}"}],
        "prefix": link_id,
        "text": f"Question {link_id}",
        "type": "choice",
        "answerOption": [
            {
                "valueCoding": {
                    "extension": [{"url": ITEM_WEIGHT, "valueDecimal": weight}],
                    "system": SYSTEM,
                    "code": code(place),
                    "display": f"Option {place}",
                }
            }
            for place, weight in enumerate(weights)
        ],
    }
    if when:
        item["enableWhen"] = [_condition(*condition) for condition in when]
        item["enableBehavior"] = behavior
    if applies_to is not None:
        item["extension"] = [{"url": EXT_APPLIES_TO, "valueCode": applies_to}]
    return item


def _condition(link_id: str, operator: str, answer: int | bool) -> Json:
    asked = {"answerBoolean": answer} if operator == "exists" else {"answerCoding": coding_of(int(answer)).to_json()}
    return {"question": link_id, "operator": operator, **asked}


def coding_of(place: int) -> Coding:
    return Coding(system=SYSTEM, code=code(place), display=None)


def total(
    link_ids: Sequence[str],
    span: tuple[int, int],
    *,
    count_from: int | None = None,
    factor: int = 1,
    intervals: Sequence[Json] = (),
    extensions: Sequence[Json] = (),
    score_id: str = "total",
) -> Json:
    """A sum of weights, or with `count_from` a count of items: what `build_instrument` takes as a score."""
    among = " | ".join(f"'{link_id}'" for link_id in link_ids)
    where = f"%resource.item.where(linkId in ({among})).answer"
    end = ".sum()" if count_from is None else f".where($this >= {count_from}).count()"
    times = "" if factor == 1 else f"{factor} * "
    expression = f"iif({where}.count() = {len(link_ids)}, {times}{where}.value.weight(){end}, {{}})"
    return _score(score_id, expression, span, intervals, extensions)


def level_result(
    levels: Sequence[Sequence[Sequence[Json]]], *, open_level: tuple[int, int] | None = None, score_id: str = "result"
) -> Json:
    """A result that is a level: per level above the lowest its alternatives, each a list of `asks(…)`."""
    intervals = [_level_interval(rank, alternatives) for rank, alternatives in enumerate([(), *levels])]
    extensions = []
    if open_level is not None:
        low, high = open_level
        stated = [_part("low", "Integer", low), _part("high", "Integer", high), _part("label", "String", "open")]
        stated += [_part("action", "String", "act as on the highest"), _part("source", "String", "made up")]
        extensions.append({"url": EXT_OPEN_LEVEL, "extension": stated})
    cutoff = cut_off(1)
    return _score(score_id, "1", (0, len(levels)), [*intervals, cutoff], extensions)


def _level_interval(rank: int, alternatives: Sequence[Sequence[Json]]) -> Json:
    level: list[Json] = [
        _part("code", "Coding", {"system": SYSTEM, "code": f"level-{rank}"}),
        _part("action", "String", f"act on level {rank}"),
        *({"url": "when", "extension": list(alternative)} for alternative in alternatives),
    ]
    banded = [_part("label", "String", f"level {rank}"), _part("level", "Integer", min(rank + 1, 5))]
    return {
        "extension": [{"url": EXT_SEVERITY_BAND, "extension": banded}, {"url": EXT_LEVEL, "extension": level}],
        **_interval("severity-band", f"level {rank}"),
        "range": {"low": {"value": rank}, "high": {"value": rank}},
    }


def asks(link_ids: Iterable[str], places: Iterable[int], *, count: int = 1, or_unanswered: bool = False) -> Json:
    """A condition of a level: `count` of the items are answered by one of the options at these places."""
    parts = [_part("linkId", "String", link_id) for link_id in link_ids]
    parts += [_part("code", "Code", code(place)) for place in places]
    parts += [_part("count", "Integer", count), _part("orUnanswered", "Boolean", or_unanswered)]
    return {"url": "answer", "extension": parts}


def band(low: int, high: int, words: str) -> Json:
    banded = [_part("label", "String", words), _part("level", "Integer", 1)]
    return {
        "extension": [{"url": EXT_SEVERITY_BAND, "extension": banded}],
        **_interval("severity-band", words),
        "range": {"low": {"value": low}, "high": {"value": high}},
    }


def cut_off(points: int, *, end: str = "low", gender: str | None = None) -> Json:
    stated = [_part("meaning", "String", "positive"), _part("source", "String", "made up")]
    interval: Json = {
        "extension": [{"url": EXT_CUT_OFF, "extension": [*stated, _part("default", "Boolean", True)]}],
        **_interval("cut-off", "screens positive"),
        "range": {end: {"value": points}},
    }
    return interval if gender is None else {**interval, "gender": gender}


def missing_rule(formula: str, max_missing: int, *, authors_own: bool = True) -> Json:
    parts = [_part("owner", "String", "the author"), _part("authorsOwn", "Boolean", authors_own)]
    parts += [_part("maxMissing", "Integer", max_missing), _part("formula", "Code", formula)]
    return {"url": EXT_MISSING_ITEM_RULE, "extension": [*parts, _part("source", "String", "made up")]}


def action(link_id: str, place: int, *, kind: str = "risk-alert", level: str = "", level_of: str | None = None) -> Json:
    parts = [_part("linkId", "String", link_id), _part("code", "Code", code(place))]
    parts += [_part("level", "String", level or "serious"), _part("source", "String", "made up")]
    if level_of is not None:
        parts.append(_part("levelOf", "String", level_of))
    return {
        "id": f"{kind}-{link_id}-{place}",
        "extension": [{"url": EXT_RISK_RULE, "extension": parts}],
        "textEquivalent": "look into it",
        "code": [{"coding": [{"system": ACTION_CODE, "code": kind}]}],
        "reason": [{"text": f"Option {place} to {link_id}"}],
    }


def build_instrument(questions: Sequence[Json], scores: Sequence[Json], actions: Sequence[Json] = ()) -> Instrument:
    """Parse an instrument of these items and scores, with the expressions that the parser asks for."""
    texts = {score["id"]: score["expression"] for score in scores}
    for _ in scores:
        try:
            return parse_instrument(build_bundle(questions, scores, texts, actions))
        except MalformedInstrument as error:
            if _SHOULD_BE not in error.problem:
                raise
            named = error.expression.removeprefix("Questionnaire.item(").removesuffix(")")
            texts[named] = error.problem.removeprefix(_SHOULD_BE)
    return parse_instrument(build_bundle(questions, scores, texts, actions))


def give(answers: Given) -> dict[str, Answer]:
    """Answers by place of the option; declined; None is not reached."""
    return {
        link_id: Answer(link_id=link_id, status=AnswerStatus.DECLINED)
        if isinstance(place, str)
        else Answer(link_id=link_id, status=AnswerStatus.ANSWERED, coding=coding_of(place))
        for link_id, place in answers.items()
        if place is not None
    }


def _score(
    score_id: str, expression: str, span: tuple[int, int], intervals: Sequence[Json], extensions: Sequence[Json]
) -> Json:
    low, high = span
    absolute = {"category": "absolute", "range": {"low": {"value": low}, "high": {"value": high}}}
    return {
        "id": score_id,
        "expression": expression,
        "definition": {
            "resourceType": "ObservationDefinition",
            "extension": list(extensions),
            "code": {"coding": [{"system": SYSTEM, "code": score_id}]},
            "identifier": [{"system": SCORE_IDENTIFIER, "value": score_id}],
            "qualifiedInterval": [absolute, *intervals],
        },
    }


def _score_item(score: Json, expression: str) -> Json:
    identifier = {"system": SCORE_IDENTIFIER, "value": score["id"]}
    return {
        "extension": [
            {"url": CALCULATED_EXPRESSION, "valueExpression": {"language": "text/fhirpath", "expression": expression}},
            {"url": UNIT, "valueCoding": {"system": "http://unitsofmeasure.org", "code": "{score}"}},
            {"url": EXT_SCORE_DEFINITION, "valueReference": {"identifier": identifier}},
        ],
        "linkId": score["id"],
        "code": score["definition"]["code"]["coding"],
        "text": score["id"].capitalize(),
        "type": "integer",
    }


def build_bundle(
    questions: Sequence[Json], scores: Sequence[Json], texts: Mapping[str, str], actions: Sequence[Json] = ()
) -> bytes:
    """Give the bytes of the Bundle; `texts` has each score's expression by its id."""
    details = [_part("shortName", "String", "Synthetic"), _part("recallPeriod", "String", "now")]
    questionnaire = {
        "resourceType": "Questionnaire",
        "id": "synthetic",
        "language": "en",
        "extension": [{"url": EXT_INSTRUMENT, "extension": details}],
        "url": f"{CANONICAL_BASE}/Questionnaire/synthetic",
        "version": "1.0.0",
        "title": "Synthetic",
        "copyright": "Made up.",
        "code": [{"system": SYSTEM, "code": "panel"}],
        "item": [
            {"linkId": "instruction", "type": "display", "text": "Please answer."},
            *questions,
            *(_score_item(score, texts[score["id"]]) for score in scores),
        ],
    }
    plan = {"resourceType": "PlanDefinition", "action": list(actions)}
    resources = [questionnaire, *(score["definition"] for score in scores), plan]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    return json.dumps(bundle).encode()


def _interval(kind: str, words: str) -> Json:
    context = {"coding": [{"system": SCORE_INTERVAL, "code": kind}], "text": words}
    return {"category": "reference", "context": context}


def _part(url: str, suffix: str, value: Any) -> Json:
    return {"url": url, f"value{suffix}": value}
