"""A site chooses among published cut-offs and figures of change, and adds none of its own."""

from dataclasses import replace

import pytest

from fhir_mappings.change import Badge, measure_change
from fhir_mappings.errors import UnknownFigure
from fhir_mappings.instrument import ChangeKind, Cutoff, NextInstrument
from fhir_mappings.scoring import score_answers
from fhir_mappings.site_choice import SiteChoice, apply_choice
from tests.unit.fhir_mappings.factories import answers_of, gad7, phq9, point

NHS_CUTOFF = SiteChoice(cutoffs={"gad-7-total": 8})


def test_another_published_cutoff_decides_and_is_named_with_its_source() -> None:
    instrument = apply_choice(gad7(), NHS_CUTOFF)
    answers = answers_of(instrument, [2, 1, 1, 1, 1, 1, 1])

    (score,) = score_answers(instrument, answers).value.scores
    (usual,) = score_answers(gad7(), answers).value.scores

    assert (score.value, score.positive, usual.positive) == (8, True, False)
    assert score.cutoff is not None
    assert "Plummer" in score.cutoff.source
    assert sum(cutoff.default for cutoff in instrument.scores[0].cutoffs) == 1


@pytest.mark.parametrize(
    "choice",
    [
        SiteChoice(cutoffs={"gad-7-total": 9}),
        SiteChoice(figures={"gad-7-total": {ChangeKind.RELIABLE: "of-our-own"}}),
        SiteChoice(figures={"gad-7-total": {ChangeKind.RESPONSE: "nhs-talking-therapies"}}),
        SiteChoice(figures={"gad-7-total": {ChangeKind.RELIABLE: "kounali-2022"}}),
    ],
)
def test_what_is_not_published_for_that_score_cannot_be_chosen(choice: SiteChoice) -> None:
    with pytest.raises(UnknownFigure):
        apply_choice(gad7(), choice)


def test_a_cutoff_published_for_other_people_does_not_take_the_place_of_the_default() -> None:
    with pytest.raises(UnknownFigure):
        apply_choice(phq9(), SiteChoice(cutoffs={"phq-9-total": 11}))  # for age 13 to 17


def test_an_instrument_that_the_choice_is_not_about_is_left_as_it_is() -> None:
    assert apply_choice(phq9(), NHS_CUTOFF) is phq9()


def test_what_is_called_for_at_the_default_cutoff_is_called_for_at_the_chosen_one() -> None:
    score = gad7().scores[0]
    follow = NextInstrument(
        id="next", canonical="https://example.org/q", reason="r", source="s", link_id=score.link_id, at_least=10
    )
    item = replace(follow, id="item", link_id="gad7-1", at_least=3)
    instrument = replace(gad7(), next_instruments=(follow, item))

    chosen = apply_choice(instrument, NHS_CUTOFF)

    assert [next_one.at_least for next_one in chosen.next_instruments] == [8, 3]


def test_five_or_six_points_of_the_phq9_is_the_sites_choice_and_says_what_five_was_published_as() -> None:
    before, now = [point(20, "2026-01-12")], point(15, "2026-11-23")
    chosen = apply_choice(phq9(), SiteChoice(figures={"phq-9-total": {ChangeKind.RELIABLE: "lowe-2004"}})).scores[0]

    usual = measure_change(phq9().scores[0], before, now, alert_open=False).since_last
    by_site = measure_change(chosen, before, now, alert_open=False).since_last

    assert usual is not None
    assert by_site is not None
    assert (usual.badge, by_site.badge) == (Badge.NO_RELIABLE_CHANGE, Badge.RELIABLE_IMPROVEMENT)
    assert by_site.threshold is not None
    assert by_site.threshold.citation.endswith("published as the minimal important difference")
    assert chosen.find_change(ChangeKind.MINIMAL_IMPORTANT) == phq9().scores[0].find_change(
        ChangeKind.MINIMAL_IMPORTANT
    )


def test_a_cutoff_by_sex_is_exchanged_for_that_sex_alone() -> None:
    score = gad7().scores[0]
    men, women = (
        Cutoff(points=points, meaning="m", source="s", default=True, gender=gender)
        for points, gender in ((10, "male"), (9, "female"))
    )
    lower = replace(women, points=8, default=False)
    instrument = replace(gad7(), scores=(replace(score, cutoffs=(men, women, lower)),))

    (chosen,) = apply_choice(instrument, NHS_CUTOFF).scores

    assert [(cutoff.points, cutoff.default) for cutoff in chosen.cutoffs] == [(10, True), (9, False), (8, True)]
