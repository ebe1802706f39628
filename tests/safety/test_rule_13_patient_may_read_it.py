"""Safety rule 13: the patient may read it at once; the clinician can choose; for a minor nothing is preset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fhir_mappings.r4 import Coding
from fhir_mappings.result import Subject
from fhir_mappings.write_shape import ResourceKind
from smart_app.model.approval import WriteChoice
from smart_app.model.ledger import RowState
from smart_app.model.moves import MissingField
from smart_app.screening import workflow
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.errors import ChoiceMissing
from smart_app.writeback.plan import WriteSite
from smart_app.writeback.writer import write_approval
from tests.fakes.clinic import Clinic, phq9
from tests.fakes.ehr_door import FakeChart, open_fake_door
from tests.fakes.signing import Clock, open_units, plan_for, reviewed_result, sign_reviewed

RESTRICTED = Coding(system="urn:site", code="psych", display="Restricted psychiatry note")
SITE = WriteSite(restricted_note_type=RESTRICTED)


@pytest.fixture
def units(tmp_path: Path) -> Iterator[Units]:
    with open_units(tmp_path) as units:
        yield units


def born(date: str | None) -> Subject:
    return Subject(reference="Patient/rosa", display="Rosa Delgado-Quinn", birth_date=date)


def test_the_plan_says_that_the_patient_and_any_proxy_may_read_it_at_once() -> None:
    plan = plan_for(open_fake_door(FakeChart()), reviewed_result())
    assert plan.choice is WriteChoice.WRITE
    assert plan.release_notice == "The patient, and any proxy, may read this at once in the portal."


@pytest.mark.parametrize("choice", [WriteChoice.KEEP, WriteChoice.COPY_BY_HAND])
def test_the_notice_is_not_shown_where_nothing_is_written(choice: WriteChoice) -> None:
    plan = plan_for(open_fake_door(FakeChart()), reviewed_result(), choice=choice)
    assert plan.release_notice == "Nothing is written, so that the portal shows nothing of it."
    assert plan.shapes == ()


@pytest.mark.parametrize(
    ("birth_date", "preset"),
    [
        ("2008-11-24", None),
        ("2008-11-23", WriteChoice.WRITE),
        ("2008-11", None),
        ("2008", None),
        ("2007", WriteChoice.WRITE),
        ("about 2008", None),
        (None, None),
    ],
    ids=["17", "18-today", "month", "year-17-or-18", "year-18-or-19", "unreadable", "unknown"],
)
def test_nothing_is_preset_for_a_minor_or_where_the_age_is_not_known(
    birth_date: str | None, preset: WriteChoice | None
) -> None:
    plan = plan_for(open_fake_door(FakeChart()), reviewed_result(patient=born(birth_date)))
    assert plan.choice is preset
    assert bool(plan.minor_notice) == (preset is None)


def test_while_nothing_is_chosen_for_a_minor_no_word_of_the_page_reads_as_if_writing_were_preset(
    clinic: Clinic,
) -> None:
    who = clinic.launch("pt-05")
    view = workflow.view_review(clinic.app, who, clinic.give(who, phq9(*(1,) * 8, 0)))
    assert {(line.writes, line.words) for line in view.plans[0].lines} == {(False, "Depends on your choice")}
    assert view.plans[0].summary.startswith("Depends on your choice: nothing is preset.")
    assert view.plans[0].release_notice.startswith("If it is written, ")
    assert [choice.chosen for choice in view.sign.choices] == [False] * len(view.sign.choices)


def test_the_age_of_majority_is_the_sites() -> None:
    result = reviewed_result(patient=born("2007-11-23"))
    door = open_fake_door(FakeChart())
    assert plan_for(door, result, site=WriteSite(age_of_majority=20)).choice is None
    assert plan_for(door, result, site=WriteSite(age_of_majority=19)).choice is WriteChoice.WRITE


def test_a_minors_result_cannot_be_signed_without_a_choice_and_can_with_one(units: Units) -> None:
    door = open_fake_door(FakeChart())
    minor = reviewed_result(patient=born("2011-05-01"))
    with pytest.raises(ChoiceMissing):
        sign_reviewed(units, door, result=minor)


@pytest.mark.parametrize("choice", list(WriteChoice))
def test_a_minors_result_is_signed_with_any_choice_that_the_clinician_makes(units: Units, choice: WriteChoice) -> None:
    door = open_fake_door(FakeChart())
    minor = reviewed_result(patient=born("2011-05-01"))
    plan = plan_for(door, minor, choice=choice, site=SITE)
    approval = sign_reviewed(units, door, result=minor, plan=plan, choice_reason="asked by the patient")
    assert approval.choice is choice


@pytest.mark.parametrize("choice", [WriteChoice.KEEP, WriteChoice.COPY_BY_HAND])
def test_not_writing_needs_a_reason_and_leaves_nothing_that_could_be_sent(units: Units, choice: WriteChoice) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    with pytest.raises(MissingField) as caught:
        sign_reviewed(units, door, choice=choice, choice_reason="  ")
    assert caught.value.field == "choice_reason"


@pytest.mark.parametrize("choice", [WriteChoice.KEEP, WriteChoice.COPY_BY_HAND])
def test_a_result_that_is_kept_keeps_its_note_and_is_never_sent(units: Units, choice: WriteChoice) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    approval = sign_reviewed(units, door, choice=choice, choice_reason="asked by the patient")

    report = write_approval(units, approval.id, door, clock=Clock())

    assert chart.posts == []
    assert {(row.state, row.resource) for row in report.rows} == {(RowState.CANCELLED, "")}
    assert report.finished
    with units.read() as unit:
        kept = unit.approvals.get(approval.id)
    assert "Total 13" in kept.note_text
    assert kept.choice_reason == "asked by the patient"


def test_the_restricted_choice_writes_only_the_note_and_in_the_sites_type(units: Units) -> None:
    chart = FakeChart()
    door = open_fake_door(chart)
    plan = plan_for(door, reviewed_result(), choice=WriteChoice.RESTRICTED, site=SITE)
    approval = sign_reviewed(units, door, plan=plan)

    report = write_approval(units, approval.id, door, clock=Clock())

    assert [post["resourceType"] for post in chart.posts] == ["DocumentReference"]
    assert chart.posts[0]["type"]["coding"][0]["code"] == "psych"
    unsent = {row.reason_code for row in report.rows if row.kind != ResourceKind.DOCUMENT_REFERENCE}
    assert unsent == {"restricted"}


def test_the_restricted_choice_is_offered_only_where_the_site_has_such_a_type() -> None:
    door = open_fake_door(FakeChart())
    assert plan_for(door, reviewed_result()).find_option(WriteChoice.RESTRICTED) is None
    assert plan_for(door, reviewed_result(), site=SITE).find_option(WriteChoice.RESTRICTED) is not None
    without_note = replace(SITE, kinds=frozenset({ResourceKind.QUESTIONNAIRE_RESPONSE}))
    assert plan_for(door, reviewed_result(), site=without_note).find_option(WriteChoice.RESTRICTED) is None


def test_what_is_shown_is_the_same_whatever_is_then_chosen() -> None:
    door = open_fake_door(FakeChart())
    hashes = {plan_for(door, reviewed_result(), choice=choice, site=SITE).hash for choice in [None, *WriteChoice]}
    assert len(hashes) == 1
