"""Validation errors of pydantic as faults in our words: where, and what is wrong; never the value."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from smart_app.settings.errors import Fault

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a setting",
}


def faults_of(error: ValidationError, where: str) -> Iterator[Fault]:
    """Give one fault per error, below ``where``."""
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        place = where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
        words = _WORDS.get(detail["type"], detail["msg"].removeprefix("Value error, "))
        yield Fault(where=place, problem=words[:1].lower() + words[1:])
