"""A Questionnaire that is none of ours: read, answered, written as a response and read back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mappings.answers import Answer, AnswerStatus, is_enabled, keep_enabled
from fhir_mappings.errors import MalformedInstrument, Severity, UnfitAnswer, UnknownOption
from fhir_mappings.instrument import Instrument, ScoreKind
from fhir_mappings.item_answer import format_answer_text, parse_answer_text, say_values
from fhir_mappings.questionnaire_response import build_response
from fhir_mappings.r4 import Json, format_json
from fhir_mappings.r4_shape import check_r4
from fhir_mappings.response import parse_response
from fhir_mappings.score_definition import UNBOUNDED
from fhir_mappings.scoring import score_answers
from fhir_mappings.site_questionnaire import check_site_instrument, parse_site_instrument
from tests.unit.fhir_mappings.any_questionnaire import SLEEP, answered, any_answers, changed, find_item, sleep
from tests.unit.fhir_mappings.factories import administration, signed_result

SYSTEM = "https://clinic.example/fhir/CodeSystem/sleep"
MG = {"code": "mg", "system": "http://unitsofmeasure.org"}


def respond(instrument: Instrument, answers: dict[str, Answer]) -> Json:
    return build_response(
        instrument,
        answers,
        status="completed",
        subject=signed_result(instrument, {}).patient.party,
        encounter=None,
        administration=administration(),
        report=score_answers(instrument, answers).value,
    )


def test_the_sample_is_a_questionnaire_of_r4() -> None:
    check_r4(json.loads(SLEEP))


def test_items_stand_in_print_order_however_deep_their_groups() -> None:
    assert [item.link_id for item in sleep().items] == [
        "troubled", "bad-nights", "worry", "wake-time", "rested", "helps", "snore", "snore-who", "caffeine", "since",
        "last-bad", "medicines", "words", "edition",
    ]  # fmt: skip
    wake = sleep().by_link_id["wake-time"]
    assert wake.parents == ("nights", "waking")
    assert wake.headings == ("Waking up", "On a usual working day.")
    assert sleep().instruction == "Please think of the last four weeks."
    assert sleep().by_link_id["troubled"].headings == ("Your nights",)


def test_options_of_a_contained_value_set_have_its_words_and_weights() -> None:
    options = sleep().by_link_id["worry"].options
    assert [(option.coding.code, option.text, option.weight) for option in options] == [
        ("none", "Not at all", 0),
        ("some", "Somewhat", 1),
        ("much", "Very much", 2),
    ]


def test_a_bare_questionnaire_publishes_no_band_cut_off_or_risk_rule_and_none_is_made_up() -> None:
    instrument = sleep()
    assert instrument.risk_rules == ()
    assert [(score.id, score.bands, score.cutoffs, score.range) for score in instrument.scores] == [
        ("snore-score", (), (), UNBOUNDED),
        ("burden", (), (), UNBOUNDED),
    ]
    assert instrument.suicide_notice == "This form comes without risk rules: no answer raises an alert."
    report = score_answers(instrument, answered(instrument, snore="often", troubled="false")).value
    assert report.to_json()["scores"][0] == {
        "id": "snore-score",
        "code": {"system": SYSTEM, "code": "snore-score", "display": "Snoring and worry"},
        "value": 2,
        "range": [None, None],
        "bounds": [2, 2],
        "band": None,
        "positive": None,
    }  # fmt: skip


def test_a_score_whose_items_are_open_is_not_known_whatever_the_rest_adds_up_to() -> None:
    answers = answered(sleep(), troubled="true", bad_nights="4", snore="often")
    snoring, burden = score_answers(sleep(), answers).value.to_json()["scores"]
    assert (snoring["value"], snoring["bounds"]) == (None, [None, None])
    assert burden["value"] is None


def test_a_score_may_build_on_another_and_on_a_variable() -> None:
    answers = answered(sleep(), troubled="true", bad_nights="4", worry="some", snore="often")
    assert [score.value for score in score_answers(sleep(), answers).value.scores] == [3, 9]


def test_a_disabled_item_is_not_waited_for() -> None:
    answers = answered(sleep(), troubled="true", bad_nights="2", snore="never")
    assert [score.value for score in score_answers(sleep(), answers).value.scores] == [0, 3]


def test_a_sum_that_says_just_that_is_added_up_natively_with_bounds() -> None:
    asked = "linkId in ('snore' | 'worry')"
    answers_of_both = f"%resource.item.where({asked}).answer"

    def rewrite(value: Json) -> None:
        worry = find_item(value, "worry")
        find_item(value, "nights")["item"].remove(worry)
        worry.pop("enableWhen")
        value["item"].insert(1, worry)
        score = find_item(value, "snore-score")
        score["extension"][1]["valueExpression"]["expression"] = (
            f"iif({answers_of_both}.count() = 2, {answers_of_both}.value.weight().sum(), {{}})"
        )

    instrument = parse_site_instrument(changed(rewrite))
    assert instrument.scores[0].kind is ScoreKind.EXPRESSION  # items in another order than the form's
    asked = "linkId in ('worry' | 'snore')"
    answers_of_both = f"%resource.item.where({asked}).answer"
    instrument = parse_site_instrument(changed(rewrite))
    assert (instrument.scores[0].kind, instrument.scores[0].range) == (ScoreKind.SUM, (0, 4))
    assert score_answers(instrument, answered(instrument, snore="often")).value.scores[0].bounds == (2, 4)


@settings(max_examples=60)
@given(any_answers(sleep()))
def test_what_is_written_is_of_r4_shape_and_reads_back_the_same(answers: dict[str, Answer]) -> None:
    written = respond(sleep(), answers)
    check_r4(written)
    read = parse_response(format_json(written).encode(), sleep())
    assert read.issues == ()
    assert dict(read.value.answers) == dict(keep_enabled(sleep().items, answers))


@settings(max_examples=60)
@given(any_answers(sleep()))
def test_the_text_of_a_page_says_every_answer(answers: dict[str, Answer]) -> None:
    for link_id, answer in answers.items():
        item = sleep().by_link_id[link_id]
        if answer.given:
            assert parse_answer_text(item, format_answer_text(item, answer.given)) == answer.given


def test_a_response_has_the_shape_of_the_questionnaires_groups() -> None:
    answers = answered(
        sleep(), troubled="true", bad_nights="3", worry="much", wake_time="06:30", snore="often", snore_who="my wife"
    )
    written = respond(sleep(), answers)
    nights = written["item"][0]
    assert [one["linkId"] for one in nights["item"]] == ["troubled", "bad-nights", "worry", "waking"]
    assert nights["item"][3]["item"][0]["answer"] == [{"valueTime": "06:30:00"}]
    snore = find_item(written, "snore")
    assert snore["answer"][0]["item"][0]["answer"] == [{"valueString": "my wife"}]
    assert find_item(written, "burden")["answer"] == [{"valueDecimal": 4.5 + 4}]
    assert find_item(written, "snore-score")["answer"] == [{"valueInteger": 4}]


def test_what_follows_from_a_question_is_asked_only_once_that_is_answered() -> None:
    who = sleep().by_link_id["snore-who"]
    assert not is_enabled(who, {})
    assert is_enabled(who, answered(sleep(), snore="never"))


def test_an_answer_of_a_disabled_item_enables_nothing() -> None:
    stale = answered(sleep(), troubled="false", bad_nights="5", worry="much", wake_time="06:30")
    assert keep_enabled(sleep().items, stale).keys() == {"troubled"}


@pytest.mark.parametrize(
    ("operator", "limit", "nights", "enabled"),
    [
        (">", 3, "4", True), (">", 3, "3", False), ("<", 3, "2", True), ("<", 3, "3", False),
        (">=", 3, "3", True), (">=", 3, "2", False), ("<=", 3, "3", True), ("<=", 3, "4", False),
        ("=", 3, "3", True), ("=", 3, "4", False), ("!=", 3, "4", True), ("!=", 3, "3", False),
        (">", 3, None, False), ("<", 3, None, False), ("!=", 3, None, False),
    ],
)  # fmt: skip
def test_each_operator_compares_numbers(operator: str, limit: int, nights: str | None, enabled: bool) -> None:
    condition = {"question": "bad-nights", "operator": operator, "answerInteger": limit}
    instrument = parse_site_instrument(changed(lambda q: find_item(q, "since").update(enableWhen=[condition])))
    answers = {} if nights is None else answered(instrument, bad_nights=nights)
    assert is_enabled(instrument.by_link_id["since"], answers) is enabled


@pytest.mark.parametrize(
    ("link_id", "condition", "given", "enabled"),
    [
        ("since", {"operator": "<", "answerDate": "2020-06-01"}, "2019-12-31", True),
        ("since", {"operator": "<", "answerDate": "2020-06-01"}, "2020", False),
        ("since", {"operator": ">=", "answerDate": "2020"}, "2021-01-01", True),
        ("wake-time", {"operator": "<=", "answerTime": "06:00:00"}, "05:59", True),
        ("wake-time", {"operator": "<=", "answerTime": "06:00:00"}, "06:01", False),
        ("last-bad", {"operator": ">", "answerDateTime": "2026-01-01T10:00:00Z"}, "2026-01-01T12:00:00+01:00", True),
        ("caffeine", {"operator": ">", "answerQuantity": {"value": 100, **MG}}, "101 mg", True),
        ("caffeine", {"operator": ">", "answerQuantity": {"value": 1, **MG}}, "5 {cup}", False),
        ("troubled", {"operator": "!=", "answerBoolean": True}, "false", True),
        ("helps", {"operator": "=", "answerString": "milk"}, "tea\nother:milk", True),
        ("helps", {"operator": "!=", "answerString": "milk"}, "tea\nother:milk", False),
        ("words", {"operator": "exists", "answerBoolean": True}, "yes", True),
    ],
)  # fmt: skip
def test_each_type_can_be_asked_about(link_id: str, condition: Json, given: str, enabled: bool) -> None:
    condition = {"question": link_id, **condition}
    instrument = parse_site_instrument(changed(lambda q: find_item(q, "medicines").update(enableWhen=[condition])))
    item = instrument.by_link_id[link_id]
    values = parse_answer_text(item, given)
    answers = {link_id: Answer(link_id=link_id, status=AnswerStatus.ANSWERED, values=values)}
    assert is_enabled(instrument.by_link_id["medicines"], answers) is enabled


@pytest.mark.parametrize(
    ("link_id", "text"),
    [
        ("troubled", "yes"), ("bad-nights", "8"), ("bad-nights", "-1"), ("bad-nights", "2.5"), ("bad-nights", "two"),
        ("rested", "10.01"), ("rested", "1e2"), ("since", "2027-01-01"), ("since", "2020-13-01"),
        ("since", "2020-01-01T10:00:00Z"), ("wake-time", "25:00"), ("last-bad", "2026-01-01T10:00"),
        ("caffeine", "3 oz"), ("caffeine", "-1 mg"), ("caffeine", "mg"), ("snore-who", "x" * 41),
        ("words", "x" * 2001), ("words", "bell \x07"), ("words", "  "), ("medicines", "\n"),
    ],
)  # fmt: skip
def test_an_answer_outside_the_items_limits_is_refused(link_id: str, text: str) -> None:
    with pytest.raises(UnfitAnswer) as raised:
        parse_answer_text(sleep().by_link_id[link_id], text)
    assert raised.value.expression == link_id
    assert text not in str(raised.value)


@pytest.mark.parametrize(("link_id", "text"), [("snore", "sometimes"), ("helps", "milk"), ("worry", "other:much")])
def test_a_code_that_is_no_option_is_refused(link_id: str, text: str) -> None:
    with pytest.raises(UnknownOption):
        parse_answer_text(sleep().by_link_id[link_id], text)


@pytest.mark.parametrize(
    ("link_id", "text", "said"),
    [
        ("troubled", "true", "Yes"),
        ("snore", "often", "Often (2)"),
        ("helps", "walk\nother:milk", "An evening walk, milk"),
        ("caffeine", "80 mg", "80 mg"),
        ("wake-time", "06:30", "06:30"),
    ],
)
def test_answers_are_said_in_the_forms_own_words(link_id: str, text: str, said: str) -> None:
    item = sleep().by_link_id[link_id]
    assert say_values(item, parse_answer_text(item, text)) == said


@pytest.mark.parametrize(
    ("link_id", "answer", "code"),
    [
        ("bad-nights", [{"valueString": "three"}], "answer-type"),
        ("bad-nights", [{"valueInteger": 9}], "unfit-answer"),
        ("bad-nights", [{"valueInteger": 2**31}], "answer-type"),
        ("bad-nights", [{"valueInteger": 1}, {"valueInteger": 2}], "several-answers"),
        ("snore", [{"valueString": "often"}], "answer-type"),
        ("helps", [{"valueCoding": {"system": "x", "code": "tea"}}], "unknown-option"),
        ("caffeine", [{"valueQuantity": {"value": 3, "comparator": "<"}}], "answer-type"),
        ("since", [{"valueDate": "yesterday"}], "answer-type"),
        ("medicines", [{"valueString": "x" * 81}], "unfit-answer"),
    ],
)
def test_an_answer_from_outside_that_does_not_fit_is_an_issue_and_unanswered(
    link_id: str, answer: list[Any], code: str
) -> None:
    response = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": sleep().canonical,
        "status": "completed",
        "item": [{"linkId": "troubled", "answer": [{"valueBoolean": True}]}, {"linkId": link_id, "answer": answer}],
    }
    mapped = parse_response(response, sleep())
    assert [issue.code for issue in mapped.issues] == [code]
    assert link_id not in mapped.value.answers


def test_without_version_the_canonical_is_the_bare_url() -> None:
    instrument = parse_site_instrument(changed(lambda q: q.pop("version")))
    assert instrument.canonical == "https://clinic.example/fhir/Questionnaire/sleep-intake"


def test_the_id_can_be_given_by_whoever_keeps_it() -> None:
    assert parse_site_instrument(SLEEP, instrument_id="ehr-1").id == "ehr-1"


@settings(max_examples=150)
@given(st.data())
def test_a_questionnaire_broken_anywhere_is_refused_by_name_or_read(data: st.DataObject) -> None:
    value = json.loads(SLEEP)
    places: list[tuple[Any, Any]] = []
    stack: list[Any] = [value]
    while stack:
        one = stack.pop()
        keys = list(one) if isinstance(one, dict) else list(range(len(one)))
        places += [(one, key) for key in keys]
        stack += [one[key] for key in keys if isinstance(one[key], dict | list)]
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(st.sampled_from([None, 1, "x", "", True, [], {}, [1], [{}], {"a": 1}]))
    refused = [issue for issue in check_site_instrument(json.dumps(value).encode()) if issue.severity is Severity.ERROR]
    if refused:
        with pytest.raises(MalformedInstrument) as raised:
            parse_site_instrument(json.dumps(value).encode())
        assert raised.value.expression == refused[0].expression
    else:
        assert parse_site_instrument(json.dumps(value).encode()).items


def test_without_scores_each_choice_that_is_asked_for_is_needed() -> None:
    def unscore(questionnaire: Json) -> None:
        questionnaire["item"] = [
            {
                "linkId": link_id,
                "type": item_type,
                "text": "Any?",
                **(
                    {"answerOption": [{"valueCoding": {"system": SYSTEM, "code": code}} for code in "ab"]}
                    if options
                    else {}
                ),
            }
            for link_id, item_type, options in (
                ("one", "choice", True),
                ("many", "choice", True),
                ("words", "text", False),
            )
        ]
        questionnaire["item"][1]["repeats"] = True

    instrument = parse_site_instrument(changed(unscore))
    report = score_answers(instrument, {}).value
    assert (instrument.scores, report.complete, report.unanswered) == ((), False, ("one", "many"))
