"""FHIR JSON at the door: bounded, unambiguous, precise."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.errors import MalformedJson, MalformedResource
from fhir_mappings.r4 import Precision, format_instant, format_json, parse_json_strict, parse_partial_date_time


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b'"text"',
        b"{} {}",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "' + b'\\"' * 400_000,
        b'{"a": "' + b"x" * 1000 + b'"}',
    ],
)
def test_bytes_that_are_not_one_bounded_object_are_refused_without_quoting_them(body: bytes) -> None:
    with pytest.raises(MalformedJson) as raised:
        parse_json_strict(body, max_bytes=800 if b"xxx" in body else 1_000_000)
    assert raised.value.__cause__ is None
    assert len(str(raised.value)) < 80


def test_brackets_inside_strings_are_no_depth() -> None:
    assert parse_json_strict(b'{"a": "' + b"[{" * 200 + b'\\"["}')["a"].endswith('"[')


def test_decimals_keep_their_digits() -> None:
    body = b'{"a":1.50,"b":1e3,"c":3}'
    parsed = parse_json_strict(body)
    assert parsed == {"a": Decimal("1.50"), "b": Decimal("1E+3"), "c": 3}
    assert str(parsed["a"]) == "1.50"
    assert parse_json_strict(format_json(parsed).encode()) == parsed


@pytest.mark.parametrize(
    ("text", "precision", "earliest"),
    [
        ("2026", Precision.YEAR, "2026-01-01T00:00:00+00:00"),
        ("2026-11", Precision.MONTH, "2026-11-01T00:00:00+00:00"),
        ("2026-11-23", Precision.DAY, "2026-11-23T00:00:00+00:00"),
        ("2026-11-23T10:38:00-05:00", Precision.SECOND, "2026-11-23T15:38:00+00:00"),
        ("2026-11-23T10:38Z", Precision.SECOND, "2026-11-23T10:38:00+00:00"),
        ("2026-11-23T10:38:00.1234567Z", Precision.SECOND, "2026-11-23T10:38:00.123456+00:00"),
        ("2026-11-23T10:38:00.5+14:00", Precision.SECOND, "2026-11-22T20:38:00.500000+00:00"),
    ],
)
def test_a_date_keeps_its_precision(text: str, precision: Precision, earliest: str) -> None:
    parsed = parse_partial_date_time(text, "at")
    assert (parsed.text, parsed.precision, parsed.earliest.isoformat()) == (text, precision, earliest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "23.11.2026",
        "2026-13",
        "2026-02-30",
        "2026-11-23T10:38:00",
        "2026-11-23T25:00:00Z",
        "0000",
        "0001-01-01T00:00:00+14:00",
        None,
        2026,
        "2026-11-23 10:38",
    ],
)
def test_what_is_no_fhir_date_is_refused_by_name(text: object) -> None:
    with pytest.raises(MalformedResource) as raised:
        parse_partial_date_time(text, "Observation.effectiveDateTime")
    assert raised.value.expression == "Observation.effectiveDateTime"


@given(
    st.datetimes(min_value=datetime.fromisoformat("1900-01-01"), max_value=datetime.fromisoformat("2200-01-01")),
    st.integers(-12, 14),
)
def test_an_instant_is_utc_to_the_second_and_reads_back(naive: datetime, offset: int) -> None:
    moment = naive.replace(microsecond=0, tzinfo=timezone(timedelta(hours=offset)))
    assert parse_partial_date_time(format_instant(moment), "x").earliest == moment.astimezone(UTC)


def test_a_time_without_zone_is_no_instant() -> None:
    with pytest.raises(MalformedResource):
        format_instant(datetime.fromisoformat("2026-11-23T10:38:00"))
