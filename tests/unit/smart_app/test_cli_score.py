"""`score` and `extract` print what design section 4 says; bad input is a line of JSON and exit 1, never a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fhir_mappings.r4 import MAX_BYTES
from smart_app.cli import main

DATA = Path(__file__).parents[2] / "data"
CASES = sorted(path.parent for path in DATA.glob("*/*/response.json"))
CASE = DATA / "phq-9" / "total-13-item-9-one" / "response.json"
SIGNING = ("--patient", "Patient/p-1", "--practitioner", "Practitioner/7", "--encounter", "Encounter/e-1")


def run(*arguments: str | Path, stdin: bytes | str | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def make_response(**changes: Any) -> dict[str, Any]:
    return {**json.loads(CASE.read_text()), **changes}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_score_prints_exactly_the_expected_report(case: Path) -> None:
    result = run("score", case / "response.json")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    assert json.loads(result.stdout) == json.loads((case / "score.json").read_text())


def test_score_reads_standard_input() -> None:
    assert run("score", "-", stdin=CASE.read_bytes()).stdout == run("score", CASE).stdout


def test_ndjson_prints_one_line_for_each_response_and_goes_on_after_a_bad_one() -> None:
    good = json.dumps(make_response())
    result = run("score", "--ndjson", "-", stdin=f"{good}\n\nnot json\n{good}\n")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["complete"] for line in lines] == [True, False, True]
    assert [issue["code"] for issue in lines[1]["issues"]] == ["malformed-json"]
    assert result.exit_code == 1


def test_a_line_that_is_too_long_is_one_bad_line_and_the_next_is_read() -> None:
    good = json.dumps(make_response()).encode()
    result = run("score", "--ndjson", "-", stdin=b" " * (2 * MAX_BYTES + 7) + b"x\n" + good + b"\n")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["complete"] for line in lines] == [False, True]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed-json"),
        (b"\xff\xfe", "malformed-json"),
        (b"[1]", "malformed-json"),
        (b'{"a":1,"a":2}', "malformed-json"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "malformed-json"),
        (b"[" * 100_000, "malformed-json"),
        (b" " * (MAX_BYTES + 1), "malformed-json"),
        (b'{"resourceType":"Patient"}', "malformed-resource"),
        (b"{}", "malformed-resource"),
        (json.dumps(make_response(status="finished")).encode(), "malformed-resource"),
        (json.dumps(make_response(questionnaire=None)).encode(), "canonical-mismatch"),
        (json.dumps(make_response(questionnaire="https://other.example/q|1")).encode(), "canonical-mismatch"),
        (json.dumps(make_response(item="text")).encode(), "malformed-resource"),
        (json.dumps(make_response(authored="yesterday")).encode(), "malformed-resource"),
    ],
)
@pytest.mark.parametrize("command", ["score", "extract"])
def test_bad_input_is_one_line_of_json_and_exit_1(command: str, body: bytes, code: str) -> None:
    result = run(command, "-", stdin=body)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    [line] = result.stdout.splitlines()
    report = json.loads(line)
    assert [issue["code"] for issue in report["issues"]] == [code]
    assert (report["complete"], report["scores"], report["alerts"]) == (False, [], [])


def test_an_answer_that_cannot_be_used_is_an_issue_and_never_a_zero() -> None:
    response = make_response()
    response["item"][0]["answer"] = [{"valueCoding": {"system": "http://loinc.org", "code": "LA0000-0"}}]
    result = run("score", "-", stdin=json.dumps(response))
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["scores"][0]["value"] is None
    assert "unknown-option" in {issue["code"] for issue in report["issues"]}
    extracted = run("extract", *SIGNING, "-", stdin=json.dumps(response))
    assert extracted.exit_code == 1
    assert json.loads(extracted.stdout) == report


def test_no_word_of_the_input_is_quoted_back() -> None:
    response = make_response(status="SECRET-WORD", id="SECRET-WORD")
    response["item"][0]["linkId"] = "SECRET-WORD"
    assert "SECRET-WORD" not in run("score", "-", stdin=json.dumps(response)).output
    assert "SECRET-WORD" not in run("score", "-", stdin='{"a": SECRET-WORD').output


def test_extract_prints_the_transaction_that_signing_would_write_and_two_runs_agree() -> None:
    arguments = ("extract", *SIGNING, "--organization", "Organization/o-1", "--signed-at", "2026-11-23T10:40:00Z", CASE)
    first, second = run(*arguments), run(*arguments)
    assert first.exit_code == 0
    assert first.stdout == second.stdout
    bundle = json.loads(first.stdout)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
    resources = [entry["resource"] for entry in bundle["entry"]]
    kinds = [resource["resourceType"] for resource in resources]
    assert kinds == ["QuestionnaireResponse", *["Observation"] * 12, "DocumentReference", "Provenance"]
    subjects = {json.dumps(r["subject"]["reference"]) for r in resources if "subject" in r}
    assert subjects == {'"Patient/p-1"'}
    assert all(entry["request"]["method"] == "POST" for entry in bundle["entry"])


def test_extract_of_another_response_has_other_ids() -> None:
    other = json.dumps(make_response(id="another"))
    ids = [
        {entry["fullUrl"] for entry in json.loads(result.stdout)["entry"]}
        for result in (run("extract", *SIGNING, CASE), run("extract", *SIGNING, "-", stdin=other))
    ]
    assert not ids[0] & ids[1]


def test_extract_without_organization_writes_no_provenance() -> None:
    bundle = json.loads(run("extract", *SIGNING, CASE).stdout)
    assert "Provenance" not in {entry["resource"]["resourceType"] for entry in bundle["entry"]}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--practitioner", "Patient/1"),
        ("--practitioner", "Practitioner/"),
        ("--patient", "Practitioner/1"),
        ("--encounter", "e-1"),
        ("--organization", "o-1"),
        ("--signed-at", "soon"),
    ],
)
def test_extract_refuses_a_reference_or_time_that_is_none(arguments: tuple[str, str]) -> None:
    result = run("extract", *SIGNING, *arguments, CASE)
    assert result.exit_code == 1
    [issue] = json.loads(result.stdout)["issues"]
    assert issue["severity"] == "error"


def test_a_response_without_time_cannot_be_extracted() -> None:
    response = make_response()
    del response["authored"]
    result = run("extract", *SIGNING, "-", stdin=json.dumps(response))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["issues"][0]["expression"] == "QuestionnaireResponse.authored"


def test_a_wrong_use_is_exit_2() -> None:
    assert run("score").exit_code == 2
    assert run("score", "no-such-file.json").exit_code == 2
    assert run("fly").exit_code == 2
