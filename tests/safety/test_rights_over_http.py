"""Rights over HTTP (design section 7): who gives, who signs, who co-signs, and who never sees a clinician's page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from smart_app.model.audit import AuditAction
from smart_app.settings import RightsEntry, Settings
from tests.fakes.captured_log import CapturedLog
from tests.fakes.http_browser import HttpBrowser, screening_id_of, words_of
from tests.fakes.refusal import assert_refused
from tests.functional.page_browser import Page
from tests.site import Site, running_site

MILD = (1, 1, 1, 1, 1, 0, 0, 0, 0)


def refusals(site: Site, action: AuditAction) -> list[tuple[str, str | None]]:
    """Outcome and user of the refusals in the audit, oldest first."""
    with site.units.read() as unit:
        events = [event for _, event in unit.audit.export() if event.action is action]
    return [(event.outcome, None if event.user is None else event.user.fhir_user) for event in events]


def reviewed_by(site: Site, user: str, screening: Page) -> tuple[HttpBrowser, Page]:
    """Another person, at another machine, opens the same result in a launch of their own."""
    browser = HttpBrowser(site)
    home = browser.launch(user=user)
    return browser, browser.get(browser.path(home, f"screenings/{screening_id_of(screening)}/review"))


def test_an_assistant_gives_on_one_launch_and_a_clinician_signs_on_another(site: Site, browser: HttpBrowser) -> None:
    given = browser.give(browser.launch(user="prac-bell"), *MILD)
    browser.send(given.form("/log-out"))
    site.clock.move(hours=20)

    clinician, review = reviewed_by(site, "prac-okafor", given)
    outcome = clinician.send(review.form("/sign", choice="write"))

    assert outcome.url.endswith("/outcome")
    (note,) = site.resources("DocumentReference")
    assert note["authenticator"]["reference"] == "Practitioner/prac-okafor"
    (response,) = site.resources("QuestionnaireResponse")
    assert "prac-okafor" not in json.dumps(response.get("source", {}))
    (provenance,) = site.resources("Provenance")
    agents = json.dumps(provenance["agent"])
    assert "Practitioner/prac-okafor" in agents
    with site.units.read() as unit:
        screening = unit.screenings.get(UUID(screening_id_of(given)))
    assert screening.started_by.fhir_user == "Practitioner/prac-bell"


def test_an_assistants_own_signature_is_refused_by_the_server_and_audited(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    review = browser.give(browser.launch(user="prac-bell"), *MILD)

    page = browser.send(review.form("/sign", choice="write"))

    assert_refused(page, log, 403, "not-allowed")
    assert site.resources("Observation") == []
    assert ("not-allowed", "Practitioner/prac-bell") in refusals(site, AuditAction.ACCESS_REFUSED)
    with site.units.read() as unit:
        assert unit.approvals.find_for_screening(UUID(screening_id_of(review))) is None


def test_a_trainees_signature_waits_for_the_named_supervisor_who_co_signs(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    review = browser.give(browser.launch(user="prac-ferreira"), *MILD)
    outcome = browser.send(review.form("/sign", choice="write"))
    assert outcome.url.endswith("/outcome")
    assert "waits for the signature" in words_of(outcome)
    assert site.resources("Observation") == []

    path = browser.path(outcome, f"screenings/{screening_id_of(outcome)}/co-sign")
    assert_refused(browser.send((path, browser.token(outcome))), log, 403, "not-allowed")
    for other in ("prac-okafor", "prac-bell"):
        stranger = HttpBrowser(site)
        home = stranger.launch(user=other)
        path = stranger.path(home, f"screenings/{screening_id_of(outcome)}/co-sign")
        assert_refused(stranger.send((path, stranger.token(home))), log, 403, "not-allowed")
    assert site.resources("Observation") == []

    supervisor = HttpBrowser(site)
    home = supervisor.launch(user="prac-lindqvist")
    shown = supervisor.get(supervisor.path(home, f"screenings/{screening_id_of(outcome)}/outcome"))
    signed = supervisor.send(shown.form("/co-sign"))
    assert signed.status == 200
    with site.units.read() as unit:
        approval = unit.approvals.find_for_screening(UUID(screening_id_of(outcome)))
    assert approval is not None
    assert approval.co_signed_by is not None
    assert approval.co_signed_by.fhir_user == "Practitioner/prac-lindqvist"

    trainee = HttpBrowser(site)
    home = trainee.launch(user="prac-ferreira")
    path = trainee.path(home, "finish-writing")
    finished = trainee.send((path, {**trainee.token(home), "screening": screening_id_of(outcome)}))
    assert finished.status == 200
    assert len(site.resources("Observation")) == 12


@pytest.fixture
def where_okafor_co_signs_too(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    def with_okafor(settings: Settings) -> Settings:
        also = RightsEntry(identities=("Practitioner/prac-okafor",))
        rights = settings.rights.model_copy(update={"co_sign": (*settings.rights.co_sign, also)})
        return replace(settings, rights=rights)

    with running_site(tmp_path_factory.mktemp("site"), change_settings=with_okafor) as site:
        yield site


def test_the_right_to_co_sign_is_not_enough_where_another_supervisor_is_named(
    where_okafor_co_signs_too: Site, log: CapturedLog
) -> None:
    site = where_okafor_co_signs_too
    trainee, other = HttpBrowser(site), HttpBrowser(site)
    review = trainee.give(trainee.launch(user="prac-ferreira"), *MILD)
    trainee.send(review.form("/sign", choice="write"))
    home = other.launch(user="prac-okafor")

    path = other.path(home, f"screenings/{screening_id_of(review)}/co-sign")

    assert_refused(other.send((path, other.token(home))), log, 403, "not-allowed")
    assert site.resources("Observation") == []


def test_nobody_finishes_writing_what_a_trainee_signed_before_the_supervisor_did(
    site: Site, browser: HttpBrowser
) -> None:
    review = browser.give(browser.launch(user="prac-ferreira"), *MILD)
    outcome = browser.send(review.form("/sign", choice="write"))

    fields = {**browser.token(outcome), "screening": screening_id_of(outcome)}
    browser.send((browser.path(outcome, "finish-writing"), fields))

    assert site.resources("Observation") == []


@pytest.mark.parametrize(("user", "patient"), [("acct-delgado", "pt-01"), ("acct-castellanos", "pt-05")])
def test_a_patient_or_relative_never_reaches_a_clinicians_page(
    user: str, patient: str, site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    page = browser.launch(patient, user=user)

    assert_refused(page, log, 403, "patient-account")
    assert not [cookie for cookie in browser.session.cookies if cookie.path.startswith("/launches/")]
    assert "Delgado" not in page.text
    assert "Castellanos" not in page.text
    assert ("patient-account", None) in refusals(site, AuditAction.LAUNCH_REFUSED)


def test_an_account_without_fhir_user_gives_and_reviews_and_signs_nothing(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    review = browser.give(browser.launch(user="acct-locum"), *MILD)
    assert review.status == 200
    assert "5 of 27" in words_of(review)

    assert_refused(browser.send(review.form("/sign", choice="write")), log, 403, "not-allowed")
    assert site.resources("Observation") == []
    clinician, review = reviewed_by(site, "prac-okafor", review)
    assert clinician.send(review.form("/sign", choice="write")).url.endswith("/outcome")


@pytest.mark.parametrize("user", ["prac-bell", "prac-ferreira", "acct-locum"])
def test_the_list_of_other_patients_alerts_is_for_those_whom_the_site_names(
    user: str, site: Site, browser: HttpBrowser
) -> None:
    browser.save(browser.start(browser.launch("pt-02")), "phq9-9", 2)
    reader = browser.get(browser.path(browser.launch("pt-01"), "worklist"))
    other = HttpBrowser(site)

    page = other.get(other.path(other.launch("pt-01", user=user), "worklist"))

    assert "SIM-0002" in words_of(reader)
    assert page.status in {200, 403}
    assert "SIM-0002" not in words_of(page)


def test_the_rights_of_a_launch_are_not_those_of_another_tab(
    site: Site, browser: HttpBrowser, log: CapturedLog
) -> None:
    """A shared machine: the assistant's tab gains nothing from the clinician's beside it."""
    browser.launch(user="prac-okafor")
    review = browser.give(browser.launch(user="prac-bell"), *MILD)

    assert_refused(browser.send(review.form("/sign", choice="write")), log, 403, "not-allowed")
