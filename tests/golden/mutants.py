"""Instruments with one fault each: a weight, edge, code, condition or figure changed as a slip would change it.

Each mutant is as consistent as a careless editor leaves it: a weight in all the places that state it, a band's edge
together with its neighbour's, so that little is refused merely because two places disagree.
"""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.golden.naming import BASE

_EXTENSION = f"{BASE}/StructureDefinition/"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A Bundle with one fault; `kind` is what was changed, `change` says where and how."""

    kind: str
    change: str
    original: Json = field(repr=False)
    alter: Callable[[Json], None] = field(repr=False)

    def to_json(self) -> bytes:
        """Give the faulty Bundle."""
        altered = deepcopy(self.original)
        self.alter(altered)
        return json.dumps(altered, ensure_ascii=False).encode()


def mutants_of(bundle: Json) -> Iterator[Mutant]:
    """Give every mutant of one Bundle."""
    for mutate in (_weights, _answer_codes, _item_codes, _conditions, _scores, _edges, _plan, _ages):
        yield from mutate(bundle)


def _resources(bundle: Json, resource_type: str) -> list[Json]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == resource_type]


def _items(bundle: Json) -> list[Json]:
    (questionnaire,) = _resources(bundle, "Questionnaire")
    found: list[Json] = []
    stack = list(questionnaire["item"])
    while stack:
        item = stack.pop(0)
        found.append(item)
        stack += item.get("item", [])
    return found


def _extensions(element: Json, name: str) -> list[Json]:
    return [found for found in element.get("extension", []) if found["url"].rpartition("/")[2] == name]


def _mutant(bundle: Json, kind: str, change: str, alter: Callable[[Json], None]) -> Mutant:
    return Mutant(kind=kind, change=change, original=bundle, alter=alter)


def _weights(bundle: Json) -> Iterator[Mutant]:
    for place, item in enumerate(_items(bundle)):
        for number, option in enumerate(item.get("answerOption", [])):
            if not _stated_weights(option):
                continue
            for step in (1, -1):

                def alter(altered: Json, place: int = place, number: int = number, step: int = step) -> None:
                    for stated in _stated_weights(_items(altered)[place]["answerOption"][number]):
                        stated["valueDecimal"] += step

                yield _mutant(bundle, "weight", f"{item['linkId']} option {number} by {step}", alter)


def _stated_weights(option: Json) -> list[Json]:
    elements = (option, option["valueCoding"])
    return [e for element in elements for name in ("itemWeight", "ordinalValue") for e in _extensions(element, name)]


def _answer_codes(bundle: Json) -> Iterator[Mutant]:
    for place, item in enumerate(_items(bundle)):
        options = item.get("answerOption", [])
        for number, option in enumerate(options):
            code = option["valueCoding"]["code"]

            def retype(altered: Json, place: int = place, number: int = number) -> None:
                coding = _items(altered)[place]["answerOption"][number]["valueCoding"]
                coding["code"] = _mistype(coding["code"])

            yield _mutant(bundle, "answer code", f"{item['linkId']} {code} mistyped", retype)
        if len(options) > 1:

            def swap(altered: Json, place: int = place) -> None:
                first, second = (o["valueCoding"] for o in _items(altered)[place]["answerOption"][:2])
                first["code"], second["code"] = second["code"], first["code"]

            yield _mutant(bundle, "answer code", f"{item['linkId']} first two codes swapped", swap)


def _mistype(code: str) -> str:
    """Change one character of a code, as a slip does."""
    place = 2 if code.startswith("LA") else 0
    digit = code[place]
    other = str((int(digit) + 1) % 10) if digit.isdigit() else "x"
    return code[:place] + other + code[place + 1 :]


def _item_codes(bundle: Json) -> Iterator[Mutant]:
    scores = {json.dumps(d["code"]["coding"][0]["code"]) for d in _resources(bundle, "ObservationDefinition")}
    for place, item in enumerate(_items(bundle)):
        for coding in item.get("code", []):
            if json.dumps(coding["code"]) in scores:
                continue

            def alter(altered: Json, place: int = place) -> None:
                coding = _items(altered)[place]["code"][0]
                coding["code"] = _mistype(coding["code"])

            yield _mutant(bundle, "item code", f"{item['linkId']} {coding['code']}", alter)

    def panel(altered: Json) -> None:
        coding = _resources(altered, "Questionnaire")[0]["code"][0]
        coding["code"] = _mistype(coding["code"])

    yield _mutant(bundle, "panel code", "panel", panel)


def _conditions(bundle: Json) -> Iterator[Mutant]:
    options = {item["linkId"]: [o["valueCoding"] for o in item.get("answerOption", [])] for item in _items(bundle)}
    for place, item in enumerate(_items(bundle)):
        for number, condition in enumerate(item.get("enableWhen", [])):
            where = f"{item['linkId']} condition {number}"
            if "answerCoding" in condition:
                for coding in options[condition["question"]]:
                    if coding["code"] == condition["answerCoding"]["code"]:
                        continue

                    def recode(altered: Json, place: int = place, number: int = number, coding: Json = coding) -> None:
                        answer = _items(altered)[place]["enableWhen"][number]["answerCoding"]
                        answer |= {"system": coding["system"], "code": coding["code"]}

                    yield _mutant(bundle, "condition", f"{where} on {coding['code']}", recode)
            opposite = {"=": "!=", "!=": "=", "exists": "exists"}[condition["operator"]]

            def negate(altered: Json, place: int = place, number: int = number, opposite: str = opposite) -> None:
                condition = _items(altered)[place]["enableWhen"][number]
                condition["operator"] = opposite
                if "answerBoolean" in condition:
                    condition["answerBoolean"] = not condition["answerBoolean"]

            yield _mutant(bundle, "condition", f"{where} negated", negate)

            def drop(altered: Json, place: int = place, number: int = number) -> None:
                item = _items(altered)[place]
                del item["enableWhen"][number]
                if not item["enableWhen"]:
                    item.pop("enableWhen")
                    item.pop("enableBehavior", None)

            yield _mutant(bundle, "condition", f"{where} dropped", drop)
        if len(item.get("enableWhen", [])) > 1:

            def behave(altered: Json, place: int = place) -> None:
                item = _items(altered)[place]
                item["enableBehavior"] = "all" if item["enableBehavior"] == "any" else "any"

            yield _mutant(bundle, "condition", f"{item['linkId']} any and all exchanged", behave)


def _scores(bundle: Json) -> Iterator[Mutant]:
    """The score's code in item and definition alike; what its expression adds up or counts."""
    for place, item in enumerate(_items(bundle)):
        for expression in _extensions(item, "sdc-questionnaire-calculatedExpression"):
            text = expression["valueExpression"]["expression"]
            for wrong, change in _expressions(text):

                def replace(altered: Json, place: int = place, wrong: str = wrong) -> None:
                    (stated,) = _extensions(_items(altered)[place], "sdc-questionnaire-calculatedExpression")
                    stated["valueExpression"]["expression"] = wrong

                yield _mutant(bundle, "expression", f"{item['linkId']} {change}", replace)
    for number, definition in enumerate(_resources(bundle, "ObservationDefinition")):
        code = definition["code"]["coding"][0]["code"]

        def alter(altered: Json, number: int = number) -> None:
            definition = _resources(altered, "ObservationDefinition")[number]
            identifier = definition["identifier"][0]["value"]
            definition["code"]["coding"][0]["code"] = _mistype(definition["code"]["coding"][0]["code"])
            for item in _items(altered):
                for link in _extensions(item, "score-definition"):
                    if link["valueReference"]["identifier"]["value"] == identifier:
                        item["code"][0]["code"] = _mistype(item["code"][0]["code"])

        yield _mutant(bundle, "score code", code, alter)


