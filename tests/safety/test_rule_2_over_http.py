"""Safety rule 2 over HTTP: two charts in two tabs never mix, and a chart that changes under a signature stops it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from tests.fakes.captured_log import CapturedLog
from tests.fakes.clinic import PHQ9, code_of
from tests.fakes.http_browser import HttpBrowser, launch_id_of, screening_id_of, words_of
from tests.fakes.interposed import Interposed
from tests.fakes.refusal import assert_refused
from tests.functional.page_browser import Page
from tests.site import Site, running_site

PATIENTS = {"pt-01": (2, 0, 1, 3, 0, 1, 2, 0, 0), "pt-02": (0, 3, 3, 0, 2, 2, 0, 1, 0)}


@pytest.fixture
def ehr() -> Interposed:
    return Interposed()


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, ehr: Interposed) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site"), wrap_ehr=ehr.wrap) as site:
        yield site


def stored(site: Site, resource_type: str, resource_id: str) -> dict[str, Any]:
    with site.ehr.store.reading() as session:
        found = session.find(resource_type, resource_id)
    assert found is not None
    values: dict[str, Any] = json.loads(found.body)
    return values


def put(site: Site, resource_type: str, resource_id: str, **changes: Any) -> None:
    site.ehr.store.put_raw({**stored(site, resource_type, resource_id), **changes})


def banner(page: Page) -> str:
    return " ".join(page.root.get_element_by_id("banner").text_content().split())


def total_of(resources: list[dict[str, Any]]) -> float:
    (found,) = [r for r in resources if r["code"]["coding"][0]["code"] == "44261-6"]
    value: float = found["valueQuantity"]["value"] if "valueQuantity" in found else found["valueInteger"]
    return value


def test_rule_2_two_launches_interleaved_answer_by_answer_each_land_on_their_own_patient(
    site: Site, browser: HttpBrowser
) -> None:
    forms = {patient: browser.start(browser.launch(patient)) for patient in PATIENTS}
    names = {patient: banner(form) for patient, form in forms.items()}
    assert len(set(names.values())) == 2
    for number, link_id in enumerate(PHQ9, start=1):
        for patient, form in forms.items():
            weight = PATIENTS[patient][number - 1]
            saved = browser.save(form, link_id, weight, sequence=number).json()["saves"][0]
            assert (saved["kind"], saved["code"]) == ("saved", code_of(link_id, weight))
            assert banner(browser.get(form.url)) == names[patient]
    for patient, form in reversed(forms.items()):
        difficulty = {"item.phq9-10": code_of("phq9-10", 1)}
        review = browser.send(browser.get(form.url).form("/form", do="hand-in", **difficulty))
        assert banner(review) == names[patient]
        outcome = browser.send(review.form("/sign", choice="write"))
        assert outcome.url.endswith("/outcome")
        assert banner(outcome) == names[patient]

    for patient, weights in PATIENTS.items():
        mine = [r for r in site.resources("Observation") if r["subject"]["reference"] == f"Patient/{patient}"]
        assert len(mine) == 12
        assert total_of(mine) == sum(weights)
        for kind, place in (("QuestionnaireResponse", "subject"), ("DocumentReference", "subject")):
            (one,) = [r for r in site.resources(kind) if r[place]["reference"] == f"Patient/{patient}"]
            assert one
    everything = json.dumps([site.resources(kind) for kind in ("Observation", "Provenance", "DocumentReference")])
    assert "Patient/pt-03" not in everything


@pytest.mark.parametrize("rest", ["", "history", "worklist", "screenings/{id}/form", "screenings/{id}/review"])
def test_rule_2_crossed_cookies_open_no_page(rest: str, site: Site, browser: HttpBrowser, log: CapturedLog) -> None:
    forms = [browser.start(browser.launch(patient)) for patient in PATIENTS]
    cookies = [browser.launch_cookie(form) for form in forms]

    for form, cookie in zip(forms, reversed(cookies), strict=True):
        path = browser.path(form, rest.format(id=screening_id_of(form)))
        page = HttpBrowser(site).get(path, Cookie=f"launch={cookie}")
        assert_refused(page, log, 401, "launch-not-open")


def test_rule_2_a_form_of_one_chart_is_not_found_in_the_other(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    one, two = browser.launch("pt-01"), browser.launch("pt-02")
    review = browser.give(one, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    alert_id = review.root.xpath("//section[contains(@class, 'alert')]/@id")[0].removeprefix("alert-")
    sign = review.form("/sign", choice="write")[1]

    for rest in ("form", "review", "outcome"):
        address = browser.path(two, f"screenings/{screening_id_of(review)}/{rest}")
        assert_refused(browser.get(address), log, 404, "not-this-patient")
    for rest in ("form", "sign", "note", "reject", "reopen", "stop", "comment"):
        fields = {**sign, "device": "page", "reason": "because", "do": "hand-in", **browser.token(two)}
        address = browser.path(two, f"screenings/{screening_id_of(review)}/{rest}")
        assert_refused(browser.send((address, fields)), log, 404, "not-this-patient")
    for rest in ("close", "hand-over", "ask-again", "add"):
        fields = {
            "risk_level": "low", "reasons": "r", "plan": "p", "disposition": "home-with-plan", "to_name": "N",
            "answer": code_of("phq9-9", 0), "reason": "r", "text": "t", **browser.token(two),
        }  # fmt: skip
        page = browser.send((browser.path(two, f"alerts/{alert_id}/{rest}"), fields))
        assert_refused(page, log, 404, "not-this-patient")
    assert site.resources("Observation") == []
    assert "close" in browser.get(review.url).form("/close")[0]


def test_rule_2_the_same_browser_with_one_chart_twice_keeps_two_launches(browser: HttpBrowser) -> None:
    first, second = browser.launch("pt-01"), browser.launch("pt-01")

    browser.send(first.form("/log-out"))

    assert launch_id_of(first) != launch_id_of(second)
    assert browser.get(second.url).status == 200


Change = Callable[[Site], None]
NEW_NAME = [{"use": "official", "family": "Somebody", "given": ["Else"]}]
MERGED = [{"other": {"reference": "Patient/pt-02"}, "type": "replaced-by"}]
CHANGES: dict[str, Change] = {
    "name": lambda site: put(site, "Patient", "pt-01", name=NEW_NAME),
    "birth date": lambda site: put(site, "Patient", "pt-01", birthDate="1962-03-14"),
    "identifier": lambda site: put(site, "Patient", "pt-01", identifier=[{"system": "urn:x", "value": "SIM-0002"}]),
    "merged": lambda site: put(site, "Patient", "pt-01", active=False, link=MERGED),
    "deceased": lambda site: put(site, "Patient", "pt-01", deceasedBoolean=True),
    "visit of another patient": lambda site: put(
        site, "Encounter", "enc-01-now", subject={"reference": "Patient/pt-02"}
    ),
    "visit entered in error": lambda site: put(site, "Encounter", "enc-01-now", status="entered-in-error"),
    "visit cancelled": lambda site: put(site, "Encounter", "enc-01-now", status="cancelled"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_rule_2_a_chart_that_changes_between_review_and_signature_gets_nothing(
    change: str, site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(), 1, 1, 1, 0, 0, 0, 0, 0, 0)
    CHANGES[change](site)

    page = browser.send(review.form("/sign", choice="write"))

    assert page.status in {200, 409, 422}
    assert [site.resources(kind) for kind in ("Observation", "DocumentReference", "Provenance")] == [[], [], []]
    if page.url.endswith("/outcome"):
        assert "all 15 items in the chart" not in words_of(page)


@pytest.mark.parametrize("change", CHANGES)
def test_rule_2_a_chart_that_changes_after_the_signature_gets_nothing(
    change: str, site: Site, ehr: Interposed, browser: HttpBrowser
) -> None:
    """The guard's own read, made after the signature is kept, meets the change."""
    review = browser.give(browser.launch(), 1, 1, 1, 0, 0, 0, 0, 0, 0)
    read_again = "/fhir/Encounter/enc-01-now" if change.startswith("visit") else "/fhir/Patient/pt-01"
    with change_at_next_read(site, ehr, read_again, CHANGES[change]):
        page = browser.send(review.form("/sign", choice="write"))

    assert page.url.endswith("/outcome")
    assert [site.resources(kind) for kind in ("Observation", "DocumentReference", "Provenance")] == [[], [], []]
    with site.units.read() as unit:
        approval = unit.approvals.find_for_screening(UUID(screening_id_of(review)))
        assert approval is not None
        assert "written" not in {str(row.state) for row in unit.ledger.rows_of(approval.id)}
    assert "nothing" in words_of(page).lower() or "not written" in words_of(page).lower()


@contextmanager
def change_at_next_read(site: Site, ehr: Interposed, path: str, change: Change) -> Iterator[None]:
    """Change the chart just before the next read of what changes: the page's own chart is in the app's memory."""
    asked = len(ehr.seen)
    ehr.before("GET", path, lambda: change(site))
    yield
    assert ("GET", path) in ehr.seen[asked:], "the guard did not read it again"


def test_rule_2_an_unchanged_chart_is_written(site: Site, browser: HttpBrowser) -> None:
    """The counterpart of the tests above: without a change the same steps do write."""
    review = browser.give(browser.launch(), 1, 1, 1, 0, 0, 0, 0, 0, 0)

    browser.send(review.form("/sign", choice="write"))

    assert len(site.resources("Observation")) == 12


@pytest.mark.parametrize("rest", ["", "history", "worklist", "encounter", "screenings/new?instrument=phq-9"])
def test_rule_2_every_page_of_a_patient_bears_name_birth_date_and_identifier(rest: str, browser: HttpBrowser) -> None:
    home = browser.launch("pt-01")

    shown = banner(browser.get(browser.path(home, rest)))

    assert [word for word in ("Delgado-Quinn, Rosa", "14 Mar", "SIM-0001") if word not in shown] == []
