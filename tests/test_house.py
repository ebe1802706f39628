"""House rules that a reader would otherwise have to check by hand."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from docs._generate import instruments
from smart_app.settings.template import FirstAnswers, render_settings_file

ROOT = Path(__file__).parent.parent
PACKAGES = ("launch", "fhir_mappings", "smart_app", "sandbox_ehr")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
EXAMPLE = FirstAnswers(
    base_url="https://app.example",
    environment="test",
    country="US",
    crisis_contact=None,
    ehr_id="ehr",
    ehr_name="EHR",
    fhir_base_url="https://ehr.example/fhir",
    client_id="app",
    profile="generic",
)
MOST_LINES = 420
"""About 400: a module that grows past it has more than one job."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_has_one_job_that_its_docstring_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "no module docstring"
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_named_for_its_job(path: Path) -> None:
    assert path.stem not in {"utils", "helpers", "manager", "data", "common", "misc"}


def test_a_broad_except_only_cleans_up_and_raises_again_but_around_fhirpathpy_which_raises_exception_itself() -> None:
    around_fhirpathpy = {ROOT / "fhir_mappings" / "fhirpath_scoring.py", ROOT / "sandbox_ehr" / "persona.py"}
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(set(MODULES) - around_fhirpathpy)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert offenders == []


def test_adrs_are_numbered_without_gap_and_short() -> None:
    numbers = [int(path.name[:4]) for path in ADRS]
    assert numbers == list(range(1, len(numbers) + 1))
    for path in ADRS:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 40, path.name
        for heading in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert heading in text, (path.name, heading)


def test_architecture_names_every_part_of_the_app() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = [path.name for path in (ROOT / "smart_app").iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    assert [part for part in parts if not re.search(rf"\b{part}\b", text)] == []


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


def test_the_page_on_instruments_is_what_the_instruments_say() -> None:
    written = instruments.DOCUMENT.read_text(encoding="utf-8")
    assert written == instruments.build_document(), "run: python docs/_generate/instruments.py"
    for score_label in ("## Patient Health Questionnaire", "## Generalized Anxiety Disorder"):
        assert score_label in written


@pytest.mark.parametrize("page", ["operations", "security"])
def test_a_page_for_it_names_only_commands_and_settings_that_exist(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for command in re.findall(r"`smart-screening ([a-z]+)(?: ([a-z]+))?", text):
        modules = {path.stem for path in (ROOT / "smart_app" / "cli").glob("*.py")}
        assert command[0] in modules, command
    for section, key in re.findall(r"`\[([a-z.]+)\] ([a-z_]+)`", text):
        template = render_settings_file(EXAMPLE)
        assert re.search(rf"^#?\[\[?{re.escape(section)}\]", template, re.MULTILINE), section
        assert re.search(rf"^#?{key} = ", template, re.MULTILINE), key
