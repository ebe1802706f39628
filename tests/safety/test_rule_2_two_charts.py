"""Safety rule 2: two launches for two patients, answer by answer in turn: each lands on its own patient."""

from __future__ import annotations

import pytest

from smart_app.access import NotThisPatient
from smart_app.model.ledger import RowState
from smart_app.screening import workflow
from smart_app.screening.errors import LaunchNotOpen
from tests.fakes.clinic import PHQ9, Clinic, phq9

ONE, TWO = (1, 1, 1, 1, 1, 1, 0, 0, 0), (2, 2, 2, 2, 2, 2, 0, 0, 0)


def test_rule_2_two_charts_interleaved_answer_by_answer_never_mix(clinic: Clinic) -> None:
    one, two = clinic.launch("pt-01"), clinic.launch("pt-02")
    first, second = clinic.start(one), clinic.start(two)
    for link_id, one_weight, two_weight in zip(PHQ9, ONE, TWO, strict=True):
        clinic.save(one, first, {link_id: one_weight})
        clinic.save(two, second, {link_id: two_weight})
    for who, screening_id in ((two, second), (one, first)):
        assert workflow.hand_in(clinic.app, who, screening_id, clinic.posted(screening_id)).handed_in
    views = {
        who.patient.patient_id: workflow.view_review(clinic.app, who, screening_id)
        for who, screening_id in ((one, first), (two, second))
    }
    assert {key: view.scores[0].value for key, view in views.items()} == {"pt-01": "6", "pt-02": "12"}
    clinic.sign(one, first)
    clinic.sign(two, second)
    for screening_id, patient, total in ((first, "pt-01", 6), (second, "pt-02", 12)):
        rows = {row.resource_id for row in clinic.rows(screening_id) if row.state is RowState.WRITTEN}
        written = [entry for entry in clinic.in_chart("Observation", patient) if entry["id"] in rows]
        assert {entry["subject"]["reference"] for entry in written} == {f"Patient/{patient}"}
        assert [_value(entry) for entry in written if entry["code"]["coding"][0]["code"] == "44261-6"] == [total]


def test_rule_2_every_page_names_its_own_patient(clinic: Clinic) -> None:
    one, two = clinic.launch("pt-01"), clinic.launch("pt-02")
    for _ in range(2):
        names = [workflow.view_home(clinic.app, who).frame.banner for who in (one, two)]
        assert names[0].name != names[1].name
        assert names[0].mrn != names[1].mrn


def test_rule_2_a_cookie_of_one_launch_does_not_open_the_other(clinic: Clinic) -> None:
    one, two = clinic.launch("pt-01"), clinic.launch("pt-02")
    with pytest.raises(LaunchNotOpen):
        workflow.open_session(clinic.app, two.session.id, clinic.secrets[one.session.id], correlation_id="c")


def test_rule_2_a_form_of_one_patient_takes_no_answer_from_the_other_chart(clinic: Clinic) -> None:
    one, two = clinic.launch("pt-01"), clinic.launch("pt-02")
    screening_id = clinic.start(one)
    with pytest.raises(NotThisPatient):
        clinic.save(two, screening_id, phq9(3))
    assert clinic.screening(screening_id).answers == ()


def _value(observation: dict[str, object]) -> object:
    quantity = observation.get("valueQuantity")
    return observation.get("valueInteger") if not isinstance(quantity, dict) else quantity["value"]
