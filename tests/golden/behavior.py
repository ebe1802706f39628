"""What an instrument does, against what its fact file publishes: every difference, the cheapest to find first.

The product scores, extracts, enables, judges and chooses; what it should do comes from tests/golden alone. A mutated
instrument that still loads must show a difference here, or nothing proves that its figure is the published one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from itertools import product
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fhir_mappings.answers import Answers
from fhir_mappings.errors import MappingError
from fhir_mappings.extract import build_chart_resources, shapes_for
from fhir_mappings.instrument import ChangeThreshold, Instrument, ScoreDefinition
from fhir_mappings.judgement import judge_change
from fhir_mappings.response import parse_response
from fhir_mappings.risk import find_advice
from fhir_mappings.score_definition import ChangeKind
from fhir_mappings.scores import PatientFacts, Score
from fhir_mappings.scoring import score_answers
from fhir_mappings.site_choice import choose_cutoff
from tests.golden.expected_scores import (
    answer_coding,
    bounds,
    build_expected_score,
    build_golden_response,
    expected_action,
    expected_alerts,
    level_of,
    score_coding,
    screen,
)
from tests.golden.figures import PublishedFigure, figures_of
from tests.golden.golden_cases import sign_answers
from tests.golden.naming import AGED_CUTOFFS, AGES, EQUIVALENT_ANSWERS, LOCAL
from tests.golden.published import (
    LOINC,
    Given,
    Published,
    PublishedCutoff,
    PublishedItem,
    PublishedScore,
    read_published,
)
from tests.golden.vectors import find_answers, vectors

ON = date(2026, 11, 23)


def find_difference(instrument: Instrument, published: Published) -> str | None:
    """Give the first difference from what is published, None where there is none."""
    checks = (
        _ages,
        _golden,
        _cutoffs,
        _enabled,
        _combinations,
        _filled_in,
        _applies,
        _advised,
        _changes,
        _called_for,
        _equivalents,
        _written,
    )
    for check in checks:
        try:
            found = next(check(instrument, published), None)
        except MappingError as error:
            found = f"refused: {error.code} {error}"
        if found is not None:
            return f"{check.__name__.lstrip('_')}: {found}"
    return None


@cache
def _prepared(name: str) -> tuple[tuple[str, dict[str, Any], dict[str, Any]], ...]:
    published = read_published(name)
    return tuple(
        (case, build_golden_response(published, given), build_expected_score(published, given))
        for case, given in vectors(published).items()
    )


def _answers(instrument: Instrument, published: Published, given: Given) -> Answers:
    return parse_response(build_golden_response(published, given), instrument).value.answers


def _golden(instrument: Instrument, published: Published) -> Iterator[str]:
    """Whole output of `score` for every golden case."""
    for case, response, expected in _prepared(published.id):
        parsed = parse_response(response, instrument)
        scored = score_answers(instrument, parsed.value.answers, handed_in=parsed.value.handed_in)
        if scored.value.to_json(parsed.issues + scored.issues) != expected:
            yield case


def _ages(instrument: Instrument, published: Published) -> Iterator[str]:
    low, high = AGES[published.facts["population"]["value"]]
    for age in range(130):
        if instrument.fits_age(age) is not ((low is None or age >= low) and (high is None or age <= high)):
            yield f"{age} years"


def _cutoffs(instrument: Instrument, published: Published) -> Iterator[str]:
    """Each cut-off by itself and as a site may choose it, at both sides of it, for each sex and age that matters."""
    for score in published.scores:
        definition = instrument.get_score(score.id)
        if len(definition.cutoffs) != len(score.cutoffs):
            yield f"{score.id}: {len(definition.cutoffs)} cut-offs"
            return
        for cutoff, shipped in zip(score.cutoffs, definition.cutoffs, strict=True):
            alone = replace(definition, cutoffs=(replace(shipped, default=True),))
            for_all = cutoff.gender is None and (published.id, cutoff.at_least) not in AGED_CUTOFFS
            chosen = choose_cutoff(definition, cutoff.at_least)[0] if for_all else None
            for total in range(cutoff.at_least - score.factor, cutoff.at_least + score.factor + 1):
                given = find_answers(published, score, total)
                if given is None:
                    continue
                answers = _answers(instrument, published, given)
                for patient in _patients(published, cutoff):
                    positive = _score(instrument, alone, answers, patient).positive
                    if positive is not _expected_alone(published, cutoff, total, patient):
                        yield f"{score.id} {cutoff.at_least}, at {total}"
                if chosen is not None:
                    positive = _score(instrument, chosen, answers, PatientFacts()).positive
                    if positive is not cutoff.is_met(total):
                        yield f"{score.id} {cutoff.at_least} chosen, at {total}"
                for gender in ("male", "female", None):
                    positive = _score(instrument, definition, answers, PatientFacts(gender=gender)).positive
                    if positive is not screen(score, total, total, gender):
                        yield f"{score.id} {gender}, at {total}"


def _score(instrument: Instrument, definition: ScoreDefinition, answers: Answers, patient: PatientFacts) -> Score:
    (score,) = score_answers(replace(instrument, scores=(definition,)), answers, patient).value.scores
    return score


def _patients(published: Published, cutoff: PublishedCutoff) -> Iterator[PatientFacts]:
    low, high = AGED_CUTOFFS.get((published.id, cutoff.at_least), (20, 30))
    for gender in ("male", "female", None) if cutoff.gender else (None,):
        for age in (low - 1, low, high, high + 1):
            yield PatientFacts(gender=gender, birth_date=date(ON.year - age, 1, 1), on=ON)


def _expected_alone(published: Published, cutoff: PublishedCutoff, total: int, patient: PatientFacts) -> bool | None:
    if cutoff.gender is not None and patient.gender not in (None, cutoff.gender):
        return None
    span = AGED_CUTOFFS.get((published.id, cutoff.at_least))
    if span is not None and patient.age is not None and not span[0] <= patient.age <= span[1]:
        return None
    return cutoff.is_met(total)


def _enabled(instrument: Instrument, published: Published) -> Iterator[str]:
    """Each item that waits for others, with each answer to each of those alone: kept where asked, else left out."""
    for item in published.items:
        for gate in map(published.item, item.gates):
            for option in gate.options:
                given = {**_so_that_asked(published, gate), gate.link_id: option.value}
                given[item.link_id] = item.options[-1].value
                parsed = parse_response(build_golden_response(published, given), instrument)
                left_out = any(issue.code == "disabled-item" for issue in parsed.issues)
                kept = item.link_id in parsed.value.answers
                if published.is_asked(item, given) is left_out or published.is_asked(item, given) is not kept:
                    yield f"{item.link_id} after {gate.link_id} = {option.value}"
        if item.gates:
            parsed = parse_response(
                build_golden_response(published, {item.link_id: item.options[-1].value}), instrument
            )
            if published.is_asked(item, {}) is not (item.link_id in parsed.value.answers):
                yield f"{item.link_id} alone"


def _so_that_asked(published: Published, item: PublishedItem) -> dict[str, int | str]:
    """Answers to what the item waits for, and no others, after which it is asked."""
    for gate in map(published.item, item.gates):
        for option in gate.options:
            given = {**_so_that_asked(published, gate), gate.link_id: option.value}
            if published.is_asked(item, given):
                return given
    return {}


def _combinations(instrument: Instrument, published: Published) -> Iterator[str]:
    """A triage instrument: every combination of Yes, No and unanswered."""
    if published.scores:
        return
    for given, response, expected, alerts in _levels(published.id):
        parsed = parse_response(response, instrument).value
        report = score_answers(instrument, parsed.answers, unasked=parsed.unasked).value
        printed = report.to_json()
        if printed["scores"] != [expected] or printed["alerts"] != alerts:
            yield str(given)
        if expected["bounds"][0] > 0 and not parsed.unasked:
            wanted = {expected_action(published, expected)}
            if {flag.action for flag in report.alerts} != wanted:
                yield f"action after {given}"


@cache
def _levels(name: str) -> tuple[tuple[Given, dict[str, Any], dict[str, Any], list[dict[str, Any]]], ...]:
    published = read_published(name)
    links = [item.link_id for item in published.items]
    levels = []
    for values in product((1, 0, None), repeat=len(links)):
        given = {link_id: value for link_id, value in zip(links, values, strict=True) if value is not None}
        level = level_of(published, given)
        if level is not None:
            alerts = list(expected_alerts(published, given))
            levels.append((given, build_golden_response(published, given), level.to_json(), alerts))
    return tuple(levels)


def _filled_in(instrument: Instrument, published: Published) -> Iterator[str]:
    """Missing-item rules as a site may switch them on: so many may be missing, one more gives no value."""
    for score in published.scores:
        if not score.max_missing:
            continue
        total = find_answers(published, score, score.range[1] // 2)
        risks = {risk.link_id for risk in published.risks}
        open_items = [link_id for link_id in score.link_ids if link_id not in risks]
        for missing in range(1, score.max_missing + 2):
            given = {link_id: v for link_id, v in (total or {}).items() if link_id not in open_items[:missing]}
            report = score_answers(instrument, _answers(instrument, published, given), prorate=True).value
            value = next(found.value for found in report.scores if found.id == score.id)
            if value != _expected_filled_in(score, given, missing):
                yield f"{score.id}, {missing} missing"


def _expected_filled_in(score: PublishedScore, given: Given, missing: int) -> int | None:
    if missing > score.max_missing:
        return None
    answered = [value for link_id in score.link_ids if isinstance(value := given.get(link_id), int)]
    if score.blanks_count_zero:
        return sum(answered)
    mean = Decimal(sum(answered) * len(score.link_ids)) / len(answered)
    return int(mean.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _applies(instrument: Instrument, published: Published) -> Iterator[str]:
    """An item that need not apply: left blank by whom it does not apply to it counts as lowest, by others as open."""
    for item in (item for item in published.items if item.only_for is not None):
        for score in (score for score in published.scores if item.link_id in score.link_ids):
            given = find_answers(published, score, score.range[1] // 3, without=[item.link_id]) or {}
            answers = _answers(instrument, published, given)
            for gender in ("male", "female", "other", None):
                found = _score(instrument, instrument.get_score(score.id), answers, PatientFacts(gender=gender))
                low, high = bounds(published, score, given, gender)
                if found.bounds != (low, high) or found.value != (low if low == high else None):
                    yield f"{score.id}, {gender}"


def _advised(instrument: Instrument, published: Published) -> Iterator[str]:
    """Advice that is no alert: each answer to each of its items."""
    base = vectors(published)["lowest"] if published.advice else {}
    for advice in published.advice:
        for option in published.item(advice.link_id).options:
            given = {**base, advice.link_id: option.value}
            # An item that waits for others is asked after any answer but the lowest to the first of those.
            given |= dict.fromkeys(published.item(advice.link_id).gates[:1], 1) | {published.items[0].link_id: 1}
            called = find_advice(instrument, _answers(instrument, published, given))
            expected = [(advice.link_id, advice.level)] if option.value >= advice.at_least else []
            if [(rule.link_id, rule.level) for rule in called] != expected:
                yield f"{advice.link_id} = {option.value}"


def _changes(instrument: Instrument, published: Published) -> Iterator[str]:
    """Each figure of change judges by itself, at every difference from baselines around its limits."""
    figures = figures_of(published.facts)
    shipped = [(score, change) for score in instrument.scores for change in score.changes]
    for kind in ChangeKind:
        expected = [figure for figure in figures if figure.kind == kind.value]
        found = [(score, change) for score, change in shipped if change.kind is kind]
        if len(expected) != len(found):
            yield f"{kind.value}: {len(found)} figures"
            return
        for figure, (score, change) in zip(expected, found, strict=True):
            yield from _judged(published, score, change, figure)


def _judged(
    published: Published, definition: ScoreDefinition, change: ChangeThreshold, figure: PublishedFigure
) -> Iterator[str]:
    """As a difference and as a course, whatever the figure was published for: the judge reads all its numbers."""
    total = next(score for score in published.scores if score.id == definition.id)
    low, high = total.range
    deciding = [cutoff.at_least for cutoff in total.cutoffs if cutoff.default]
    own = deciding[0] if len(deciding) == 1 else None
    edges = {low, low + 1, high, own or high, figure.baseline_at_least or high}
    baselines = sorted({edge - step for edge in edges for step in (0, 1) if low <= edge - step <= high})
    # A figure's own limit shows only where the cut-off is not the stricter one: judged with and without.
    for kind, cut in ((ChangeKind.RELIABLE, own), (ChangeKind.REMISSION, own), (ChangeKind.REMISSION, None)):
        cutoffs = () if cut is None else definition.cutoffs
        only = replace(definition, changes=(replace(change, kind=kind, default=True),), cutoffs=cutoffs)
        for baseline, current in product(baselines, range(low, high + 1)):
            judgements = judge_change(only, baseline, current, whole=True, withhold=False)
            (verdict,) = [one.verdict.value for one in judgements if one.kind is kind]
            if kind is ChangeKind.RELIABLE:
                expected = figure.difference(baseline, current)
            else:
                expected = figure.course(baseline, current, cut)
            if verdict != expected:
                yield f"{change.id} as {kind.value}: {baseline} to {current}"
                return


def _called_for(instrument: Instrument, published: Published) -> Iterator[str]:
    """A next instrument is called for from the deciding cut-off on, or from the risk item's own threshold."""
    least: dict[str, int] = {risk.link_id: risk.at_least for risk in published.risks}
    for score, definition in zip(published.scores, instrument.scores, strict=False):
        least |= {definition.link_id: min((c.at_least for c in score.cutoffs if c.default), default=-1)}
    for follow in instrument.next_instruments:
        if follow.at_least != least[follow.link_id]:
            yield follow.id


