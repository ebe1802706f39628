from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_app.writeback.reference_code import new_reference_code


@pytest.mark.parametrize(
    ("bits", "code"),
    [
        (b"\x00" * 5, "SS-0000-0000"),
        (b"\xff" * 5, "SS-ZZZZ-ZZZZ"),
        (b"\x00\x00\x00\x00\x01", "SS-0000-0001"),
        (b"\x08\x00\x00\x00\x00", "SS-1000-0000"),
    ],
)
def test_forty_bits_become_eight_characters(bits: bytes, code: str) -> None:
    assert new_reference_code(lambda _: bits) == code


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=5, max_size=5))
def test_codes_differ_as_their_bits_do_and_hold_no_letter_to_misread(one: bytes, other: bytes) -> None:
    first, second = new_reference_code(lambda _: one), new_reference_code(lambda _: other)
    assert (first == second) == (one == other)
    assert re.fullmatch(r"SS-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", first)