def _expressions(text: str) -> Iterator[tuple[str, str]]:
    """The last item left out of every list and count; a threshold one higher or lower; a factor one higher."""
    for list_of_items in sorted(set(re.findall(r"linkId in \(([^()]*)\)", text))):
        links = list_of_items.split(" | ")
        if len(links) > 1:
            shorter = text.replace(list_of_items, " | ".join(links[:-1]))
            yield shorter.replace(f"= {len(links)},", f"= {len(links) - 1},"), f"without {links[-1]}"
    for threshold in sorted(set(re.findall(r"\$this >= (\d+)", text))):
        for step in (1, -1):
            yield text.replace(f"$this >= {threshold}", f"$this >= {int(threshold) + step}"), f"threshold by {step}"
    for factor in sorted(set(re.findall(r", (\d+) \* ", text))):
        yield text.replace(f", {factor} * ", f", {int(factor) + 1} * "), "factor by 1"


def _edges(bundle: Json) -> Iterator[Mutant]:
    for number, definition in enumerate(_resources(bundle, "ObservationDefinition")):
        score = definition["identifier"][0]["value"]
        intervals = definition.get("qualifiedInterval", [])
        bands = [n for n, interval in enumerate(intervals) if _extensions(interval, "severity-band")]
        for lower, upper in pairwise(bands):
            if "level" in {e["url"].rpartition("/")[2] for e in intervals[lower]["extension"]}:
                continue
            for step in (1, -1):

                def move(
                    altered: Json, number: int = number, lower: int = lower, upper: int = upper, step: int = step
                ) -> None:
                    found = _resources(altered, "ObservationDefinition")[number]["qualifiedInterval"]
                    found[lower]["range"]["high"]["value"] += step
                    found[upper]["range"]["low"]["value"] += step

                yield _mutant(bundle, "band edge", f"{score} band {lower} up to {upper} by {step}", move)
        for place, interval in enumerate(intervals):
            if _extensions(interval, "cut-off"):
                # A percentage score moves in steps of four: one point more or less changes no result.
                step = 4 if score.endswith("percentage") else 1
                yield from _cutoff(bundle, number, place, step, f"{score} cut-off {place}")
        yield from _numbers(bundle, number, definition, score)


