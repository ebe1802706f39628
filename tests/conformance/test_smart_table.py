"""The conformance table, the marks of the tests and the generated document agree."""

from __future__ import annotations

import pytest

from docs._generate.conformance import (
    DOCUMENT,
    ROOT,
    TABLE,
    Requirement,
    build_document,
    find_marks,
    parse_requirements,
)

REQUIREMENTS = parse_requirements(TABLE.read_text(encoding="utf-8"))
MARKS = find_marks(ROOT / "tests")


def test_each_mark_names_a_requirement_of_the_table() -> None:
    own = {mark for mark in MARKS if mark.startswith(("smart-", "inferno-"))}
    assert own - {requirement.id for requirement in REQUIREMENTS} == set()


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.id)
def test_each_requirement_that_applies_has_a_test_or_a_reason(requirement: Requirement) -> None:
    assert requirement.id in MARKS or requirement.reason


def test_no_test_shows_a_requirement_that_does_not_apply() -> None:
    assert [requirement.id for requirement in REQUIREMENTS if not requirement.applies and requirement.id in MARKS] == []


def test_document_is_what_the_generator_writes() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == build_document(REQUIREMENTS, MARKS), (
        "run: python docs/_generate/conformance.py"
    )
