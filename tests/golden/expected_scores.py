"""Golden responses and the scores expected of them, from the fact files alone: nothing here imports the product.

    python tests/golden/expected_scores.py          writes response.json and score.json of every case

A test runs the same functions and compares them with the committed files, so that no expected score can be adjusted
to what the product prints. Facts: tests/data/facts/<instrument>.json, with their sources.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data"
INSTRUMENTS = ("phq-9", "gad-7")
BASE = "https://smart-screening.org/fhir"
LOINC = "http://loinc.org"
# Band words as charts say them: the published label without its diagnosis.
CHART_LABELS = {
    "Minimal": "minimal range",
    "Mild": "mild range",
    "Moderate": "moderate range",
    "Moderately severe": "moderately severe range",
    "Severe": "severe range",
}
PARTIES = {
    "subject": {"reference": "Patient/rosa"},
    "encounter": {"reference": "Encounter/visit"},
    "authored": "2026-11-23T10:38:00-05:00",
    "author": {"reference": "Patient/rosa"},
    "source": {"reference": "Patient/rosa"},
}
DECLINED = "declined"
Vector = Sequence[int | str | None]


def read_facts(instrument: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((DATA / "facts" / f"{instrument}.json").read_text())
    return facts


def spread(total: int, count: int) -> Vector:
    """Answers that add up to the total, as few items as possible, the first ones first."""
    full, rest = divmod(total, 3)
    return [3] * full + ([rest] if rest else []) + [0] * (count - full - (1 if rest else 0))


def vectors(facts: dict[str, Any]) -> dict[str, Vector]:
    """Case name → one answer per scored item: a weight, `declined`, or None for not reached."""
    count = sum(item["scored"] for item in facts["items"])
    low, high = facts["scoring"]["range"]
    cut = int(facts["cutoffs"][0]["rule"].removeprefix("total >= "))
    cases: dict[str, Vector] = {"lowest": spread(low, count), "highest": spread(high, count)}
    # With these and the two above, every option of every item is chosen once.
    cases |= {"every-item-1": [1] * count, "every-item-2": [2] * count}
    for band in facts["severity_bands"]["bands"][1:]:
        for total in (band["min"] - 1, band["min"]):
            cases[f"total-{total}"] = spread(total, count)
    one_missing: dict[str, int] = {
        "one-missing-not-known": cut - 1,
        "one-missing-negative": cut - 4,
        "one-missing-positive": cut,
    }
    for name, total in one_missing.items():
        # The first item is the missing one: the last may be a risk item.
        cases[name] = [None, *spread(total, count - 1)]
    cases["one-declined"] = [DECLINED, *spread(cut - 1, count - 1)]
    cases["two-missing"] = [None, None, *spread(cut - 2, count - 2)]
    cases["all-missing"] = [None] * count
    if facts["risk_items"]:
        cases["item-9-alone"] = [0] * (count - 1) + [1]
        cases["item-9-missing"] = [*spread(cut - 1, count - 1), None]
        cases["item-9-declined"] = [*spread(cut + 3, count - 1), DECLINED]
        cases["total-13-item-9-one"] = [2, 2, 3, 2, 0, 1, 2, 0, 1]
    return cases


def weight_of(answer: int | str | None) -> int | None:
    return answer if isinstance(answer, int) else None


# Which option of the unscored difficulty item a case chooses; the second where nothing is said.
DIFFICULTY = {"every-item-1": 0, "every-item-2": 2, "highest": 3}


def build_golden_response(facts: dict[str, Any], case: str, vector: Vector) -> dict[str, Any]:
    scored = [item for item in facts["items"] if item["scored"]]
    items: list[dict[str, Any]] = []
    for item, answer in zip(scored, vector, strict=True):
        entry: dict[str, Any] = {"linkId": item["linkId"]}
        if answer == DECLINED:
            url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
            entry["extension"] = [{"url": url, "valueCode": "asked-declined"}]
        elif answer is not None:
            options = {o["value"]: o for o in facts["option_sets"][item["options_ref"]]["options"]}
            entry["answer"] = [coded(options[answer])]
        else:
            continue
        items.append(entry)
    if any(weight_of(answer) for answer in vector):
        for item in facts["items"]:
            if not item["scored"]:
                option = facts["option_sets"][item["options_ref"]]["options"][DIFFICULTY.get(case, 1)]
                items.append({"linkId": item["linkId"], "answer": [coded(option)]})
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{BASE}/Questionnaire/{facts['id']}|1.0.0",
        "status": "completed",
        **PARTIES,
        **({"item": items} if items else {}),
    }


def coded(option: dict[str, Any]) -> dict[str, Any]:
    return {"valueCoding": {"system": LOINC, "code": option["loinc_answer"]["code"], "display": option["text"]}}


def build_expected_score(facts: dict[str, Any], vector: Vector) -> dict[str, Any]:
    scored = [item for item in facts["items"] if item["scored"]]
    low, high = 0, 0
    for item, answer in zip(scored, vector, strict=True):
        values = [option["value"] for option in facts["option_sets"][item["options_ref"]]["options"]]
        known = weight_of(answer)
        low += min(values) if known is None else known
        high += max(values) if known is None else known
    unanswered = [item["linkId"] for item, answer in zip(scored, vector, strict=True) if weight_of(answer) is None]
    value = None if unanswered else low
    cut = int(facts["cutoffs"][0]["rule"].removeprefix("total >= "))
    total = facts["loinc"]["total"]
    return {
        "instrument": facts["id"],
        "canonical": f"{BASE}/Questionnaire/{facts['id']}|1.0.0",
        "complete": not unanswered,
        "scores": [
            {
                "id": f"{facts['id']}-total",
                "code": {"system": LOINC, "code": total["code"], "display": total["display"]},
                "value": value,
                "range": facts["scoring"]["range"],
                "bounds": [low, high],
                "band": None if value is None else expected_band(facts, value),
                "positive": True if low >= cut else False if high < cut else None,
            }
        ],
        "alerts": expected_alerts(facts, vector),
        "unanswered": unanswered,
        "issues": [],
    }


def expected_band(facts: dict[str, Any], value: int) -> dict[str, Any]:
    (band,) = [b for b in facts["severity_bands"]["bands"] if b["min"] <= value <= b["max"]]
    return {"label": CHART_LABELS[band["label"].rsplit(" ", 1)[0]], "min": band["min"], "max": band["max"]}


def expected_alerts(facts: dict[str, Any], vector: Vector) -> list[dict[str, Any]]:
    alerts = []
    scored = [item["linkId"] for item in facts["items"] if item["scored"]]
    for number, risk in enumerate(facts["risk_items"], 1):
        (link_id,) = risk["linkIds"]
        answer = vector[scored.index(link_id)]
        alert = {"id": f"{facts['id']}-risk-{number}", "linkId": link_id}
        printed = link_id.rsplit("-", 1)[1]
        if weight_of(answer) is None:
            word = "declined" if answer == DECLINED else "not answered"
            alerts.append({**alert, "level": "risk not known", "reason": f"Item {printed} {word}"})
        elif weight_of(answer) != 0:
            alerts.append({**alert, "level": risk["level"], "reason": "Any answer above “Not at all”"})
    return alerts


def expected_files() -> dict[Path, dict[str, Any]]:
    """Every golden response.json and score.json, by path."""
    files = {}
    for instrument in INSTRUMENTS:
        facts = read_facts(instrument)
        for case, vector in vectors(facts).items():
            folder = DATA / instrument / case
            files[folder / "response.json"] = build_golden_response(facts, case, vector)
            files[folder / "score.json"] = build_expected_score(facts, vector)
    return files


def main() -> None:
    for path, content in expected_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
