"""Carry an answer from one form to the next where it is the same question, asked once in this visit.

Offered for a form that the other one called for (PHQ-2 and PHQ-9), only within the same encounter, day, informant, mode
and language; never by itself: the patient confirms each answer, and it is marked as carried wherever it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from fhir_mappings.instrument import Instrument
from fhir_mappings.same_items import find_same_items
from smart_app.access import get_screening, permitted
from smart_app.library import Library
from smart_app.model.rights import Right
from smart_app.model.saving import IncomingAnswer
from smart_app.model.screening import (
    REVIEWABLE,
    Carried,
    SavedAnswer,
    SavedStatus,
    Screening,
    ScreeningState,
)
from smart_app.screening.answers import get_instrument
from smart_app.screening.errors import NothingToCarry
from smart_app.screening.saving import apply_saves, find_refusal, on_what_stands
from smart_app.screening.views import CarryOffer
from smart_app.screening.wording import say_answer, say_moment
from smart_app.services import Acting, Services

SOURCES = REVIEWABLE | {ScreeningState.SIGNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An answer that may be carried to an item."""

    link_id: str
    source: Screening
    instrument: Instrument
    saved: SavedAnswer


def carry_answer(app: Services, who: Acting, screening_id: UUID, link_id: str) -> None:
    """Save one answer that the patient has confirmed, marked as carried.

    Raises: NothingToCarry where the answer is not, or no longer, offered; IllegalMove, DraftTooOld, NotThisPatient.
    """
    with permitted(app, who, Right.ENTER):
        on_what_stands(lambda: _carry(app, who, screening_id, link_id))


def _carry(app: Services, who: Acting, screening_id: UUID, link_id: str) -> None:
    with app.units.write() as unit:
        screening = get_screening(unit, who, screening_id)
        over = find_refusal(app, screening, who.now)
        if over is not None:
            raise over
        instrument = get_instrument(app.library, screening.instrument_id)
        others = unit.screenings.for_patient(who.patient, SOURCES)
        found = find_candidates(app.library, instrument, screening, others, now=who.now, zone=app.rules.zone)
        candidate = next((one for one in found if one.link_id == link_id), None)
        if candidate is None:
            raise NothingToCarry
        standing = screening.current(link_id)
        answer = IncomingAnswer(
            link_id=link_id,
            status=SavedStatus.ANSWERED,
            code=candidate.saved.code,
            device=app.new_secret(),  # of no page: one that is still open has not seen this answer
            sequence=1,
            seen_version=0 if standing is None else standing.version,
            carried=Carried(
                screening_id=candidate.source.id,
                short_name=candidate.instrument.short_name,
                at=candidate.saved.saved_at,
            ),
        )
        apply_saves(app, who, unit, instrument, screening, incoming=[answer])
        unit.commit()


def find_offers(
    app: Services, who: Acting, instrument: Instrument, screening: Screening, others: Iterable[Screening]
) -> tuple[CarryOffer, ...]:
    """Give the answers that may be carried, for the page."""
    zone = app.rules.zone
    return tuple(
        CarryOffer(
            link_id=one.link_id,
            number=instrument.by_link_id[one.link_id].number,
            text=instrument.by_link_id[one.link_id].text,
            answer=say_answer(instrument.by_link_id[one.link_id], one.saved),
            origin=f"{one.instrument.short_name}, {say_moment(one.saved.saved_at, who.now, zone)}",
        )
        for one in find_candidates(app.library, instrument, screening, others, now=who.now, zone=zone)
    )


def find_candidates(
    library: Library,
    instrument: Instrument,
    screening: Screening,
    others: Iterable[Screening],
    *,
    now: datetime,
    zone: ZoneInfo,
) -> list[Candidate]:
    """Give, for each item without an answer, the newest answer of the same day that may be carried to it."""
    found: dict[str, Candidate] = {}
    for other in sorted(others, key=lambda one: one.started_at, reverse=True):
        source = library.find(other.instrument_id)
        if source is None or not calls_for(source, instrument) or not _is_same_occasion(screening, other):
            continue
        for candidate in _find_in(instrument, screening, source, other):
            if candidate.saved.saved_at.astimezone(zone).date() == now.astimezone(zone).date():
                found.setdefault(candidate.link_id, candidate)
    return [found[item.link_id] for item in instrument.items if item.link_id in found]


def calls_for(source: Instrument, target: Instrument) -> bool:
    """Tell whether one instrument's PlanDefinition names the other as the next."""
    return any(rule.canonical.partition("|")[0] == target.url for rule in source.next_instruments)


def _is_same_occasion(screening: Screening, other: Screening) -> bool:
    """Tell whether both were given in one visit, while they were answered, to the same person in the same way."""
    this, that = screening.giving, other.giving
    return (
        other.state in SOURCES
        and other.purged_at is None
        and screening.encounter_id is not None
        and screening.encounter_id == other.encounter_id
        and this.answered_at is None
        and that.answered_at is None
        and (this.informant, this.relationship, this.mode) == (that.informant, that.relationship, that.mode)
        and (this.language, this.interpreter) == (that.language, that.interpreter)
    )


def _find_in(instrument: Instrument, screening: Screening, source: Instrument, other: Screening) -> Iterator[Candidate]:
    answered = screening.current_answers()
    given = other.current_answers()
    for link_id, source_link_id in find_same_items(instrument, source).items():
        saved = given.get(source_link_id)
        if link_id not in answered and saved is not None and saved.status is SavedStatus.ANSWERED:
            yield Candidate(link_id=link_id, source=other, instrument=source, saved=saved)
