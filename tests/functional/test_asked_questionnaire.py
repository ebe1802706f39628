"""A Questionnaire that the EHR names in fhirContext: fetched, checked, kept and given; or refused with its reasons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from launch.context import FhirContextItem
from launch.errors import Forbidden
from launch.fhir_reader import FhirResource, SearchResult
from smart_app.library import Library, is_fetched
from smart_app.screening import workflow
from smart_app.screening.asked_instrument import Asked, find_asked
from smart_app.web import WebOptions, create_app
from smart_app.wiring import find_fetched
from tests.fakes.clinic import GIVING, LIBRARY, Clinic
from tests.functional.page_browser import PageBrowser
from tests.unit.fhir_mappings.any_questionnaire import SLEEP, changed, find_item

BASE = "https://ehr.example/fhir"
BY_REFERENCE = FhirContextItem(reference="Questionnaire/sleep-1")
CANONICAL = "https://clinic.example/fhir/Questionnaire/sleep-intake|2.1.0"
BY_CANONICAL = FhirContextItem(canonical=CANONICAL, type="Questionnaire")


@dataclass(slots=True)
class Shelf:
    """An EHR that has one Questionnaire; what it was asked stands in ``asked``."""

    body: bytes = SLEEP
    matches: int = 1
    asked: list[str] = field(default_factory=list)

    def read(self, resource_type: str, id: str) -> FhirResource:  # noqa: A002 - FHIR's word
        self.asked.append(f"{resource_type}/{id}")
        return FhirResource(resource_type=resource_type, id=id, version_id=None, resource={}, body=self.body)

    def search(self, resource_type: str, params: Sequence[tuple[str, str]]) -> SearchResult:
        self.asked.append(f"{resource_type}?{dict(params)}")
        found = [
            FhirResource(resource_type=resource_type, id=f"sleep-{number}", version_id=None, resource={})
            for number in range(1, self.matches + 1)
        ]
        return SearchResult(resources=tuple(found), complete=True)


class ClosedShelf(Shelf):
    """An EHR that lets this app read no Questionnaire."""

    def read(self, resource_type: str, id: str) -> FhirResource:  # noqa: A002 - FHIR's word
        raise Forbidden(ehr_id="sandbox")


@pytest.fixture
def asking(clinic: Clinic) -> Clinic:
    clinic.app = replace(clinic.app, library=LIBRARY.with_fetched(partial(find_fetched, clinic.app.units)))
    return clinic


def ask(clinic: Clinic, shelf: Shelf, *items: FhirContextItem) -> Asked:
    return find_asked(clinic.app, shelf, items, ehr_id="sandbox", fhir_base_url=BASE, now=clinic.clock())


@pytest.mark.parametrize(
    "item", [BY_REFERENCE, BY_CANONICAL, FhirContextItem(reference=f"{BASE}/Questionnaire/sleep-1")]
)
def test_the_ehrs_own_form_is_fetched_kept_and_given(asking: Clinic, item: FhirContextItem) -> None:
    asked = ask(asking, Shelf(), item)
    assert asked.refusal is None
    assert asked.instrument_id is not None
    assert is_fetched(asked.instrument_id)
    who = asking.launch()
    screening_id = workflow.start_screening(asking.app, who, asked.instrument_id, GIVING)
    assert workflow.view_form(asking.app, who, screening_id).title == "Sleep intake"


def test_another_process_finds_what_one_has_fetched(asking: Clinic) -> None:
    asked = ask(asking, Shelf(), BY_REFERENCE)
    other = LIBRARY.with_fetched(partial(find_fetched, asking.app.units))
    found = other.find(asked.instrument_id or "")
    assert found is not None
    assert found is other.find(found.id)
    assert found not in tuple(other)


def test_another_wording_is_another_instrument_and_the_same_is_kept_once(asking: Clinic) -> None:
    reworded = changed(lambda questionnaire: find_item(questionnaire, "words").update(text="Anything more?"))
    ids = [ask(asking, Shelf(body), BY_REFERENCE).instrument_id for body in (SLEEP, reworded, SLEEP)]
    assert ids[0] == ids[2] != ids[1]


def test_a_form_of_the_library_is_taken_from_the_library(asking: Clinic) -> None:
    phq9 = LIBRARY.find("phq-9")
    assert phq9 is not None
    shelf = Shelf()
    assert ask(asking, shelf, FhirContextItem(canonical=phq9.canonical, type="Questionnaire")).instrument_id == "phq-9"
    assert shelf.asked == []
    copy = json.dumps(phq9.questionnaire, default=float).encode()
    assert ask(asking, Shelf(copy), BY_REFERENCE).instrument_id == "phq-9"


@pytest.mark.parametrize(
    ("shelf", "item", "said"),
    [
        (
            Shelf(changed(lambda q: find_item(q, "words").update(type="attachment"))),
            BY_REFERENCE,
            "unsupported-item-type",
        ),
        (Shelf(changed(lambda q: q.update(language="fr"))), BY_REFERENCE, "language"),
        (Shelf(b'{"resourceType": "Questionnaire"'), BY_REFERENCE, "malformed-json"),
        (Shelf(matches=0), BY_CANONICAL, "has 0 Questionnaires"),
        (Shelf(matches=2), BY_CANONICAL, "has 2 Questionnaires"),
        (ClosedShelf(), BY_REFERENCE, "could not be read"),
    ],
)
def test_what_cannot_be_given_is_refused_with_its_reason(
    asking: Clinic, shelf: Shelf, item: FhirContextItem, said: str
) -> None:
    asked = ask(asking, shelf, item)
    assert asked.instrument_id is None
    assert said in str(asked.refusal)


@pytest.mark.parametrize(
    "item",
    [
        FhirContextItem(reference="ImagingStudy/1"),
        FhirContextItem(canonical=CANONICAL),
        FhirContextItem(reference="https://other.example/fhir/Questionnaire/1"),
    ],
)
def test_nothing_is_fetched_for_what_names_no_questionnaire_of_this_ehr(asking: Clinic, item: FhirContextItem) -> None:
    shelf = Shelf()
    assert ask(asking, shelf, item) == Asked()
    assert shelf.asked == []


def test_a_launch_that_asks_for_what_cannot_be_had_says_so_on_a_page(clinic: Clinic) -> None:
    clinic.app = replace(clinic.app, library=Library(LIBRARY))
    browser = PageBrowser(create_app(clinic.app, WebOptions(secret_key=b"0123456789abcdef")), clinic)
    page = browser.launch(questionnaire="http://example.org/Questionnaire/unknown")
    assert page.status == 422
    assert "a form that this app cannot give" in page.text
    (overview,) = page.root.xpath("//a[text()='Back to the overview']/@href")
    assert "Give an instrument" in browser.get(overview).text
