"""Bad input gets a clear Issue and no crash: through the parsers and through the commands."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fhir_mappings.errors import MappingError
from fhir_mappings.instrument import parse_instrument
from fhir_mappings.response import parse_response
from fhir_mappings.scoring import score_answers
from fhir_mappings.site_questionnaire import parse_site_instrument
from smart_app.cli import main
from smart_app.cli.score import score_body
from smart_app.instrument_lint import lint_instrument
from smart_app.library import load_catalog
from tests.conformance.mutated_responses import find_fault, golden_responses, replace_anything, run
from tests.golden.expected_scores import build_golden_response
from tests.golden.published import DEFINITIONS, defined, read_published
from tests.golden.vectors import vectors

Json = dict[str, Any]
SCORED = [name for name in defined() if read_published(name).scores]


def whole(name: str) -> Json:
    published = read_published(name)
    return build_golden_response(published, vectors(published)["highest"])


def command(*arguments: str, stdin: bytes) -> Result:
    result = CliRunner().invoke(main, list(arguments), input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def score(response: Json) -> tuple[Json, bool]:
    """What the library gives; the command line gives the same, with exit 1 where something was not used."""
    body = json.dumps(response).encode()
    line, usable = score_body(body, load_catalog())
    assert find_fault(line, usable=usable) is None
    result = command("score", "-", stdin=body)
    assert (result.stdout, result.exit_code) == (line + "\n", 0 if usable else 1)
    printed: Json = json.loads(line)
    return printed, usable


def codes(printed: Json) -> set[str]:
    return {issue["code"] for issue in printed["issues"]}


@pytest.mark.parametrize("name", defined())
def test_another_questionnaire_and_another_edition_are_told_and_not_scored(name: str) -> None:
    printed, usable = score(whole(name) | {"questionnaire": "https://example.org/Questionnaire/other|1"})
    assert (codes(printed), usable, printed["scores"]) == ({"canonical-mismatch"}, False, [])
    url = whole(name)["questionnaire"].split("|")[0]
    printed, usable = score(whole(name) | {"questionnaire": f"{url}|2.0.0"})
    assert (codes(printed), usable) == ({"version-differs"}, False)
    assert all(entry["value"] is None or name == "asq" for entry in printed["scores"])
    printed, usable = score(whole(name) | {"questionnaire": f"{url}|1.9.9"})
    assert (codes(printed), usable) == ({"version-differs"}, True)
    assert printed["scores"] == score(whole(name))[0]["scores"]


@pytest.mark.parametrize("name", SCORED)
@pytest.mark.parametrize(
    ("code", "damage"),
    [
        ("doubled-item", lambda items: items.append(items[-1])),
        ("unknown-option", lambda items: items[-1]["answer"][0]["valueCoding"].update(code="LA0-0")),
        ("unknown-option", lambda items: items[-1]["answer"][0]["valueCoding"].update(system="http://example.org")),
        ("answer-type", lambda items: items[-1].update(answer=[{"valueString": "often"}])),
        ("several-answers", lambda items: items[-1].update(answer=items[-1]["answer"] * 2)),
    ],
)
def test_an_item_that_cannot_be_used_is_open_and_told(
    name: str, code: str, damage: Callable[[list[Json]], None]
) -> None:
    response = whole(name)
    scored = {link_id for entry in read_published(name).scores for link_id in entry.link_ids}
    response["item"] = [item for item in response["item"] if item["linkId"] in scored or _is_gate(name, item["linkId"])]
    while response["item"][-1]["linkId"] not in scored:
        response["item"].insert(0, response["item"].pop())
    last = response["item"][-1]["linkId"]
    before, _ = score(response)
    damage(response["item"])
    printed, usable = score(response)
    assert codes(printed) - {"prorated"} == {code}
    assert not usable
    assert last in printed["unanswered"]
    for entry, ours in zip(printed["scores"], before["scores"], strict=True):
        if entry["value"] != ours["value"]:
            assert entry["value"] is None or "prorated" in codes(printed)


def _is_gate(name: str, link_id: str) -> bool:
    return any(link_id in item.gates for item in read_published(name).needed)


@pytest.mark.parametrize("name", SCORED)
@pytest.mark.parametrize("stated", ["four", None, [], {}, "3"])
def test_a_weight_that_is_no_number_is_told_and_the_instruments_own_counts(name: str, stated: Any) -> None:
    response = whole(name)
    url = "http://hl7.org/fhir/StructureDefinition/itemWeight"
    for item in response["item"]:
        item["answer"][0]["valueCoding"]["extension"] = [{"url": url, "valueDecimal": stated}]
    printed, usable = score(response)
    assert (codes(printed), usable) == ({"malformed-weight"}, True)
    assert len(printed["issues"]) == len(response["item"])
    assert printed["scores"] == score(whole(name))[0]["scores"]


@pytest.mark.parametrize("items", [[{"linkId": f"x{n}"} for n in range(10_000)], [{"linkId": "phq9-1"}] * 10_000])
def test_ten_thousand_items_are_told_and_none_is_scored(items: list[Json]) -> None:
    printed, usable = score(whole("phq-9") | {"item": items})
    assert codes(printed) == {"unknown-item" if len({i["linkId"] for i in items}) > 1 else "doubled-item"}
    assert not usable
    assert printed["scores"][0]["bounds"] == [0, 27]


@pytest.mark.parametrize(("depth", "code"), [(20, "unknown-item"), (100, "malformed-json"), (20_000, "malformed-json")])
def test_deep_nesting_is_read_or_refused(depth: int, code: str) -> None:
    head, tail = '{"linkId":"x","item":[', "]}"
    body = json.dumps(whole("phq-9") | {"item": "ITEM"}).replace('"ITEM"', f"[{head * depth}{tail * depth}]")
    line, usable = score_body(body.encode(), load_catalog())
    assert (codes(json.loads(line)), usable) == ({code}, False)
    assert command("score", "-", stdin=body.encode()).stdout == line + "\n"


def cyclic_bundle() -> bytes:
    """PHQ-A with two unscored items that each wait for the other."""
    bundle = json.loads((DEFINITIONS / "phq-a.json").read_text(encoding="utf-8"))
    items = {item["linkId"]: item for item in bundle["entry"][0]["resource"]["item"]}
    for waiting, gate in (("phqa-10", "phqa-11"), ("phqa-11", "phqa-10")):
        option = {key: items[gate]["answerOption"][0]["valueCoding"][key] for key in ("system", "code")}
        items[waiting]["enableWhen"] = [{"question": gate, "operator": "=", "answerCoding": option}]
    return json.dumps(bundle).encode()


def cyclic_questionnaire() -> bytes:
    """Items that each wait for the next, the last for the first."""
    waits = {"a": "b", "b": "c", "c": "a"}
    items = [
        {
            "linkId": link_id,
            "text": link_id,
            "type": "boolean",
            "enableWhen": [{"question": gate, "operator": "=", "answerBoolean": True}],
        }
        for link_id, gate in waits.items()
    ]
    own = {
        "url": "https://example.org/Questionnaire/own",
        "version": "1",
        "title": "Own",
        "status": "active",
        "language": "en",
    }
    return json.dumps({"resourceType": "Questionnaire", **own, "item": items}).encode()


@pytest.mark.parametrize("body", [cyclic_bundle(), cyclic_questionnaire()], ids=["bundle", "questionnaire"])
def test_conditions_in_a_circle_are_told_of_a_site_own_form(body: bytes, tmp_path: Path) -> None:
    assert "cyclic-enable-when" in {finding.code for finding in lint_instrument(body)}
    file = tmp_path / "own.json"
    file.write_bytes(body)
    result = CliRunner().invoke(main, ["instruments", "check", str(file)])
    assert result.exit_code == 1
    assert "enabled by its own answer" in result.output


def test_conditions_in_a_circle_refuse_a_site_own_form_and_never_hang_a_score() -> None:
    for body in (cyclic_questionnaire(), cyclic_bundle()):
        with pytest.raises(MappingError, match="cyclic-enable-when"):
            parse_site_instrument(body)
    instrument = parse_instrument(cyclic_bundle())
    answers = parse_response(whole("phq-a"), instrument)
    assert {issue.code for issue in answers.issues} == {"disabled-item"}
    assert score_answers(instrument, answers.value.answers).value.scores[0].value == 27


def test_damaged_responses_are_scored_or_told() -> None:
    met, faults = run(range(1500))
    assert faults == []
    assert len(met) >= 14


def test_damaged_definitions_are_parsed_or_refused_and_score_what_they_parse() -> None:
    random = Random(5)  # noqa: S311  # a repeatable choice, no secret
    bundles = [json.loads((DEFINITIONS / f"{name}.json").read_text(encoding="utf-8")) for name in defined()]
    refused = 0
    for _ in range(250):
        damaged = deepcopy(random.choice(bundles))
        for _ in range(random.randint(1, 3)):
            replace_anything(damaged, random, [])
        body = json.dumps(damaged).encode("utf-8", "surrogatepass")
        lint_instrument(body)
        try:
            instrument = parse_instrument(body)
        except MappingError:
            refused += 1
            continue
        score_answers(instrument, {})
    assert 60 < refused < 250


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(value=JSON, name=st.sampled_from(defined()))
def test_any_json_in_the_place_of_the_items_is_scored_or_told(value: Any, name: str) -> None:
    body = json.dumps(whole(name) | {"item": value}).encode()
    line, usable = score_body(body, load_catalog())
    assert find_fault(line, usable=usable) is None


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"")
@example(b"\xff\xfe")
@example(b'{"resourceType": "QuestionnaireResponse"}')
def test_any_bytes_are_scored_or_told(body: bytes) -> None:
    line, usable = score_body(body, load_catalog())
    assert find_fault(line, usable=usable) is None
    assert not usable


def test_the_responses_that_are_damaged_are_whole_before() -> None:
    for response in golden_responses():
        line, usable = score_body(json.dumps(response).encode(), load_catalog())
        assert usable
        assert find_fault(line, usable=usable) is None


def test_what_is_looked_for_in_a_line_is_seen_where_it_is() -> None:
    line, _ = score_body(json.dumps(whole("phq-9")).encode(), load_catalog())
    printed = json.loads(line)
    for change in (
        {"bounds": [0, 28]},
        {"bounds": [5, 3]},
        {"value": 3},
        {"bounds": [20, 27]},
        {"bounds": [0, 27], "value": None, "positive": False},
        {"value": None},
    ):
        wrong = deepcopy(printed)
        wrong["scores"][0] |= change
        assert find_fault(json.dumps(wrong), usable=True) is not None, change
    assert find_fault(line, usable=False) is not None
    assert find_fault(json.dumps(printed | {"issues": [{"severity": "error", "code": "x", "text": "y"}]}), usable=False)
