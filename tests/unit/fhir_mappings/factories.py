"""The smallest valid things of fhir_mappings; a test overrides only what it is about."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from hypothesis import strategies as st

from fhir_mappings.administration import Administration, Informant, Mode, Party
from fhir_mappings.answers import Answer, AnswerStatus
from fhir_mappings.change import Point, Source
from fhir_mappings.instrument import Instrument, Item
from fhir_mappings.note import build_note_text
from fhir_mappings.r4 import parse_partial_date_time
from fhir_mappings.result import ScreeningResult, SignedResult, Signer, Subject
from fhir_mappings.scoring import score_answers
from tests.golden.golden_cases import load_instrument

INSTRUMENT_IDS = ("phq-9", "gad-7")
DECLINED = "declined"
Given = int | str | None


@cache
def instrument_of(instrument_id: str) -> Instrument:
    return load_instrument(instrument_id)


def phq9() -> Instrument:
    return instrument_of("phq-9")


def gad7() -> Instrument:
    return instrument_of("gad-7")


def answer(item: Item, given: Given) -> Answer | None:
    """An option by its place, declined, or None for not reached."""
    if given is None:
        return None
    if isinstance(given, str):
        return Answer(link_id=item.link_id, status=AnswerStatus.DECLINED)
    return Answer(link_id=item.link_id, status=AnswerStatus.ANSWERED, coding=item.options[given].coding)


def answers_of(instrument: Instrument, given: Sequence[Given]) -> dict[str, Answer]:
    """Answers to the first items, in order."""
    pairs = ((item, answer(item, value)) for item, value in zip(instrument.items, given, strict=False))
    return {item.link_id: made for item, made in pairs if made is not None}


def given_answers(instrument: Instrument) -> st.SearchStrategy[dict[str, Answer]]:
    """Any answers to the items: some option, declined or not reached, each on its own."""
    one = st.one_of(st.integers(0, 3), st.just(DECLINED), st.none())
    return st.lists(one, min_size=len(instrument.items), max_size=len(instrument.items)).map(
        lambda given: answers_of(instrument, given)
    )


def administration(**overrides: Any) -> Administration:
    values: dict[str, Any] = {
        "informant": Informant.PATIENT,
        "mode": Mode.OWN_DEVICE,
        "answered_at": "2026-11-23T10:38:00-05:00",
        "language": "en-US",
    }
    return Administration(**(values | overrides))


def screening_result(instrument: Instrument, answers: Mapping[str, Answer], **overrides: Any) -> ScreeningResult:
    values: dict[str, Any] = {
        "instrument": instrument,
        "answers": answers,
        "report": score_answers(instrument, answers).value,
        "administration": administration(),
        "patient": Subject(reference="Patient/rosa", display="Rosa Delgado-Quinn"),
        "encounter": "Encounter/visit",
    }
    return ScreeningResult(**(values | overrides))


def signed_result(instrument: Instrument, answers: Mapping[str, Answer], **overrides: Any) -> SignedResult:
    draft = {name: value for name, value in overrides.items() if name in ScreeningResult.__dataclass_fields__}
    result = screening_result(instrument, answers, **draft)
    values: dict[str, Any] = {name: getattr(result, name) for name in ScreeningResult.__dataclass_fields__}
    values |= {
        "signer": Signer(reference="Practitioner/miriam", display="Miriam Okafor, MD"),
        "signed_at": datetime(2026, 11, 23, 15, 55, tzinfo=UTC),
        "organization": Party(reference="Organization/alder-creek", display="Alder Creek"),
        "note_text": build_note_text(result),
        "reference_code": "SS-7K3M-Q9RT",
        "software_version": "1.0.0",
    }
    return SignedResult(**(values | overrides))


def point(value: int, at: str, **overrides: Any) -> Point:
    values: dict[str, Any] = {
        "score_id": "phq-9-total",
        "at": parse_partial_date_time(at, "at"),
        "value": value,
        "source": Source.APP,
        "informant": Informant.PATIENT,
        "edition": phq9().edition,
        "status": "final",
    }
    return Point(**(values | overrides))
