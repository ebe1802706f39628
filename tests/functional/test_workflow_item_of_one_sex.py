"""PHQ-15 item 4 is for women only: nobody asks a man for it at hand-in, and his answer counts all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from smart_app.library import load_library
from smart_app.model.screening import ScreeningState
from smart_app.screening import workflow
from tests.fakes.clinic import Clinic, open_clinic

OTHERS = {f"phq15-{number}": 1 for number in range(1, 16) if number != 4}


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    with open_clinic(tmp_path) as clinic:
        clinic.app = replace(clinic.app, library=load_library(("phq-15",)))
        yield clinic


@pytest.mark.parametrize("gender", ["male", "female", "other", "unknown", None])
def test_only_a_man_is_not_asked_for_it(clinic: Clinic, gender: str | None) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who, "phq-15")
    with clinic.app.units.write() as unit:
        screening = unit.screenings.get(screening_id)
        assert screening.identity is not None
        unit.screenings.save(replace(screening, identity=replace(screening.identity, gender=gender)))
        unit.commit()
    spared = gender == "male"
    assert clinic.save(who, screening_id, OTHERS).progress == f"14 of {14 if spared else 15} answered"
    posted = clinic.posted(screening_id)
    result = workflow.hand_in(clinic.app, who, screening_id, posted)
    assert (result.handed_in, [gap.link_id for gap in result.missing]) == (spared, [] if spared else ["phq15-4"])


def test_a_man_may_answer_it_and_it_counts(clinic: Clinic) -> None:
    who = clinic.launch("pt-03")
    screening_id = clinic.start(who, "phq-15")
    assert "phq15-4" in {item.link_id for item in workflow.view_form(clinic.app, who, screening_id).items}
    report = clinic.save(who, screening_id, {**OTHERS, "phq15-4": 2})
    assert report.progress == "15 of 15 answered"
    assert "16 of 30" in report.total
    assert workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id)).handed_in
    assert clinic.screening(screening_id).state is ScreeningState.COMPLETED