def _cutoff(bundle: Json, number: int, place: int, by: int, where: str) -> Iterator[Mutant]:
    def interval_of(altered: Json) -> Json:
        found: Json = _resources(altered, "ObservationDefinition")[number]["qualifiedInterval"][place]
        return found

    interval = interval_of(bundle)
    for end in interval["range"]:
        for step in (by, -by):

            def move(altered: Json, end: str = end, step: int = step) -> None:
                interval_of(altered)["range"][end]["value"] += step

            yield _mutant(bundle, "cut-off", f"{where} by {step}", move)
    for end in interval.get("age", {}):
        for step in (1, -1):

            def age(altered: Json, end: str = end, step: int = step) -> None:
                interval_of(altered)["age"][end]["value"] += step

            yield _mutant(bundle, "cut-off age", f"{where} {end} by {step}", age)
    if "gender" in interval:
        other = {"male": "female", "female": "male"}[interval["gender"]]
        yield _mutant(bundle, "cut-off sex", where, lambda altered: interval_of(altered).update(gender=other))

    def default(altered: Json) -> None:
        (details,) = _extensions(interval_of(altered), "cut-off")
        for part in details["extension"]:
            if part["url"] == "default":
                part["valueBoolean"] = not part["valueBoolean"]

    yield _mutant(bundle, "cut-off default", where, default)


# Extensions of a definition → the parts that are figures, each with what it is called here.
_FIGURES = {
    "change-threshold": ("change figure", ("points", "percent", "scoreBelow", "baselineAtLeast")),
    "missing-item-rule": ("missing-item rule", ("maxMissing",)),
    "open-level": ("level", ("low", "high")),
}


def _numbers(bundle: Json, number: int, definition: Json, score: str) -> Iterator[Mutant]:
    for name, (kind, parts) in _FIGURES.items():
        for place, extension in enumerate(_extensions(definition, name)):
            for part in extension["extension"]:
                if part["url"] not in parts:
                    continue
                # Scales of up to 40 points do not tell 49 from 50 per cent: such a step changes no verdict.
                for step in (5, -5) if part["url"] == "percent" else (1, -1):

                    def move(
                        altered: Json, name: str = name, place: int = place, url: str = part["url"], step: int = step
                    ) -> None:
                        definition = _resources(altered, "ObservationDefinition")[number]
                        for part in _extensions(definition, name)[place]["extension"]:
                            if part["url"] == url:
                                value = next(key for key in part if key.startswith("value"))
                                part[value] = round(part[value] + step, 2)

                    yield _mutant(bundle, kind, f"{score} {name} {place} {part['url']} by {step}", move)
    yield from _levels(bundle, number, definition, score)


