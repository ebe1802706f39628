"""Safety rule 12: outside its validated age an instrument says so, is given knowingly, and claims nothing (ADR 13)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smart_app.model.moves import MissingField
from smart_app.screening import workflow
from tests.fakes.clinic import GIVING, Clinic, phq9
from tests.fakes.http_browser import HttpBrowser, words_of
from tests.site import Site

MINOR, ADULT = "pt-05", "pt-02"
MODERATE = (2, 2, 2, 1, 1, 1, 1, 1, 0)
BELOW = (2, 2, 2, 2, 2, 0, 0, 0, 0)
GAD7 = {f"gad7-{number}": 2 for number in range(1, 8)}


def total_of(site: Site) -> dict[str, object]:
    (total,) = [found for found in site.resources("Observation") if found["code"]["coding"][0]["code"] == "44261-6"]
    return total


def test_it_does_not_start_unless_somebody_says_that_they_know(clinic: Clinic) -> None:
    who = clinic.launch(MINOR)
    assert workflow.view_start(clinic.app, who, "phq-9").asks_knowingly

    with pytest.raises(MissingField) as refused:
        clinic.start(who, "phq-9", replace(GIVING, knowingly=False))
    assert refused.value.field == "knowingly"
    screening = clinic.screening(clinic.start(who, "phq-9"))

    assert screening.giving.knowingly
    assert screening.started_by == who.user


def test_at_a_validated_age_nobody_is_asked_and_nothing_is_recorded(clinic: Clinic) -> None:
    who = clinic.launch(ADULT)
    assert not workflow.view_start(clinic.app, who, "phq-9").asks_knowingly
    assert not clinic.screening(clinic.start(who, "phq-9")).giving.knowingly


def test_the_age_that_counts_is_that_on_the_day_of_the_answers(clinic: Clinic) -> None:
    adult = clinic.launch(ADULT)
    as_a_child = replace(GIVING, mode="paper", answered_at="1999-05-01", knowingly=False)
    with pytest.raises(MissingField):
        clinic.start(adult, "phq-9", as_a_child)


def test_the_one_click_start_leads_to_the_page_that_asks(browser: HttpBrowser) -> None:
    home = browser.launch(MINOR)
    asked = {**browser.token(home), "instrument": "phq-9", "as": "default"}

    page = browser.send((browser.path(home, "screenings/new"), asked))

    assert "/screenings/new" in page.url
    assert page.root.get_element_by_id("knowingly").get("required") is not None
    refused = browser.send(page.form("/screenings/new"))
    assert refused.status == 422


def test_page_note_and_chart_have_a_total_and_no_range_or_usual_cutoff(site: Site, browser: HttpBrowser) -> None:
    review = browser.give(browser.launch(MINOR), *MODERATE)

    note = review.form("/sign")[1]["text"]
    words = words_of(review)
    browser.send(review.form("/sign", choice="write"))
    total = total_of(site)

    assert "Total 11 of 27, range not established at this age" in note
    assert "cut-off of 11 for ages 13 to 17 (screens positive)" in note
    assert "Given all the same, knowingly, by Amara Okafor" in note
    assert "Moderate range" not in words
    assert "for ages 13 to 17" in words
    assert total["valueQuantity"]["value"] == 11  # type: ignore[index]  # JSON from the store
    assert total["referenceRange"][0]["high"]["value"] == 10  # type: ignore[index]  # the same
    assert "ages 13 to 17" in str(total["interpretation"])
    assert "validated for ages 18 and older" in str(total["note"])


def test_below_the_usual_cutoff_nothing_reads_as_moderate_and_the_age_of_the_cutoff_is_named(
    clinic: Clinic,
) -> None:
    who = clinic.launch(MINOR)
    view = workflow.view_review(clinic.app, who, clinic.give(who, phq9(*BELOW)))
    (score,) = view.scores
    assert (score.value, score.band, score.ruler) == ("10", None, None)
    assert score.screen == "Screens negative: cut-off 11 for ages 13 to 17"


def test_where_no_cutoff_is_published_for_that_age_nothing_is_positive_or_negative(clinic: Clinic) -> None:
    who = clinic.launch(MINOR)
    screening_id = clinic.give(who, GAD7, "gad-7")
    view = workflow.view_review(clinic.app, who, screening_id)
    (score,) = view.scores
    assert (score.value, score.band, score.ruler) == ("14", None, None)
    assert score.screen == "Range and screen not established at this age"
    assert "screens" not in view.note.text.lower().replace("screening", "")

    clinic.sign(who, screening_id)

    totals = [
        found for found in clinic.in_chart("Observation", MINOR) if found["code"]["coding"][0]["code"] == "70274-6"
    ]
    (total,) = [found for found in totals if found.get("valueQuantity", {}).get("value") == 14]
    assert "interpretation" not in total
    assert "referenceRange" not in total


def test_the_total_on_the_form_names_no_range_either(clinic: Clinic) -> None:
    who = clinic.launch(MINOR)
    screening_id = clinic.start(who)
    report = clinic.save(who, screening_id, phq9(*MODERATE))
    assert report.total == "Total 11 of 27"


def test_change_is_not_judged_by_figures_for_other_ages(clinic: Clinic) -> None:
    who = clinic.launch(MINOR)
    for weights in ((3,) * 8 + (0,), (0,) * 9):
        screening_id = clinic.give(who, phq9(*weights))
        view = workflow.view_review(clinic.app, who, screening_id)
        clinic.sign(who, screening_id)
        clinic.clock.move(days=30)
        who = clinic.launch(MINOR)
    changes = view.scores[0].changes
    assert [change.badge for change in changes] == [None]
    assert "Reliable change: no published figure" in changes[0].figures
    history = workflow.view_history(clinic.app, who)
    (row,) = [row for row in history.rows if row.instrument_id == "phq-9"]
    assert (row.badge, row.band) == (None, None)
    assert {result.band for result in history.results if result.short_name == "PHQ-9"} == {""}


def test_the_alert_opens_as_at_any_age(clinic: Clinic) -> None:
    who = clinic.launch(MINOR)
    screening_id = clinic.give(who, phq9(0, 0, 0, 0, 0, 0, 0, 0, 1))
    assert len(clinic.alerts(screening_id)) == 1
