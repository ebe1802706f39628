"""The error tree: stable codes, words for the page, nothing from outside in them."""

from __future__ import annotations

import pytest

import launch.errors
from launch.errors import LaunchError, NeededScopeMissing, TransportError


def subclasses(kind: type[LaunchError]) -> list[type[LaunchError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in subclasses(child))]


ALL = [kind for kind in subclasses(LaunchError) if kind.__module__.startswith("launch.")]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_error_has_words_a_status_and_is_exported(kind: type[LaunchError]) -> None:
    assert kind.code == kind.code.lower().replace("_", "-")
    assert kind.title
    assert not kind.title.endswith(".")
    assert kind.remedy.endswith(".")
    assert 400 <= kind.http_status < 600
    assert getattr(launch.errors, kind.__name__) is kind
    assert kind.__name__ in launch.errors.__all__


def test_codes_are_different() -> None:
    codes = [kind.code for kind in ALL]
    assert sorted(codes) == sorted(set(codes))


def test_message_is_code_field_and_problem() -> None:
    assert str(LaunchError("is missing", field="iss")) == "launch-error: iss: is missing"
    assert str(TransportError(sent=True)) == "transport-error"
    assert NeededScopeMissing(("patient/Patient.r",)).scopes == ("patient/Patient.r",)
