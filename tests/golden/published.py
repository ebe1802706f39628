"""What the fact files publish, as numbers and conditions: nothing here imports the product.

Facts: tests/data/facts/<instrument>.json, each figure with its sources. A rule that a fact file states in words only is
read here once, beside those words, and a fact file whose words change is refused until it is read again.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tests.golden.conditions import DECLINED, Asked, Given, find_condition
from tests.golden.naming import SHARED_ANSWERS, SUBSCALES, local_answer_code

__all__ = [
    "DATA",
    "DECLINED",
    "DEFINITIONS",
    "FACTS",
    "LOINC",
    "Given",
    "Published",
    "PublishedBand",
    "PublishedCutoff",
    "PublishedItem",
    "PublishedOption",
    "PublishedRisk",
    "PublishedScore",
    "confirmed_loinc",
    "defined",
    "golden",
    "read_published",
    "shipped",
]

DATA = Path(__file__).parent.parent / "data"
FACTS = DATA / "facts"
DEFINITIONS = DATA.parent.parent / "fhir_mappings" / "instruments"
LOINC = "http://loinc.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedOption:
    """One answer; `loinc` only where the code is confirmed; `local` is the code of ours where it is not.

    `text` is None where the wording is licensed.
    """

    value: int
    text: str | None
    loinc: str | None
    local: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedItem:
    """One question, in print order; `asked` tells whether the answers so far call for it; None: always.

    `only_for`: the sex that it applies to; left blank by another, it counts as lowest.
    """

    link_id: str
    text: str | None
    loinc: str | None
    scored: bool
    options: tuple[PublishedOption, ...]
    asked: Asked | None
    gates: tuple[str, ...]
    only_for: str | None = None

    @property
    def number(self) -> str:
        """The printed number, as the linkId ends."""
        return self.link_id.split("-", 1)[1]

    def option(self, value: int) -> PublishedOption:
        """Give the option of that value."""
        (option,) = [option for option in self.options if option.value == value]
        return option


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCutoff:
    """Positive at so many points or more, with `or_fewer` at so many or fewer.

    `default`: the first that the facts list decides, others are a site's choice.
    """

    at_least: int
    meaning: str
    default: bool
    gender: str | None = None
    or_fewer: bool = False

    def is_met(self, value: int) -> bool:
        """Tell whether the value screens positive."""
        return value <= self.at_least if self.or_fewer else value >= self.at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBand:
    """One severity range, both ends included."""

    min: int
    max: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedScore:
    """One score: the sum of its items' values, or with `counts_from` the number of items at that value or more."""

    id: str
    link_ids: tuple[str, ...]
    range: tuple[int, int]
    bands: tuple[PublishedBand, ...] = ()
    cutoffs: tuple[PublishedCutoff, ...] = ()
    loinc: tuple[str, str | None] | None = None
    counts_from: int | None = None
    factor: int = 1
    max_missing: int = 0
    missing_owner: str | None = None
    blanks_count_zero: bool = False

    def points(self, value: int) -> int:
        """What one answered item adds."""
        return value * self.factor if self.counts_from is None else int(value >= self.counts_from)

    def band(self, value: int) -> PublishedBand | None:
        """Give the range that holds the value."""
        return next((band for band in self.bands if band.min <= value <= band.max), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRisk:
    """One item that needs action at a value of `at_least` or more, whatever the total."""

    link_id: str
    at_least: int
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One instrument as its fact file has it; `facts` is the file itself.

    `risks` open alerts; `advice` is what else an answer calls for.
    """

    id: str
    items: tuple[PublishedItem, ...]
    scores: tuple[PublishedScore, ...]
    risks: tuple[PublishedRisk, ...]
    advice: tuple[PublishedRisk, ...]
    facts: dict[str, Any]

    def item(self, link_id: str) -> PublishedItem:
        """Give the item."""
        (item,) = [item for item in self.items if item.link_id == link_id]
        return item

    def is_asked(self, item: PublishedItem, given: Given) -> bool:
        """Tell whether the answers so far call for the item."""
        return item.asked is None or item.asked(given)

    @property
    def needed(self) -> tuple[PublishedItem, ...]:
        """The items without which a result is incomplete: scored ones, their gates, what a level asks, risk items.

        A form without scores needs every one: all are choices.
        """
        if not self.scores:
            return self.items
        scored = {link_id for score in self.scores for link_id in score.link_ids}
        gates = {gate for item in self.items if item.link_id in scored for gate in item.gates}
        wanted = scored | gates | set(LEVEL_ITEMS.get(self.id, ())) | {risk.link_id for risk in self.risks}
        return tuple(item for item in self.items if item.link_id in wanted)


def shipped() -> tuple[str, ...]:
    """The instruments that ship with their text."""
    return tuple(name for name in defined() if _read_facts(name)["licence"]["ship"])


def golden() -> tuple[str, ...]:
    """The instruments with golden cases: those that ship with text, and what a test site has words for."""
    return tuple(name for name in defined() if name in shipped() or (DATA / name / "site-text.toml").exists())


def defined() -> tuple[str, ...]:
    """Every instrument that has a definition and facts, with text or without, by the names of the files alone."""
    return tuple(sorted(path.stem for path in DEFINITIONS.glob("*.json") if (FACTS / path.name).exists()))


@cache
def _read_facts(instrument: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((FACTS / f"{instrument}.json").read_text(encoding="utf-8"))
    return facts


@cache
def read_published(instrument: str) -> Published:
    """Read one fact file."""
    facts = _read_facts(instrument)
    items = tuple(
        _item(fact, facts) for fact in facts["items"] if fact["type"] == "choice" and fact.get("text_confirmed", True)
    )
    return Published(
        id=facts["id"],
        items=items,
        scores=tuple(_scores(facts, items)),
        risks=tuple(risk for risk in _risks(facts) if not _is_advice(risk)),
        advice=tuple(risk for risk in _risks(facts) if _is_advice(risk)),
        facts=facts,
    )


def confirmed_loinc(fact: dict[str, Any] | None) -> str | None:
    """Give the code of a code object, None where LOINC has none or it is not confirmed."""
    return fact["code"] if fact is not None and fact["confirmed"] else None


def _item(fact: dict[str, Any], facts: dict[str, Any]) -> PublishedItem:
    asked, gates = find_condition(fact, facts)
    options = tuple(_option(option, fact) for option in facts["option_sets"][fact["options_ref"]]["options"])
    if fact["reverse_scored"] and not _is_licensed(options[0]):
        # DAST-10 item 3: No scores 1. Where the values stand with licensed words, only the printed order is reversed.
        options = tuple(replace(option, value=len(options) - 1 - option.value) for option in options)
    elif fact["reverse_scored"]:
        options = options[::-1]
    return PublishedItem(
        link_id=fact["linkId"],
        text=fact["text"],
        loinc=confirmed_loinc(fact["loinc"]),
        scored=fact["scored"],
        options=options,
        asked=asked,
        gates=gates,
        only_for="female" if any(condition.get("rule") == "women only" for condition in fact["enable_when"]) else None,
    )


def _option(option: dict[str, Any], fact: dict[str, Any]) -> PublishedOption:
    licensed = option["text"].startswith("(item specific")
    answers = SHARED_ANSWERS.get(fact["options_ref"], f"{fact['linkId']}-answer")
    return PublishedOption(
        value=option["value"],
        text=None if licensed or fact["options_ref"] in SHARED_ANSWERS else option["text"],
        loinc=confirmed_loinc(option["loinc_answer"]),
        local=f"{answers}-{option['value']}"
        if licensed or fact["options_ref"] in SHARED_ANSWERS
        else local_answer_code(fact["options_ref"], option["text"]),
    )


def _is_licensed(option: PublishedOption) -> bool:
    return option.text is None


def _scores(facts: dict[str, Any], items: tuple[PublishedItem, ...]) -> Iterator[PublishedScore]:
    scoring = facts["scoring"]
    if scoring["range"] is None or facts["id"] in NO_TOTAL:
        return
    missing = scoring["missing"]
    rule = {
        "max_missing": missing["max_missing"],
        "missing_owner": missing.get("rule_owner"),
        "blanks_count_zero": missing["rule"].startswith("Blank items score 0"),
    }
    cutoffs = dict(_cutoffs(facts))
    yield PublishedScore(
        id=f"{facts['id']}-total",
        link_ids=tuple(item.link_id for item in items if item.scored),
        range=tuple(scoring[_RANGES.get(facts["id"], "range")]),
        bands=_bands(facts),
        cutoffs=cutoffs.pop("total", ()),
        loinc=_loinc(facts["loinc"]["total"]),
        **(rule if missing["confirmed"] and missing["max_missing"] else {}),
    )
    codes = {sub["name"]: sub["loinc"] for sub in facts["loinc"]["subscores"]}
    for subscale in scoring.get("subscales", ()):
        if not subscale.get("confirmed", True):
            continue
        name = SUBSCALES[facts["id"], subscale["name"]]
        (code,) = [code for known, code in codes.items() if known.startswith(subscale["name"])] or [None]
        yield PublishedScore(
            id=f"{facts['id']}-{name}",
            link_ids=tuple(subscale["items"]),
            range=tuple(subscale["range"]),
            cutoffs=cutoffs.pop(name, ()),
            loinc=_loinc(code),
        )
    if (share := cutoffs.pop("percentage", None)) is not None:
        yield PublishedScore(
            id=f"{facts['id']}-percentage",
            link_ids=tuple(item.link_id for item in items if item.scored),
            range=(0, 100),
            cutoffs=share,
            factor=4,
        )
    if (counted := cutoffs.pop("count", None)) is not None:
        count = sum(item.scored for item in items)
        yield PublishedScore(
            id=f"{facts['id']}-{SUBSCALES[facts['id'], 'count']}",
            link_ids=tuple(item.link_id for item in items if item.scored),
            range=(0, count),
            cutoffs=counted,
            counts_from=2,
        )
    if cutoffs:
        raise ValueError(f"{facts['id']}: cut-offs of no score: {sorted(cutoffs)}")


# MDQ: parts 2 and 3, which only its result looks at.
LEVEL_ITEMS = {"mdq": ("mdq-2", "mdq-3")}
# PROMIS: neither its total nor the table of T scores is confirmed.
NO_TOTAL = frozenset({"promis-depression-4a"})
# ASRS: the count of threshold items is not confirmed, the sum of 0 to 24 is what its update scores.
_RANGES = {"asrs-v1.1-a": "alternative_range"}


def _loinc(fact: dict[str, Any] | None) -> tuple[str, str | None] | None:
    if fact is None or not fact["confirmed"]:
        return None
    return fact["code"], fact["display"] if fact["display_confirmed"] else None


def _bands(facts: dict[str, Any]) -> tuple[PublishedBand, ...]:
    """The severity bands; those that only repeat a cut-off by sex are no severity."""
    bands = facts["severity_bands"]
    if not bands["confirmed"] or any("sex" in band for band in bands["bands"]):
        return ()
    return tuple(PublishedBand(min=band["min"], max=band["max"], label=band["label"]) for band in bands["bands"])


_AT_LEAST = re.compile(
    r"(?P<scale>total|anxiety|depression|internalizing|attention|externalizing)( subscale)? >= (?P<n>\d+)"
)
# Cut-offs that a fact file words otherwise: the words → (score, points, gender or direction).
_WORDED: dict[str, tuple[tuple[str, int, str | None], ...]] = {
    "men: total >= 4; women: total >= 3": (("total", 4, "male"), ("total", 3, "female")),
    "total >= 31 to 33 (33 is the common default)": (("total", 33, None), ("total", 31, None)),
    "3 or more items rated 2": (("count", 3, None),),
    "sum 0-24 >= 14": (("total", 14, None),),
    "percentage <= 50 (raw < 13)": (("total", 12, "or fewer"), ("percentage", 50, "or fewer")),
    # What is no cut-off of a total: a rule of three answers, and a count that is not confirmed.
    "4 or more threshold items": (),
    "7 or more Yes in item 1 AND item 2 Yes AND item 3 moderate or serious": (),
    "any of items 1-4 Yes": (),
    "any item Yes": (),
}


def _cutoffs(facts: dict[str, Any]) -> Iterator[tuple[str, tuple[PublishedCutoff, ...]]]:
    found: dict[str, list[PublishedCutoff]] = {}
    for fact in facts["cutoffs"]:
        if not fact["confirmed"]:
            continue
        match = _AT_LEAST.fullmatch(fact["rule"])
        read = ((match["scale"], int(match["n"]), None),) if match else _WORDED[fact["rule"]]
        for scale, points, whom in read:
            known = found.setdefault(scale, [])
            fewer = whom == "or fewer"
            gender = None if fewer else whom
            first = all(cutoff.gender is not None and cutoff.gender != gender for cutoff in known)
            known.append(
                PublishedCutoff(at_least=points, meaning=fact["meaning"], default=first, gender=gender, or_fewer=fewer)
            )
    for scale, cutoffs in found.items():
        yield scale, tuple(cutoffs)


def _risks(facts: dict[str, Any]) -> Iterator[PublishedRisk]:
    for fact in facts["risk_items"]:
        for link_id in fact["linkIds"]:
            (at_least,) = {int(n) for n in re.findall(r">?= (\d+)", fact["rule"])} or {1}
            yield PublishedRisk(link_id=link_id, at_least=at_least, level=fact["level"])


def _is_advice(risk: PublishedRisk) -> bool:
    """AUDIT: a higher level of intervention, which is no alert."""
    return risk.level.startswith("give the next higher")
