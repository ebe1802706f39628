"""Reads the times that people type: a FHIR R4 date or dateTime, or a browser's local time in the site's zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fhir_mappings.errors import MappingError
from fhir_mappings.r4 import PartialDateTime, Precision, parse_partial_date_time
from smart_app.screening.errors import InvalidField

EARLIEST: Final = date(1900, 1, 1)
"""Nothing that is typed here happened before: a slip of the year."""

# https://html.spec.whatwg.org/#valid-local-date-and-time-string; datetime.fromisoformat also takes week dates and more.
_LOCAL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")


def parse_moment(text: str, field: str, *, zone: ZoneInfo, birth_date: str | None) -> PartialDateTime:
    """Read a time, precise to the day at least; a local one gets the zone's offset in its ``text``.

    Raises: InvalidField naming ``field``: no such time, a month only, before 1900 or before the patient was born
    (``birth_date`` may be partial, or None where it is not known).
    """
    try:
        if _LOCAL.fullmatch(text):
            text = datetime.fromisoformat(text).replace(tzinfo=zone).isoformat(timespec="seconds")
        when = parse_partial_date_time(text, field)
        day = when.earliest.astimezone(zone if when.precision is Precision.SECOND else UTC).date()
    except (MappingError, ValueError, OverflowError) as error:
        raise InvalidField(field=field) from error
    if when.precision < Precision.DAY or day < max(EARLIEST, _find_first_day(birth_date)):
        raise InvalidField(field=field)
    return when


def _find_first_day(birth_date: str | None) -> date:
    """Give the earliest day on which the patient can have been born."""
    try:
        return parse_partial_date_time(birth_date, "Patient.birthDate").earliest.date()
    except MappingError:
        return EARLIEST
