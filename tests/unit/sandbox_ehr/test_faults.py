"""Faults strike for real: what the client sees, what the store holds and what the request log says, for each."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox_ehr.faults import FAULTS, REFUSALS
from sandbox_ehr.store import FhirStore
from tests.unit.sandbox_ehr.app_driver import SettableClock
from tests.unit.sandbox_ehr.fhir_client import observation
from tests.unit.sandbox_ehr.wire import SECONDS, Wire, open_wire

CREATE = {"method": "POST", "path": "/Observation$"}
ONCE = "identifier=urn:ietf:rfc:3986|urn:uuid:00000000-0000-4000-8000-000000000001"


@pytest.fixture
def wire() -> Iterator[Wire]:
    with open_wire() as opened:
        yield opened


def last(wire: Wire) -> dict[str, Any]:
    return wire.log()[-1]


def test_without_a_fault_a_create_is_answered_committed_and_logged(wire: Wire) -> None:
    assert wire.create().status_code == 201
    assert wire.created == 1
    entry = last(wire)
    assert (entry["method"], entry["path"], entry["outcome"]) == ("POST", "Observation", "answered 201")
    assert (entry["committed"], entry["fault"], entry["replayed"]) == (True, None, False)
    assert entry["written"][0].startswith("Observation/")


def test_reset_before_commit_leaves_nothing(wire: Wire) -> None:
    wire.order("reset-before-commit", match=CREATE)
    with pytest.raises(requests.ConnectionError):
        wire.create()
    assert wire.created == 0
    entry = last(wire)
    assert (entry["outcome"], entry["committed"], entry["status"]) == ("no answer", False, None)
    assert (entry["fault"], entry["client_id"]) == ("reset-before-commit", "public-app")


def test_reset_after_commit_leaves_the_resource(wire: Wire) -> None:
    wire.order("reset-after-commit", match=CREATE)
    with pytest.raises(requests.ConnectionError):
        wire.create()
    assert wire.created == 1
    entry = last(wire)
    assert (entry["outcome"], entry["committed"], entry["status"]) == ("no answer", True, 201)


@pytest.mark.parametrize("fault", ["reset-before-commit", "reset-after-commit"])
def test_a_reset_is_one_of_tcp(wire: Wire, fault: str) -> None:
    wire.order(fault)
    with closing(socket.create_connection(wire.address, timeout=SECONDS)) as client:
        request = f"GET /fhir/Patient/pt-01 HTTP/1.1\r\nHost: ehr\r\nAuthorization: Bearer {wire.secret}\r\n\r\n"
        client.sendall(request.encode())
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_time_out_after_commit_is_silent_until_the_client_hangs_up(wire: Wire) -> None:
    wire.order("time-out-after-commit", match=CREATE)
    with pytest.raises(requests.ReadTimeout):
        wire.create(seconds=0.5)
    wire.wait_until_calm()
    assert wire.created == 1
    assert (last(wire)["outcome"], last(wire)["committed"]) == ("no answer", True)


def test_late_commit_comes_when_the_connection_is_long_gone(wire: Wire) -> None:
    wire.order("late-commit", match=CREATE, seconds=0.7)
    with pytest.raises(requests.ConnectionError):
        wire.create()
    shown = requests.get(f"{wire.ehr.base_url}/_control/faults", timeout=SECONDS).json()
    assert (wire.created, shown["pending"]) == (0, 1)
    wire.wait_until_calm()
    assert wire.created == 1
    assert (last(wire)["outcome"], last(wire)["committed"]) == ("no answer", True)


def test_late_commit_was_let_in_when_it_came(wire: Wire) -> None:
    wire.order("late-commit", match=CREATE, seconds=0.3)
    with pytest.raises(requests.ConnectionError):
        wire.create()
    wire.ehr.app.server.tokens.revoke(wire.secret)
    wire.wait_until_calm()
    assert wire.created == 1
    assert wire.send("GET", "Patient/pt-01").status_code == 401


def test_late_commit_of_an_ehr_that_ends_never_comes(tmp_path: Path) -> None:
    database = tmp_path / "ehr.sqlite"
    with open_wire(database=str(database)) as wire:
        wire.order("late-commit", match=CREATE, seconds=600)
        with pytest.raises(requests.ConnectionError):
            wire.create()
    with FhirStore(database, clock=SettableClock()) as store:
        assert not any(logged.written for logged in store.requests())


def test_lagging_search_finds_a_new_resource_later_while_a_read_finds_it_now(wire: Wire) -> None:
    wire.order("lagging-search", seconds=30)
    created = wire.create().json()["id"]
    assert created not in wire.search()
    assert wire.send("GET", f"Observation/{created}").status_code == 200
    wire.clock.forward(seconds=31)
    assert created in wire.search()


def test_lagging_search_that_is_cleared_lags_no_more(wire: Wire) -> None:
    wire.order("lagging-search", seconds=30)
    created = wire.create().json()["id"]
    assert created not in wire.search()
    assert requests.delete(f"{wire.ehr.base_url}/_control/faults", timeout=SECONDS).status_code == 204
    assert created in wire.search()


def test_replayed_request_creates_twice_and_is_told_apart(wire: Wire) -> None:
    wire.order("replayed-request", match=CREATE)
    assert wire.create().status_code == 201
    assert wire.created == 2
    assert [entry["replayed"] for entry in wire.log()] == [False, True]
    assert [entry["outcome"] for entry in wire.log()] == ["answered 201", "no answer"]


def test_replayed_request_with_a_condition_creates_once(wire: Wire) -> None:
    wire.order("replayed-request", match=CREATE)
    body = observation("pt-01", identifier=[{"system": "urn:ietf:rfc:3986", "value": ONCE.partition("|")[2]}])
    assert wire.send("POST", "Observation", body, If_None_Exist=ONCE).status_code == 201
    assert wire.created == 1
    assert [entry["status"] for entry in wire.log()] == [201, 200]


def test_replayed_request_may_come_long_after_the_answer(wire: Wire) -> None:
    wire.order("replayed-request", match=CREATE, seconds=0.3)
    assert wire.create().status_code == 201
    wire.wait_until_calm()
    assert wire.created == 2


def test_no_location_names_the_new_resource_nowhere(wire: Wire) -> None:
    wire.order("no-location", match=CREATE)
    answer = wire.create()
    assert (answer.status_code, answer.content, "Location" in answer.headers) == (201, b"", False)
    assert wire.created == 1


@pytest.mark.parametrize(("fault", "status"), REFUSALS.items())
def test_a_refusal_is_answered_and_nothing_committed(wire: Wire, fault: str, status: int) -> None:
    wire.order(fault, match=CREATE)
    assert wire.create().status_code == status
    assert wire.created == 0
    assert (last(wire)["outcome"], last(wire)["committed"]) == (f"answered {status}", False)
    assert wire.create().status_code == 201, "it struck once"


@pytest.mark.parametrize(("fault", "status"), REFUSALS.items())
def test_a_refusal_may_hide_a_commit(wire: Wire, fault: str, status: int) -> None:
    wire.order(fault, match=CREATE, commit=True)
    assert wire.create().status_code == status
    assert wire.created == 1
    assert (last(wire)["outcome"], last(wire)["committed"]) == (f"answered {status}", True)


@pytest.mark.parametrize("fault", sorted(REFUSALS.keys() - {"bad-gateway-html-502"}))
def test_a_refusal_of_the_ehr_explains_itself(wire: Wire, fault: str) -> None:
    wire.order(fault)
    answer = wire.send("GET", "Patient/pt-01")
    assert answer.headers["Content-Type"].startswith("application/fhir+json")
    assert answer.json()["issue"][0]["details"]["text"]


def test_refusals_carry_the_headers_that_clients_act_on(wire: Wire) -> None:
    wire.order("unauthorized-401")
    assert "invalid_token" in wire.create().headers["WWW-Authenticate"]
    wire.order("too-many-requests-429", retry_after=7)
    assert wire.create().headers["Retry-After"] == "7"
    wire.order("too-many-requests-429")
    assert "Retry-After" not in wire.create().headers
    wire.order("break-the-glass")
    assert wire.create().json()["issue"][0]["details"]["coding"][0]["code"] == "4130"
    wire.order("bad-gateway-html-502")
    assert wire.create().headers["Content-Type"].startswith("text/html")


def test_401_in_mid_batch_lets_the_first_requests_pass(wire: Wire) -> None:
    wire.order("unauthorized-401", match=CREATE, after=2)
    assert [wire.create().status_code for _ in range(4)] == [201, 201, 401, 201]


def test_truncated_json_arrives_after_the_commit(wire: Wire) -> None:
    wire.order("truncated-json", match=CREATE)
    answer = wire.create()
    assert answer.status_code == 201
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)
    assert wire.created == 1


def test_truncated_json_takes_the_place_of_an_empty_body(wire: Wire) -> None:
    wire.order("truncated-json", match=CREATE)
    answer = wire.create(Prefer="return=minimal")
    assert answer.content == b'{"resourceType":'


def test_wrong_content_type_hides_good_json(wire: Wire) -> None:
    wire.order("wrong-content-type", match=CREATE)
    answer = wire.create()
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.json()["resourceType"] == "Observation"
    assert wire.created == 1


def test_latency_outlasts_an_impatient_client(wire: Wire) -> None:
    wire.order("latency", match=CREATE, seconds=0.6)
    with pytest.raises(requests.ReadTimeout):
        wire.create(seconds=0.2)
    wire.wait_until_calm()
    assert wire.created == 1
    assert wire.create().status_code == 201


def test_clock_skew_moves_date_and_expiry_until_cleared(wire: Wire) -> None:
    wire.order("clock-skew", seconds=3601)
    refused = wire.send("GET", "Patient/pt-01")
    assert refused.status_code == 401
    ahead = parsedate_to_datetime(refused.headers["Date"]) - wire.clock()
    assert 3600 <= ahead.total_seconds() <= 3602
    wire.ehr.control.clear()
    assert wire.send("GET", "Patient/pt-01").status_code == 200
    wire.order("clock-skew", seconds=-600)
    behind = parsedate_to_datetime(wire.send("GET", "Patient/pt-01").headers["Date"]) - wire.clock()
    assert behind.total_seconds() < -598


def key_ids(wire: Wire) -> list[str]:
    keys = requests.get(f"{wire.ehr.base_url}/auth/jwks", timeout=SECONDS).json()["keys"]
    return [key["kid"] for key in keys]


def test_key_rotation_happens_at_once_and_may_forget_the_old_key(wire: Wire) -> None:
    (first,) = key_ids(wire)
    wire.order("key-rotation")
    second, kept = key_ids(wire)
    assert (kept == first, second == first) == (True, False)
    wire.order("key-rotation", forget=True)
    (third,) = key_ids(wire)
    assert third not in {first, second}


def test_patient_merged_happens_before_the_request_that_it_waits_for(wire: Wire) -> None:
    merge = {"patient": "pt-01", "into": "pt-02", "match": {"method": "GET", "path": "/Patient/pt-01$"}, "after": 1}
    wire.order("patient-merged", **merge)
    assert "link" not in wire.send("GET", "Patient/pt-01").json()
    merged = wire.send("GET", "Patient/pt-01").json()
    assert merged["active"] is False
    assert merged["link"] == [{"other": {"reference": "Patient/pt-02"}, "type": "replaced-by"}]


def test_encounter_closed_happens_at_once_where_no_request_is_named(wire: Wire) -> None:
    search = "Encounter?patient=pt-01&status=in-progress"
    (entry,) = wire.send("GET", search).json()["entry"]
    wire.order("encounter-closed", encounter=entry["resource"]["id"])
    assert "entry" not in wire.send("GET", search).json()
    closed = wire.send("GET", f"Encounter/{entry['resource']['id']}").json()
    assert closed["status"] == "finished"
    assert closed["period"]["end"]


def test_standing_faults_go_together_with_an_answer(wire: Wire) -> None:
    wire.order("lagging-search", seconds=30)
    wire.order("reset-after-commit", match=CREATE)
    with pytest.raises(requests.ConnectionError):
        wire.create()
    assert wire.created == 1
    (written,) = last(wire)["written"]
    assert written.split("/")[1] not in wire.search()


def test_a_fault_without_a_path_strikes_fhir_requests_only(wire: Wire) -> None:
    wire.order("server-error-500")
    assert requests.get(f"{wire.ehr.fhir_base_url}/.well-known/smart-configuration", timeout=SECONDS).ok
    assert requests.get(wire.ehr.base_url, timeout=SECONDS).ok
    assert wire.send("GET", "Patient/pt-01").status_code == 500


def test_a_fault_may_strike_the_token_endpoint(wire: Wire) -> None:
    wire.order("bad-gateway-html-502", match={"path": "^/auth/token$"})
    assert requests.post(f"{wire.ehr.base_url}/auth/token", timeout=SECONDS).status_code == 502


def test_the_store_holds_what_the_log_says_under_many_clients_and_faults(wire: Wire) -> None:
    # The EHR hangs up first: a client as impatient would now and then take a busy machine for a fault.
    silence = {"time-out-after-commit": {"seconds": 0.2}}
    for fault in ("reset-after-commit", "reset-before-commit", "server-error-500", "time-out-after-commit"):
        wire.order(fault, match=CREATE, times=None, share=0.2, seed=len(fault), **silence.get(fault, {}))
    outcomes: list[int] = []

    def client() -> None:
        for _ in range(10):
            try:
                outcomes.append(wire.create().status_code)
            except requests.RequestException:
                outcomes.append(0)

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    wire.wait_until_calm()
    entries = wire.log()
    assert len(entries) == len(outcomes) == 40
    assert wire.created == sum(entry["committed"] for entry in entries)
    assert outcomes.count(201) == sum(entry["outcome"] == "answered 201" for entry in entries)
    assert outcomes.count(0) == sum(entry["outcome"] == "no answer" for entry in entries)
    assert len({entry["fault"] for entry in entries}) == 5


def test_every_fault_of_this_file_is_one_that_can_be_ordered() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FAULTS if f'"{name}"' not in text and name not in REFUSALS] == []
