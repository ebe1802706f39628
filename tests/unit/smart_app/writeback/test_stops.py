from __future__ import annotations

from smart_app.writeback import stops
from smart_app.writeback.stops import GuardStop, find_stop

ALL = [value for value in vars(stops).values() if isinstance(value, GuardStop)]


def test_every_stop_is_found_by_its_code_and_has_words() -> None:
    assert len(ALL) == len({stop.code for stop in ALL})
    for stop in ALL:
        assert find_stop(stop.code) is stop
        assert stop.title
        assert stop.remedy
    assert find_stop("held") is None
