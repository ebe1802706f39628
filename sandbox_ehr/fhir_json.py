"""FHIR's JSON as received: decimals keep their digits, property order is kept, trickery is refused.

Source: http://hl7.org/fhir/R4/json.html (no duplicate keys, no nulls outside primitive arrays; decimals keep their
precision).
"""

from __future__ import annotations

import json
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, NoReturn

from sandbox_ehr.errors import Malformed, TooLarge

LARGEST_BODY = 5 * 1024 * 1024
"""Bytes."""
DEEPEST_NESTING = 60


def parse_json(body: bytes) -> dict[str, Any]:
    """Parse one JSON object; numbers with a fraction or exponent become Decimal.

    Raises: TooLarge over LARGEST_BODY; Malformed for anything that is not UTF-8 JSON with unique keys and bounded
    depth.
    """
    if len(body) > LARGEST_BODY:
        raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes")
    try:
        value = json.loads(
            body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
        depth = _depth(value)
        dump_json(value).encode("utf-8")
    except UnicodeError as exc:  # also half of a surrogate pair, written as an escape
        raise Malformed("The body is not UTF-8") from exc
    except RecursionError as exc:
        raise Malformed(f"The body is nested deeper than {DEEPEST_NESTING} levels") from exc
    except json.JSONDecodeError as exc:
        raise Malformed(f"The body is not JSON: line {exc.lineno}, column {exc.colno}") from exc
    except ValueError as exc:  # an integer of more digits than Python converts
        raise Malformed("The body holds a number that is too long") from exc
    if depth > DEEPEST_NESTING:
        raise Malformed(f"The body is nested deeper than {DEEPEST_NESTING} levels")
    if not isinstance(value, dict):
        raise Malformed("The body is not a JSON object")
    return value


def dump_json(value: Any) -> str:
    """Write JSON without white space; a Decimal is written with the digits it came with."""
    match value:
        case dict():
            return "{" + ",".join(f"{encode_basestring(key)}:{dump_json(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(dump_json, value)) + "]"
        case str():
            return encode_basestring(value)
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("A JSON object holds the same key twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return deepest
