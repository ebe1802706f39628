"""Random answers to every instrument: the whole report is the one that the fact file's own model works out."""

from random import Random

import pytest

from fhir_mappings.response import parse_response
from fhir_mappings.scores import PatientFacts
from fhir_mappings.scoring import score_answers
from tests.golden.expected_scores import build_expected_score, build_golden_response, expected_score
from tests.golden.published import DECLINED, Published, defined, read_published
from tests.unit.fhir_mappings.factories import instrument_of

SETS = 250


def random_answers(published: Published, random: Random) -> dict[str, int | str]:
    """Answers to what is asked; of some sets nearly all are answered, of others hardly any."""
    answers: dict[str, int | str] = {}
    open_share = random.choice((0, 0.02, 0.1, 0.3, 0.9))
    for item in published.items:
        if not published.is_asked(item, answers):
            continue
        if random.random() >= open_share:
            answers[item.link_id] = random.choice(item.options).value
        elif random.random() < 0.3:
            answers[item.link_id] = DECLINED
    return answers


@pytest.mark.parametrize("name", defined())
def test_the_report_is_the_expected_one_whatever_was_answered(name: str) -> None:
    instrument, published = instrument_of(name), read_published(name)
    random = Random(name)  # noqa: S311  # a repeatable choice, no secret
    for _ in range(SETS):
        given = random_answers(published, random)
        parsed = parse_response(build_golden_response(published, given), instrument)
        scored = score_answers(instrument, parsed.value.answers, handed_in=True)
        assert scored.value.to_json(parsed.issues + scored.issues) == build_expected_score(published, given), given


@pytest.mark.parametrize("name", [name for name in defined() if read_published(name).scores])
@pytest.mark.parametrize("gender", ["male", "female", "other", "unknown"])
def test_scores_by_sex_are_the_expected_ones(name: str, gender: str) -> None:
    instrument, published = instrument_of(name), read_published(name)
    random = Random(f"{name} {gender}")  # noqa: S311  # a repeatable choice, no secret
    known = gender if gender in {"male", "female"} else None
    for _ in range(SETS // 5):
        given = random_answers(published, random)
        answers = parse_response(build_golden_response(published, given), instrument).value.answers
        report = score_answers(instrument, answers, PatientFacts(gender=gender)).value.to_json()
        # Whom PHQ-15's fourth item need not apply to may decline it: then it is open, as for everybody.
        declined = {item.link_id for item in published.items if item.only_for and given.get(item.link_id) == DECLINED}
        if known is not None and declined:
            continue
        for score, printed in zip(published.scores, report["scores"], strict=False):
            assert printed == expected_score(published, score, given, gender=known), given
