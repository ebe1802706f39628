"""Safety rule 6: late saves are ignored, conflicts shown, differences at hand-in asked about; nothing is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smart_app.model.audit import AuditAction
from smart_app.model.saving import IncomingAnswer, SaveKind
from smart_app.model.screening import SavedStatus, Screening, ScreeningState
from smart_app.screening import workflow
from smart_app.services import Acting
from smart_app.storage.errors import StaleVersion
from smart_app.storage.screenings import Screenings
from tests.fakes.clinic import OKAFOR, PHQ9, Clinic, code_of, open_clinic, phq9


def _save(link_id: str, weight: int, *, device: str, sequence: int, seen: int) -> IncomingAnswer:
    return IncomingAnswer(
        link_id=link_id,
        status=SavedStatus.ANSWERED,
        code=code_of(link_id, weight),
        device=device,
        sequence=sequence,
        seen_version=seen,
    )


def test_rule_6_a_save_that_arrives_late_does_not_undo_a_newer_one(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    newer = _save("phq9-1", 3, device="a", sequence=2, seen=0)
    older = _save("phq9-1", 1, device="a", sequence=1, seen=0)
    workflow.save_answers(clinic.app, who, screening_id, [newer])
    report = workflow.save_answers(clinic.app, who, screening_id, [older])
    assert [save.kind for save in report.saves] == [SaveKind.LATE]
    assert report.saves[0].code == code_of("phq9-1", 3)
    assert clinic.screening(screening_id).current("phq9-1").code == code_of("phq9-1", 3)


def test_rule_6_two_devices_conflict_is_shown_and_nothing_overwritten(clinic: Clinic) -> None:
    who, other = clinic.launch("pt-01"), clinic.launch("pt-01")
    screening_id = clinic.start(who)
    workflow.save_answers(clinic.app, who, screening_id, [_save("phq9-1", 3, device="a", sequence=1, seen=0)])
    report = workflow.save_answers(
        clinic.app, other, screening_id, [_save("phq9-1", 0, device="b", sequence=1, seen=0)]
    )
    assert [save.kind for save in report.saves] == [SaveKind.CONFLICT]
    assert clinic.screening(screening_id).current("phq9-1").code == code_of("phq9-1", 3)
    assert len(clinic.audited(AuditAction.ANSWER_CONFLICT)) == 1


def test_rule_6_a_difference_at_hand_in_is_asked_about_and_the_answer_is_kept(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(1, 1, 1, 1, 1, 1, 1, 0, 0), device="a")
    stale = clinic.posted(screening_id, device="b")
    clinic.save(who, screening_id, {"phq9-1": 3}, device="c")
    result = workflow.hand_in(clinic.app, who, screening_id, stale)
    assert not result.handed_in
    assert [(d.link_id, d.posted, d.saved_code) for d in result.differences] == [
        ("phq9-1", "Several days (1)", code_of("phq9-1", 3))
    ]
    assert clinic.screening(screening_id).state is ScreeningState.IN_PROGRESS
    shown = {"phq9-1": result.differences[0].saved_version}
    kept = replace(stale, keep={"phq9-1": "posted"}, keep_seen=shown)
    assert workflow.hand_in(clinic.app, who, screening_id, kept).handed_in
    assert clinic.screening(screening_id).current("phq9-1").code == code_of("phq9-1", 1)


def test_rule_6_keeping_the_saved_answer_hands_that_one_in(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(1, 1, 1, 1, 1, 1, 1, 0, 0), device="a")
    stale = clinic.posted(screening_id, device="b")
    clinic.save(who, screening_id, {"phq9-1": 3}, device="c")
    kept = replace(stale, keep={"phq9-1": "saved"}, keep_seen={"phq9-1": 2})
    assert workflow.hand_in(clinic.app, who, screening_id, kept).handed_in
    assert clinic.screening(screening_id).current("phq9-1").code == code_of("phq9-1", 3)


def test_rule_6_an_answer_to_an_older_question_is_asked_again(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(1, 1, 1, 1, 1, 1, 1, 0, 0), device="a")
    stale = clinic.posted(screening_id, device="b")
    clinic.save(who, screening_id, {"phq9-1": 3}, device="c")
    clinic.save(who, screening_id, {"phq9-1": 2}, device="c")
    kept = replace(stale, keep={"phq9-1": "posted"}, keep_seen={"phq9-1": 2})
    assert [d.saved_version for d in workflow.hand_in(clinic.app, who, screening_id, kept).differences] == [3]


def test_rule_6_leaving_an_item_out_never_takes_a_saved_answer_back(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(1, 1, 1, 1, 1, 1, 1, 0, 0), device="page-1")
    posted = clinic.posted(screening_id)
    without = {link_id: code for link_id, code in posted.codes.items() if link_id != "phq9-4"}
    result = workflow.hand_in(clinic.app, who, screening_id, replace(posted, codes=without))
    assert [d.link_id for d in result.differences] == ["phq9-4"]
    assert clinic.screening(screening_id).current("phq9-4").code == code_of("phq9-4", 1)


def test_rule_6_two_notes_saved_at_once_do_not_overwrite_each_other(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.give(who, phq9(1, 1, 1, 1, 1, 1, 1, 0, 0))
    note = workflow.view_review(clinic.app, who, screening_id).note
    workflow.save_note(clinic.app, who, screening_id, note.text + "one", note.version)
    with pytest.raises(StaleVersion):
        workflow.save_note(clinic.app, who, screening_id, note.text + "two", note.version)
    assert workflow.view_review(clinic.app, who, screening_id).note.text.endswith("one")


def test_rule_6_what_was_saved_is_there_after_a_relaunch(clinic: Clinic) -> None:
    who = clinic.launch("pt-01", OKAFOR)
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(2, 1))
    workflow.log_out(clinic.app, who)
    form = workflow.view_form(clinic.app, clinic.launch("pt-01", OKAFOR), screening_id)
    chosen = [option.label for item in form.items for option in item.options if option.chosen]
    assert chosen == ["More than half the days", "Several days"]


SAVES = st.lists(
    st.tuples(
        st.sampled_from(["phq9-1", "phq9-9"]),
        st.integers(0, 3),
        st.sampled_from(["a", "b", "c"]),
        st.integers(1, 6),
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder: Path = tmp_path_factory.mktemp("rule-6")
    with open_clinic(folder) as clinic:
        yield clinic, clinic.launch()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(saves=SAVES)
def test_rule_6_and_4_in_any_order_of_saves_history_only_grows_and_a_risk_answer_has_its_alert(
    shared: tuple[Clinic, Acting], saves: list[tuple[str, int, str, int, int]]
) -> None:
    clinic, who = shared
    screening_id = clinic.start(who)
    before = clinic.screening(screening_id).answers
    for link_id, weight, device, sequence, seen in saves:
        save = _save(link_id, weight, device=device, sequence=sequence, seen=seen)
        workflow.save_answers(clinic.app, who, screening_id, [save])
        after = clinic.screening(screening_id).answers
        assert after[: len(before)] == before
        before = after
    risky = any(link_id == "phq9-9" and weight > 0 for link_id, weight, *_ in saves)
    assert len(clinic.alerts(screening_id)) == int(risky)
    workflow.stop_screening(clinic.app, who, screening_id, "next example")


def test_rule_6_saves_at_the_same_moment_are_all_kept_and_open_one_alert(clinic: Clinic) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    saves = [_save(link_id, 1, device=f"page-{link_id}", sequence=1, seen=0) for link_id in PHQ9]
    saves += [_save("phq9-9", 1, device=f"other-{number}", sequence=1, seen=0) for number in range(3)]
    with ThreadPoolExecutor(len(saves)) as pool:
        reports = list(pool.map(lambda save: workflow.save_answers(clinic.app, who, screening_id, [save]), saves))
    assert len(reports) == len(saves)
    assert set(clinic.screening(screening_id).current_answers()) == set(PHQ9)
    assert len(clinic.alerts(screening_id)) == 1
    with clinic.app.units.read() as unit:
        assert unit.audit.verify().is_intact


@pytest.mark.parametrize("race", ["save", "hand in"])
def test_rule_6_a_save_that_another_page_overtook_is_decided_again_on_what_stands(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, race: str
) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(1, 1, 1, 1, 1, 1, 1, 0))
    posted = clinic.posted(screening_id, codes={"phq9-9": code_of("phq9-9", 1)})
    real = Screenings.save
    lost: list[int] = []

    def overtaken(self: Screenings, screening: Screening) -> Screening:
        if len(lost) < 2:
            lost.append(screening.version)
            raise StaleVersion(field="screening")
        return real(self, screening)

    monkeypatch.setattr(Screenings, "save", overtaken)
    if race == "save":
        clinic.save(who, screening_id, {"phq9-9": 1})
    else:
        assert workflow.hand_in(clinic.app, who, screening_id, posted).handed_in
    assert len(lost) == 2
    assert len(clinic.screening(screening_id).history("phq9-9")) == 1
    assert len(clinic.alerts(screening_id)) == 1


def test_rule_6_a_hand_in_that_is_overtaken_each_time_says_so_and_keeps_what_stood(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = clinic.launch()
    screening_id = clinic.start(who)
    clinic.save(who, screening_id, phq9(1, 1, 1, 1, 1, 1, 1, 0, 0))
    posted = clinic.posted(screening_id)

    def overtaken(_self: Screenings, _screening: Screening) -> Screening:
        raise StaleVersion(field="screening")

    with monkeypatch.context() as patched:
        patched.setattr(Screenings, "save", overtaken)
        with pytest.raises(StaleVersion):
            workflow.hand_in(clinic.app, who, screening_id, posted)
    assert clinic.screening(screening_id).state is ScreeningState.IN_PROGRESS
    assert workflow.hand_in(clinic.app, who, screening_id, posted).handed_in
