"""Which instruments are due, and why: the re-screen interval, what an answer calls for, what was left (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from fhir_mappings.instrument import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class LastResult:
    """The newest result of one instrument: its day, and whether it has a score."""

    on: date
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledFor:
    """An instrument that an answer or a score of another one calls for: the published reason, its source, the day."""

    canonical: str
    reason: str
    source: str
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One instrument of the library. ``days_over``: days past its date, 0 on the day; None where no date is set."""

    instrument: Instrument
    due: bool
    called_for: CalledFor | None
    last: LastResult | None
    days_over: int | None


def find_due(
    instruments: Iterable[Instrument],
    last: Mapping[str, LastResult],
    called_for: Iterable[CalledFor],
    *,
    today: date,
) -> tuple[Due, ...]:
    """Give every instrument: those due, then those given before, each in the library's order, then the others.

    ``last``: instrument id → newest result of app and chart. Due is: called for by an answer since its last result; a
    last result without a score; past its interval. Without interval and never given, nothing is due by itself.
    """
    calls = tuple(called_for)
    found = [_judge(instrument, last.get(instrument.id), calls, today) for instrument in instruments]
    return tuple(sorted(found, key=lambda due: (not due.due, due.last is None)))


def _judge(instrument: Instrument, last: LastResult | None, calls: tuple[CalledFor, ...], today: date) -> Due:
    call = next(
        (
            call
            for call in calls
            if call.canonical.partition("|")[0] == instrument.url and (last is None or last.on < call.on)
        ),
        None,
    )
    days_over = None
    if last is not None and instrument.interval_days is not None:
        days_over = (today - (last.on + timedelta(days=instrument.interval_days))).days
    incomplete = last is not None and not last.complete
    return Due(
        instrument=instrument,
        due=call is not None or incomplete or (days_over is not None and days_over >= 0),
        called_for=call,
        last=last,
        days_over=days_over,
    )
