"""Create, read, update, delete, versions, headers and content negotiation, http://hl7.org/fhir/R4/http.html."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_ehr.fhir_json import DEEPEST_NESTING, LARGEST_BODY
from sandbox_ehr.store import FhirStore
from tests.unit.sandbox_ehr.fhir_client import BASE, Clock, Ehr, observation, open_ehr, response


def test_create_answers_201_with_location_etag_and_the_resource(ehr: Ehr) -> None:
    reply = ehr.post(observation())
    created = reply.json
    assert reply.status == 201
    assert reply.headers["Location"] == f"{BASE}/Observation/{created['id']}/_history/1"
    assert reply.headers["ETag"] == 'W/"1"'
    assert reply.headers["Last-Modified"] == "Sun, 01 Mar 2026 12:00:00 GMT"
    assert reply.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert created == {**observation(), "id": created["id"], "meta": created["meta"]}
    assert created["meta"] == {"versionId": "1", "lastUpdated": "2026-03-01T12:00:00.000Z"}
    assert ehr.get(f"Observation/{created['id']}").json == created


def test_create_gives_its_own_id_and_keeps_the_tags_of_meta(ehr: Ehr) -> None:
    tag = {"system": "http://example.org/tags", "code": "t"}
    created = ehr.post(observation(id="mine", meta={"versionId": "9", "tag": [tag]})).json
    assert created["id"] != "mine"
    assert created["meta"]["versionId"] == "1"
    assert created["meta"]["tag"] == [tag]


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        ("return=minimal", None),
        ("return=representation", "Observation"),
        ("return=OperationOutcome", "OperationOutcome"),
        ("handling=strict; return=minimal", None),
    ],
)
def test_prefer_chooses_the_body_of_a_write(ehr: Ehr, prefer: str, expected: str | None) -> None:
    reply = ehr.post(observation(), Prefer=prefer)
    assert reply.status == 201
    assert "Location" in reply.headers
    assert (reply.json["resourceType"] if reply.text else None) == expected


def test_decimals_keep_every_digit_as_received(ehr: Ehr) -> None:
    body = json.dumps(observation(valueQuantity={"value": 0})).replace('"value": 0', '"value": 13.500')
    reply = ehr.send("POST", "Observation", body.encode())
    place = reply.headers["Location"].removeprefix(f"{BASE}/")
    assert '"value":13.500}' in reply.text
    assert '"value":13.500}' in ehr.get(place).text
    assert '"value":13.500}' in ehr.search("Observation").text


def test_text_of_any_script_comes_back_unchanged(ehr: Ehr) -> None:
    family = 'Ōé "\\ \u2028 \U0001f600 </script>'
    created = ehr.post({"resourceType": "Patient", "name": [{"family": family}]}).json
    assert ehr.get(f"Patient/{created['id']}").json["name"][0]["family"] == family


def test_update_adds_a_version_and_leaves_the_old_one_readable(ehr: Ehr) -> None:
    created = ehr.post(observation()).json
    updated = ehr.put({**created, "status": "amended"})
    assert (updated.status, updated.headers["ETag"]) == (200, 'W/"2"')
    place = f"Observation/{created['id']}"
    assert ehr.get(place).json["status"] == "amended"
    assert ehr.get(f"{place}/_history/1").json["status"] == "final"
    assert ehr.get(f"{place}/_history/3").status == 404
    assert ehr.get(f"{place}/_history/x").status == 404


def test_update_of_an_unknown_id_creates_under_that_id(ehr: Ehr) -> None:
    reply = ehr.put(observation(id="chosen"))
    assert (reply.status, reply.json["id"]) == (201, "chosen")
    assert reply.headers["Location"].endswith("/Observation/chosen/_history/1")


def test_update_with_another_id_in_the_body_is_refused(ehr: Ehr) -> None:
    reply = ehr.send("PUT", "Observation/a", json.dumps(observation(id="b")).encode())
    assert (reply.status, reply.expressions) == (400, ["Observation.id"])


def test_update_with_a_stale_version_is_refused_and_changes_nothing(ehr: Ehr) -> None:
    created = ehr.post(observation()).json
    assert ehr.put({**created, "status": "amended"}, If_Match='W/"1"').status == 200
    stale = ehr.put({**created, "status": "corrected"}, If_Match='W/"1"')
    assert (stale.status, stale.issue["code"]) == (412, "conflict")
    assert ehr.get(f"Observation/{created['id']}").json["status"] == "amended"
    assert ehr.put(observation(id="new"), If_Match='W/"1"').status == 412


def test_of_two_parallel_updates_of_one_version_exactly_one_wins(tmp_path: Path) -> None:
    with open_ehr(tmp_path / "ehr.sqlite") as ehr, ThreadPoolExecutor(8) as pool:
        created = ehr.post(observation()).json
        statuses = list(pool.map(lambda _: ehr.put(created, If_Match='W/"1"').status, range(8)))
    assert sorted(statuses) == [200] + [412] * 7


def test_unknown_is_404_deleted_is_410_and_recreated_is_200(ehr: Ehr) -> None:
    assert ehr.get("Observation/nobody").status == 404
    created = ehr.post(observation()).json
    place = f"Observation/{created['id']}"
    assert ehr.delete(place).status == 204
    gone = ehr.get(place)
    assert (gone.status, gone.issue["code"]) == (410, "deleted")
    assert ehr.get(f"{place}/_history/2").status == 410
    assert ehr.get(f"{place}/_history/1").status == 200
    assert ehr.search("Observation").json["total"] == 0
    assert ehr.delete(place).status == 204
    assert ehr.delete("Observation/nobody").status == 404
    assert ehr.put(created).status == 201
    assert ehr.get(place).headers["ETag"] == 'W/"3"'


def test_delete_of_what_others_refer_to_is_a_conflict(ehr: Ehr) -> None:
    kept = ehr.post(response()).json
    ehr.post(observation(derivedFrom=[{"reference": f"QuestionnaireResponse/{kept['id']}"}]))
    assert ehr.delete(f"QuestionnaireResponse/{kept['id']}").status == 409
    assert ehr.get(f"QuestionnaireResponse/{kept['id']}").status == 200


def test_a_reference_that_was_taken_back_holds_nothing(ehr: Ehr) -> None:
    kept = ehr.post(response()).json["id"]
    holder = ehr.post(observation(derivedFrom=[{"reference": f"QuestionnaireResponse/{kept}"}])).json
    ehr.put(observation(id=holder["id"]))
    assert ehr.delete(f"QuestionnaireResponse/{kept}").status == 204


def test_delete_with_a_stale_version_is_refused(ehr: Ehr) -> None:
    created = ehr.post(observation()).json
    assert ehr.delete(f"Observation/{created['id']}", If_Match='W/"7"').status == 412


def test_read_with_a_matching_etag_is_304_without_body(ehr: Ehr) -> None:
    reply = ehr.get("Patient/ada", If_None_Match='W/"0", W/"1"')
    assert (reply.status, reply.text, reply.headers["ETag"]) == (304, "", 'W/"1"')
    assert ehr.get("Patient/ada", If_None_Match='W/"2"').status == 200


def test_history_lists_versions_newest_first_with_deletions(ehr: Ehr) -> None:
    created = ehr.post(observation()).json
    place = f"Observation/{created['id']}"
    ehr.clock.advance(minutes=1)
    ehr.put({**created, "status": "amended"})
    ehr.clock.advance(minutes=1)
    ehr.delete(place)
    history = ehr.get(f"{place}/_history").json
    assert (history["type"], history["total"]) == ("history", 3)
    assert [entry["request"] for entry in history["entry"]] == [
        {"method": "DELETE", "url": place},
        {"method": "PUT", "url": place},
        {"method": "POST", "url": "Observation"},
    ]
    assert [entry.get("resource", {}).get("status") for entry in history["entry"]] == [None, "amended", "final"]
    assert [entry["response"]["status"] for entry in history["entry"]] == ["204 No Content", "200 OK", "201 Created"]
    assert ehr.get("Observation/nobody/_history").status == 404


def test_history_of_a_type_is_paged(ehr: Ehr) -> None:
    for _ in range(5):
        ehr.post(observation())
    first = ehr.get("Observation/_history", ("_count", "3"))
    second = ehr.follow(str(first.link("next")))
    found = [entry["resource"]["id"] for page in (first, second) for entry in page.json["entry"]]
    assert (first.json["total"], len(set(found)), second.link("next")) == (5, 5, None)
    assert ehr.get("Observation/_history", ("_since", "2026")).status == 400


def test_conditional_create_creates_once_then_finds(ehr: Ehr) -> None:
    identifier = {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:5f0c"}
    criteria = "identifier=urn:ietf:rfc:3986|urn:uuid:5f0c"
    first = ehr.post(observation(identifier=[identifier]), If_None_Exist=criteria)
    second = ehr.post(observation(identifier=[identifier]), If_None_Exist=criteria)
    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json
    assert first.headers["Location"] == second.headers["Location"]
    assert ehr.count("Observation") == 1


def test_conditional_create_with_several_matches_is_412(ehr: Ehr) -> None:
    ehr.post(observation())
    ehr.post(observation())
    reply = ehr.post(observation(), If_None_Exist="status=final")
    assert (reply.status, reply.issue["code"]) == (412, "multiple-matches")
    assert ehr.count("Observation") == 2


@pytest.mark.parametrize("criteria", ["", "nonsense", "foo=bar", "_count=1", "status=final&_sort=date"])
def test_conditional_create_without_sound_criteria_creates_nothing(ehr: Ehr, criteria: str) -> None:
    assert ehr.post(observation(), If_None_Exist=criteria).status == 400
    assert ehr.count("Observation") == 0


@pytest.mark.parametrize("on_file", [True, False])
def test_eight_parallel_conditional_creates_make_exactly_one(tmp_path: Path, on_file: bool) -> None:
    body = observation(identifier=[{"system": "urn:x", "value": "1"}])
    with open_ehr(tmp_path / "ehr.sqlite" if on_file else ":memory:") as ehr, ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: ehr.post(body, If_None_Exist="identifier=urn:x|1"), range(24)))
        assert ehr.count("Observation") == 1
    assert sorted(reply.status for reply in replies) == [200] * 23 + [201]
    assert len({reply.json["id"] for reply in replies}) == 1


def test_the_store_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "ehr.sqlite"
    with open_ehr(path) as ehr:
        created = ehr.post(observation()).json
    with FhirStore(path, clock=Clock()) as store:
        ehr = Ehr(store, Clock())
        assert ehr.get(f"Observation/{created['id']}").json == created
        assert ehr.search("Observation", ("patient", "ada")).ids == [created["id"]]


def test_readers_are_not_held_up_by_an_open_writer(tmp_path: Path) -> None:
    with open_ehr(tmp_path / "ehr.sqlite") as ehr:
        with ehr.store.writing() as writer:
            writer.save({"resourceType": "Patient"}, method="POST", resource_id="unborn")
            with ThreadPoolExecutor(1) as pool:
                seen = pool.submit(lambda: _exists(ehr.store, "unborn")).result(timeout=10)
        assert (seen, _exists(ehr.store, "unborn")) == (False, True)


def _exists(store: FhirStore, patient: str) -> bool:
    with store.reading() as session:
        return session.exists("Patient", patient)


def test_seeds_keep_their_id_and_their_last_updated(ehr: Ehr) -> None:
    seed = {**observation(id="old"), "meta": {"lastUpdated": "2019-05-06T10:00:00+02:00"}}
    stored = ehr.store.put_raw(seed)
    assert stored.reference == "Observation/old"
    assert ehr.get("Observation/old").json["meta"]["lastUpdated"] == "2019-05-06T08:00:00.000Z"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"resourceType":"Observation"',
        json.dumps(observation()).encode().replace(b'"final"', b'"final","status":"amended"'),
        json.dumps(observation(code={"text": "\ud800"})).encode(),
        json.dumps(observation() | {"\udfff": 1}).encode(),
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b"\xff\xfe{}",
        b"<Observation xmlns='http://hl7.org/fhir'/>",
        b'{"a":' * (DEEPEST_NESTING + 1) + b"1" + b"}" * (DEEPEST_NESTING + 1),
        b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_resource_is_refused(ehr: Ehr, body: bytes) -> None:
    reply = ehr.send("POST", "Observation", body)
    assert (reply.status, reply.issue["code"]) == (400, "structure")
    assert ehr.count("Observation") == 0


def test_a_body_over_the_limit_is_413(ehr: Ehr) -> None:
    reply = ehr.send("POST", "Observation", b" " * (LARGEST_BODY + 1))
    assert (reply.status, reply.issue["code"]) == (413, "too-long")


@pytest.mark.parametrize("content_type", ["application/fhir+xml", "text/xml", "text/plain", ""])
def test_a_body_that_is_not_json_by_its_type_is_415(ehr: Ehr, content_type: str) -> None:
    reply = ehr.send("POST", "Observation", b"{}", headers={"Content-Type": content_type})
    assert (reply.status, reply.issue["code"]) == (415, "not-supported")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+xml", 406),
        ("text/html", 406),
        ("application/fhir+json", 200),
        ("application/json;q=0.9", 200),
        ("text/html, */*;q=0.1", 200),
    ],
)
def test_only_json_is_answered(ehr: Ehr, accept: str, status: int) -> None:
    assert ehr.get("Patient/ada", Accept=accept).status == status


def test_format_parameter_overrides_accept(ehr: Ehr) -> None:
    assert ehr.get("Patient/ada", ("_format", "json"), Accept="text/html").status == 200
    assert ehr.get("Patient/ada", ("_format", "xml")).status == 406


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Nonsense/1", 404),
        ("GET", "Patient/ada/$everything", 404),
        ("GET", "$meta", 404),
        ("GET", "Patient/ada/_history/1/x", 404),
        ("PATCH", "Patient/ada", 405),
        ("PUT", "Patient", 405),
        ("DELETE", "Patient", 405),
        ("POST", "Patient/ada", 405),
        ("GET", "", 405),
        ("POST", "metadata", 405),
    ],
)
def test_addresses_without_an_interaction_say_so(ehr: Ehr, method: str, path: str, status: int) -> None:
    reply = ehr.send(method, path, b"{}")
    assert reply.status == status
    assert reply.issue["severity"] == "error"


PATH_PARTS = st.sampled_from(
    ["", "Patient", "ada", "_history", "_search", "1", "metadata", "$op", "%2F", "..", "Ω", "x" * 70]
)


@settings(deadline=None, max_examples=300)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]),
    path=st.lists(PATH_PARTS, max_size=5).map("/".join),
    body=st.sampled_from([b"", b"{}", b'{"resourceType":"Patient","id":"ada"}', b"\xff"]),
    query=st.lists(
        st.tuples(st.sampled_from(["_getpages", "_count", "_id", "_format"]), st.text(max_size=4)), max_size=2
    ),
)
def test_any_request_gets_an_answer_of_fhir(method: str, path: str, body: bytes, query: list[tuple[str, str]]) -> None:
    with open_ehr() as ehr:
        reply = ehr.send(method, path, body, query=query)
        assert 200 <= reply.status < 500
        assert not reply.text or reply.json["resourceType"]
        assert len(ehr.store.requests()) == 1


def test_head_answers_as_get_without_body(ehr: Ehr) -> None:
    reply = ehr.send("HEAD", "Patient/ada")
    assert (reply.status, reply.text, reply.headers["ETag"]) == (200, "", 'W/"1"')


def test_every_request_is_in_the_log_with_what_it_wrote(ehr: Ehr) -> None:
    created = ehr.post(observation(), X_Request_Id="r-1").json
    ehr.get("Observation/nobody", ("patient", "ada"))
    ehr.get("metadata", access=None)
    written, missing, metadata = ehr.store.requests()
    assert (written.method, written.path, written.status) == ("POST", "Observation", 201)
    assert written.written == (f"Observation/{created['id']}/_history/1",)
    assert (written.client_id, written.request_id, written.persona) == ("loader", "r-1", "open")
    assert (missing.path, missing.status, missing.written) == ("Observation/nobody", 404, ())
    assert (metadata.client_id, metadata.time) == (None, ehr.clock.now)
