"""A PHQ-9 signed at each simulated vendor with that vendor's profile: what landed, read from the EHR's own store."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox_ehr.server import RunningSandbox, running_sandbox
from smart_app.model.ledger import RowState
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.writer import write_approval
from tests.fakes.http_browser import HttpBrowser, words_of
from tests.fakes.sandbox_launch import launch, now
from tests.functional.page_browser import Page
from tests.site import Site, running_site

TYPES = ("QuestionnaireResponse", "Observation", "DocumentReference", "Provenance")
OWN_KINDS = "Cannot: from apps this EHR takes {} only of kinds that it has set up itself."
NOTHING_FROM_APPS = "Cannot: this EHR takes no {} from apps."
NOT_LISTED = "Cannot: this EHR takes no {}."
WRITTEN = {"epic": {"DocumentReference": 1}, "oracle": {"DocumentReference": 1, "Provenance": 1}}
"""What each vendor's chart holds afterwards; nothing at the others."""
REASONS = {
    "epic": {"QuestionnaireResponse": OWN_KINDS, "Observation": OWN_KINDS, "Provenance": NOTHING_FROM_APPS},
    "oracle": {"QuestionnaireResponse": NOTHING_FROM_APPS, "Observation": OWN_KINDS},
    "athena": {
        "QuestionnaireResponse": OWN_KINDS,
        "Observation": NOTHING_FROM_APPS,
        "DocumentReference": NOT_LISTED,
        "Provenance": NOT_LISTED,
    },
    "meditech": {
        "QuestionnaireResponse": OWN_KINDS,
        "Observation": NOTHING_FROM_APPS,
        "DocumentReference": NOT_LISTED,
        "Provenance": NOT_LISTED,
    },
}


@dataclass(frozen=True, kw_only=True)
class Signed:
    """One PHQ-9 (total 13) signed by way of the pages."""

    persona: str
    site: Site
    browser: HttpBrowser
    review: Page
    outcome: Page

    def resources(self, resource_type: str) -> list[dict[str, Any]]:
        return self.site.resources(resource_type)


@pytest.fixture(scope="module", params=sorted(REASONS))
def signed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    persona = request.param
    with running_site(tmp_path_factory.mktemp(persona), persona=persona) as site:
        browser = HttpBrowser(site)
        review = browser.close_alert(browser.give(browser.launch(), 2, 2, 2, 2, 1, 1, 1, 1, 1))
        choice = {"choice": "write"} if persona in WRITTEN else {"choice": "keep"}
        outcome = browser.send(review.form("/sign", **choice))
        yield Signed(persona=persona, site=site, browser=browser, review=review, outcome=outcome)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


def note_text(note: dict[str, Any]) -> str:
    (content,) = note["content"]
    assert content["attachment"]["contentType"] == "text/plain;charset=utf-8"
    return b64decode(content["attachment"]["data"]).decode()


def test_the_chart_holds_what_this_ehr_takes_once_and_nothing_else(signed: Signed) -> None:
    landed = {name: len(found) for name in TYPES if (found := signed.resources(name))}
    assert landed == WRITTEN.get(signed.persona, {})


def test_nothing_is_sent_that_this_ehr_would_refuse(signed: Signed) -> None:
    posts = [request for request in signed.site.ehr.store.requests() if request.method == "POST"]
    created = [request for request in posts if urlsplit(request.path).path.rpartition("/")[2] in TYPES]
    assert [request.status for request in created] == [201] * sum(WRITTEN.get(signed.persona, {}).values())


def test_the_plan_says_before_signing_and_the_outcome_after_it_what_is_not_written_and_why(signed: Signed) -> None:
    where = (
        "Said in the note, kept in this app." if signed.persona in WRITTEN else "Kept in this app, to copy or print."
    )
    for resource_type, sentence in REASONS[signed.persona].items():
        words = f"{sentence.format(resource_type)} {where}"
        assert words in words_of(signed.review)
        assert words in words_of(signed.outcome)


def test_the_note_says_the_whole_result_and_carries_its_reference(signed: Signed) -> None:
    shown = words_of(signed.outcome)
    assert "Total 13 of 27" in shown
    for note in signed.resources("DocumentReference"):
        text = note_text(note)
        assert "Total 13 of 27" in text
        assert "9 Thoughts that you would be better off dead" in text
        line = next(line for line in text.splitlines() if line.startswith("Reference SS-"))
        assert line in shown
        assert f"DocumentReference/{note['id']}" in shown


def test_the_note_is_of_the_signed_in_provider_for_the_visit_of_the_launch(signed: Signed) -> None:
    for note in signed.resources("DocumentReference"):
        assert [author["reference"] for author in note["author"]] == ["Practitioner/prac-okafor"]
        assert [visit["reference"] for visit in note["context"]["encounter"]] == ["Encounter/enc-01-now"]
        assert note["subject"]["reference"] == "Patient/pt-01"
        assert (note["status"], note["docStatus"]) == ("current", "final")
        assert [coding["code"] for coding in note["type"]["coding"]] == ["11506-3"]
        assert "T" in note["context"]["period"]["end"]
        assert ("authenticator" in note) == (signed.persona == "epic")


def test_scopes_are_asked_for_in_the_spelling_that_this_ehr_answers_in(signed: Signed) -> None:
    asked = parse_qs(urlsplit(signed.browser.to_authorize()).query)["scope"][0].split()
    spelled_v1 = {"patient/DocumentReference.write", "patient/DocumentReference.*"} & set(asked)
    assert bool(spelled_v1) == (signed.persona == "epic"), asked


def test_a_note_that_waits_for_a_co_signature_is_not_promised_where_only_its_author_may_send_it(
    tmp_path: Path,
) -> None:
    with running_site(tmp_path, persona="oracle") as site:
        browser = HttpBrowser(site)
        review = browser.give(browser.launch(user="prac-ferreira"), 1, 1, 1, 0, 0, 0, 0, 0, 0)
    assert "takes a note only from its author, and yours is sent with the co-signature." in words_of(review)


@pytest.mark.parametrize("persona", sorted(REASONS))
@pytest.mark.parametrize("own", [True, False], ids=["own-profile", "generic-profile"])
def test_this_ehr_refuses_something_unless_it_has_its_profile(
    own: bool, persona: str, sandbox: RunningSandbox, units: Units
) -> None:
    launched = launch(sandbox, persona if own else "generic", persona=persona)
    door = launched.door()
    report = write_approval(units, launched.sign(units, door).id, door, clock=now)
    launched.transport.close()
    assert (RowState.REFUSED in {row.state for row in report.rows}) is not own
    assert report.finished
