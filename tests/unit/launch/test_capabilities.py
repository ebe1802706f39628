"""The CapabilityStatement: what the app may believe, each field dropped and mistyped."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from launch.capabilities import fetch_capabilities, parse_capabilities
from launch.documents import DocumentCache
from launch.ehr import Ehr
from launch.errors import LaunchError, MalformedResource, NotFhirJson, ServerFault, UnsupportedFhirVersion
from launch.transport import Transport
from tests.fakes.fake_ehr import NOW, Answer, FakeEhr

STATEMENT: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "software": {"name": "Fake"},
    "rest": [
        {
            "mode": "server",
            "interaction": [{"code": "transaction"}],
            "resource": [
                {
                    "type": "Observation",
                    "interaction": [{"code": "read"}, {"code": "create"}],
                    "conditionalCreate": True,
                    "searchParam": [{"name": "patient", "type": "reference"}],
                },
                {"type": "Patient"},
            ],
        }
    ],
}


def parse(values: object) -> Any:
    return parse_capabilities(json.dumps(values).encode())


def test_what_a_server_says() -> None:
    capabilities = parse(STATEMENT)
    assert (capabilities.fhir_version, capabilities.software) == ("4.0.1", "Fake")
    assert capabilities.transaction
    assert not capabilities.batch
    assert capabilities.allows("Observation", "create")
    assert not capabilities.allows("Observation", "update")
    assert not capabilities.allows("Patient", "read")
    assert not capabilities.allows("Basic", "read")
    assert capabilities.conditional_create("Observation")
    assert not capabilities.conditional_create("Patient")
    assert capabilities.search_params("Observation") == {"patient"}
    assert capabilities.search_params("Basic") == frozenset()


@pytest.mark.parametrize("version", ["3.0.2", "4.3.0", "5.0.0", "4", "4.01", "4.1.0"])
def test_another_fhir_version_is_refused(version: str) -> None:
    with pytest.raises(UnsupportedFhirVersion):
        parse({**STATEMENT, "fhirVersion": version})


@pytest.mark.parametrize("version", ["4.0.0", "4.0.1", "4.0"])
def test_r4_is_accepted(version: str) -> None:
    assert parse({**STATEMENT, "fhirVersion": version}).fhir_version == version


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("resourceType",), "Patient"),
        (("resourceType",), None),
        (("fhirVersion",), None),
        (("fhirVersion",), 4),
        (("software",), "x"),
        (("rest",), None),
        (("rest",), {}),
        (("rest",), []),
        (("rest", 0), "x"),
        (("rest", 0, "mode"), None),
        (("rest", 0, "mode"), "client"),
        (("rest", 0, "interaction"), "x"),
        (("rest", 0, "interaction", 0, "code"), None),
        (("rest", 0, "resource"), {}),
        (("rest", 0, "resource", 0, "type"), None),
        (("rest", 0, "resource", 0, "type"), 1),
        (("rest", 0, "resource", 0, "interaction"), ["x"]),
        (("rest", 0, "resource", 0, "conditionalCreate"), "true"),
        (("rest", 0, "resource", 0, "searchParam", 0, "name"), None),
    ],
)
def test_each_field_dropped_or_mistyped(path: tuple[Any, ...], wrong: Any) -> None:
    values = deepcopy(STATEMENT)
    place: Any = values
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    with pytest.raises(MalformedResource) as caught:
        parse(values)
    assert caught.value.field is not None
    assert caught.value.field.startswith(str(path[0]))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.html(), NotFhirJson),
        (Answer.html(status=503), ServerFault),
        (Answer.fhir({"resourceType": "OperationOutcome"}), MalformedResource),
        (Answer.fhir({**STATEMENT, "fhirVersion": "5.0.0"}), UnsupportedFhirVersion),
    ],
)
def test_what_an_ehr_may_send_instead(
    fake: FakeEhr, ehr: Ehr, transport: Transport, answer: Answer, kind: type[LaunchError]
) -> None:
    fake.on("GET", "/fhir/metadata", answer)
    with pytest.raises(kind) as caught:
        fetch_capabilities(ehr, transport, DocumentCache(), NOW)
    assert caught.value.ehr_id == "fake"


def test_statement_is_read_without_a_token_and_cached(fake: FakeEhr, ehr: Ehr, transport: Transport) -> None:
    fake.on("GET", "/fhir/metadata", Answer.fhir(STATEMENT))
    cache = DocumentCache()
    for _ in range(2):
        assert fetch_capabilities(ehr, transport, cache, NOW).transaction
    (request,) = fake.requests
    assert request.headers["accept"] == "application/fhir+json"
    assert "authorization" not in request.headers
