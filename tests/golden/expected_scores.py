"""Golden responses and the scores expected of them, from the fact files alone: nothing here imports the product.

    python -m tests.golden.expected_scores          writes response.json and score.json of every case

A test runs the same functions and compares them with the committed files, so that no expected score can be adjusted
to what the product prints. Facts: tests/data/facts/<instrument>.json, with their sources.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tests.golden.naming import BASE, BORROWED_CODES, CHART_LABELS, LOCAL, REASONS, SCORE_NAMES, slug
from tests.golden.published import (
    DATA,
    DECLINED,
    LOINC,
    Given,
    Published,
    PublishedItem,
    PublishedRisk,
    PublishedScore,
    golden,
    read_published,
)
from tests.golden.triage import (
    ASQ_LEVELS,
    CSSRS_LEVELS,
    MDQ_LEVELS,
    ExpectedLevel,
    expected_asq,
    expected_cssrs,
    expected_mdq,
)
from tests.golden.vectors import vectors

PARTIES = {
    "subject": {"reference": "Patient/rosa"},
    "encounter": {"reference": "Encounter/visit"},
    "authored": "2026-11-23T10:38:00-05:00",
    "author": {"reference": "Patient/rosa"},
    "source": {"reference": "Patient/rosa"},
}


def canonical_of(instrument: str) -> str:
    """Give the canonical that responses name."""
    return f"{BASE}/Questionnaire/{instrument}|1.0.0"


def build_golden_response(published: Published, given: Given) -> dict[str, Any]:
    """Build the QuestionnaireResponse that says these answers."""
    items: list[dict[str, Any]] = []
    for item in published.items:
        answer = given.get(item.link_id)
        if isinstance(answer, int):
            items.append({"linkId": item.link_id, "answer": [{"valueCoding": answer_coding(item, answer)}]})
        elif answer == DECLINED:
            url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
            items.append({"linkId": item.link_id, "extension": [{"url": url, "valueCode": "asked-declined"}]})
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": canonical_of(published.id),
        "status": "completed",
        **PARTIES,
        **({"item": items} if items else {}),
    }


def answer_coding(item: PublishedItem, value: int) -> dict[str, str]:
    """The answer's LOINC code where confirmed, else our local one; no display where the words are licensed."""
    option = item.option(value)
    coding = (
        {"system": LOCAL, "code": option.local} if option.loinc is None else {"system": LOINC, "code": option.loinc}
    )
    return coding if option.text is None else {**coding, "display": option.text}


def build_expected_score(published: Published, given: Given) -> dict[str, Any]:
    """Give the whole object that `smart-screening score` must print."""
    unanswered = [
        item.link_id
        for item in published.needed
        if published.is_asked(item, given) and not isinstance(given.get(item.link_id), int)
    ]
    return {
        "instrument": published.id,
        "canonical": canonical_of(published.id),
        "complete": not unanswered,
        "scores": [expected_score(published, score, given) for score in published.scores]
        + ([] if (level := level_of(published, given)) is None else [level.to_json()]),
        "alerts": list(expected_alerts(published, given)),
        "unanswered": unanswered,
        "issues": [issue for score in published.scores for issue in expected_issues(score, given)],
    }


def expected_score(
    published: Published, score: PublishedScore, given: Given, *, gender: str | None = None
) -> dict[str, Any]:
    """One entry of `scores`; `gender` where the patient's is known."""
    low, high = bounds(published, score, given, gender)
    value = low if low == high else None
    if value is None and score.blanks_count_zero and _count_missing(score, given) <= score.max_missing:
        # The author's own rule gives a total; what it screens as is still decided by what the blanks could be.
        value = low
    band = None if value is None else score.band(value)
    return {
        "id": score.id,
        "code": score_coding(score),
        "value": value,
        "range": list(score.range),
        "bounds": [low, high],
        "band": band and {"label": CHART_LABELS[band.label], "min": band.min, "max": band.max},
        "positive": screen(score, low, high, gender),
    }


