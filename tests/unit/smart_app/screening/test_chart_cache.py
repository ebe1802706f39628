"""The cache of charts: per launch, for a few minutes, bounded; never one launch's chart in another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from smart_app.chart import FAILED_READ_KEPT_FOR, Chart, ChartCache, ChartHistory
from smart_app.model.identity import PatientIdentity

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
HISTORY = ChartHistory(points={}, notices=())


def _chart(patient_id: str) -> Chart:
    patient = PatientIdentity(patient_id=patient_id, name="N", birth_date=None, gender=None, identifiers=(), mrn=None)
    return Chart(patient=patient, visit=None, visit_notice="no visit open")


def test_a_chart_is_found_by_its_own_launch_only() -> None:
    cache = ChartCache()
    cache.keep("one", NOW, chart=_chart("pt-1"))
    assert cache.find_chart("one", NOW) == _chart("pt-1")
    assert cache.find_chart("two", NOW) is None


def test_a_chart_ends_with_its_lifetime_whatever_is_added_later() -> None:
    cache = ChartCache(lifetime=timedelta(minutes=5))
    cache.keep("one", NOW, chart=_chart("pt-1"))
    cache.keep("one", NOW + timedelta(minutes=4), history=HISTORY)
    assert cache.find_chart("one", NOW + timedelta(minutes=4)) is not None
    assert cache.find_chart("one", NOW + timedelta(minutes=5)) is None
    assert cache.find_history("one", NOW + timedelta(minutes=5)) is None


def test_no_visits_is_an_answer_and_is_kept() -> None:
    cache = ChartCache()
    assert cache.find_visits("one", NOW) is None
    cache.keep("one", NOW, visits=())
    assert cache.find_visits("one", NOW) == ()


def test_choosing_a_visit_forgets_the_patient_and_nothing_else() -> None:
    cache = ChartCache()
    cache.keep("one", NOW, chart=_chart("pt-1"), history=HISTORY)
    cache.forget_chart("one")
    assert cache.find_chart("one", NOW) is None
    assert cache.find_history("one", NOW) == HISTORY


def test_the_oldest_launch_gives_way_and_log_out_forgets_all() -> None:
    cache = ChartCache(most=2)
    for launch_id in ("one", "two", "three"):
        cache.keep(launch_id, NOW, chart=_chart(launch_id))
    assert cache.find_chart("one", NOW) is None
    assert cache.find_chart("three", NOW) is not None
    cache.forget("three")
    assert cache.find_chart("three", NOW) is None


def test_what_could_not_be_read_is_asked_for_again_soon_and_then_kept() -> None:
    cache = ChartCache()
    cache.keep("one", NOW, chart=_chart("pt-1"), history=HISTORY, supervisor_name="", failed=True)
    assert cache.find_chart("one", NOW) == _chart("pt-1")
    later = NOW + FAILED_READ_KEPT_FOR
    assert cache.find_chart("one", later) is None
    assert cache.find_history("one", later) is None
    assert cache.find_supervisor_name("one", later) is None
    cache.keep("one", later, chart=_chart("pt-1"))
    assert cache.find_chart("one", later + FAILED_READ_KEPT_FOR) == _chart("pt-1")
    assert cache.find_history("one", later) is None
