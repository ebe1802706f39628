"""The form that an EHR asks for in fhirContext: one of the library's, or its own Questionnaire, fetched and checked.

Source: SMART App Launch 2.2, "fhirContext" (a canonical or a reference); FHIR R4 Questionnaire. What the check refuses
is refused with its codes; the launch itself stays open.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fhir_mappings.site_questionnaire import parse_site_instrument
from launch.context import FhirContextItem
from launch.errors import LaunchError
from launch.fhir_reader import FhirResource, SearchResult
from launch.urls import find_reference
from smart_app.errors import AppError
from smart_app.instrument_lint import is_usable, lint_instrument
from smart_app.library import name_fetched
from smart_app.screening.errors import AskedFormRefused
from smart_app.services import Services
from smart_app.storage.errors import AlreadyExists

_TYPE = "Questionnaire"
_MOST_CODES = 5


class Reader(Protocol):
    """What is needed of launch.fhir_reader.FhirReader."""

    def read(self, resource_type: str, id: str) -> FhirResource:  # noqa: A002 - FHIR's word
        """Read one resource. Raises: LaunchError."""

    def search(self, resource_type: str, params: Sequence[tuple[str, str]]) -> SearchResult:
        """Search one type. Raises: LaunchError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The instrument that was asked for, None where none was; or why it cannot be given."""

    instrument_id: str | None = None
    refusal: AppError | None = None


def find_asked(
    app: Services, reader: Reader, items: Sequence[FhirContextItem], *, ehr_id: str, fhir_base_url: str, now: datetime
) -> Asked:
    """Give the first form that fhirContext names. A Questionnaire that the library lacks is read from the EHR."""
    for item in items:
        known = None if item.canonical is None else app.library.find_by_canonical(item.canonical)
        if known is not None:
            return Asked(instrument_id=known.id)
        try:
            body = _fetch(reader, item, fhir_base_url)
        except AskedFormRefused as refusal:
            return Asked(refusal=refusal)
        except LaunchError as error:
            return Asked(refusal=AskedFormRefused(f"could not be read ({error.code})", field="fhirContext"))
        if body is not None:
            return _take(app, body, ehr_id, now)
    return Asked()


def _fetch(reader: Reader, item: FhirContextItem, fhir_base_url: str) -> bytes | None:
    """Read the Questionnaire that an item names, as the EHR sends it; None where it names none.

    Raises: AskedFormRefused where the EHR has none, or several; LaunchError.
    """
    if item.reference is not None:
        named = find_reference(item.reference, fhir_base_url=fhir_base_url)
        if named is not None and named.resource_type == _TYPE:
            return reader.read(_TYPE, named.id).body
    elif item.canonical is not None and item.type == _TYPE:
        url, _, version = item.canonical.partition("|")
        params = [("url", url), *([("version", version)] if version else [])]
        found = [one for one in reader.search(_TYPE, params).resources if one.resource_type == _TYPE]
        if len(found) != 1:
            raise AskedFormRefused(f"the EHR has {len(found)} Questionnaires of that canonical", field="fhirContext")
        return reader.read(_TYPE, found[0].id).body
    return None


def _take(app: Services, body: bytes, ehr_id: str, now: datetime) -> Asked:
    findings = lint_instrument(body)
    if not is_usable(findings):
        codes = dict.fromkeys(finding.code for finding in findings if finding.grade == "ERROR")
        return Asked(refusal=AskedFormRefused(", ".join([*codes][:_MOST_CODES]), field="fhirContext"))
    known = app.library.find_by_canonical(parse_site_instrument(body).canonical)
    if known is not None:
        # The EHR's copy of a form that the library has: ours knows what its answers call for.
        return Asked(instrument_id=known.id)
    instrument_id = name_fetched(ehr_id, body)
    with suppress(AlreadyExists), app.units.write() as unit:
        unit.questionnaires.keep(instrument_id, ehr_id, body, now)
        unit.commit()
    instrument = app.library.find(instrument_id)
    if instrument is None or not app.rules.languages_of(instrument):
        return Asked(refusal=AskedFormRefused("its language is none that the site lists", field="fhirContext"))
    return Asked(instrument_id=instrument_id)
