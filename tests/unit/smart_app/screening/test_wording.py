"""Words of the pages: dates never more precise than known, unknown said as not known, no diagnosis."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.r4 import parse_partial_date_time
from smart_app.screening.wording import (
    find_age,
    say_born,
    say_count,
    say_moment,
    say_partial,
    say_points,
    say_signed,
    say_span,
    say_stamp,
)

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("at", "zone", "words"),
    [
        (NOW, ZoneInfo("UTC"), "today 15:00"),
        (NOW, CHICAGO, "today 09:00"),
        (NOW - timedelta(hours=12), CHICAGO, "23 Nov 2026 21:00"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), ZoneInfo("UTC"), "2 Jan 2026 03:04"),
    ],
)
def test_a_moment_is_told_in_the_sites_zone(at: datetime, zone: ZoneInfo, words: str) -> None:
    assert say_moment(at, NOW, zone) == words


def test_what_is_kept_never_says_today() -> None:
    assert say_stamp(NOW, ZoneInfo("UTC")) == "24 Nov 2026 15:00 UTC"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026", "2026"),
        ("2026-10", "Oct 2026"),
        ("2026-10-12", "12 Oct 2026"),
        ("2026-10-12T10:38:00Z", "12 Oct 2026 10:38"),
    ],
)
def test_a_date_is_never_told_more_precisely_than_it_is_known(text: str, words: str) -> None:
    assert say_partial(parse_partial_date_time(text, "x"), NOW, ZoneInfo("UTC")) == words


@pytest.mark.parametrize(
    ("birth_date", "words"),
    [
        ("1986-03-14", "14 Mar 1986 (40 y)"),
        ("1986-11-25", "25 Nov 1986 (39 y)"),
        ("1986", "1986"),
        (None, "not known"),
        ("soon", "soon"),
    ],
)
def test_a_birth_date_is_told_with_the_age_only_where_the_day_is_known(birth_date: str | None, words: str) -> None:
    assert say_born(birth_date, NOW.date()) == words


@given(born=st.dates(date(1900, 1, 1), date(2026, 11, 24)))
def test_an_age_grows_on_the_birthday(born: date) -> None:
    age = find_age(born.isoformat(), NOW.date())
    assert age is not None
    assert 0 <= age <= 127
    assert (NOW.date() - born).days // 366 <= age <= (NOW.date() - born).days // 365


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "less than a minute"),
        (1, "1 min"),
        (59, "59 min"),
        (60, "1 h 0 min"),
        (134, "2 h 14 min"),
        (2879, "47 h 59 min"),
        (2880, "2 days"),
    ],
)
def test_a_span_is_told_in_the_unit_that_fits(minutes: int, words: str) -> None:
    assert say_span(NOW - timedelta(minutes=minutes), NOW) == words


@pytest.mark.parametrize(
    ("value", "words"), [(13, "13"), (Decimal("13.0"), "13"), (Decimal("4.5"), "4.5"), (Decimal(10), "10")]
)
def test_points_have_no_trailing_zeros(value: int | Decimal, words: str) -> None:
    assert say_points(value) == words


@pytest.mark.parametrize(("value", "words"), [(3, "+3"), (0, "0"), (-6, "\N{MINUS SIGN}6")])
def test_a_difference_carries_its_sign(value: int, words: str) -> None:
    assert say_signed(value) == words


@pytest.mark.parametrize(("count", "words"), [(0, "0 items"), (1, "1 item"), (14, "14 items")])
def test_a_count_agrees_with_its_noun(count: int, words: str) -> None:
    assert say_count(count, "item") == words
