"""Reading JSON at the door: what no parser behind it ever has to think of again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.fields import Fields, InvalidField, parse_json_object


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b'"x"',
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b"\xff{}",
        b"[" * 100_000,
        b'{"a":' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_not_one_clean_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_json_object(body)
    assert caught.value.field == "(body)"


def test_byte_order_mark_is_allowed() -> None:
    assert parse_json_object(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("text", "\ud800"),
        ("text", None),
        ("number", 10**400),
        ("number", None),
        ("texts", ["\ud800"]),
        ("texts", None),
        ("flag", None),
        ("moment", "2026-11-24"),
        ("moment", None),
        ("object", "x"),
        ("object", None),
    ],
)
def test_value_that_does_not_fit_names_its_field(method: str, wrong: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        getattr(Fields({"a": wrong}, prefix="top."), method)("a")
    assert caught.value.field == "top.a"


@given(st.binary())
def test_any_bytes_are_an_object_or_an_invalid_field(body: bytes) -> None:
    try:
        parsed = parse_json_object(body)
    except InvalidField:
        return
    assert isinstance(parsed, dict)
