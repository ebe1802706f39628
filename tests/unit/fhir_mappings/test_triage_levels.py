"""ASQ and C-SSRS: every combination of Yes, No, declined and unanswered has the level of the published rules.

The expected levels are written out independently in tests/golden/triage.py. C-SSRS ships without text: a site's own,
here invented wording, completes it.
"""

from collections.abc import Iterator
from itertools import product

import pytest

from fhir_mappings.response import parse_response
from fhir_mappings.scoring import score_answers
from tests.golden.expected_scores import build_golden_response, expected_alerts, level_of
from tests.golden.golden_cases import give_instrument
from tests.golden.published import DECLINED, Given, Published, read_published
from tests.golden.triage import ASQ_LEVELS, CSSRS_LEVELS, ExpectedLevel, expected_asq, expected_cssrs

CHOICES = (1, 0, DECLINED, None)
TRIAGE = ("asq", "c-ssrs-screener")


def combinations(published: Published) -> Iterator[dict[str, int | str]]:
    links = [item.link_id for item in published.items]
    for values in product(CHOICES, repeat=len(links)):
        yield {link_id: value for link_id, value in zip(links, values, strict=True) if value is not None}


def asked_only(published: Published, given: Given) -> dict[str, int | str]:
    """Drop answers to what the other answers do not call for."""
    kept: dict[str, int | str] = {}
    for item in published.items:
        if item.link_id in given and published.is_asked(item, kept):
            kept[item.link_id] = given[item.link_id]
    return kept


@pytest.mark.parametrize("name", TRIAGE)
def test_every_combination_has_the_published_level_alerts_and_open_items(name: str) -> None:
    instrument, published = give_instrument(name), read_published(name)
    seen = set()
    for given in combinations(published):
        parsed = parse_response(build_golden_response(published, given), instrument)
        answers, unasked = parsed.value.answers, parsed.value.unasked
        report = score_answers(instrument, answers, handed_in=True, unasked=unasked).value.to_json()
        kept = asked_only(published, given)
        assert (expected := level_of(published, given)) is not None
        assert report["scores"] == [expected.to_json()], given
        assert report["alerts"] == list(expected_alerts(published, given)), given
        open_items = [i.link_id for i in published.items if published.is_asked(i, kept)]
        assert report["unanswered"] == [i for i in open_items if not isinstance(kept.get(i), int)], given
        assert {issue.code for issue in parsed.issues} == ({"disabled-item"} if kept != given else set()), given
        seen.add((report["scores"][0]["value"], tuple(report["scores"][0]["bounds"])))
    assert len(seen) == {"asq": 5, "c-ssrs-screener": 9}[name]


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ((0, 0, 0, 0, None), ExpectedLevel(low=0, high=0, label=ASQ_LEVELS[0])),
        ((0, 0, 0, 0, 1), ExpectedLevel(low=0, high=2, label=None)),
        ((1, 0, 0, 0, 0), ExpectedLevel(low=1, high=1, label=ASQ_LEVELS[1])),
        ((0, DECLINED, 0, 0, 0), ExpectedLevel(low=1, high=1, label=ASQ_LEVELS[1])),
        ((0, 0, 1, 0, 1), ExpectedLevel(low=2, high=2, label=ASQ_LEVELS[2])),
        ((0, 0, 1, 0, DECLINED), ExpectedLevel(low=1, high=2, label="positive, acuity not known")),
        ((None,) * 5, ExpectedLevel(low=1, high=2, label="positive, acuity not known")),
    ],
)
def test_the_independent_asq_rules_say_what_the_card_says(given: tuple[object, ...], level: ExpectedLevel) -> None:
    answers = {f"asq-{n}": value for n, value in enumerate(given, 1) if value is not None}
    assert expected_asq(answers) == level  # type: ignore[arg-type]  # the values are the test's own


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({"1": 0, "2": 0, "6": 0}, ExpectedLevel(low=0, high=0, label=CSSRS_LEVELS[0])),
        ({}, ExpectedLevel(low=0, high=3, label=None)),
        ({"1": 1, "2": 0, "6": 0}, ExpectedLevel(low=1, high=1, label="low")),
        ({"1": 1}, ExpectedLevel(low=1, high=3, label="at least low, incomplete")),
        ({"1": 0, "2": 1, "3": 1, "4": 0, "5": 0, "6": 0}, ExpectedLevel(low=2, high=2, label="moderate")),
        ({"1": 0, "2": 0, "6": 1, "6a": 0}, ExpectedLevel(low=2, high=2, label="moderate")),
        ({"1": 0, "2": 0, "6": 1}, ExpectedLevel(low=3, high=3, label="high")),
        ({"2": 1, "4": 1}, ExpectedLevel(low=3, high=3, label="high")),
        ({"1": 0, "2": 0, "5": 1, "6": 0}, ExpectedLevel(low=0, high=3, label=None)),
        ({"1": 1, "2": 0, "5": 1, "6": 0}, ExpectedLevel(low=1, high=3, label="at least low, incomplete")),
        ({"2": 0, "5": 1, "6": 1}, ExpectedLevel(low=3, high=3, label="high")),
        ({"1": 0, "2": 0, "6": DECLINED}, ExpectedLevel(low=0, high=3, label=None)),
    ],
)
def test_the_independent_cssrs_rules_say_what_the_columbia_page_says(
    given: dict[str, int | str], level: ExpectedLevel
) -> None:
    assert expected_cssrs({f"cssrs-{number}": value for number, value in given.items()}) == level