def expected_issues(score: PublishedScore, given: Given) -> Iterator[dict[str, str]]:
    """A total that the author's own rule gives although items are blank says so."""
    missing = _count_missing(score, given)
    if score.blanks_count_zero and score.missing_owner is not None and 0 < missing <= score.max_missing:
        count = len(score.link_ids)
        owner = score.missing_owner.split(",")[0]
        rule = f"{count - missing} of {count} items, blanks counted as 0, rule of {owner}"
        yield {
            "severity": "information",
            "code": "prorated",
            "expression": f"item.where(linkId='{score.link_ids[0].split('-')[0]}-total')",
            "text": f"Not all items are answered: the value is {rule}.",
        }


def _count_missing(score: PublishedScore, given: Given) -> int:
    return sum(not isinstance(given.get(link_id), int) for link_id in score.link_ids)


def score_coding(score: PublishedScore) -> dict[str, str]:
    """The score's LOINC code where confirmed, else our local one."""
    if score.loinc is not None:
        code, display = score.loinc
        return {"system": LOINC, "code": code, **({} if display is None else {"display": display})}
    code = BORROWED_CODES.get(score.id, score.id)
    return {"system": LOCAL, "code": code, "display": SCORE_NAMES[code]}


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelResult:
    """The level of a triage instrument as one entry of `scores`: ranks for numbers, the level's word for a band."""

    id: str
    coding: dict[str, str]
    highest: int
    level: ExpectedLevel

    @property
    def slug(self) -> str:
        """The level's word as its local code ends."""
        return slug(self.level.label or "")

    def to_json(self) -> dict[str, Any]:
        """Give the entry."""
        low, high = self.level.low, self.level.high
        label = self.level.label
        return {
            "id": self.id,
            "code": self.coding,
            "value": self.level.value,
            "range": [0, self.highest],
            "bounds": [low, high],
            "band": label and {"label": label, "min": low, "max": high},
            "positive": self.level.positive,
        }


def level_of(published: Published, given: Given) -> LevelResult | None:
    """The level of a triage instrument, None for any other."""
    if published.id == "asq":
        coding = {"system": LOCAL, "code": "asq-level", "display": SCORE_NAMES["asq-level"]}
        return LevelResult(id="asq-level", coding=coding, highest=len(ASQ_LEVELS) - 1, level=expected_asq(given))
    if published.id == "c-ssrs-screener":
        (fact,) = [fact for fact in published.facts["loinc"]["other"] if fact["code"] == "93374-7"]
        coding = {"system": LOINC, "code": fact["code"], "display": fact["display"]}
        level = expected_cssrs(given)
        return LevelResult(id="c-ssrs-screener-level", coding=coding, highest=len(CSSRS_LEVELS) - 1, level=level)
    if published.id == "mdq":
        coding = {"system": LOCAL, "code": "mdq-result", "display": SCORE_NAMES["mdq-result"]}
        return LevelResult(id="mdq-result", coding=coding, highest=len(MDQ_LEVELS) - 1, level=expected_mdq(given))
    return None


def expected_action(published: Published, score: dict[str, Any]) -> str:
    """What is published to do at a level; at an open one, what is published at the lowest that is sure, and to ask."""
    actions = {fact["level"]: fact.get("action", "") for fact in published.facts["triage"]["levels"]}
    label = score["band"]["label"]
    if label in actions:
        return str(actions[label])
    low, high = (CSSRS_LEVELS[rank] for rank in score["bounds"])
    return f"{actions[low]}; ask what is unanswered, it could be {high}"


def screen(score: PublishedScore, low: int, high: int, gender: str | None = None) -> bool | None:
    """Positive where every cut-off that may hold is surely reached, negative where surely none is, else not known."""
    holding = [
        cutoff
        for cutoff in score.cutoffs
        if cutoff.default and (cutoff.gender is None or gender is None or cutoff.gender == gender)
    ]
    met = {cutoff.is_met(value) for cutoff in holding for value in range(low, high + 1, score.factor)}
    return met.pop() if len(met) == 1 else None


