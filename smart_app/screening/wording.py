"""Dates, ages, points and states in the words of the pages (English; months in letters, times with minutes)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from fhir_mappings.errors import MappingError
from fhir_mappings.instrument import Cutoff, Item, Points
from fhir_mappings.item_answer import parse_answer_text, say_values
from fhir_mappings.r4 import PartialDateTime, Precision, parse_partial_date_time
from fhir_mappings.score_definition import UNBOUNDED
from fhir_mappings.scores import Score
from fhir_mappings.wording import UNASKED_RISK, describe_ages
from smart_app.model.screening import Carried, SavedAnswer, SavedStatus

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SEXES = {"male": " for men", "female": " for women"}
_LONGEST_SHOWN = 100
_MINUS = "\N{MINUS SIGN}"
_HOUR, _DAY = 60, 24 * 60


def say_day(day: date) -> str:
    """Give "12 Oct 2026"."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def say_moment(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Give "today 10:38" or "12 Oct 2026 10:38", in the site's time zone."""
    local = at.astimezone(zone)
    day = "today" if local.date() == now.astimezone(zone).date() else say_day(local.date())
    return f"{day} {local:%H:%M}"


def say_stamp(at: datetime, zone: ZoneInfo) -> str:
    """Give "12 Oct 2026 10:38", for what is kept: a page read tomorrow must not say today.

    Where the site's clock is UTC it says so, as all times of a note do (``describe_time``).
    """
    local = at.astimezone(zone)
    return f"{say_day(local.date())} {local:%H:%M}{' UTC' if local.tzname() == 'UTC' else ''}"


def say_time(at: datetime, zone: ZoneInfo) -> str:
    """Give "10:38"."""
    return f"{at.astimezone(zone):%H:%M}"


def say_partial(when: PartialDateTime, now: datetime, zone: ZoneInfo) -> str:
    """Give a FHIR date in words, never more precise than it is."""
    if when.precision is Precision.SECOND:
        return say_moment(when.earliest, now, zone)
    day = when.earliest.date()
    if when.precision is Precision.DAY:
        return say_day(day)
    return str(day.year) if when.precision is Precision.YEAR else f"{_MONTHS[day.month - 1]} {day.year}"


def say_span(since: datetime, now: datetime) -> str:
    """Give "less than a minute", "14 min", "3 h 5 min" or "2 days"."""
    minutes = int((now - since).total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < _HOUR:
        return f"{minutes} min"
    if minutes < 2 * _DAY:
        return f"{minutes // _HOUR} h {minutes % _HOUR} min"
    return f"{minutes // _DAY} days"


def find_birth_day(birth_date: str | None) -> date | None:
    """Give the birth date where it is known to the day."""
    try:
        when = parse_partial_date_time(birth_date, "Patient.birthDate")
    except MappingError:
        return None
    return when.earliest.date() if when.precision >= Precision.DAY else None


def find_age(birth_date: str | None, on: date) -> int | None:
    """Give the age in whole years, None where the birth date is not known to the day."""
    born = find_birth_day(birth_date)
    return None if born is None else on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def shorten(text: str) -> str:
    """Give a name or number from the EHR as it is shown where a line must hold it: a page stays readable with any."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def say_born(birth_date: str | None, on: date) -> str:
    """Give "14 Mar 1986 (40 y)"; what is known of a partial date; "not known"."""
    born = find_birth_day(birth_date)
    if born is not None:
        return f"{say_day(born)} ({find_age(birth_date, on)} y)"
    return birth_date or "not known"


def say_points(value: Points) -> str:
    """Give a score or weight without trailing zeros."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def say_signed(value: Points) -> str:
    """Give a difference with its sign (a true minus): "+3", "0"."""
    return f"+{say_points(value)}" if value > 0 else f"{_MINUS}{say_points(-value)}" if value < 0 else "0"


def say_count(count: int, one: str, many: str | None = None) -> str:
    """Give "1 item", "9 items"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def say_figure(score: Score) -> str:
    """Give "13 of 27", between what an unknown score lies ("not known: at least 8, at most 20 of 27"), or the level."""
    if score.is_level:
        return "not known" if score.band is None else score.band.chart_label
    if score.bounds == UNBOUNDED:
        return "not known"
    of = "" if score.range == UNBOUNDED else f" of {say_points(score.range[1])}"
    if score.value is not None:
        return f"{say_points(score.value)}{of}"
    low, high = score.bounds
    return f"not known: at least {say_points(low)}, at most {say_points(high)}{of}"


def say_screen(score: Score) -> str:
    """Give what the cut-off says: positive, negative, or not known. A score is not a diagnosis (safety rule 5)."""
    if not score.cutoffs:
        return "" if score.established else "Range and screen not established at this age"
    if score.positive is None and score.unasked:
        return f"Screen not known: {UNASKED_RISK}"
    if score.is_level:
        unknown = "Screen not known" if score.established else "Screen not established at this age"
        return {True: "Screens positive", False: "Screens negative", None: unknown}[score.positive]
    cutoff = say_cutoffs(score.cutoffs)
    if score.positive is None:
        why = "incomplete" if score.value is None or score.missing_rule else "the sex is not known"
        return f"Screen not known: {why} ({cutoff})"
    if score.positive:
        word, bound = ("at most", score.bounds[1]) if score.cutoffs[0].or_fewer else ("at least", score.bounds[0])
        least = "" if score.value is not None else f", {word} {say_points(bound)}"
        return f"Screens positive: {cutoff}{least}"
    return f"Screens negative: {cutoff}"


def say_cutoffs(cutoffs: Sequence[Cutoff]) -> str:
    """Give "cut-off 10", with the people that it was published for: "cut-off 4 for men or 3 for women"."""
    told = (f"{say_points(one.points)}{_SEXES.get(one.gender or '', '')}{describe_ages(one)}" for one in cutoffs)
    return f"cut-off {' or '.join(told)}"


def say_carried(carried: Carried, zone: ZoneInfo) -> str:
    """Give "PHQ-2, 24 Nov 2026 10:33 UTC"."""
    return f"{carried.short_name}, {say_stamp(carried.at, zone)}"


def say_first(words: str) -> str:
    """Give words that stand in mid-sentence elsewhere as the beginning of one."""
    return words[:1].upper() + words[1:]


def say_answer(item: Item, saved: SavedAnswer | None) -> str:
    """Give an answer in the instrument's words with its points: "Several days (1)"."""
    if saved is None or saved.status is SavedStatus.CLEARED:
        return "Not answered"
    if saved.status is SavedStatus.DECLINED:
        return "Declined to answer"
    return say_text(item, saved.code or "")


def say_text(item: Item, text: str) -> str:
    """Give what a page sent for an item in the instrument's words, with its points."""
    try:
        return say_values(item, parse_answer_text(item, text))
    except MappingError:
        return "An answer that this item does not offer"
