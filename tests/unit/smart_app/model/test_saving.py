"""In whatever order saves arrive, a page's last word stands, and no page overwrites what it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from smart_app.model.identity import PatientKey, User
from smart_app.model.saving import IncomingAnswer, SaveKind, SaveResult, save_answer
from smart_app.model.screening import Giving, SavedStatus, Screening, ScreeningState

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
NURSE = User(issuer="https://ehr.example", subject="nurse", fhir_user="Practitioner/nurse", name="nurse")
DRAFT = Screening(
    id=UUID(int=1),
    patient=PatientKey(ehr_id="clinic", tenant="", patient_id="1"),
    instrument_id="phq-9",
    canonical="https://example.org/Questionnaire/phq-9|1.0.0",
    state=ScreeningState.IN_PROGRESS,
    giving=Giving(informant="patient", relationship=None, mode="interview", administered_by="nurse", language="en"),
    encounter_id=None,
    started_by=NURSE,
    started_at=NOW,
    updated_at=NOW,
)
ITEM = "phq9-9"
WORDS = st.sampled_from(["0", "1", "declined", ""])


def save_of(
    word: str, sequence: int, *, device: str = "page", seen: int = 0, whole_form: bool = False
) -> IncomingAnswer:
    status = {"": SavedStatus.CLEARED, "declined": SavedStatus.DECLINED}.get(word, SavedStatus.ANSWERED)
    return IncomingAnswer(
        link_id=ITEM,
        status=status,
        code=word if status is SavedStatus.ANSWERED else None,
        device=device,
        sequence=sequence,
        seen_version=seen,
        whole_form=whole_form,
    )


def arrive(screening: Screening, incoming: IncomingAnswer) -> SaveResult:
    return save_answer(screening, incoming, now=NOW, user=NURSE)


def arrive_all(screening: Screening, saves: Sequence[IncomingAnswer]) -> Screening:
    for incoming in saves:
        screening = arrive(screening, incoming).screening
    return screening


def word_at(screening: Screening, version: int) -> str:
    """What the item said at a version; "" before the first."""
    history = screening.history(ITEM)
    saved = history[version - 1] if 0 < version <= len(history) else None
    if saved is None or saved.status is SavedStatus.CLEARED:
        return ""
    return saved.code or "declined"


def standing(screening: Screening) -> str:
    return word_at(screening, len(screening.history(ITEM)))


@given(data=st.data(), words=st.lists(WORDS, min_size=1, max_size=6), before=st.none() | WORDS)
def test_in_any_order_of_arrival_the_last_word_of_one_page_stands(
    data: st.DataObject, words: list[str], before: str | None
) -> None:
    draft = DRAFT if before is None else arrive_all(DRAFT, [save_of(before, 1, device="an earlier page")])
    shown = len(draft.history(ITEM))
    saves = [save_of(word, sequence, seen=shown) for sequence, word in enumerate(words, start=1)]
    again = data.draw(st.lists(st.sampled_from(saves), max_size=3))
    arrived = data.draw(st.permutations([*saves, *again]))
    end = arrive_all(draft, arrived)
    assert standing(end) == words[-1]
    assert [saved.version for saved in end.history(ITEM)] == list(range(1, len(end.history(ITEM)) + 1))


def test_an_answer_restated_outlives_the_one_that_it_took_back() -> None:
    end = arrive_all(DRAFT, [save_of("1", 1), save_of("1", 3, seen=1), save_of("0", 2, seen=1)])
    assert standing(end) == "1"


def test_an_answer_taken_back_before_it_arrived_stays_taken_back() -> None:
    end = arrive_all(DRAFT, [save_of("", 2), save_of("1", 1)])
    assert standing(end) == ""
    assert end.told_history(ITEM) == ()


@given(
    sent=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), WORDS, st.integers(1, 8), st.integers(0, 8), st.booleans()), max_size=10
    )
)
def test_two_pages_overwrite_nothing_unseen(sent: list[tuple[str, str, int, int, bool]]) -> None:
    screening = DRAFT
    for device, word, sequence, seen, whole_form in sent:
        stood, its_own = standing(screening), {s.version for s in screening.history(ITEM) if s.device == device}
        result = arrive(screening, save_of(word, sequence, device=device, seen=seen, whole_form=whole_form))
        if stood and standing(result.screening) != stood:
            known = {word_at(screening, version) for version in (*its_own, min(seen, len(screening.history(ITEM))))}
            assert stood in known
        if result.kind in {SaveKind.CONFLICT, SaveKind.LATE}:
            assert result.screening is screening
        assert result.screening.history(ITEM)[: len(screening.history(ITEM))] == screening.history(ITEM)
        screening = result.screening


def test_a_page_that_restated_what_another_saved_does_not_take_it_away_from_that_one() -> None:
    shared = arrive_all(DRAFT, [save_of("1", 1, device="a"), save_of("1", 1, device="b", seen=1)])
    assert len(shared.history(ITEM)) == 2
    assert arrive(shared, save_of("0", 2, device="a", seen=1)).kind is SaveKind.SAVED
    other = arrive(shared, save_of("0", 1, device="c", seen=0))
    assert (other.kind, standing(other.screening)) == (SaveKind.CONFLICT, "1")


def test_a_whole_form_outlives_the_older_saves_of_its_page_that_it_took_back() -> None:
    saved = arrive_all(DRAFT, [save_of("1", 1), save_of("1", 3, whole_form=True)])
    late = arrive(saved, save_of("0", 2, seen=1))
    assert (late.kind, standing(late.screening)) == (SaveKind.LATE, "1")
    assert arrive(saved, save_of("0", 2, device="another page", seen=1)).kind is SaveKind.SAVED
    assert arrive(saved, save_of("0", 4, seen=1)).kind is SaveKind.SAVED


def test_of_two_whole_forms_with_one_number_the_later_to_arrive_stands() -> None:
    end = arrive_all(DRAFT, [save_of("1", 1, whole_form=True), save_of("0", 1, seen=1, whole_form=True)])
    assert standing(end) == "0"


def test_the_whole_form_posted_again_and_again_adds_no_version_and_history_folds_what_is_restated() -> None:
    restated = arrive_all(DRAFT, [save_of("1", 1), save_of("1", 2, seen=1), save_of("0", 3, seen=2), save_of("1", 4)])
    assert [saved.version for saved in restated.history(ITEM)] == [1, 2, 3, 4]
    assert [saved.version for saved in restated.told_history(ITEM)] == [1, 3, 4]
    posted = arrive_all(restated, [save_of("1", sequence, whole_form=True) for sequence in range(5, 9)])
    assert posted.answers == restated.answers
    assert [one.sequence for one in posted.restated] == [8]
