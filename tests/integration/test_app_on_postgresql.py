"""The use cases on PostgreSQL, where two writers work at once: nothing is lost, one alert, one chain, one copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from smart_app import worker
from smart_app.model.ledger import RowState
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import SavedStatus, ScreeningState
from smart_app.screening import workflow
from tests.fakes.clinic import PHQ9, Clinic, code_of, open_clinic, phq9
from tests.fakes.postgresql import PostgreSql


def _busy_for_writes(app: Any) -> Any:
    """Answer each write with 429, as a busy EHR does."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].startswith("/fhir"):
            start_response("429 Too Many Requests", [("Retry-After", "60"), ("Content-Length", "0")])
            return ()
        answered: Iterable[bytes] = app(environ, start_response)
        return answered

    return answer


@pytest.fixture
def clinic(postgresql: PostgreSql, tmp_path: Path) -> Iterator[Clinic]:
    with postgresql.new_database() as url, open_clinic(tmp_path, database_url=url) as opened:
        yield opened


def test_the_main_job_from_launch_to_chart(clinic: Clinic) -> None:
    who = clinic.launch("pt-01")
    screening_id = clinic.give(who, phq9(2, 2, 3, 2, 0, 1, 2, 0, 1))
    clinic.close_alerts(who, screening_id)
    clinic.sign(who, screening_id)
    assert clinic.screening(screening_id).state is ScreeningState.SIGNED
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}
    assert len(clinic.in_chart("QuestionnaireResponse", "pt-01")) == 1
    with clinic.app.units.read() as unit:
        assert unit.audit.verify().is_intact


def test_saves_at_the_same_moment_are_all_kept_and_open_one_alert(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)

    def save(number: int) -> object:
        link_id = PHQ9[min(number, 8)]
        answer = IncomingAnswer(
            link_id=link_id,
            status=SavedStatus.ANSWERED,
            code=code_of(link_id, 1),
            device=f"page-{number}",
            sequence=1,
            seen_version=0,
        )
        return workflow.save_answers(clinic.app, who, screening_id, [answer])

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(save, range(11)))) == 11
    assert set(clinic.screening(screening_id).current_answers()) == set(PHQ9)
    assert len(clinic.alerts(screening_id)) == 1
    with clinic.app.units.read() as unit:
        assert unit.audit.verify().is_intact


def test_two_workers_and_a_person_write_each_resource_once(clinic: Clinic) -> None:
    who = clinic.launch("pt-02")
    screening_id = clinic.give(who, phq9(*[1] * 8, 0))
    real = clinic.sandbox.app.wsgi_app
    clinic.sandbox.app.wsgi_app = _busy_for_writes(real)  # type: ignore[method-assign]  # Flask's own way
    clinic.sign(who, screening_id)
    clinic.sandbox.app.wsgi_app = real  # type: ignore[method-assign]  # the same
    assert RowState.PLANNED in {row.state for row in clinic.rows(screening_id)}
    clinic.clock.move(minutes=5)
    again = clinic.again(who)
    with ThreadPoolExecutor(3) as pool:
        rounds: list[Future[Any]] = [pool.submit(worker.run_round, clinic.app) for _ in range(2)]
        rounds.append(pool.submit(workflow.finish_writing, clinic.app, again, screening_id))
        for done in rounds:
            done.result()
    assert {row.state for row in clinic.rows(screening_id)} == {RowState.WRITTEN}
    assert len(clinic.in_chart("QuestionnaireResponse", "pt-02")) == 1
