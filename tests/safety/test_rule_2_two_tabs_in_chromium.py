"""Safety rule 2 in Chromium: two tabs of one browser, answered in turn, each write to their own patient."""

from __future__ import annotations

import pytest

from tests.browser.desk import open_desk
from tests.fakes.clinic import PHQ9, code_of
from tests.interop.in_browser import open_browser
from tests.site import Site

pytestmark = pytest.mark.browser

CHARTS = {
    "pt-01": ("Delgado-Quinn, Rosa", (2, 0, 1, 3, 0, 1, 2, 0, 0)),
    "pt-02": ("O'Brien-Núñez, Zoë", (0, 3, 3, 0, 2, 2, 0, 1, 0)),
}


def test_rule_2_two_tabs_answered_in_turn_each_write_to_their_own_patient(site: Site) -> None:
    with open_browser() as chromium, open_desk(chromium, site) as first:
        desks = {"pt-01": first, "pt-02": first.open_tab()}
        for patient, desk in desks.items():
            desk.launch_form(patient)
        for at, link_id in enumerate(PHQ9):
            for patient, desk in desks.items():
                desk.option(link_id, CHARTS[patient][1][at]).check()
        for patient, desk in desks.items():
            desk.wait_for_saves("9 answers saved")
            desk.option("phq9-10", 1).check()
            desk.wait_for_saves("10 answers saved")
            stored = {link_id: saved.code for link_id, saved in desk.screening().current_answers().items()}
            answered = zip(PHQ9, CHARTS[patient][1], strict=True)
            assert stored == {
                **{key: code_of(key, weight) for key, weight in answered},
                "phq9-10": code_of("phq9-10", 1),
            }
        for patient, desk in reversed(desks.items()):
            desk.finish()
            assert desk.page.locator(".banner__name").inner_text() == CHARTS[patient][0]
        for patient, desk in desks.items():
            desk.sign()
            assert desk.page.locator(".banner__name").inner_text() == CHARTS[patient][0]
        assert first.problems == []

    totals = {
        resource["subject"]["reference"]: resource["valueQuantity"]["value"]
        for resource in site.resources("Observation")
        if resource["code"]["coding"][0]["code"] == "44261-6"
    }
    assert totals == {f"Patient/{patient}": sum(weights) for patient, (_, weights) in CHARTS.items()}
    for kind, number in (("QuestionnaireResponse", 1), ("Observation", 12), ("DocumentReference", 1)):
        subjects = [resource["subject"]["reference"] for resource in site.resources(kind)]
        assert sorted(subjects) == sorted(f"Patient/{patient}" for patient in CHARTS for _ in range(number))
