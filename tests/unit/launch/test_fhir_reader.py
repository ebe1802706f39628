"""Reads: what is sent, what is believed, where `next` may lead, and one wave of many."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launch.ehr import Ehr
from launch.errors import (
    BreakTheGlass,
    ConnectFailed,
    DeadlineExceeded,
    FhirError,
    Forbidden,
    Gone,
    Issue,
    LaunchError,
    MalformedResource,
    NotFhirJson,
    NotFound,
    PreconditionFailed,
    RedirectRefused,
    ServerFault,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unprocessable,
    VersionConflict,
)
from launch.fhir_reader import FhirReader, FhirResource, Read, Search, SearchResult
from launch.transport import Limits, Transport
from tests.fakes.fake_ehr import Answer, FakeEhr
from tests.fakes.launches import active_launch

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "pat-1",
    "meta": {"versionId": "3"},
    "birthDate": "1980-02-29",
}


@pytest.fixture
def reader(fake: FakeEhr, ehr: Ehr, transport: Transport) -> FhirReader:
    return FhirReader(active_launch(fake), ehr, transport, request_id=lambda: "req-1")


def outcome(code: str = "forbidden", number: str = "4130") -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": code,
                "diagnostics": "Jane Doe is protected",
                "expression": ["Patient.name"],
                "details": {"coding": [{"code": number}]},
            }
        ],
    }


def bundle(*resources: Any, next_url: str | None = None) -> Answer:
    links = [] if next_url is None else [{"relation": "next", "url": next_url}]
    entries = [{"resource": resource} for resource in resources]
    return Answer.fhir({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries})


def observation(number: int) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": f"o-{number}"}


def ids(result: Any) -> list[str]:
    assert isinstance(result, SearchResult)
    return [found.id for found in result.resources]


# Read


def test_read_sends_exactly_this_and_keeps_the_bytes(fake: FakeEhr, reader: FhirReader) -> None:
    answer = Answer.fhir(PATIENT)
    fake.on("GET", "/fhir/Patient/pat-1", answer)
    assert reader.read("Patient", "pat-1") == FhirResource(
        resource_type="Patient", id="pat-1", version_id="3", resource=PATIENT, body=answer.body
    )
    (request,) = fake.requests
    assert request.headers == {
        "host": f"127.0.0.1:{fake.port}",
        "user-agent": request.headers["user-agent"],
        "accept-encoding": request.headers["accept-encoding"],
        "connection": "keep-alive",
        "accept": "application/fhir+json",
        "authorization": "Bearer access-1",
        "x-request-id": "req-1",
    }


@pytest.mark.parametrize(
    ("answer", "kind", "field"),
    [
        (Answer.html(), NotFhirJson, None),
        (Answer(body=b"{}", headers={"Content-Type": "text/html"}), NotFhirJson, None),
        (Answer(body=b"<Patient/>", headers={"Content-Type": "application/fhir+xml"}), NotFhirJson, None),
        (Answer(body=b""), NotFhirJson, None),
        (Answer(body=b'{"resourceType":'), NotFhirJson, None),
        (Answer.fhir([]), NotFhirJson, None),
        (Answer.fhir({}), MalformedResource, "resourceType"),
        (Answer.fhir({**PATIENT, "resourceType": "Observation"}), MalformedResource, "resourceType"),
        (Answer.fhir({**PATIENT, "resourceType": 1}), MalformedResource, "resourceType"),
        (Answer.fhir({**PATIENT, "id": "pat-2"}), MalformedResource, "id"),
        (Answer.fhir({**PATIENT, "id": None}), MalformedResource, "id"),
        (Answer.fhir({**PATIENT, "id": "a/b"}), MalformedResource, "id"),
        (Answer.fhir({**PATIENT, "meta": "x"}), MalformedResource, "meta"),
        (Answer.fhir({**PATIENT, "meta": {"versionId": 3}}), MalformedResource, "meta.versionId"),
        (Answer(status=302, headers={"Location": "/login"}), RedirectRefused, None),
    ],
)
def test_what_an_ehr_may_send_instead(
    fake: FakeEhr, reader: FhirReader, answer: Answer, kind: type[LaunchError], field: str | None
) -> None:
    fake.on("GET", "/fhir/Patient/pat-1", answer)
    with pytest.raises(kind) as caught:
        reader.read("Patient", "pat-1")
    assert (caught.value.field, caught.value.ehr_id) == (field, "fake")


@pytest.mark.parametrize(
    "content_type", ["application/fhir+json;charset=utf-8", "application/json+fhir", "text/json", None]
)
def test_json_is_accepted_by_every_name(fake: FakeEhr, reader: FhirReader, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    fake.on("GET", "/fhir/Patient/pat-1", replace(Answer.fhir(PATIENT), headers=headers))
    assert reader.read("Patient", "pat-1").id == "pat-1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FhirError),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (406, FhirError),
        (409, VersionConflict),
        (410, Gone),
        (412, PreconditionFailed),
        (422, Unprocessable),
        (500, ServerFault),
        (501, ServerFault),
        (204, FhirError),
    ],
)
@pytest.mark.parametrize("body", [Answer(), Answer.html(), Answer.fhir(outcome())])
def test_each_status_has_its_error_whatever_the_body(
    fake: FakeEhr, reader: FhirReader, status: int, kind: type[FhirError], body: Answer
) -> None:
    fake.on("GET", "/fhir/Patient/pat-1", replace(body, status=status, body=b"" if status == 204 else body.body))
    with pytest.raises(FhirError) as caught:
        reader.read("Patient", "pat-1")
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert "Jane" not in str(caught.value)
    assert len(fake.requests) == 1


def test_issues_of_an_outcome_are_typed_and_their_text_is_kept_apart(fake: FakeEhr, reader: FhirReader) -> None:
    fake.on("GET", "/fhir/Patient/pat-1", Answer.fhir(outcome(), status=422))
    with pytest.raises(Unprocessable) as caught:
        reader.read("Patient", "pat-1")
    (issue,) = caught.value.outcome
    assert issue == Issue(
        severity="error",
        code="forbidden",
        expression=("Patient.name",),
        details=("4130",),
        text="Jane Doe is protected",
    )
    assert "Jane" not in repr(issue)


@pytest.mark.parametrize(
    "broken",
    [{"issue": "x"}, {"issue": ["x"]}, {"issue": [{"severity": 1}]}, {"issue": [{"details": []}]}, {"issue": None}],
)
def test_broken_outcome_gives_no_issue(fake: FakeEhr, reader: FhirReader, broken: dict[str, Any]) -> None:
    fake.on("GET", "/fhir/Patient/pat-1", Answer.fhir({"resourceType": "OperationOutcome", **broken}, status=422))
    with pytest.raises(Unprocessable) as caught:
        reader.read("Patient", "pat-1")
    assert caught.value.outcome == ()


def test_break_the_glass_is_told_apart_by_the_vendors_code(fake: FakeEhr, transport: Transport, ehr: Ehr) -> None:
    epic_like = replace(ehr, profile=replace(ehr.profile, break_the_glass_codes=("4130",)))
    reader = FhirReader(active_launch(fake), epic_like, transport)
    fake.on(
        "GET",
        "/fhir/Patient/pat-1",
        Answer.fhir(outcome(), status=403),
        Answer.fhir(outcome(number="4118"), status=403),
    )
    with pytest.raises(BreakTheGlass):
        reader.read("Patient", "pat-1")
    with pytest.raises(Forbidden) as caught:
        reader.read("Patient", "pat-1")
    assert type(caught.value) is Forbidden


def test_too_many_requests_says_how_long_to_wait(fake: FakeEhr, reader: FhirReader) -> None:
    fake.on("GET", "/fhir/Patient/pat-1", Answer(status=429, headers={"Retry-After": "60"}))
    with pytest.raises(TooManyRequests) as caught:
        reader.read("Patient", "pat-1")
    assert caught.value.retry_after == 60.0


@pytest.mark.parametrize(
    ("kind", "id_"), [("patient", "1"), ("Patient", "../x"), ("Patient", ""), ("Patient", "a/b"), ("", "1")]
)
def test_address_is_built_only_from_a_type_and_an_id(fake: FakeEhr, reader: FhirReader, kind: str, id_: str) -> None:
    with pytest.raises(ValueError, match="type and id"):
        reader.read(kind, id_)
    with pytest.raises(ValueError, match="resource type"):
        reader.search("Patient/pat-1", [])
    assert fake.requests == []


def test_reader_belongs_to_one_ehr(fake: FakeEhr, ehr: Ehr, transport: Transport) -> None:
    with pytest.raises(ValueError, match="different EHRs"):
        FhirReader(active_launch(fake, ehr_id="other"), ehr, transport)


# Search


def test_search_sends_its_parameters_in_order_and_follows_pages(fake: FakeEhr, reader: FhirReader) -> None:
    second = f"{fake.fhir_base_url}?_getpages=abc&_page=2"
    fake.on("GET", "/fhir/Observation", bundle(observation(1), observation(2), next_url=second))
    fake.on("GET", "/fhir", bundle(observation(2), observation(3)))
    result = reader.search(
        "Observation", [("patient", "pat-1"), ("code", "http://loinc.org|44261-6"), ("code", "x y&z")]
    )
    assert ids(result) == ["o-1", "o-2", "o-3"]
    assert (result.complete, result.reason) == (True, None)
    first, page = fake.requests
    assert first.query == {"patient": ["pat-1"], "code": ["http://loinc.org|44261-6", "x y&z"]}
    assert page.query == {"_getpages": ["abc"], "_page": ["2"]}
    assert page.headers["authorization"] == "Bearer access-1"


def test_relative_next_is_resolved_below_the_base(fake: FakeEhr, reader: FhirReader) -> None:
    fake.on("GET", "/fhir/Observation", bundle(observation(1), next_url="Observation/page2"))
    fake.on("GET", "/fhir/Observation/page2", bundle(observation(2)))
    assert ids(reader.search("Observation", [])) == ["o-1", "o-2"]


@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.example/fhir/Observation?page=2",
        "{origin}/fhirevil/Observation?page=2",
        "{origin}/admin",
        "{origin}/fhir/../admin",
        "{origin}/fhir/%2e%2e/admin",
        "{origin}@evil.example/fhir",
        "//evil.example/fhir",
        "javascript:alert(1)",
        "/admin",
        "../admin",
    ],
)
def test_next_outside_the_base_is_refused_and_the_result_says_so(
    fake: FakeEhr, reader: FhirReader, next_url: str
) -> None:
    fake.on("GET", "/fhir/Observation", bundle(observation(1), next_url=next_url.format(origin=fake.origin)))
    result = reader.search("Observation", [])
    assert (ids(result), result.complete, result.reason) == (["o-1"], False, "next-refused")
    assert len(fake.requests) == 1


def test_pages_end_at_the_limit(fake: FakeEhr, reader: FhirReader) -> None:
    answers = [
        bundle(observation(page), next_url=f"{fake.fhir_base_url}/Observation?page={page + 1}") for page in range(9)
    ]
    fake.on("GET", "/fhir/Observation", *answers)
    result = reader.search("Observation", [], max_pages=3)
    assert (ids(result), result.complete, result.reason) == (["o-0", "o-1", "o-2"], False, "page-limit")
    assert len(fake.requests) == 3


def test_next_that_leads_back_ends_the_search(fake: FakeEhr, reader: FhirReader) -> None:
    fake.on("GET", "/fhir/Observation", bundle(observation(1), next_url=f"{fake.fhir_base_url}/Observation"))
    result = reader.search("Observation", [])
    assert (result.complete, result.reason, len(fake.requests)) == (False, "page-repeated", 1)


def test_one_malformed_entry_does_not_lose_the_others(fake: FakeEhr, reader: FhirReader) -> None:
    fake.on("GET", "/fhir/Observation", bundle(observation(1), {"resourceType": "Observation"}, "x", observation(2)))
    result = reader.search("Observation", [])
    assert (ids(result), result.complete, result.reason) == (["o-1", "o-2"], False, "malformed-entry")


def test_outcome_among_the_matches_becomes_issues(fake: FakeEhr, reader: FhirReader) -> None:
    fake.on("GET", "/fhir/Observation", bundle(observation(1), outcome("suppressed", "4101")))
    result = reader.search("Observation", [])
    assert (ids(result), result.complete) == (["o-1"], True)
    assert [issue.code for issue in result.issues] == ["suppressed"]


def test_bundle_without_entries_is_an_empty_result(fake: FakeEhr, reader: FhirReader) -> None:
    fake.on("GET", "/fhir/Observation", Answer.fhir({"resourceType": "Bundle", "type": "searchset", "total": 0}))
    assert reader.search("Observation", []) == SearchResult(resources=(), complete=True)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"resourceType": "Observation", "id": "1"}, "resourceType"),
        ({"resourceType": "Bundle", "entry": {}}, "entry"),
        ({"resourceType": "Bundle", "link": "x"}, "link"),
        ({"resourceType": "Bundle", "link": [{"relation": "next"}]}, "link.url"),
    ],
)
def test_what_is_not_a_bundle_is_malformed(fake: FakeEhr, reader: FhirReader, values: Any, field: str) -> None:
    fake.on("GET", "/fhir/Observation", Answer.fhir(values))
    with pytest.raises(MalformedResource) as caught:
        reader.search("Observation", [])
    assert caught.value.field == field


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceType", "entry", "resource", "link", "url", "relation", "id", "issue"]), children
        )
    ),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(JSON)
def test_any_json_is_a_result_or_a_fhir_error(fake: FakeEhr, reader: FhirReader, values: Any) -> None:
    body = {"resourceType": "Bundle", **values} if isinstance(values, dict) else values
    fake.on("GET", "/fhir/Observation", Answer.fhir(body))
    try:
        result = reader.search("Observation", [], max_pages=2)
    except FhirError:
        return
    assert isinstance(result, SearchResult)


# One wave


def test_wave_sends_all_at_once_and_gives_results_and_errors_by_name(fake: FakeEhr, reader: FhirReader) -> None:
    """The barrier opens only when all three requests have arrived: a sequential reader would never get there."""
    barrier = threading.Barrier(3, timeout=5)

    def after_all(answer: Answer) -> Any:
        def script(_: object) -> Answer:
            barrier.wait()
            return answer

        return script

    fake.on("GET", "/fhir/Patient/pat-1", after_all(Answer.fhir(PATIENT)))
    fake.on("GET", "/fhir/Observation", after_all(bundle(observation(1))))
    fake.on("GET", "/fhir/Encounter/enc-1", after_all(Answer(status=404)))
    results = reader.read_together(
        {
            "patient": Read(resource_type="Patient", id="pat-1"),
            "history": Search(resource_type="Observation", params=(("patient", "pat-1"),)),
            "encounter": Read(resource_type="Encounter", id="enc-1"),
        }
    )
    assert list(results) == ["patient", "history", "encounter"]
    assert isinstance(results["patient"], FhirResource)
    assert ids(results["history"]) == ["o-1"]
    assert isinstance(results["encounter"], NotFound)


def test_wave_ends_at_its_deadline_and_keeps_what_came(fake: FakeEhr, reader: FhirReader) -> None:
    release = threading.Event()
    fake.on("GET", "/fhir/Patient/pat-1", Answer.fhir(PATIENT))
    fake.on("GET", "/fhir/Observation", Answer(wait_for=release))
    results = reader.read_together(
        {
            "patient": Read(resource_type="Patient", id="pat-1"),
            "history": Search(resource_type="Observation", params=()),
        },
        deadline=0.4,
    )
    release.set()
    assert isinstance(results["patient"], FhirResource)
    assert isinstance(results["history"], LaunchError)
    assert results["history"].code in ("deadline-exceeded", "read-timeout")


def test_empty_wave_is_empty(reader: FhirReader) -> None:
    assert reader.read_together({}) == {}


def test_no_time_left_is_a_deadline_exceeded(fake: FakeEhr, reader: FhirReader) -> None:
    with pytest.raises(DeadlineExceeded):
        reader.search("Observation", [], deadline=0)
    assert fake.requests == []


def test_body_of_100_megabytes_is_cut_off(fake: FakeEhr, reader: FhirReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.fhir_reader.READ_LIMITS", Limits(seconds=5, max_bytes=2_000_000))

    def chunks() -> Iterator[bytes]:
        yield from (b" " * 1_000_000 for _ in range(100))

    fake.on("GET", "/fhir/Patient/pat-1", Answer(chunks=chunks))
    with pytest.raises(TooLarge):
        reader.read("Patient", "pat-1")


def test_unreachable_ehr_is_a_connect_failure(fake: FakeEhr) -> None:
    ehr = fake.ehr(fhir_base_url="http://gone.example/fhir")

    def resolve(host: str, port: int) -> tuple[str, ...]:
        raise OSError("no such name")

    transport = Transport(ehr, resolve=resolve, sleep=lambda _: None)
    reader = FhirReader(active_launch(fake, fhir_base_url=ehr.fhir_base_url), ehr, transport)
    with pytest.raises(ConnectFailed):
        reader.read("Patient", "pat-1")
