"""Safety rule 14: change is never flattered."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.administration import Informant
from fhir_mappings.change import Badge, Change, Point, Source, fold_points, measure_change
from fhir_mappings.errors import UnknownFigure
from fhir_mappings.instrument import ChangeKind
from fhir_mappings.judgement import Verdict
from tests.unit.fhir_mappings.factories import gad7, phq9, point

PHQ9 = phq9().scores[0]
FAVORABLE = {Badge.RELIABLE_IMPROVEMENT, Badge.RESPONSE, Badge.REMISSION}


def since(baseline: int, now: int, *, alert_open: bool = False) -> tuple[Change, Change]:
    report = measure_change(
        PHQ9, [point(baseline, "2026-01-12")], point(now, "2026-11-23T10:38:00-05:00"), alert_open=alert_open
    )
    assert report.since_last is not None
    assert report.since_baseline is not None
    return report.since_last, report.since_baseline


def verdicts(change: Change) -> dict[ChangeKind, Verdict]:
    return {judgement.kind: judgement.verdict for judgement in change.judgements}


@pytest.mark.parametrize(
    ("earlier", "now", "badge"),
    [
        (10, 13, Badge.NO_RELIABLE_CHANGE),
        (10, 15, Badge.NO_RELIABLE_CHANGE),
        (10, 16, Badge.WORSENING),
        (19, 14, Badge.NO_RELIABLE_CHANGE),
        (19, 13, Badge.RELIABLE_IMPROVEMENT),
        (0, 6, Badge.WORSENING),
    ],
)
def test_reliable_change_of_the_phq9_starts_at_six_points_both_ways(earlier: int, now: int, badge: Badge) -> None:
    last, _ = since(earlier, now)
    assert last.badge is badge
    assert last.delta == now - earlier
    assert last.threshold is not None
    assert "NHS" in last.threshold.citation


@pytest.mark.parametrize(
    ("baseline", "now", "badge"),
    [
        (20, 10, Badge.RESPONSE),
        (20, 11, Badge.RELIABLE_IMPROVEMENT),
        (10, 5, Badge.RESPONSE),
        (10, 4, Badge.REMISSION),
        (9, 4, Badge.NO_RELIABLE_CHANGE),
        (9, 3, Badge.RELIABLE_IMPROVEMENT),
        (9, 0, Badge.RELIABLE_IMPROVEMENT),
        (27, 27, Badge.NO_RELIABLE_CHANGE),
    ],
)
def test_response_and_remission_need_a_baseline_at_the_cutoff(baseline: int, now: int, badge: Badge) -> None:
    _, whole = since(baseline, now)
    assert whole.badge is badge
    assert (whole.baseline.value, whole.baseline.at.text) == (baseline, "2026-01-12")


@given(st.integers(0, 27), st.integers(0, 27))
def test_no_favorable_badge_stands_while_an_alert_is_open(baseline: int, now: int) -> None:
    for told, free in zip(since(baseline, now, alert_open=True), since(baseline, now), strict=True):
        assert told.badge not in FAVORABLE
        assert told.withheld is (Verdict.BETTER in verdicts(free).values())
        assert Verdict.BETTER not in verdicts(told).values()
        assert (told.delta, told.percent) == (free.delta, free.percent)
        if not told.withheld:
            assert told == free


@given(st.integers(0, 27), st.integers(0, 27))
def test_worse_is_never_called_better(baseline: int, now: int) -> None:
    for change in since(baseline, now):
        if now >= baseline:
            assert change.badge not in FAVORABLE
        if change.badge in (Badge.RESPONSE, Badge.REMISSION):
            assert change.baseline.value >= 10


def test_gad7_remission_and_response_need_the_cutoff_though_their_source_names_no_baseline() -> None:
    definition = gad7().scores[0]

    def judge(baseline: int, now: int) -> Badge | None:
        points = [
            point(value, at, score_id="gad-7-total", edition=None)
            for value, at in ((baseline, "2026-01-12"), (now, "2026-02-12"))
        ]
        change = measure_change(definition, points[:1], points[1], alert_open=False).since_baseline
        assert change is not None
        return change.badge

    assert judge(9, 4) is Badge.NO_RELIABLE_CHANGE
    assert judge(10, 4) is Badge.REMISSION
    assert judge(12, 6) is Badge.RESPONSE
    # "or total below 10" of the same source is not taken: it would flatter.
    assert judge(11, 9) is Badge.NO_RELIABLE_CHANGE


def test_a_site_can_choose_another_published_figure_and_no_other() -> None:
    definition = gad7().scores[0].choose_change(ChangeKind.RELIABLE, "nhs-talking-therapies")
    chosen = definition.find_change(ChangeKind.RELIABLE)
    assert chosen is not None
    assert chosen.points == 4
    with pytest.raises(UnknownFigure):
        definition.choose_change(ChangeKind.RELIABLE, "of-our-own")


NOW = point(12, "2026-11-23")


@pytest.mark.parametrize(
    "stranger",
    [
        point(20, "2026-01-12", informant=Informant.PROXY),
        point(20, "2026-01-12", informant=Informant.ASSISTED),
        point(20, "2026-01-12", edition="https://smart-screening.org/fhir/Questionnaire/phq-9|2"),
        point(20, "2026-01-12", score_id="gad-7-total"),
        point(20, "2026-01-12", status="preliminary"),
        point(20, "2026-01-12", status="entered-in-error"),
        point(20, "2026-01-12", status="cancelled"),
        point(20, "2026-11-23"),
        point(20, "2026-12-01"),
    ],
)
def test_only_earlier_final_results_of_one_informant_and_edition_make_a_series(stranger: Point) -> None:
    report = measure_change(PHQ9, [stranger], NOW, alert_open=False)
    assert (report.since_last, report.since_baseline) == (None, None)
    by_hand = measure_change(PHQ9, [stranger], NOW, alert_open=False, baseline=stranger)
    assert by_hand.since_baseline is None


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_a_result_of_unrecorded_informant_is_compared_and_marked_so(status: str) -> None:
    foreign = point(20, "2026-01-12", informant=None, edition=None, source=Source.CHART, status=status)
    last = measure_change(PHQ9, [foreign], NOW, alert_open=False).since_last
    assert last is not None
    assert last.assumed_series
    assert (
        measure_change(PHQ9, [foreign], point(12, "2026-11-23", informant=Informant.PROXY), alert_open=False).since_last
        is None
    )


def test_the_baseline_is_the_earliest_unless_a_clinician_set_one() -> None:
    points = [point(10, "2026-10-12"), point(19, "2026-01-12"), point(15, "2026-05-01")]
    report = measure_change(PHQ9, points, NOW, alert_open=False)
    assert report.since_last is not None
    assert report.since_last.baseline.value == 10
    assert report.since_baseline is not None
    assert report.since_baseline.baseline.value == 19
    chosen = measure_change(PHQ9, points, NOW, alert_open=False, baseline=points[2])
    assert chosen.since_baseline is not None
    assert chosen.since_baseline.baseline.value == 15


def test_percent_is_of_the_baseline_and_none_from_zero() -> None:
    assert since(19, 13)[1].percent == -32
    assert since(0, 3)[1].percent is None


def test_only_identical_results_of_one_event_are_folded() -> None:
    ours = point(13, "2026-11-23T10:38:00-05:00")
    chart = point(13, "2026-11-23T15:38:00Z", source=Source.CHART, informant=None, edition=None)
    assert fold_points([chart, ours]) == (ours,)
    assert fold_points([ours, chart]) == (ours,)
    other = point(14, "2026-11-23T15:38:00Z", source=Source.CHART)
    assert set(fold_points([ours, other])) == {ours, other}
    proxy = point(13, "2026-11-23T15:38:00Z", informant=Informant.PROXY)
    assert set(fold_points([ours, proxy])) == {ours, proxy}


def test_without_a_published_figure_there_are_points_only() -> None:
    last = measure_change(replace(PHQ9, changes=()), [point(19, "2026-01-12")], NOW, alert_open=False).since_baseline
    assert last is not None
    assert (last.delta, last.badge, last.threshold, last.withheld) == (-7, None, None, False)
    assert set(verdicts(last).values()) == {Verdict.NO_FIGURE}
    assert all(judgement.threshold is None for judgement in last.judgements)


def test_each_kind_of_figure_is_judged_on_its_own_with_its_citation() -> None:
    last, whole = since(20, 15)
    assert verdicts(last) == {ChangeKind.RELIABLE: Verdict.NOT_REACHED, ChangeKind.MINIMAL_IMPORTANT: Verdict.BETTER}
    assert verdicts(whole) == {
        **verdicts(last),
        ChangeKind.RESPONSE: Verdict.NOT_REACHED,
        ChangeKind.REMISSION: Verdict.NOT_REACHED,
    }
    cited = [judgement.threshold.citation for judgement in whole.judgements if judgement.threshold is not None]
    assert [words.split()[0] for words in cited] == ["NHS", "Loewe", "HEDIS", "HEDIS"]
    assert verdicts(since(10, 16)[0]) == {
        ChangeKind.RELIABLE: Verdict.WORSE,
        ChangeKind.MINIMAL_IMPORTANT: Verdict.WORSE,
    }


@given(st.integers(0, 9), st.integers(0, 27))
def test_below_the_cutoff_response_and_remission_do_not_apply(baseline: int, now: int) -> None:
    judged = verdicts(since(baseline, now)[1])
    assert (judged[ChangeKind.RESPONSE], judged[ChangeKind.REMISSION]) == (Verdict.LOW_BASELINE, Verdict.LOW_BASELINE)


@pytest.mark.parametrize(
    ("baseline", "now", "verdict"), [(20, 17, "not-reached"), (20, 16, "better"), (10, 12, "worse")]
)
def test_a_figure_relative_to_the_baseline_is_read_so(baseline: int, now: int, verdict: str) -> None:
    definition = PHQ9.choose_change(ChangeKind.MINIMAL_IMPORTANT, "kounali-2022")
    last = measure_change(definition, [point(baseline, "2026-01-12")], point(now, "2026-11-23"), alert_open=False)
    assert last.since_last is not None
    assert verdicts(last.since_last)[ChangeKind.MINIMAL_IMPORTANT] == verdict


@pytest.mark.parametrize("which", ["baseline", "current"])
def test_a_prorated_total_is_never_the_ground_of_a_favorable_judgement(which: str) -> None:
    before, now = point(20, "2026-01-12"), point(4, "2026-11-23")
    if which == "baseline":
        before = replace(before, prorated=True)
    else:
        now = replace(now, prorated=True)
    whole = measure_change(PHQ9, [before], now, alert_open=False).since_baseline
    assert whole is not None
    assert (whole.badge, whole.withheld, whole.prorated, whole.delta) == (None, True, True, -16)


def test_the_charts_copy_of_what_this_app_wrote_folds_by_its_reference() -> None:
    ours = point(13, "2026-11-23T10:38:00-05:00", informant=Informant.ASSISTED, reference="Observation/7")
    copy = point(13, "2026-11-23", source=Source.CHART, edition=None, reference="Observation/7")
    assert fold_points([copy, ours]) == (ours,)
    corrected = replace(copy, value=11)
    assert set(fold_points([corrected, ours])) == {corrected, ours}


def test_where_more_is_better_a_rise_is_the_better_way() -> None:
    definition = replace(PHQ9, higher_is_better=True)
    last = measure_change(definition, [point(10, "2026-01-12")], point(20, "2026-11-23"), alert_open=False)
    assert last.since_baseline is not None
    assert last.since_baseline.badge is Badge.RELIABLE_IMPROVEMENT
    assert verdicts(last.since_baseline)[ChangeKind.REMISSION] is Verdict.NO_FIGURE
    fallen = measure_change(definition, [point(20, "2026-01-12")], point(1, "2026-11-23"), alert_open=False)
    assert fallen.since_baseline is not None
    assert fallen.since_baseline.badge is Badge.WORSENING
