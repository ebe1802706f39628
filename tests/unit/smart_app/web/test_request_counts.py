"""Requests are counted by window, windows end, and what is kept is bounded."""

from __future__ import annotations

import pytest

from smart_app.web import request_counts
from smart_app.web.request_counts import RequestCounts


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [1000.0]
    monkeypatch.setattr(request_counts.time, "time", lambda: moment[0])
    return moment


def test_a_window_counts_until_it_ends_and_then_from_the_start(now: list[float]) -> None:
    counts = RequestCounts()
    assert [counts.incr("launch:a", 60), counts.incr("launch:a", 60), counts.incr("launch:b", 60)] == [1, 2, 1]
    assert (counts.get("launch:a"), counts.get_expiry("launch:a")) == (2, 1060.0)
    now[0] = 1060.0
    assert (counts.get("launch:a"), counts.get_expiry("launch:a")) == (0, 1060.0)
    assert counts.incr("launch:a", 60) == 1
    assert counts.get_expiry("launch:a") == 1120.0


def test_what_is_over_is_forgotten_when_something_else_is_counted(now: list[float]) -> None:
    counts = RequestCounts()
    for number in range(100):
        counts.incr(f"start:{number}", 60)
    now[0] = 1061.0
    counts.incr("start:new", 60)
    assert counts.reset() == 1


def test_a_flood_of_keys_drops_the_oldest_and_never_the_one_that_counts(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_counts, "MOST_KEYS", 10)
    counts = RequestCounts()
    for number in range(1000):
        now[0] += 0.001
        assert counts.incr(f"start:{number}", 60) == 1
    assert (counts.get("start:989"), counts.get("start:999")) == (0, 1)
    counts.clear("start:999")
    assert counts.reset() == 9
