"""Sign and write over real HTTP against the simulated EHR: its store and its request log are the truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fhir_mappings.bundle import find_references
from launch.ehr_profile import Use
from sandbox_ehr.server import RunningSandbox, running_sandbox
from smart_app.model.identity import User
from smart_app.model.ledger import RowState
from smart_app.storage.errors import LostClaim
from smart_app.storage.unit_of_work import Units
from smart_app.writeback.claims import Claims
from smart_app.writeback.writer import write_approval
from tests.fakes.ehr_door import CLINICIAN
from tests.fakes.sandbox_launch import Launched, launch, now


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(params=["transaction", "single", "single-without-condition"])
def launched(sandbox: RunningSandbox, request: pytest.FixtureRequest) -> Iterator[Launched]:
    rules: dict[str, dict[str, Any]] = {
        "transaction": {},
        "single": {"transaction": Use.NEVER},
        "single-without-condition": {"transaction": Use.NEVER, "conditional_create": Use.NEVER},
    }
    launched = launch(sandbox, "hapi", **rules[request.param])
    yield launched
    launched.transport.close()


def test_the_store_holds_each_resource_once_and_all_refer_to_the_right_ones(units: Units, launched: Launched) -> None:
    seen = len(launched.sandbox.store.requests())
    door = launched.door()
    approval = launched.sign(units, door)

    report = write_approval(units, approval.id, door, clock=now)

    assert (report.stop, {row.state for row in report.rows}) == (None, {RowState.WRITTEN})
    logged = launched.sandbox.store.requests()[seen:]
    written = [reference.partition("/_history")[0] for request in logged for reference in request.written]
    assert written == [f"{row.resource_type}/{row.resource_id}" for row in report.rows]
    assert Counter(reference.split("/")[0] for reference in written) == {
        "QuestionnaireResponse": 1,
        "Observation": 12,
        "DocumentReference": 1,
        "Provenance": 1,
    }
    stored = [launched.read(*reference.split("/")) for reference in written]
    references = {reference for resource in stored for reference in find_references(resource)}
    assert references - set(written) == {
        "Patient/pt-01",
        f"Encounter/{launched.encounter_id}",
        "Practitioner/prac-okafor",
        "Organization/org-alder-creek",
        "#software",
    }
    total = next(r for r in stored if r.get("code", {}).get("coding", [{}])[0].get("code") == "44261-6")
    assert total["valueQuantity"]["value"] == 13


def test_a_patient_who_was_merged_on_the_server_after_signing_gets_nothing(units: Units, launched: Launched) -> None:
    door = launched.door()
    approval = launched.sign(units, door)
    before = launched.read("Patient", "pt-01")
    seen = len(launched.sandbox.store.requests())
    merged = {**before, "link": [{"type": "replaced-by", "other": {"reference": "Patient/pt-02"}}]}
    launched.sandbox.store.put_raw(json.loads(json.dumps(merged)))
    try:
        report = write_approval(units, approval.id, door, clock=now)
    finally:
        launched.sandbox.store.put_raw(before)

    assert report.stop is not None
    assert report.stop.code == "patient-merged"
    assert not any(request.written for request in launched.sandbox.store.requests()[seen:])


def test_an_ended_token_is_refreshed_once_and_everything_is_written(units: Units, launched: Launched) -> None:
    fresh = launched.door()
    ended = replace(launched.active, tokens=replace(launched.active.tokens, access_token="ended"))
    door = launched.door(active=ended, refresh=lambda: fresh)
    approval = launched.sign(units, door)

    report = write_approval(units, approval.id, door, clock=now)

    assert report.finished
    assert {row.state for row in report.rows} == {RowState.WRITTEN}


def test_a_server_that_is_gone_leaves_everything_planned(units: Units) -> None:
    with running_sandbox() as short_lived:
        launched = launch(short_lived, "hapi")
        door = launched.door()
        approval = launched.sign(units, door)

    report = write_approval(units, approval.id, door, clock=now)
    launched.transport.close()

    assert report.stop is not None
    assert report.stop.transient
    assert {row.state for row in report.rows} <= {RowState.PLANNED, RowState.WAITING}


def test_signer_of_another_issuer_sends_nothing(units: Units, launched: Launched) -> None:
    door = launched.door()
    approval = launched.sign(units, door)
    other = User(issuer="https://other.example", subject=CLINICIAN.subject, fhir_user=CLINICIAN.fhir_user, name="x")

    report = write_approval(units, approval.id, replace(door, user=other), clock=now)

    assert report.stop is not None
    assert report.stop.code == "other-user"


def test_a_claim_lost_at_the_last_moment_stops_the_request_before_its_first_byte(
    units: Units, launched: Launched
) -> None:
    door = launched.door()
    approval = launched.sign(units, door)
    claims = Claims(units, approval, user=CLINICIAN, launch_id="launch-1", clock=now)
    row = claims.claim_ready(())
    assert row is not None
    claims.start_sending([row])
    seen = len(launched.sandbox.store.requests())

    with pytest.raises(LostClaim):
        door.writer.create(
            json.loads(row.resource), deadline=10, before_first_byte=lambda: claims.start_sending([row]) and None
        )

    assert len(launched.sandbox.store.requests()) == seen
