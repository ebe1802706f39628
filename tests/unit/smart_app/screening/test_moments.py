"""A typed time is a time of the patient's life, in the forms of FHIR or of a browser; anything else names its field."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.r4 import Precision
from smart_app.screening.errors import InvalidField
from smart_app.screening.moments import parse_moment

CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("text", "kept", "earliest"),
    [
        ("2026-11-24", "2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-24T10:00", "2026-11-24T10:00:00-06:00", datetime(2026, 11, 24, 16, tzinfo=UTC)),
        ("2026-07-24T10:00:30", "2026-07-24T10:00:30-05:00", datetime(2026, 7, 24, 15, 0, 30, tzinfo=UTC)),
        ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z", datetime(2026, 11, 24, 10, tzinfo=UTC)),
    ],
)
def test_a_time_keeps_its_precision_and_a_local_one_gets_the_sites_zone(
    text: str, kept: str, earliest: datetime
) -> None:
    when = parse_moment(text, "answered_at", zone=CHICAGO, birth_date="1992-03-14")
    assert (when.text, when.earliest) == (kept, earliest)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11", "2026-W48-2", "2026-W48-2T10:00", "20261124", "20261124T1000", "2026-11-24 10:00", "2026-328",
        "2026-11-24T10", "2026-11-24T25:00", "2026-02-30", "2026-02-30T10:00", "1899-12-31", "0001-01-01T00:00", "now",
    ],
)  # fmt: skip
@pytest.mark.parametrize("birth_date", [None, "1850-01-01"])
def test_what_is_no_time_or_before_1900_is_refused_by_name(text: str, birth_date: str | None) -> None:
    with pytest.raises(InvalidField) as refused:
        parse_moment(text, "assessed_at", zone=CHICAGO, birth_date=birth_date)
    assert refused.value.field == "assessed_at"


@pytest.mark.parametrize(
    ("birth_date", "first", "before"),
    [
        ("1992-03-14", "1992-03-14", "1992-03-13"),
        ("1992-03-14", "1992-03-14T00:00", "1992-03-13T23:59"),
        ("1992-03-14", "1992-03-14T06:00:00Z", "1992-03-14T05:59:00Z"),
        ("1992-03", "1992-03-01", "1992-02-29"),
        ("1992", "1992-01-01", "1991-12-31"),
        (None, "1900-01-01", "1899-12-31"),
    ],
)
def test_nothing_happened_before_the_patient_was_born(birth_date: str | None, first: str, before: str) -> None:
    parse_moment(first, "answered_at", zone=CHICAGO, birth_date=birth_date)
    with pytest.raises(InvalidField):
        parse_moment(before, "answered_at", zone=CHICAGO, birth_date=birth_date)


@given(text=st.text(max_size=30) | st.from_regex(r"\A[0-9]{4}-?(W[0-9]{2}|[0-9]{2})-?[0-9]{1,2}(T[0-9:]{2,8})?\Z"))
def test_any_text_is_read_or_refused_as_a_wrong_field(text: str) -> None:
    with suppress(InvalidField):
        assert parse_moment(text, "answered_at", zone=CHICAGO, birth_date="1992-03-14").precision >= Precision.DAY
