"""Responses damaged at random, and what must hold of the line that `score` prints for any of them.

    python -m tests.conformance.mutated_responses 100000 [--seed 1]

Never a crash; a line of JSON; an error Issue exactly where something could not be used; issues of known codes that
quote nothing of the input; no score outside its range, no negative while a higher score is possible.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from random import Random
from typing import Any, Final

from fhir_mappings.errors import MappingError
from fhir_mappings.r4 import format_json
from smart_app.cli.extract import Signing, extract_body
from smart_app.cli.score import score_body
from smart_app.library import load_catalog
from tests.golden.expected_scores import build_golden_response
from tests.golden.published import defined, read_published
from tests.golden.vectors import vectors

Json = dict[str, Any]
KNOWN_CODES: Final = frozenset(
    {
        "administration-unreadable",
        "answer-type",
        "canonical-mismatch",
        "disabled-item",
        "doubled-item",
        "equivalent-option",
        "expression-error",
        "malformed-json",
        "malformed-resource",
        "malformed-weight",
        "prorated",
        "score-differs",
        "several-answers",
        "unfit-answer",
        "unknown-item",
        "unknown-option",
        "version-differs",
        "version-missing",
        "weight-differs",
    }
)
MARK: Final = "Zq7privateZq7"
"""A word that stands wherever a mutation puts text: no line may quote it."""
_EXTRACTED: Final = 50
"""Every so many responses are extracted as well."""
WEIGHT: Final = "http://hl7.org/fhir/StructureDefinition/itemWeight"


def golden_responses() -> list[Json]:
    """Whole and unfinished responses to every instrument."""
    return [
        build_golden_response(published, given)
        for published in map(read_published, defined())
        for given in vectors(published).values()
    ]


def damage(response: Json, random: Random, others: list[Json]) -> bytes:
    """Change a response in one to four places; now and then its bytes as well."""
    damaged = deepcopy(response)
    for _ in range(random.randint(1, 4)):
        random.choice(_DAMAGES)(damaged, random, others)
    body = json.dumps(damaged, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    return _damage_bytes(body, random) if random.random() < 0.1 else body


def _items(response: Json) -> list[Any]:
    items = response.get("item")
    return items if isinstance(items, list) else []


def _an_item(response: Json, random: Random) -> Json:
    found = [item for item in _items(response) if isinstance(item, dict)]
    return random.choice(found) if found else {}


def _a_coding(response: Json, random: Random) -> Json:
    answers = _an_item(response, random).get("answer")
    answer = random.choice(answers) if isinstance(answers, list) and answers else None
    coding = answer.get("valueCoding") if isinstance(answer, dict) else None
    return coding if isinstance(coding, dict) else {}


def _any_value(random: Random, depth: int = 0) -> Any:
    plain: list[Any] = [None, True, False, 0, -1, 3, 10**30, 2.5, "", " ", MARK, "\ud83d", "LA6568-5", "2026-99-99"]
    if depth < 3 and random.random() < 0.3:
        return [_any_value(random, depth + 1) for _ in range(random.randint(0, 3))]
    if depth < 3 and random.random() < 0.3:
        return {random.choice(["linkId", "item", "answer", "code", MARK]): _any_value(random, depth + 1)}
    return random.choice(plain)


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list) and value:
        yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from _containers(child)


def replace_anything(response: Json, random: Random, _others: list[Json]) -> None:
    """Put any value in the place of any other."""
    container = random.choice(list(_containers(response)) or [response])
    key = random.choice(list(container) if isinstance(container, dict) else range(len(container)) or [0])
    container[key] = _any_value(random)


def _remove_anything(response: Json, random: Random, _others: list[Json]) -> None:
    container = random.choice(list(_containers(response)) or [response])
    if container:
        container.pop(
            random.choice(list(container)) if isinstance(container, dict) else random.randrange(len(container))
        )


def _double_item(response: Json, random: Random, _others: list[Json]) -> None:
    items = _items(response)
    if items:
        items.insert(random.randrange(len(items) + 1), deepcopy(random.choice(items)))


def _shuffle(response: Json, random: Random, _others: list[Json]) -> None:
    random.shuffle(_items(response))


def _foreign_item(response: Json, random: Random, others: list[Json]) -> None:
    foreign = _an_item(random.choice(others), random)
    _items(response).append(deepcopy(foreign) or {"linkId": MARK})


def _foreign_code(response: Json, random: Random, others: list[Json]) -> None:
    coding = _a_coding(response, random)
    foreign = _a_coding(random.choice(others), random).get("code", MARK)
    coding["code"] = random.choice([MARK, "LA0-0", foreign])


def _foreign_system(response: Json, random: Random, _others: list[Json]) -> None:
    _a_coding(response, random)["system"] = random.choice(["http://example.org", "", MARK, "http://loinc.org "])


def _weight(response: Json, random: Random, _others: list[Json]) -> None:
    key = random.choice(["valueDecimal", "valueInteger", "valueString"])
    stated: Json = {"url": WEIGHT, key: random.choice(["four", 4, -1, 1.5, None, [], MARK, 10**40])}
    _a_coding(response, random)["extension"] = [stated] * random.randint(1, 2)


def _canonical(response: Json, random: Random, others: list[Json]) -> None:
    url = str(response.get("questionnaire", "")).split("|")[0]
    response["questionnaire"] = random.choice(
        [url, f"{url}|1.0.1", f"{url}|2.0.0", f"{url}|{MARK}", f"{url}|", MARK, "", None, 5, others[0]["questionnaire"]]
    )


def _status(response: Json, random: Random, _others: list[Json]) -> None:
    response["status"] = random.choice(["in-progress", "stopped", "amended", "entered-in-error", MARK, "", None, 1])


def _answer(response: Json, random: Random, _others: list[Json]) -> None:
    item = _an_item(response, random)
    kinds = ["valueInteger", "valueDecimal", "valueString", "valueBoolean", "valueCoding", "valueQuantity", "item"]
    added = {random.choice(kinds): _any_value(random)}
    answers = item.get("answer")
    item["answer"] = [*answers, added] if isinstance(answers, list) and random.random() < 0.5 else [added]


def _nest(response: Json, random: Random, _others: list[Json]) -> None:
    for _ in range(random.choice((1, 2, 5, 30, 80))):
        response["item"] = [{"linkId": random.choice(["group", MARK, ""]), "item": response.get("item", [])}]


def _absence(response: Json, random: Random, _others: list[Json]) -> None:
    url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    reason = random.choice(["asked-declined", "not-asked", MARK, None, 3])
    item = _an_item(response, random)
    item["extension"] = [{"url": url, "valueCode": reason}]
    if random.random() < 0.5:
        item.pop("answer", None)


def _many(response: Json, random: Random, _others: list[Json]) -> None:
    if random.random() < 0.02:
        response["item"] = (_items(response) or [{"linkId": MARK}]) * 600


_DAMAGES: Final[tuple[Callable[[Json, Random, list[Json]], None], ...]] = (
    replace_anything,
    _remove_anything,
    _double_item,
    _shuffle,
    _foreign_item,
    _foreign_code,
    _foreign_code,
    _foreign_system,
    _weight,
    _canonical,
    _status,
    _answer,
    _nest,
    _absence,
    _many,
)


def _damage_bytes(body: bytes, random: Random) -> bytes:
    place = random.randrange(len(body))
    match random.randrange(4):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + bytes([random.randrange(256)]) + body[place + 1 :]
        case 2:
            return body[:place] + body[place : place + 40] + body[place:]
        case _:
            return b"\xef\xbb\xbf" + body if random.random() < 0.5 else body.replace(b'"item"', b'"item":[],"item"', 1)


def find_fault(line: str, *, usable: bool) -> str | None:
    """Give what is wrong with the line that `score` prints, None where nothing is."""
    printed = json.loads(line)
    issues = printed["issues"]
    if "\n" in line:
        return "more than one line"
    if usable is any(issue["severity"] == "error" for issue in issues):
        return "usable with an error, or unusable without"
    if unknown := {issue["code"] for issue in issues} - KNOWN_CODES:
        return f"issues of unknown codes {unknown}"
    if any(not issue["text"].strip() or MARK in json.dumps(issue) for issue in issues):
        return "an issue without text, or one that quotes the input"
    if printed["instrument"] is None:
        return None if len(issues) == 1 and not printed["scores"] else "nothing read, and not one reason"
    return _find_wrong_score(printed)


def _find_wrong_score(printed: Json) -> str | None:
    for score in printed["scores"]:
        low, high = score["bounds"]
        value, (least, most) = score["value"], score["range"]
        if not least <= low <= high <= most:
            return f"{score['id']} bounds {low} to {high}"
        if value is None and low == high and printed["complete"]:
            return f"{score['id']} complete and without value"
        if value is not None and not low <= value <= high:
            return f"{score['id']} value {value} outside its bounds"
        if value is not None and low < high and not any(issue["code"] == "prorated" for issue in printed["issues"]):
            return f"{score['id']} has a value although items are open"
        worst_is_possible = low == least if score["id"].startswith("who-5") else high == most
        if score["positive"] is False and worst_is_possible and low < high:
            return f"{score['id']} is negative, and its worst is possible"
    return None


def run(seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """Damage and score one response per seed; give how often each issue was met, and every fault with its seed."""
    library, responses = load_catalog(), golden_responses()
    met: Counter[str] = Counter()
    faults = []
    for seed in seeds:
        random = Random(seed)  # noqa: S311  # a repeatable run, no secret
        body = damage(random.choice(responses), random, responses)
        line, usable = score_body(body, library)
        fault = find_fault(line, usable=usable)
        if fault is None and seed % _EXTRACTED == 0:
            fault = _find_wrong_extraction(body)
        if fault is not None:
            faults.append(f"seed {seed}: {fault}")
        met.update({issue["code"] for issue in json.loads(line)["issues"]} or {"no issue"})
    return met, faults


def _find_wrong_extraction(body: bytes) -> str | None:
    """Extract it too: a Bundle whose totals are those of the score, or a reason why there is none."""
    signing = Signing(
        patient="Patient/1",
        practitioner="Practitioner/1",
        encounter=None,
        organization=None,
        signed_at="2026-11-23T12:00:00Z",
    )
    try:
        bundle = extract_body(body, signing)
    except MappingError:
        return None
    if bundle is None:
        return None
    text = format_json(bundle)
    return None if bundle["type"] == "transaction" and MARK not in text else "a Bundle that holds what was not read"


def main() -> None:
    parser = argparse.ArgumentParser(description="Score damaged responses.")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.perf_counter()
    met, faults = run(range(arguments.seed, arguments.seed + arguments.count))
    seconds = time.perf_counter() - started
    lines = [f"{code}: {count}" for code, count in met.most_common()]
    lines += [*faults, f"{arguments.count} damaged responses in {seconds:.0f} s, {len(faults)} faults"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
