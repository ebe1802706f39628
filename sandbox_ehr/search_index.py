"""From a resource to the rows that make it findable, http://hl7.org/fhir/R4/search.html#ptypes.

A row is (param, system, value, low, high). token, reference: system and value (a `code` has system None: any system
matches;
a local reference has the resource type as system). string: value folded, system the original. date: low and high are
microseconds
since 1970, high exclusive. quantity: low is the number, system and value its unit.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from sandbox_ehr.search_parameters import SEARCH_PARAMETERS, SearchParameter

EARLIEST, LATEST = -(2**62), 2**62
"""Microseconds: the ends of an open period."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(\.(?P<fraction>\d+))?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)
_LOCAL_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")


class IndexRow(NamedTuple):
    """One findable value of one search parameter."""

    param: str
    system: str | None = ""
    value: str | None = None
    low: float | None = None
    high: float | None = None


def index_rows(resource: Mapping[str, Any]) -> list[IndexRow]:
    """Give every row of a resource, without duplicates, parameters in the order of their definitions."""
    rows: dict[IndexRow, None] = {}
    for parameter in SEARCH_PARAMETERS[resource["resourceType"]].values():
        for path in parameter.paths:
            for value in path.find_values(resource):
                rows.update(dict.fromkeys(_ROWS[parameter.type](parameter, path.datatype, value)))
    return list(rows)


def find_compartment_patients(resource: Mapping[str, Any], rows: list[IndexRow]) -> set[str]:
    """Give the ids of the patients that the resource is about: those of its `patient` parameter.

    Narrower than the compartment definition, which also counts performer and author: what one patient reports about
    another is not in the reach of a `patient/` scope here.
    """
    if resource["resourceType"] == "Patient":
        return {resource["id"]}
    return {row.value for row in rows if row.param == "patient" and row.system == "Patient" and row.value}


def parse_reference(text: str) -> tuple[str, str] | None:
    """Give (type, id) of a relative reference, else None."""
    found = _LOCAL_REFERENCE.fullmatch(text)
    return (found[1], found[2]) if found else None


def parse_date_range(text: str) -> tuple[int, int]:
    """Give the half-open range [low, high) in microseconds since 1970 that a FHIR date, dateTime or instant stands for.

    A time without a zone is taken as UTC. Raises: ValueError.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("not a FHIR date")
    part = found.groupdict()
    year, month, day = (int(part[name] or 1) for name in ("year", "month", "day"))
    zone = _parse_zone(part["zone"])
    fraction = part["fraction"] or ""
    start = datetime(
        year,
        month,
        day,
        int(part["hour"] or 0),
        int(part["minute"] or 0),
        min(int(part["second"] or 0), 59),  # a leap second is allowed by FHIR, not by Python
        int(f"{fraction[:6]:0<6}" or 0),
        tzinfo=zone,
    )
    low = (start - _EPOCH) // timedelta(microseconds=1)
    if part["fraction"]:
        length = timedelta(microseconds=10 ** max(0, 6 - len(fraction)))
    elif part["second"]:
        length = timedelta(seconds=1)
    elif part["hour"]:
        length = timedelta(minutes=1)
    elif part["day"]:
        length = timedelta(days=1)
    else:
        length = timedelta(
            days=monthrange(year, month)[1] if part["month"] else 366 if monthrange(year, 2)[1] == 29 else 365
        )
    return low, low + length // timedelta(microseconds=1)


def fold(text: str) -> str:
    """Give a string as string searches compare it: without accents and case."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold().strip()


def _parse_zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))


def _token_rows(parameter: SearchParameter, datatype: str, value: Any) -> Iterator[IndexRow]:
    match datatype:
        case "CodeableConcept":
            for coding in value.get("coding", ()):
                yield from _token_rows(parameter, "Coding", coding)
        case "Coding":
            yield IndexRow(parameter.code, value.get("system", ""), value.get("code"))
        case "Identifier":
            yield IndexRow(parameter.code, value.get("system", ""), value.get("value"))
        case "ContactPoint":
            yield IndexRow(parameter.code, None, value.get("value"))
        case "boolean":
            yield IndexRow(parameter.code, None, "true" if value else "false")
        case _:
            yield IndexRow(parameter.code, None, str(value))


def _date_rows(parameter: SearchParameter, datatype: str, value: Any) -> Iterator[IndexRow]:
    match datatype:
        case "Period":
            low = parse_date_range(value["start"])[0] if "start" in value else EARLIEST
            high = parse_date_range(value["end"])[1] if "end" in value else LATEST
            yield IndexRow(parameter.code, low=low, high=high)
        case "Timing":
            for event in value.get("event", ()):
                yield from _date_rows(parameter, "dateTime", event)
            if "boundsPeriod" in value.get("repeat", {}):
                yield from _date_rows(parameter, "Period", value["repeat"]["boundsPeriod"])
        case _:
            low, high = parse_date_range(value)
            yield IndexRow(parameter.code, low=low, high=high)


_STRING_PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}


def _string_rows(parameter: SearchParameter, datatype: str, value: Any) -> Iterator[IndexRow]:
    if datatype not in _STRING_PARTS:
        yield IndexRow(parameter.code, value, fold(value))
        return
    for name in _STRING_PARTS[datatype]:
        part = value.get(name, ())
        for text in (part,) if isinstance(part, str) else part:
            if text is not None:
                yield IndexRow(parameter.code, text, fold(text))


def _reference_rows(parameter: SearchParameter, datatype: str, value: Any) -> Iterator[IndexRow]:
    if datatype != "Reference":
        yield IndexRow(parameter.code, "", value)
        if "|" in value:
            yield IndexRow(parameter.code, "", value.partition("|")[0])
        return
    if "reference" in value:
        local = parse_reference(value["reference"])
        yield IndexRow(parameter.code, *(local or ("", value["reference"])))
    if "identifier" in value:
        identifier = value["identifier"]
        yield IndexRow(f"{parameter.code}:identifier", identifier.get("system", ""), identifier.get("value"))


def _uri_rows(parameter: SearchParameter, datatype: str, value: Any) -> Iterator[IndexRow]:
    del datatype
    yield IndexRow(parameter.code, "", value)


def _quantity_rows(parameter: SearchParameter, datatype: str, value: Any) -> Iterator[IndexRow]:
    if datatype == "SampledData":
        value = value.get("origin", {})
    if "value" in value:
        number = float(value["value"])
        code = value.get("code", value.get("currency", value.get("unit")))
        yield IndexRow(parameter.code, value.get("system", ""), code, number, number)


def _number_rows(parameter: SearchParameter, datatype: str, value: Any) -> Iterator[IndexRow]:
    del datatype
    yield IndexRow(parameter.code, low=float(value), high=float(value))


_ROWS: dict[str, Callable[[SearchParameter, str, Any], Iterator[IndexRow]]] = {
    "token": _token_rows,
    "date": _date_rows,
    "string": _string_rows,
    "reference": _reference_rows,
    "uri": _uri_rows,
    "quantity": _quantity_rows,
    "number": _number_rows,
}
