"""How many mutated instruments are told from the published one by what they do.

    python -m tests.golden.kill_rate                every mutant of every instrument, with the kill rate by kind

A mutant is killed where it no longer loads, though its expressions are derived anew as the parser asks, or where it
scores, enables, judges or is written otherwise than published. No file is compared with another. Tests run a seeded
sample of each kind (tests/conformance/test_mutation.py).
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

from fhir_mappings.errors import MappingError
from fhir_mappings.instrument import parse_instrument
from tests.golden.behavior import find_difference
from tests.golden.mutants import Mutant, mutants_of
from tests.golden.published import DEFINITIONS, Published, defined, read_published

_ADVICE = re.compile(r"Questionnaire\.item\((?P<item>[^)]+)\): its expression should be (?P<expression>.*)", re.DOTALL)


def find_killer(mutant: Mutant, published: Published) -> str | None:
    """Give what tells the mutant from the published instrument, None where nothing does."""
    body = mutant.to_json()
    # One more than there are expressions: after the last is derived anew, what loads is still to be judged.
    for _ in range(body.count(b"calculatedExpression") + 1):
        try:
            instrument = parse_instrument(body)
        except MappingError as error:
            repaired = follow_advice(body, str(error))
            if repaired is None or json.loads(repaired) == mutant.original:
                return f"load: {error.code}"
            body = repaired
        else:
            return find_difference(instrument, published)
    return "load: the expressions cannot be derived"


def follow_advice(body: bytes, message: str) -> bytes | None:
    """Derive a score's expression anew as the parser says it should be, as an editor would; None for other faults."""
    advice = _ADVICE.fullmatch(message)
    if advice is None:
        return None
    bundle = json.loads(body)
    for item in bundle["entry"][0]["resource"]["item"]:
        if item["linkId"] == advice["item"]:
            for extension in item["extension"]:
                if extension["url"].endswith("calculatedExpression"):
                    extension["valueExpression"]["expression"] = advice["expression"]
    return json.dumps(bundle).encode()


def all_mutants(name: str) -> Iterator[Mutant]:
    """Give every mutant of an instrument."""
    return mutants_of(json.loads((DEFINITIONS / f"{name}.json").read_text(encoding="utf-8")))


def sample_mutants(name: str, each: int) -> list[Mutant]:
    """Give so many mutants of each kind, always the same ones."""
    by_kind: dict[str, list[Mutant]] = {}
    for mutant in all_mutants(name):
        by_kind.setdefault(mutant.kind, []).append(mutant)
    random = Random(name)  # noqa: S311  # a repeatable choice, no secret
    return [m for kind in sorted(by_kind) for m in random.sample(by_kind[kind], min(each, len(by_kind[kind])))]


def survivors(name: str, mutants: Iterable[Mutant], tally: Counter[tuple[str, str]]) -> list[str]:
    """Give the mutants that nothing kills; count the others by kind and killer."""
    published = read_published(name)
    alive = []
    for mutant in mutants:
        killer = find_killer(mutant, published)
        tally[mutant.kind, "survived" if killer is None else killer.split(":")[0]] += 1
        if killer is None:
            alive.append(f"{name}: {mutant.kind}, {mutant.change}")
    return alive


def main() -> None:
    tally: Counter[tuple[str, str]] = Counter()
    alive = [line for name in defined() for line in survivors(name, all_mutants(name), tally)]
    total = sum(tally.values())
    for kind in sorted({kind for kind, _ in tally}):
        killers = ", ".join(f"{count} by {by}" for (of, by), count in sorted(tally.items()) if of == kind)
        sys.stdout.write(f"{kind}: {killers}\n")
    killed = total - len(alive)
    sys.stdout.write("\n".join([*alive, f"{killed} of {total} killed ({100 * killed / total:.1f} %)"]) + "\n")
    sys.exit(1 if alive else 0)


if __name__ == "__main__":
    main()
