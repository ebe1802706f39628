"""Searching by date: prefixes on ranges of any precision, http://hl7.org/fhir/R4/search.html#prefix."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_ehr.search_index import parse_date_range
from sandbox_ehr.store import FhirStore
from tests.unit.sandbox_ehr.fhir_client import Clock, Ehr, observation

PREFIXES = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]
EDGES = [
    datetime.fromisoformat(text)
    for text in ("2023-12-31T23:59:59", "2024-01-01", "2024-01-31", "2024-02-01", "2024-02-29T23:59:59", "2024-12-31")
]


@st.composite
def fhir_dates(draw: st.DrawFn) -> str:
    """A FHIR date or dateTime of any precision, close together so that ranges meet, nest and overlap."""
    moment = draw(st.sampled_from(EDGES) | st.datetimes(EDGES[0], EDGES[-1]))
    precision = draw(st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]))
    if not precision.endswith("S"):
        return moment.strftime(precision)
    fraction = draw(st.sampled_from(["", ".5", ".250"]))
    return moment.strftime(precision) + fraction + draw(st.sampled_from(["Z", "+02:00", "-05:30"]))


def span(text: str) -> tuple[datetime, datetime]:
    """The half-open range of a FHIR date, worked out apart from the store's own code."""
    if "T" in text:
        start = datetime.fromisoformat(text)
        fraction = text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0]
        return start, start + (timedelta(seconds=10 ** -len(fraction)) if fraction else timedelta(seconds=1))
    year, *rest = (int(part) for part in text.split("-"))
    month, day = [*rest, 1, 1][:2] if rest else (1, 1)
    start = datetime(year, month, day, tzinfo=UTC)
    if not rest:
        return start, datetime(year + 1, 1, 1, tzinfo=UTC)
    return start, start + timedelta(days=1 if len(rest) == 2 else calendar.monthrange(year, month)[1])


def expected(prefix: str, stored: tuple[datetime, datetime], asked: tuple[datetime, datetime]) -> bool:
    """The prefix table of the specification, on half-open ranges."""
    inside = asked[0] <= stored[0] and stored[1] <= asked[1]
    above, below = stored[1] > asked[1], stored[0] < asked[0]
    return {
        "": inside,
        "eq": inside,
        "ne": not inside,
        "gt": above,
        "lt": below,
        "ge": above or inside,
        "le": below or inside,
        "sa": stored[0] >= asked[1],
        "eb": stored[1] <= asked[0],
    }[prefix]


@settings(deadline=None)
@given(
    stored=st.lists(fhir_dates(), min_size=1, max_size=4),
    asked=fhir_dates(),
    prefix=st.sampled_from(PREFIXES),
)
def test_date_prefixes_compare_ranges_as_the_specification_says(stored: list[str], asked: str, prefix: str) -> None:
    with FhirStore(":memory:", clock=Clock()) as store:
        for position, text in enumerate(stored):
            store.put_raw(observation(id=str(position), effectiveDateTime=text))
        found = Ehr(store, Clock()).search("Observation", ("date", f"{prefix}{asked}")).ids
    wanted = [str(i) for i, text in enumerate(stored) if expected(prefix, span(text), span(asked))]
    assert sorted(found) == wanted


TOUCHING = [
    *("2023", "2024", "2025", "2023-12", "2024-01", "2024-02", "2024-12", "2024-01-01", "2024-01-31", "2024-02-01"),
    *("2024-02-29", "2024-12-31", "2025-01-01", "2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z"),
    *("2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2024-02-01T01:00:00+01:00"),
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_date_prefixes_hold_where_ranges_touch_nest_and_coincide(ehr: Ehr, prefix: str) -> None:
    for position, text in enumerate(TOUCHING):
        ehr.store.put_raw(observation(id=f"{position:02}", effectiveDateTime=text))
    for asked in TOUCHING:
        wanted = [f"{i:02}" for i, text in enumerate(TOUCHING) if expected(prefix, span(text), span(asked))]
        assert sorted(ehr.search("Observation", ("date", f"{prefix}{asked}")).ids) == wanted, asked


@settings(deadline=None)
@given(fhir_dates())
def test_a_date_stands_for_a_half_open_range_of_microseconds(text: str) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    low, high = (((moment - epoch) // timedelta(microseconds=1)) for moment in span(text))
    assert parse_date_range(text) == (low, high)


@pytest.mark.parametrize("period", [{"start": "2024-02-01"}, {"end": "2024-02-01"}, {"start": "2024", "end": "2024"}])
def test_an_open_period_reaches_to_its_open_end(ehr: Ehr, period: dict[str, str]) -> None:
    ehr.post(observation(effectivePeriod=period))
    assert len(ehr.search("Observation", ("date", "gt2030")).ids) == ("end" not in period)
    assert len(ehr.search("Observation", ("date", "lt1930")).ids) == ("start" not in period)
    assert len(ehr.search("Observation", ("date", "2024")).ids) == (set(period) == {"start", "end"})


def test_approximate_dates_widen_with_their_distance_from_now(ehr: Ehr) -> None:
    ehr.post(observation(effectiveDateTime="2016-06-01"))
    assert len(ehr.search("Observation", ("date", "ap2016-03-01")).ids) == 1
    assert len(ehr.search("Observation", ("date", "ap2026-02-01")).ids) == 0


@pytest.mark.parametrize("value", ["yesterday", "2024-13", "2024-02-30", "ge", "2024-1-1", "20240101", "2024-01-01T10"])
def test_a_value_that_is_no_date_is_refused(ehr: Ehr, value: str) -> None:
    reply = ehr.get("Observation", ("date", value))
    assert (reply.status, reply.issue["code"]) == (400, "invalid")
    assert value not in reply.text