def _levels(bundle: Json, number: int, definition: Json, score: str) -> Iterator[Mutant]:
    """Rules of a level: a code mistyped, a question left out, blanks counted the other way, a word's code."""
    for place, interval in enumerate(definition.get("qualifiedInterval", [])):
        for level in _extensions(interval, "level"):
            for path in _paths(level):
                part = _follow(level, path)
                change: Json
                if part["url"] == "code" and "valueCode" in part:
                    change = {"valueCode": "LA32-8" if part["valueCode"] == "LA33-6" else "LA33-6"}
                elif part["url"] == "code" and "valueCoding" in part:
                    change = {"valueCoding": {**part["valueCoding"], "code": _mistype(part["valueCoding"]["code"])}}
                elif part["url"] == "orUnanswered":
                    change = {"valueBoolean": not part["valueBoolean"]}
                elif part["url"] == "count":
                    change = {"valueInteger": part["valueInteger"] + 1}
                else:
                    continue

                def alter(
                    altered: Json, place: int = place, path: tuple[int, ...] = path, change: Json = change
                ) -> None:
                    found = _resources(altered, "ObservationDefinition")[number]["qualifiedInterval"][place]
                    (level,) = _extensions(found, "level")
                    _follow(level, path).update(change)

                yield _mutant(bundle, "level", f"{score} interval {place} {part['url']} {path}", alter)
            for path in _paths(level):
                part = _follow(level, path)
                if part["url"] == "linkId":

                    def drop(altered: Json, place: int = place, path: tuple[int, ...] = path) -> None:
                        found = _resources(altered, "ObservationDefinition")[number]["qualifiedInterval"][place]
                        (level,) = _extensions(found, "level")
                        del _follow(level, path[:-1])["extension"][path[-1]]

                    yield _mutant(bundle, "level", f"{score} interval {place} without {part['valueString']}", drop)


def _paths(extension: Json, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    for number, part in enumerate(extension.get("extension", [])):
        yield (*path, number)
        yield from _paths(part, (*path, number))


def _follow(extension: Json, path: tuple[int, ...]) -> Json:
    for number in path:
        extension = extension["extension"][number]
    return extension


def _plan(bundle: Json) -> Iterator[Mutant]:
    """Thresholds and codes of what an answer calls for; the condition in FHIRPath stays as it was."""
    (plan,) = _resources(bundle, "PlanDefinition")
    weights = {
        item["linkId"]: sorted({w["valueDecimal"] for o in item.get("answerOption", []) for w in _stated_weights(o)})
        for item in _items(bundle)
    }
    gated = {item["linkId"] for item in _items(bundle) if item.get("enableWhen")}
    for number, action in enumerate(plan.get("action", [])):
        for details in _extensions(action, "risk-rule"):
            for place, part in enumerate(details["extension"]):
                if part["url"] == "atLeast":
                    for wrong in _neighbors(part["valueDecimal"], weights.get(_link_of(details), [])):
                        change = {"valueDecimal": wrong}
                        yield _plan_mutant(bundle, number, place, change, f"{action['id']} at {wrong}")
                elif part["url"] == "code":
                    other = "LA32-8" if part["valueCode"] == "LA33-6" else "LA33-6"
                    yield _plan_mutant(bundle, number, place, {"valueCode": other}, f"{action['id']} on {other}")
                elif part["url"] == "level" and _shows_own_level(details, gated):
                    words = {"valueString": part["valueString"] + " or later"}
                    yield _plan_mutant(bundle, number, place, words, f"{action['id']} level")


def _shows_own_level(details: Json, gated: set[str]) -> bool:
    """An alert of a triage instrument says the level of the form, and the rule's own only of what was not asked."""
    return _link_of(details) in gated or not any(part["url"] == "levelOf" for part in details["extension"])


def _link_of(details: Json) -> str:
    (link_id,) = (part["valueString"] for part in details["extension"] if part["url"] == "linkId")
    return str(link_id)


def _neighbors(value: int, weights: list[int]) -> list[int]:
    """The next thresholds that change anything: the weights below and above; of a score one point less and more."""
    if value not in weights:
        return [value - 1, value + 1]
    place = weights.index(value)
    return [weights[place - 1] if place else value - 1, weights[place + 1] if place + 1 < len(weights) else value + 1]


def _plan_mutant(bundle: Json, number: int, place: int, change: Json, what: str) -> Mutant:
    def alter(altered: Json) -> None:
        (plan,) = _resources(altered, "PlanDefinition")
        (details,) = _extensions(plan["action"][number], "risk-rule")
        details["extension"][place].update(change)

    return _mutant(bundle, "threshold", what, alter)


def _ages(bundle: Json) -> Iterator[Mutant]:
    (questionnaire,) = _resources(bundle, "Questionnaire")
    for number, context in enumerate(questionnaire.get("useContext", [])):
        for end in context.get("valueRange", {}):
            for step in (1, -1):

                def move(altered: Json, number: int = number, end: str = end, step: int = step) -> None:
                    (questionnaire,) = _resources(altered, "Questionnaire")
                    questionnaire["useContext"][number]["valueRange"][end]["value"] += step

                yield _mutant(bundle, "age limit", f"{end} by {step}", move)