def _equivalents(instrument: Instrument, published: Published) -> Iterator[str]:
    """A code that stands for an option in foreign data is read as that option."""
    for (link_id, code), value in EQUIVALENT_ANSWERS.items():
        item = instrument.by_link_id.get(link_id)
        if item is None:
            continue
        response = build_golden_response(published, {link_id: value})
        response["item"][0]["answer"] = [{"valueCoding": {"system": LOINC, "code": code}}]
        parsed = parse_response(response, instrument).value
        coding = parsed.answers[link_id].coding
        if coding is None or coding.code != answer_coding(published.item(link_id), value)["code"]:
            yield f"{link_id} {code}"


def _written(instrument: Instrument, published: Published) -> Iterator[str]:
    """Every item, answer and score under its code in the chart, for cases that choose every option once."""
    telling = ("lowest", "highest", "every-item", *(() if published.scores else ("item", "not-acute", "acuity")))
    wanted = [case for case in vectors(published) if case.startswith(telling)]
    for case in wanted:
        given = vectors(published)[case]
        response = build_golden_response(published, given)
        # What takes a number is no choice, and in no score.
        numbers = [fact["linkId"] for fact in published.facts["items"] if fact["type"] == "integer"]
        response["item"] += [{"linkId": link_id, "answer": [{"valueInteger": 3}]} for link_id in numbers]
        result = sign_answers(response, instrument)
        planned = build_chart_resources(result, shapes_for(result), lambda key: uuid5(NAMESPACE_URL, key))
        written = {}
        for one in planned:
            if one.resource["resourceType"] == "Observation":
                coding = one.resource["code"]["coding"][0]
                written[coding["system"], coding["code"]] = _value(one.resource)
        if written != _expected_values(published, given) | {(LOCAL, link_id): (3,) for link_id in numbers}:
            yield case
        if (stated := _stated_weights(planned[0].resource)) != _expected_weights(published, given):
            yield f"{case}, weights {stated}"


