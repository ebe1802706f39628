"""Values of a wrong JSON type, for the tests that break one field at a time."""

from __future__ import annotations

from typing import Any

TEXT: tuple[Any, ...] = ("", 1, True, [], {}, ["x"])
FLAG: tuple[Any, ...] = ("true", 1, [], {})
NUMBER: tuple[Any, ...] = ("3600", True, [], {})
TEXTS: tuple[Any, ...] = ("S256", 1, True, {}, [1], [""], [None], [["x"]])
OBJECTS: tuple[Any, ...] = ("x", 1, True, {}, ["x"], [1])
OBJECT: tuple[Any, ...] = ("x", 1, True, [], [{}])


def cases(**kinds: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """Field name → kind of wrong values, as a flat list of (field, value)."""
    return [(name, value) for name, values in kinds.items() for value in values]
