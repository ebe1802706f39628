"""The command line as a whole: help without loading everything, the library's commands, the rights of `init`."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from smart_app.cli import main
from smart_app.cli.init import build_rights_table
from smart_app.library import BUNDLED
from smart_app.settings.sections import RightsEntry

BUNDLE = Path(__file__).parents[3] / "fhir_mappings" / "instruments" / "phq-9.json"
COMMANDS = main.list_commands(click.Context(main))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ") and "  " in line.strip()][
        -len(COMMANDS) :
    ] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"main {command}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], {"sqlalchemy", "flask", "requests", "fhir_mappings", "pydantic"}),
        (["score", "--help"], {"sqlalchemy", "flask", "requests", "launch", "sandbox_ehr"}),
        (["db", "--help"], {"flask", "sandbox_ehr", "fhir_mappings"}),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], unwanted: set[str]) -> None:
    code = (
        "import sys; from smart_app.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & unwanted


def test_settings_that_cannot_be_read_end_in_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text('[app]\nbase_url = "http://x.example"\n')
    result = run("db", "check", "--config", broken)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    for where in ("app.base_url", "app.environment", "ehr:", "[invalid-settings]"):
        assert where in result.stderr


def test_instruments_are_listed_and_shown() -> None:
    listed = json.loads(run("instruments", "list", "--json").stdout)
    assert [entry["id"] for entry in listed] == list(BUNDLED)
    assert "phq-9" in run("instruments", "list").stdout
    shown = run("instruments", "show", "phq-9").stdout
    assert "Thoughts that you would be better off dead" in shown
    assert "No permission required" in shown
    assert "suicide not asked" not in shown
    assert "suicide not asked" in run("instruments", "show", "gad-7").stdout
    bundle = json.loads(run("instruments", "show", "phq-9", "--json").stdout)
    assert bundle == json.loads(BUNDLE.read_text())
    unknown = run("instruments", "show", "phq-99")
    assert (unknown.exit_code, "phq-9, gad-7" in unknown.stderr) == (1, True)


def test_instruments_export_writes_each_definition_as_fhir_json(tmp_path: Path) -> None:
    assert run("instruments", "export", tmp_path / "out").exit_code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    for name in ("Bundle-phq-9.json", "Questionnaire-phq-9.json", "Questionnaire-gad-7.json"):
        assert name in names
    questionnaire = json.loads((tmp_path / "out" / "Questionnaire-phq-9.json").read_text())
    assert (questionnaire["resourceType"], questionnaire["id"]) == ("Questionnaire", "phq-9")


def test_a_shipped_instrument_passes_its_check() -> None:
    result = run("instruments", "check", BUNDLE)
    assert (result.exit_code, "ERROR" in result.stdout) == (0, False)


def _without_title(bundle: dict[str, Any]) -> None:
    del bundle["entry"][0]["resource"]["title"]


def _without_entries(bundle: dict[str, Any]) -> None:
    bundle["entry"] = []


@pytest.mark.parametrize("damage", [_without_title, _without_entries])
def test_a_broken_instrument_is_named_by_element_and_exit_1(tmp_path: Path, damage: Any) -> None:
    bundle = json.loads(BUNDLE.read_text())
    damage(bundle)
    file = tmp_path / "own.json"
    file.write_text(json.dumps(bundle))
    result = run("instruments", "check", file, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)[0]["grade"] == "ERROR"
    file.write_text("not json")
    assert run("instruments", "check", file).exit_code == 1


@pytest.mark.parametrize(
    ("signer", "entry"),
    [
        ("Practitioner", RightsEntry(fhir_user_type="Practitioner")),
        ("http://snomed.info/sct|309343006", RightsEntry(role_codes=("http://snomed.info/sct|309343006",))),
        ("Practitioner/7", RightsEntry(identities=("Practitioner/7",))),
        ('o"brien@ehr.example', RightsEntry(identities=('o"brien@ehr.example',))),
    ],
)
def test_init_takes_a_type_a_code_or_an_identity_as_signer(signer: str, entry: RightsEntry) -> None:
    table = tomllib.loads(f"sign = [{build_rights_table(signer)}]")["sign"][0]
    assert RightsEntry.model_validate(table) == entry
