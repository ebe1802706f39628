"""Writes: what is sent, and what is known afterwards. A POST is never sent twice."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launch.ehr import Ehr
from launch.fhir_writer import FhirWriter, OutcomeKind, WriteOutcome
from launch.transport import Transport
from tests.fakes.fake_ehr import NOW, Answer, FakeEhr
from tests.fakes.launches import active_launch

OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "status": "final", "valueString": "Zoë"}
CREATED = {**OBSERVATION, "id": "o-1", "meta": {"versionId": "1"}}
PATH = "/fhir/Observation"
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "business-rule"}]}


@pytest.fixture
def writer(fake: FakeEhr, ehr: Ehr, transport: Transport) -> FhirWriter:
    return FhirWriter(active_launch(fake), ehr, transport, request_id=lambda: "req-1")


def create(fake: FakeEhr, writer: FhirWriter, answer: Answer, **overrides: Any) -> WriteOutcome:
    fake.on("POST", PATH, answer)
    outcome = writer.create(OBSERVATION, **overrides)
    assert len(fake.recorded("POST", PATH)) == 1
    return outcome


def test_create_sends_exactly_this(fake: FakeEhr, writer: FhirWriter) -> None:
    outcome = create(fake, writer, Answer.fhir(CREATED, status=201), if_none_exist="identifier=urn:x|1")
    assert outcome == WriteOutcome(
        kind=OutcomeKind.CREATED, http_status=201, resource_id="o-1", version_id="1", date=NOW, request_id="req-1"
    )
    (request,) = fake.requests
    assert request.json == OBSERVATION
    assert "Zoë".encode() in request.body
    assert request.headers == {
        "host": f"127.0.0.1:{fake.port}",
        "user-agent": request.headers["user-agent"],
        "accept-encoding": request.headers["accept-encoding"],
        "connection": "keep-alive",
        "content-length": str(len(request.body)),
        "content-type": "application/fhir+json",
        "accept": "application/fhir+json",
        "authorization": "Bearer access-1",
        "prefer": "return=representation",
        "x-request-id": "req-1",
        "if-none-exist": "identifier=urn:x|1",
    }


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ({"Location": "{base}/Observation/o-1"}, None, ("o-1", None)),
        ({"Location": "{base}/Observation/o-1/_history/2"}, None, ("o-1", "2")),
        ({"Location": "Observation/o-1"}, None, ("o-1", None)),
        ({"Location": "/Observation/o-1"}, None, ("o-1", None)),
        ({"Location": "Observation/o-1/_history/2"}, None, ("o-1", "2")),
        ({"Location": "/fhir/Observation/o-1"}, None, ("o-1", None)),
        ({"Location": "Observation/o-1", "ETag": 'W/"7"'}, None, ("o-1", "7")),
        ({"Content-Location": "{base}/Observation/o-1/_history/2"}, None, ("o-1", "2")),
        ({"Location": "Observation/o-2"}, CREATED, ("o-1", "1")),
        ({"Location": "Observation/o-1"}, OUTCOME, ("o-1", None)),
        ({"Location": "Observation/o-1"}, {"resourceType": "Observation"}, ("o-1", None)),
        ({"Location": "Observation/o-1"}, {"resourceType": "Observation", "id": "a/b"}, ("o-1", None)),
        ({}, {"resourceType": "Observation", "id": "o-1"}, ("o-1", None)),
        ({}, None, (None, None)),
        ({"ETag": 'W/"7"'}, None, (None, "7")),
        ({"Location": "https://evil.example/fhir/Observation/o-1"}, None, (None, None)),
        ({"Location": "Patient/o-1"}, None, (None, None)),
        ({"Location": "nonsense"}, None, (None, None)),
        ({"Location": "nonsense", "Content-Location": "Observation/o-1"}, None, ("o-1", None)),
    ],
)
def test_201_is_created_and_the_id_is_found_where_it_is(
    fake: FakeEhr, writer: FhirWriter, headers: dict[str, str], body: Any, found: tuple[str | None, str | None]
) -> None:  # fmt: skip
    base = Answer(status=201) if body is None else Answer.fhir(body, status=201)
    named = {name: value.format(base=fake.fhir_base_url) for name, value in headers.items()}
    outcome = create(fake, writer, replace(base, headers={**base.headers, **named}))
    assert (outcome.kind, outcome.resource_id, outcome.version_id) == (OutcomeKind.CREATED, *found)


@pytest.mark.parametrize(
    ("status", "kind", "conditional_kind"),
    [
        (201, OutcomeKind.CREATED, OutcomeKind.CREATED),
        (202, OutcomeKind.HELD, OutcomeKind.HELD),
        (200, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN),
        (204, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN),
        (301, OutcomeKind.REFUSED, OutcomeKind.REFUSED),
        (302, OutcomeKind.REFUSED, OutcomeKind.REFUSED),
        (307, OutcomeKind.REFUSED, OutcomeKind.REFUSED),
        (400, OutcomeKind.REFUSED, OutcomeKind.REFUSED),
        (401, OutcomeKind.UNAUTHORIZED, OutcomeKind.UNAUTHORIZED),
        (403, OutcomeKind.REFUSED, OutcomeKind.REFUSED),
        (404, OutcomeKind.REFUSED, OutcomeKind.REFUSED),
        (408, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN),
        (409, OutcomeKind.UNKNOWN, OutcomeKind.CONFLICT),
        (412, OutcomeKind.REFUSED, OutcomeKind.CONFLICT),
        (422, OutcomeKind.REFUSED, OutcomeKind.REFUSED),
        (429, OutcomeKind.TOO_MANY_REQUESTS, OutcomeKind.TOO_MANY_REQUESTS),
        (500, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN),
        (502, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN),
        (503, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN),
        (504, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN),
    ],
)
def test_each_status_says_what_is_known(
    fake: FakeEhr, writer: FhirWriter, status: int, kind: OutcomeKind, conditional_kind: OutcomeKind
) -> None:
    answer = Answer(status=status, headers={"Retry-After": "7"})
    assert create(fake, writer, answer).kind is kind
    fake.requests.clear()
    conditional = create(fake, writer, answer, if_none_exist="identifier=1")
    assert conditional.kind is conditional_kind
    if status == 429:
        assert conditional.retry_after == 7.0


def test_200_with_the_resource_is_existed_when_conditional_and_created_when_not(
    fake: FakeEhr, writer: FhirWriter
) -> None:
    answer = Answer.fhir(CREATED)
    assert create(fake, writer, answer, if_none_exist="identifier=1").kind is OutcomeKind.EXISTED
    fake.requests.clear()
    assert create(fake, writer, answer).kind is OutcomeKind.CREATED


@pytest.mark.parametrize(
    "answer", [Answer.html(), Answer(body=b'{"resourceType":"Obs'), Answer.fhir(OUTCOME), Answer.fhir([])]
)
def test_malformed_2xx_is_unknown(fake: FakeEhr, writer: FhirWriter, answer: Answer) -> None:
    assert create(fake, writer, answer).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("status", [400, 409, 422, 500])
def test_resource_in_an_answer_that_is_not_a_success_gives_no_id(
    fake: FakeEhr, writer: FhirWriter, status: int
) -> None:
    outcome = create(fake, writer, Answer.fhir(CREATED, status=status, Location="Observation/o-1"))
    assert (outcome.resource_id, outcome.version_id) == (None, None)


def test_issues_of_a_refusal_are_kept(fake: FakeEhr, writer: FhirWriter) -> None:
    outcome = create(fake, writer, Answer.fhir(OUTCOME, status=422))
    assert [issue.code for issue in outcome.issues] == ["business-rule"]


# No answer


def test_what_is_sent_is_the_text_that_the_caller_makes(fake: FakeEhr, ehr: Ehr, transport: Transport) -> None:
    exact = FhirWriter(active_launch(fake), ehr, transport, format_json=lambda _: '{"value":13.50}')
    create(fake, exact, Answer.fhir(CREATED, status=201))
    assert fake.requests[0].body == b'{"value":13.50}'


def test_reset_is_unknown_and_not_sent_again(fake: FakeEhr, writer: FhirWriter) -> None:
    outcome = create(fake, writer, Answer(abort=True))
    assert (outcome.kind, outcome.error_code, outcome.http_status) == (OutcomeKind.UNKNOWN, "connection-broken", None)


def test_timeout_is_unknown(fake: FakeEhr, writer: FhirWriter) -> None:
    release = threading.Event()
    outcome = create(fake, writer, Answer(status=201, wait_for=release), deadline=0.2)
    release.set()
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.UNKNOWN, "read-timeout")


def test_answer_over_the_cap_is_unknown(fake: FakeEhr, writer: FhirWriter) -> None:
    answer = Answer(status=201, body=b"x", headers={"Content-Length": "10000001"})
    assert create(fake, writer, answer).kind is OutcomeKind.UNKNOWN


def unreachable(fake: FakeEhr, base: str, **transport: Any) -> FhirWriter:
    ehr = fake.ehr(fhir_base_url=base)
    return FhirWriter(active_launch(fake, fhir_base_url=base), ehr, Transport(ehr, **transport))


def test_refused_connection_is_not_sent(fake: FakeEhr) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    outcome = unreachable(fake, f"http://127.0.0.1:{port}/fhir").create(OBSERVATION)
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.NOT_SENT, "connect-failed")


def test_name_that_does_not_resolve_is_not_sent(fake: FakeEhr) -> None:
    def resolve(host: str, port: int) -> tuple[str, ...]:
        raise socket.gaierror("no such name")

    outcome = unreachable(fake, "https://ehr.example/fhir", resolve=resolve).create(OBSERVATION)
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.NOT_SENT, "connect-failed")


def test_failed_tls_handshake_is_not_sent(fake: FakeEhr) -> None:
    outcome = unreachable(fake, f"https://127.0.0.1:{fake.port}/fhir").create(OBSERVATION)
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.NOT_SENT, "connect-failed")


def test_private_address_is_not_sent(fake: FakeEhr) -> None:
    outcome = unreachable(fake, "https://ehr.example/fhir", resolve=lambda host, port: ("10.0.0.1",)).create(
        OBSERVATION
    )
    assert (outcome.kind, outcome.error_code) == (OutcomeKind.NOT_SENT, "private-address-refused")


def test_hook_runs_before_the_first_byte_and_what_it_raises_stops_the_write(fake: FakeEhr, writer: FhirWriter) -> None:
    class LeaseLost(Exception):
        pass

    def lose() -> None:
        raise LeaseLost

    fake.on("POST", PATH, Answer.fhir(CREATED, status=201))
    with pytest.raises(LeaseLost):
        writer.create(OBSERVATION, before_first_byte=lose)
    assert fake.requests == []
    seen: list[int] = []
    assert writer.create(OBSERVATION, before_first_byte=lambda: seen.append(len(fake.requests))).resource_id == "o-1"
    assert seen == [0]


def test_writer_belongs_to_one_ehr(fake: FakeEhr, ehr: Ehr, transport: Transport) -> None:
    with pytest.raises(ValueError, match="different EHRs"):
        FhirWriter(active_launch(fake, ehr_id="other"), ehr, transport)


# Update


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeKind.UPDATED),
        (201, OutcomeKind.CREATED),
        (409, OutcomeKind.UNKNOWN),
        (412, OutcomeKind.REFUSED),
        (404, OutcomeKind.REFUSED),
        (500, OutcomeKind.UNKNOWN),
    ],
)
def test_update_sends_its_version_and_tells_what_is_known(
    fake: FakeEhr, writer: FhirWriter, status: int, kind: OutcomeKind
) -> None:
    fake.on("PUT", "/fhir/Observation/o-1", Answer(status=status, headers={"ETag": 'W/"4"'}))
    outcome = writer.update(CREATED, if_match="3")
    assert outcome.kind is kind
    assert outcome.version_id == ("4" if status in (200, 201) else None)
    (request,) = fake.requests
    assert (request.headers["if-match"], request.json) == ('W/"3"', CREATED)


def test_update_without_version_sends_no_condition(fake: FakeEhr, writer: FhirWriter) -> None:
    fake.on("PUT", "/fhir/Observation/o-1", Answer.fhir(CREATED))
    assert writer.update(CREATED).resource_id == "o-1"
    assert "if-match" not in fake.requests[0].headers


@pytest.mark.parametrize("resource", [OBSERVATION, {**OBSERVATION, "id": "a/b"}, {"id": "1"}, {}])
def test_update_needs_type_and_id(fake: FakeEhr, writer: FhirWriter, resource: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs"):
        writer.update(resource)
    assert fake.requests == []


# Bundles


def transaction(*, conditional: bool = False, kind: str = "transaction") -> dict[str, Any]:
    request = {"method": "POST", "url": "Observation", **({"ifNoneExist": "identifier=1"} if conditional else {})}
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": OBSERVATION, "request": request},
            {"fullUrl": "urn:uuid:2", "resource": CREATED, "request": {"method": "PUT", "url": "Observation/o-1"}},
        ],
    }


def answered(*responses: Any, **overrides: Any) -> Answer:
    return Answer.fhir(
        {"resourceType": "Bundle", "type": "transaction-response", "entry": list(responses), **overrides}
    )


FIRST = {"response": {"status": "201 Created", "location": "Observation/o-7/_history/1", "etag": 'W/"1"'}}
SECOND = {"response": {"status": "200", "etag": 'W/"2"'}, "resource": CREATED}


def send(fake: FakeEhr, writer: FhirWriter, answer: Answer, **overrides: Any) -> WriteOutcome:
    fake.on("POST", "/fhir", answer)
    outcome = writer.transaction(transaction(**overrides))
    assert len(fake.recorded("POST", "/fhir")) == 1
    return outcome


def test_transaction_gives_the_outcome_of_each_entry(fake: FakeEhr, writer: FhirWriter) -> None:
    outcome = send(fake, writer, answered(FIRST, SECOND))
    assert (outcome.kind, outcome.request_id) == (OutcomeKind.CREATED, "req-1")
    assert [(entry.kind, entry.resource_id, entry.version_id) for entry in outcome.entries] == [
        (OutcomeKind.CREATED, "o-7", "1"),
        (OutcomeKind.UPDATED, "o-1", "1"),
    ]
    assert fake.requests[0].json == transaction()


def test_conditional_entry_that_found_one_existed(fake: FakeEhr, writer: FhirWriter) -> None:
    found = {"response": {"status": "200 OK", "location": "Observation/o-7"}}
    outcome = send(fake, writer, answered(found, SECOND), conditional=True)
    assert outcome.entries[0].kind is OutcomeKind.EXISTED


@pytest.mark.parametrize(
    "answer",
    [
        answered(FIRST),
        answered(FIRST, SECOND, SECOND),
        answered(),
        answered(entry={}),
        Answer.html(),
        Answer(),
        Answer.fhir(OUTCOME),
        Answer.fhir(CREATED, status=201),
        Answer(status=500),
        Answer(status=408),
        Answer(status=409),
        Answer(abort=True),
    ],
)
def test_transaction_without_a_readable_answer_is_unknown_for_each_entry(
    fake: FakeEhr, writer: FhirWriter, answer: Answer
) -> None:
    outcome = send(fake, writer, answer)
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert [entry.kind for entry in outcome.entries] == [OutcomeKind.UNKNOWN] * 2


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "x",
        {},
        {"response": None},
        {"response": {}},
        {"response": {"status": "fine"}},
        {"response": {"status": 999}},
    ],
)
def test_entry_without_a_readable_status_is_unknown(fake: FakeEhr, writer: FhirWriter, broken: Any) -> None:
    outcome = send(fake, writer, answered(FIRST, broken))
    assert outcome.kind is OutcomeKind.UNKNOWN
    assert [entry.kind for entry in outcome.entries] == [OutcomeKind.CREATED, OutcomeKind.UNKNOWN]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, OutcomeKind.REFUSED),
        (400, OutcomeKind.REFUSED),
        (401, OutcomeKind.UNAUTHORIZED),
        (412, OutcomeKind.REFUSED),
        (422, OutcomeKind.REFUSED),
        (429, OutcomeKind.TOO_MANY_REQUESTS),
    ],
)
def test_refused_transaction_is_refused_for_each_entry(
    fake: FakeEhr, writer: FhirWriter, status: int, kind: OutcomeKind
) -> None:
    outcome = send(fake, writer, Answer(status=status))
    assert outcome.kind is kind
    assert [entry.kind for entry in outcome.entries] == [kind, kind]


def test_conflict_of_a_transaction_with_conditional_entries_is_to_be_looked_up(
    fake: FakeEhr, writer: FhirWriter
) -> None:
    assert send(fake, writer, Answer(status=412), conditional=True).kind is OutcomeKind.CONFLICT


def test_batch_may_differ_entry_by_entry(fake: FakeEhr, writer: FhirWriter) -> None:
    refused = {"response": {"status": "422", "outcome": OUTCOME}}
    outcome = send(fake, writer, answered(FIRST, refused), kind="batch")
    assert outcome.kind is OutcomeKind.REFUSED
    assert [entry.kind for entry in outcome.entries] == [OutcomeKind.CREATED, OutcomeKind.REFUSED]
    assert [issue.code for issue in outcome.entries[1].issues] == ["business-rule"]


@pytest.mark.parametrize("bundle", [{}, {"resourceType": "Bundle", "type": "collection"}, OBSERVATION])
def test_only_a_transaction_or_batch_is_sent(fake: FakeEhr, writer: FhirWriter, bundle: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Bundle"):
        writer.transaction(bundle)
    assert fake.requests == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.sampled_from([200, 201, 204, 400, 500]),
    st.binary(max_size=40),
    st.dictionaries(
        st.sampled_from(["Location", "ETag", "Retry-After", "Date"]), st.text(alphabet='aO/1"W:._-', max_size=20)
    ),
)
def test_any_answer_is_an_outcome(
    fake: FakeEhr, writer: FhirWriter, status: int, body: bytes, headers: dict[str, str]
) -> None:
    fake.requests.clear()
    outcome = create(fake, writer, Answer(status=status, body=b"" if status == 204 else body, headers=headers))
    assert outcome.kind in OutcomeKind
    assert (status == 201) == (outcome.kind is OutcomeKind.CREATED and outcome.http_status == 201)