def bounds(published: Published, score: PublishedScore, given: Given, gender: str | None = None) -> tuple[int, int]:
    """The lowest and the highest score over every way to answer what is open.

    Items that decide what is asked are tried in every combination; given those, each other item adds its lowest to
    highest, and one that is not asked counts as its lowest.
    """
    lows, highs = [], []
    for filled in _completions(published, given):
        points = [_span(published, score, link_id, filled, gender) for link_id in score.link_ids]
        lows.append(sum(low for low, _ in points))
        highs.append(sum(high for _, high in points))
    return min(lows), max(highs)


def _span(
    published: Published, score: PublishedScore, link_id: str, filled: Given, gender: str | None
) -> tuple[int, int]:
    item = published.item(link_id)
    lowest, highest = min(option.value for option in item.options), max(option.value for option in item.options)
    if published.is_asked(item, filled):
        answer = filled.get(link_id)
        if isinstance(answer, int):
            lowest = highest = answer
        elif item.only_for is not None and gender in {"male", "female"} and gender != item.only_for:
            highest = lowest
    else:
        highest = lowest
    return score.points(lowest), score.points(highest)


def _completions(published: Published, given: Given) -> Iterator[Given]:
    """Every way to answer the open items that others wait for; an answer to what is then not asked is dropped."""
    gates = {gate for item in published.needed for gate in item.gates}
    open_gates = [
        item for item in published.items if item.link_id in gates and not isinstance(given.get(item.link_id), int)
    ]
    for values in product(*([option.value for option in item.options] for item in open_gates)):
        chosen = dict(zip((item.link_id for item in open_gates), values, strict=True))
        filled: dict[str, int | str] = {}
        for item in published.items:
            answer = chosen.get(item.link_id, given.get(item.link_id))
            if answer is not None and published.is_asked(item, filled):
                filled[item.link_id] = answer
        yield filled


def expected_alerts(published: Published, given: Given) -> Iterator[dict[str, Any]]:
    """One alert per risk rule that fires, and per risk item that is asked and without answer at hand-in.

    A Yes to what the other answers do not call for counts in no score, and is flagged all the same. The alerts of a
    triage instrument say the level that the form has reached, at least the one that this answer alone makes.
    """
    kept: dict[str, int | str] = {}
    for item in published.items:
        if item.link_id in given and published.is_asked(item, kept):
            kept[item.link_id] = given[item.link_id]
    level = level_of(published, kept)
    reached, rank = (None, 0) if level is None or level.level.low == 0 else (level.level.label, level.level.low)
    for number, risk in enumerate(published.risks, 1):
        item = published.item(risk.link_id)
        answer = given.get(risk.link_id)
        alert = {"id": f"{published.id}-risk-{number}", "linkId": risk.link_id}
        if isinstance(answer, int):
            if answer >= risk.at_least:
                own_rank, own = level_alone(published, risk)
                told = reached if reached is not None and rank >= own_rank else own
                yield {**alert, "level": told, "reason": REASONS[published.id, risk.link_id]}
        elif published.is_asked(item, kept):
            word = "declined" if answer == DECLINED else "not answered"
            unknown = f"risk not known: {reached}" if reached else "risk not known"
            yield {**alert, "level": unknown, "reason": f"Item {item.number} {word}"}


def level_alone(published: Published, risk: PublishedRisk) -> tuple[int, str]:
    """Rank and word of the level that one Yes makes, asked or not; rank 0 where the rule names none of the levels."""
    if published.id == "c-ssrs-screener":
        rank = {"1": 1, "2": 1, "3": 2, "4": 3, "5": 3, "6": 2, "6a": 3}[published.item(risk.link_id).number]
        return rank, CSSRS_LEVELS[rank]
    return ASQ_LEVELS.index(risk.level) if risk.level in ASQ_LEVELS else 0, risk.level


def expected_files() -> dict[Path, dict[str, Any]]:
    """Every golden response.json and score.json, by path."""
    files = {}
    for instrument in golden():
        published = read_published(instrument)
        for case, given in vectors(published).items():
            folder = DATA / instrument / case
            files[folder / "response.json"] = build_golden_response(published, given)
            files[folder / "score.json"] = build_expected_score(published, given)
    return files


def main() -> None:
    for path, content in expected_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
