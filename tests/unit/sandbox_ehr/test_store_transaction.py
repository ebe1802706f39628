"""Batch and transaction, http://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_ehr.fhir_request import Access
from tests.unit.sandbox_ehr.fhir_client import (
    BASE,
    Ehr,
    observation,
    open_ehr,
    post_entry,
    response,
    transaction,
)

URN = "urn:uuid:00000000-0000-4000-8000-00000000000"
TYPES = ("QuestionnaireResponse", "Observation", "DocumentReference", "Provenance")


def signed_result() -> list[dict[str, Any]]:
    """What signing one result writes, in an order in which every reference points forward."""
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": f"{URN}{n}"} for n in (1, 2, 3)],
        "recorded": "2026-03-01T12:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/dr"}, "onBehalfOf": {"display": "Clinic"}}],
    }
    note = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/ada"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "UEhRLTk="}}],
        "context": {"encounter": [{"reference": "Encounter/visit-ada"}], "related": [{"reference": f"{URN}2"}]},
    }
    panel = observation(hasMember=[{"reference": f"{URN}2"}], derivedFrom=[{"reference": f"{URN}1"}])
    total = observation(derivedFrom=[{"reference": f"{URN}1"}], valueInteger=13)
    answers = response(identifier={"system": "urn:ietf:rfc:3986", "value": f"{URN}1"})
    return [
        post_entry(provenance, f"{URN}5"),
        post_entry(note, f"{URN}3"),
        post_entry(panel, f"{URN}4"),
        post_entry(total, f"{URN}2"),
        post_entry(answers, f"{URN}1", ifNoneExist=f"identifier=urn:ietf:rfc:3986|{URN}1"),
    ]


def count_all(ehr: Ehr) -> dict[str, int]:
    return {name: ehr.count(name) for name in TYPES}


def test_a_transaction_resolves_references_between_its_entries(ehr: Ehr) -> None:
    reply = ehr.post(transaction(*signed_result()), "")
    assert (reply.status, reply.json["type"]) == (200, "transaction-response")
    responses = [entry["response"] for entry in reply.json["entry"]]
    assert [entry["status"] for entry in responses] == ["201 Created"] * 5
    assert [entry["etag"] for entry in responses] == ['W/"1"'] * 5
    provenance, note, panel, total, answers = (entry["location"].split("/_history")[0] for entry in responses)
    stored = ehr.get(provenance).json
    assert [target["reference"] for target in stored["target"]] == [answers, total, note]
    assert ehr.get(panel).json["hasMember"] == [{"reference": total}]
    assert ehr.get(note).json["context"]["related"] == [{"reference": total}]
    assert ehr.get(answers).json["identifier"]["value"] == f"{URN}1", "an identifier is no reference"
    assert len(ehr.store.requests()[0].written) == 5


def test_a_repeated_transaction_finds_its_conditional_creates(ehr: Ehr) -> None:
    entries = [entry for entry in signed_result() if entry["resource"]["resourceType"] != "Provenance"]
    first, second = (ehr.post(transaction(*entries), "").json["entry"][-1]["response"] for _ in range(2))
    assert (first["status"], second["status"]) == ("201 Created", "200 OK")
    assert first["location"] == second["location"]
    assert ehr.count("QuestionnaireResponse") == 1
    derived = {entry["resource"]["derivedFrom"][0]["reference"] for entry in ehr.search("Observation").json["entry"]}
    assert derived == {first["location"].split("/_history")[0]}


FAULTS: list[dict[str, Any]] = [
    post_entry(observation(status="bogus")),
    post_entry(observation(subject={"reference": "Patient/nobody"})),
    post_entry(observation(derivedFrom=[{"reference": f"{URN}9"}])),
    post_entry(observation(), ifNoneExist="status=final,amended&_count=1"),
    post_entry(observation(), f"{URN}1"),
    {"request": {"method": "GET", "url": "Observation/nobody"}},
    {"request": {"method": "DELETE", "url": "Patient/ada"}},
    {"request": {"method": "PATCH", "url": "Patient/ada"}},
    {"request": {"method": "POST", "url": "Observation"}},
    {"resource": observation(id="x"), "request": {"method": "PUT", "url": "Observation/y"}},
    {"resource": observation(id="x"), "request": {"method": "PUT", "url": "Observation/x", "ifMatch": 'W/"4"'}},
    {"resource": observation()},
]


@settings(deadline=None)
@given(fault=st.sampled_from(FAULTS), position=st.integers(0, 5))
def test_one_failing_entry_anywhere_leaves_the_store_untouched(fault: dict[str, Any], position: int) -> None:
    with open_ehr() as ehr:
        entries = signed_result()
        entries.insert(position, fault)
        reply = ehr.post(transaction(*entries), "")
        assert reply.status >= 400, reply.text
        assert reply.json["resourceType"] == "OperationOutcome"
        assert count_all(ehr) == dict.fromkeys(TYPES, 0)
        assert ehr.store.requests()[0].written == ()


def test_a_refusal_names_the_entry(ehr: Ehr) -> None:
    reply = ehr.post(transaction(post_entry(observation()), post_entry(observation(status="bogus"))), "")
    assert (reply.status, reply.expressions) == (422, ["Bundle.entry[1].resource.status"])
    broken = observation(subject={"reference": "Patient/nobody"})
    reply = ehr.post(transaction(post_entry(observation()), post_entry(broken)), "")
    assert reply.expressions == ["Bundle.entry[1].resource.subject.reference"]


def test_the_outcome_of_a_transaction_does_not_hang_on_the_order_of_entries(ehr: Ehr) -> None:
    forward = ehr.post(transaction(*signed_result()), "")
    backward = ehr.post(transaction(*[{**e} for e in reversed(signed_result())]), "")
    assert forward.status == 200
    assert backward.status == 200
    assert count_all(ehr) == {"QuestionnaireResponse": 1, "Observation": 4, "DocumentReference": 2, "Provenance": 2}


def test_a_condition_is_judged_before_anything_is_written(ehr: Ehr) -> None:
    plain = observation(identifier=[{"value": "k"}])
    conditional = post_entry(plain, f"{URN}1", ifNoneExist="identifier=k")
    dependent = post_entry(observation(hasMember=[{"reference": f"{URN}1"}]))
    reply = ehr.post(transaction(post_entry(plain), conditional, dependent), "").json
    assert [entry["response"]["status"] for entry in reply["entry"]] == ["201 Created"] * 3
    member = ehr.get(reply["entry"][2]["response"]["location"]).json["hasMember"][0]["reference"]
    assert reply["entry"][1]["response"]["location"] == f"{member}/_history/1"


def test_provenance_of_an_updated_resource_finds_its_patient(ehr: Ehr) -> None:
    provenance = signed_result()[0]["resource"] | {"target": [{"reference": "Observation/o"}]}
    update = {"resource": observation(id="o"), "request": {"method": "PUT", "url": "Observation/o"}}
    access = Access(scope="patient/*.cruds", client_id="c", patient="ada")
    assert ehr.post(transaction(post_entry(provenance), update), "", access).status == 200
    assert len(ehr.search("Provenance", access=access).ids) == 1


def test_deletes_come_first_and_reads_last(ehr: Ehr) -> None:
    old = ehr.post(observation(identifier=[{"value": "k"}])).json["id"]
    reply = ehr.post(
        transaction(
            {"request": {"method": "GET", "url": "Observation?identifier=k"}},
            post_entry(observation(identifier=[{"value": "k"}]), ifNoneExist="identifier=k2"),
            {"request": {"method": "DELETE", "url": f"Observation/{old}"}},
        ),
        "",
    )
    found, created, deleted = reply.json["entry"]
    assert found["resource"]["total"] == 1
    assert found["resource"]["entry"][0]["resource"]["id"] in created["response"]["location"]
    assert deleted["response"]["status"] == "204 No Content"


def test_prefer_representation_returns_the_resources(ehr: Ehr) -> None:
    bundle = transaction(post_entry(observation()), {"request": {"method": "GET", "url": "Patient/ada"}})
    minimal, full = (ehr.post(bundle, "", Prefer=f"return={kind}").json for kind in ("minimal", "representation"))
    assert ["resource" in entry for entry in minimal["entry"]] == [False, True]
    assert ["resource" in entry for entry in full["entry"]] == [True, True]


def test_an_absolute_address_of_this_server_is_its_own(ehr: Ehr) -> None:
    entry = post_entry(observation(subject={"reference": f"{BASE}/Patient/ada"}))
    entry["request"]["url"] = f"{BASE}/Observation"
    assert ehr.post(transaction(entry), "").status == 200
    assert ehr.search("Observation", ("patient", "ada")).json["entry"][0]["resource"]["subject"] == {
        "reference": "Patient/ada"
    }


def test_parallel_transactions_with_one_identifier_make_one_set(tmp_path: Path) -> None:
    entries = signed_result()
    for entry in entries[2:4]:
        entry["resource"]["identifier"] = [{"system": "urn:x", "value": entry["fullUrl"]}]
        entry["request"]["ifNoneExist"] = f"identifier=urn:x|{entry['fullUrl']}"
    with open_ehr(tmp_path / "ehr.sqlite") as ehr, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: ehr.post(transaction(*entries[2:]), "").status, range(8)))
        assert statuses == [200] * 8
        assert (ehr.count("QuestionnaireResponse"), ehr.count("Observation")) == (1, 2)


def test_the_entries_of_a_batch_stand_each_for_itself(ehr: Ehr) -> None:
    reply = ehr.post(
        transaction(
            post_entry(observation()),
            post_entry(observation(status="bogus")),
            {"request": {"method": "GET", "url": "Patient/ada"}},
            {"request": {"method": "GET", "url": "Patient/nobody"}},
            post_entry({"resourceType": "Nonsense"}),
            kind="batch",
        ),
        "",
    )
    assert (reply.status, reply.json["type"]) == (200, "batch-response")
    statuses = [entry["response"]["status"].split()[0] for entry in reply.json["entry"]]
    assert statuses == ["201", "422", "200", "404", "404"]
    assert reply.json["entry"][1]["response"]["outcome"]["issue"][0]["expression"] == ["Observation.status"]
    assert ehr.count("Observation") == 1


def test_references_between_the_entries_of_a_batch_are_not_resolved(ehr: Ehr) -> None:
    entries = [post_entry(response(), f"{URN}1"), post_entry(observation(derivedFrom=[{"reference": f"{URN}1"}]))]
    reply = ehr.post(transaction(*entries, kind="batch"), "")
    assert [entry["response"]["status"][:3] for entry in reply.json["entry"]] == ["201", "422"]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_scopes_are_checked_for_each_entry(ehr: Ehr, kind: str) -> None:
    access = Access(scope="patient/Observation.c", client_id="c", patient="ada")
    entries = [post_entry(observation("ada")), post_entry(observation("bo")), post_entry(response("ada"))]
    reply = ehr.post(transaction(*entries, kind=kind), "", access)
    if kind == "transaction":
        assert (reply.status, reply.issue["code"], ehr.count("Observation")) == (403, "forbidden", 0)
        assert reply.expressions == ["Bundle.entry[1]"]
    else:
        assert [entry["response"]["status"][:3] for entry in reply.json["entry"]] == ["201", "403", "403"]
        assert ehr.count("Observation") == 1


@pytest.mark.parametrize(
    "bundle",
    [
        {"resourceType": "Bundle", "type": "collection", "entry": []},
        {"resourceType": "Bundle", "entry": []},
        {"resourceType": "Bundle", "type": []},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
        {"resourceType": "Bundle", "type": "batch", "entry": [1]},
        {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": 3}}]},
        {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [{"fullUrl": 1, "request": {"method": "GET", "url": "x"}}],
        },
    ],
)
def test_what_is_no_batch_or_transaction_is_refused(ehr: Ehr, bundle: dict[str, Any]) -> None:
    reply = ehr.post(bundle, "")
    assert (reply.status, reply.issue["code"]) == (400, "structure")


@settings(deadline=None, max_examples=200)
@given(data=st.data(), kind=st.sampled_from(["batch", "transaction"]))
def test_any_damage_to_a_bundle_is_refused_or_answered(data: st.DataObject, kind: str) -> None:
    bundle = json.loads(json.dumps(transaction(*signed_result(), kind=kind)))
    entry = data.draw(st.sampled_from(bundle["entry"]))
    part = data.draw(st.sampled_from([entry, entry["request"], entry["resource"]]))
    key = data.draw(st.sampled_from([*part, "ifMatch", "id"]))
    part[key] = data.draw(
        st.sampled_from([None, 0, "", "x", "a/b/c", "?", "/", [], {}, [None], "Observation/", "urn:x"])
    )
    with open_ehr() as ehr:
        reply = ehr.post(bundle, "")
        assert 200 <= reply.status < 500
        assert reply.json["resourceType"] == ("Bundle" if reply.status == 200 else "OperationOutcome")
        assert kind == "batch" or reply.status == 200 or count_all(ehr) == dict.fromkeys(TYPES, 0)


def test_an_empty_transaction_does_nothing(ehr: Ehr) -> None:
    assert ehr.post({"resourceType": "Bundle", "type": "transaction"}, "").json == {
        "resourceType": "Bundle",
        "type": "transaction-response",
    }
