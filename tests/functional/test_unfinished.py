"""What no look-up can settle goes to a person: each choice is checked against the chart as it is now, and audited."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from launch.ehr_profile import AbsenceProof, get_ehr_profile
from smart_app.model.audit import AuditAction
from smart_app.model.ledger import LedgerRow, RowState
from smart_app.model.rights import NotAllowed
from smart_app.screening import workflow
from smart_app.screening.errors import InvalidField
from smart_app.services import Acting
from smart_app.web import WebOptions, create_app
from smart_app.writeback.decisions import DecidedElsewhere
from tests.fakes.clinic import BELL, LINDQVIST, Clinic, open_clinic, phq9
from tests.functional.page_browser import PageBrowser

POST = {"method": "POST", "path": "/fhir$"}
SEARCH_OF_OTHERS = {"method": "GET", "path": "/(Observation|DocumentReference|Provenance)$"}
SEARCH = {"method": "GET", "path": "/(QuestionnaireResponse|Observation|DocumentReference|Provenance)$"}


def sign_in_doubt(clinic: Clinic, fault: str) -> tuple[Acting, UUID]:
    """Sign; the answer to the transaction is lost, and the index shows nothing yet."""
    who = clinic.launch("pt-02")
    screening_id = clinic.give(who, phq9(1, 1, 1, 1, 1, 1, 1, 1, 0))
    clinic.sandbox.control.order({"fault": fault, "match": POST})
    clinic.sandbox.control.order({"fault": "lagging-search", "seconds": 3600, "match": SEARCH})
    clinic.sign(clinic.again(who), screening_id)
    clinic.sandbox.control.clear()
    return clinic.again(who), screening_id


def first_of(clinic: Clinic, screening_id: UUID) -> LedgerRow:
    row: LedgerRow = next(row for row in clinic.rows(screening_id) if row.state is RowState.UNKNOWN)
    return row


def decide(
    clinic: Clinic, who: Acting, screening_id: UUID, row: LedgerRow, choice: str, *, looked: bool, candidate: str = ""
) -> None:
    """Decide on a row as a page showed it."""
    workflow.decide_unfinished(
        clinic.app,
        who,
        screening_id,
        str(row.id),
        choice,
        attempt=str(row.attempt),
        candidate=candidate,
        looked=looked,
    )


def states(clinic: Clinic, screening_id: UUID) -> set[RowState]:
    return {row.state for row in clinic.rows(screening_id) if row.full_url}


def test_send_again_writes_once_after_a_person_looked(clinic: Clinic) -> None:
    who, screening_id = sign_in_doubt(clinic, "reset-before-commit")
    assert states(clinic, screening_id) == {RowState.UNKNOWN}
    row = first_of(clinic, screening_id)
    with pytest.raises(InvalidField):
        decide(clinic, who, screening_id, row, "send-again", looked=False)

    decide(clinic, who, screening_id, row, "send-again", looked=True)

    assert states(clinic, screening_id) == {RowState.WRITTEN}
    assert len(clinic.in_chart("DocumentReference", "pt-02")) == 1
    decided = clinic.audited(AuditAction.ROW_DECIDED)
    assert {(one.outcome, one.user.subject) for one in decided} == {("send-again", who.user.subject)}
    assert len(decided) == len([one for one in clinic.rows(screening_id) if one.full_url])


@pytest.mark.parametrize("choice", ["send-again", "give-up", "look-up"])
def test_a_page_from_before_it_was_sent_again_decides_nothing(clinic: Clinic, choice: str) -> None:
    who, screening_id = sign_in_doubt(clinic, "reset-before-commit")
    seen = first_of(clinic, screening_id)
    clinic.sandbox.control.order({"fault": "reset-after-commit", "match": POST})
    clinic.sandbox.control.order({"fault": "lagging-search", "seconds": 3600, "match": SEARCH})
    decide(clinic, who, screening_id, seen, "send-again", looked=True)
    assert states(clinic, screening_id) == {RowState.UNKNOWN}

    with pytest.raises(DecidedElsewhere):
        decide(clinic, who, screening_id, seen, choice, looked=True)

    assert {one.outcome for one in clinic.audited(AuditAction.ROW_DECIDED)} == {"send-again"}
    clinic.sandbox.control.clear()
    assert len(clinic.in_chart("DocumentReference", "pt-02")) == 1


def test_what_was_sent_with_something_that_is_in_the_chart_is_not_sent_again(clinic: Clinic) -> None:
    who, screening_id = sign_in_doubt(clinic, "reset-after-commit")
    shown = workflow.view_unfinished(clinic.app, who, screening_id).doubts[0].candidates[0]
    row = next(row for row in clinic.rows(screening_id) if row.id == shown.row_id)
    clinic.sandbox.control.order({"fault": "lagging-search", "seconds": 3600, "match": SEARCH_OF_OTHERS})
    decide(clinic, who, screening_id, row, "there", candidate=shown.resource_id, looked=False)
    left = first_of(clinic, screening_id)

    doubt = workflow.view_unfinished(clinic.app, who, screening_id).doubts[0]
    assert (doubt.candidates, "is in the chart" in doubt.send_stop) == ((), True)
    with pytest.raises(DecidedElsewhere):
        decide(clinic, who, screening_id, left, "send-again", looked=True)

    clinic.sandbox.control.clear()
    assert len(clinic.in_chart("DocumentReference", "pt-02")) == 1


@pytest.mark.parametrize("choice", ["send-again", "give-up"])
def test_nothing_is_called_absent_that_the_chart_shows(clinic: Clinic, choice: str) -> None:
    who, screening_id = sign_in_doubt(clinic, "reset-after-commit")
    with pytest.raises(DecidedElsewhere):
        decide(clinic, who, screening_id, first_of(clinic, screening_id), choice, looked=True)
    assert len(clinic.in_chart("DocumentReference", "pt-02")) == 1
    assert clinic.audited(AuditAction.ROW_DECIDED) == []


def test_look_up_again_finds_what_the_index_shows_by_now(clinic: Clinic) -> None:
    who, screening_id = sign_in_doubt(clinic, "reset-after-commit")
    decide(clinic, who, screening_id, first_of(clinic, screening_id), "look-up", looked=False)
    assert states(clinic, screening_id) == {RowState.WRITTEN}


def test_look_ups_in_one_breath_prove_no_absence(tmp_path: Path) -> None:
    profile = replace(get_ehr_profile("generic"), absence_proof=AbsenceProof.IDENTIFIER_SEARCH)
    with open_clinic(tmp_path, ehr={"profile": profile}) as clinic:
        who, screening_id = sign_in_doubt(clinic, "reset-after-commit")
        clinic.sandbox.control.order({"fault": "lagging-search", "seconds": 3600, "match": SEARCH})
        for _ in range(3):
            row = first_of(clinic, screening_id)
            decide(clinic, who, screening_id, row, "look-up", looked=False)
        assert states(clinic, screening_id) == {RowState.UNKNOWN}
        clinic.sandbox.control.clear()
        assert len(clinic.in_chart("DocumentReference", "pt-02")) == 1


def test_the_candidate_that_a_person_names_must_be_one_that_the_ehr_shows(clinic: Clinic) -> None:
    who, screening_id = sign_in_doubt(clinic, "reset-after-commit")
    shown = workflow.view_unfinished(clinic.app, who, screening_id).doubts[0]
    candidate = shown.candidates[0]
    row = next(row for row in clinic.rows(screening_id) if row.id == candidate.row_id)
    with pytest.raises(DecidedElsewhere):
        decide(clinic, who, screening_id, row, "there", candidate="other", looked=False)
    decide(clinic, who, screening_id, row, "there", candidate=candidate.resource_id, looked=False)
    rows = {row.id: row for row in clinic.rows(screening_id)}
    assert rows[candidate.row_id].reason_code == "decided-there"
    assert rows[candidate.row_id].resource_id == candidate.resource_id


def test_another_clinician_may_decide_but_not_send_and_an_assistant_neither(clinic: Clinic) -> None:
    _, screening_id = sign_in_doubt(clinic, "reset-before-commit")
    row = first_of(clinic, screening_id)
    assistant, other = clinic.launch("pt-02", BELL), clinic.launch("pt-02", LINDQVIST)
    for who, choice in ((assistant, "look-up"), (assistant, "give-up"), (other, "send-again")):
        with pytest.raises(NotAllowed):
            decide(clinic, who, screening_id, row, choice, looked=True)
    assert not workflow.view_unfinished(clinic.app, assistant, screening_id).may_decide

    decide(clinic, other, screening_id, row, "give-up", looked=True)

    assert states(clinic, screening_id) == {RowState.CANCELLED}
    assert clinic.in_chart("DocumentReference", "pt-02") == []


def test_the_page_offers_each_choice_and_leads_back_to_the_outcome(clinic: Clinic) -> None:
    _, screening_id = sign_in_doubt(clinic, "reset-before-commit")
    browser = PageBrowser(create_app(clinic.app, WebOptions(secret_key=b"0123456789abcdef")), clinic)
    home = browser.launch("pt-02")
    base = home.url.rstrip("/")
    outcome = browser.get(f"{base}/screenings/{screening_id}/outcome")
    assert "Decide what is not known" in outcome.text
    page = browser.get(f"{base}/screenings/{screening_id}/unfinished")
    for words in ("What happened", "Look up again", "Send again", "Give up, copy by hand", "SS-"):
        assert words in page.text
    form = next(one for one in page.root.forms if "looked" in one.fields)
    done = browser.send((form.action, {**dict(form.form_values()), "looked": "yes", "decision": "give-up"}))
    assert done.url.endswith("/outcome")
    assert "given up" in done.text