def _stated_weights(response: Mapping[str, Any]) -> dict[str, int]:
    return {
        item["linkId"]: extension["valueDecimal"]
        for item in response["item"]
        for answer in item.get("answer", ())
        for extension in answer.get("valueCoding", {}).get("extension", ())
    }


def _expected_weights(published: Published, given: Given) -> dict[str, int]:
    """A written answer states its weight where the instrument's scoring counts the item."""
    return {
        link_id: answer
        for link_id, answer in given.items()
        if isinstance(answer, int) and published.item(link_id).scored
    }


def _value(observation: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if "valueCodeableConcept" in observation:
        (coding,) = observation["valueCodeableConcept"]["coding"]
        return coding["system"], coding["code"], coding.get("display")
    if "valueQuantity" in observation:
        return observation["valueQuantity"]["value"], observation["valueQuantity"]["code"]
    if "valueInteger" in observation:
        return (observation["valueInteger"],)
    return None


def _expected_values(published: Published, given: Given) -> dict[tuple[str, str], tuple[Any, ...] | None]:
    panel = published.facts["loinc"]["panel"]
    values: dict[tuple[str, str], tuple[Any, ...] | None] = {
        (LOCAL, published.id) if panel is None else (LOINC, panel["code"]): None
    }
    for link_id, answer in given.items():
        item = published.item(link_id)
        code = (LOCAL, link_id) if item.loinc is None else (LOINC, item.loinc)
        values[code] = None
        if isinstance(answer, int):
            coding = answer_coding(item, answer)
            values[code] = coding["system"], coding["code"], coding.get("display")
    for score in published.scores:
        coding = score_coding(score)
        low, high = bounds(published, score, given)
        values[coding["system"], coding["code"]] = (low, "{score}") if low == high else None
    if (level := level_of(published, given)) is not None:
        words = f"{published.facts['short_name']}: {level.level.label}"
        known = None if level.level.value is None else (LOCAL, f"{published.id}-{level.slug}", words)
        values[level.coding["system"], level.coding["code"]] = known
    return values
