"""The SMART configuration: each field dropped and mistyped, the address, the cache, what an EHR may send instead."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.discovery import fetch_smart_configuration, parse_smart_configuration
from launch.documents import DocumentCache
from launch.ehr import Ehr
from launch.errors import (
    DiscoveryError,
    DiscoveryNotJson,
    EndpointNotAllowed,
    InvalidSmartConfiguration,
    LaunchError,
    ReadTimeout,
    RedirectRefused,
    TooLarge,
)
from launch.transport import Limits, Transport
from tests.fakes.fake_ehr import NOW, Answer, FakeEhr
from tests.unit.launch.mistypes import TEXT, TEXTS, cases

BASE = "https://ehr.example/tenant/r4"
PATH = "/fhir/.well-known/smart-configuration"
VALID: dict[str, Any] = {
    "issuer": "https://auth.example",
    "jwks_uri": "https://auth.example/jwks",
    "authorization_endpoint": "https://auth.example/authorize",
    "token_endpoint": "https://auth.example/token",
    "revocation_endpoint": "https://auth.example/revoke",
    "introspection_endpoint": "https://auth.example/introspect",
    "management_endpoint": "https://auth.example/manage",
    "capabilities": ["launch-ehr"],
    "code_challenge_methods_supported": ["S256"],
    "grant_types_supported": ["authorization_code"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    "token_endpoint_auth_signing_alg_values_supported": ["ES384"],
    "scopes_supported": ["launch"],
    "response_types_supported": ["code"],
}
REQUIRED = {"authorization_endpoint", "token_endpoint", "capabilities"}
URLS = [name for name in VALID if name.endswith(("_endpoint", "_uri"))]
LISTS = [name for name, value in VALID.items() if isinstance(value, list)]


def parse(values: object) -> Any:
    return parse_smart_configuration(json.dumps(values).encode(), fhir_base_url=BASE)


@pytest.mark.parametrize("field", VALID)
def test_each_field_dropped(field: str) -> None:
    values = {name: value for name, value in VALID.items() if name != field}
    if field not in REQUIRED:
        assert getattr(parse(values), field) in (None, frozenset())
        return
    with pytest.raises(InvalidSmartConfiguration) as caught:
        parse(values)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    cases(**dict.fromkeys(["issuer", *URLS], TEXT), **dict.fromkeys(LISTS, TEXTS)),
)
def test_each_field_mistyped(field: str, value: Any) -> None:
    with pytest.raises(InvalidSmartConfiguration) as caught:
        parse({**VALID, field: value})
    assert caught.value.field == field


@pytest.mark.parametrize("field", URLS)
@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://user@auth.example/x", "https://auth.example/x#y", "https://"]
)
def test_each_address_must_be_a_plain_one(field: str, url: str) -> None:
    with pytest.raises(InvalidSmartConfiguration) as caught:
        parse({**VALID, field: url})
    assert caught.value.field == field
    assert url not in str(caught.value)


def test_relative_addresses_are_resolved_against_the_fhir_base() -> None:
    parsed = parse({**VALID, "token_endpoint": "oauth/token", "authorization_endpoint": "/oauth/authorize"})
    assert parsed.token_endpoint == "https://ehr.example/tenant/r4/oauth/token"
    assert parsed.authorization_endpoint == "https://ehr.example/oauth/authorize"


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b"[]", b"null", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff\xfe", b"[" * 100_000]
)
def test_anything_but_a_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(DiscoveryNotJson):
        parse_smart_configuration(body, fhir_base_url=BASE)


@given(
    st.binary()
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_any_body_gives_a_configuration_or_a_discovery_error(body: bytes) -> None:
    with pytest.raises(DiscoveryError):
        parse_smart_configuration(body, fhir_base_url=BASE)


def test_suffix_goes_after_the_whole_base_and_json_is_asked_for(fake: FakeEhr) -> None:
    ehr = fake.ehr(fhir_base_url=f"{fake.origin}/tenant/r4/")
    fake.on("GET", "/tenant/r4/.well-known/smart-configuration", Answer.json(fake.configuration()))
    fetch_smart_configuration(ehr, Transport(ehr), DocumentCache(), NOW)
    assert fake.requests[0].headers["accept"] == "application/json"
    assert "authorization" not in fake.requests[0].headers


def test_content_type_of_the_answer_does_not_matter(fake: FakeEhr, ehr: Ehr, transport: Transport) -> None:
    fake.on("GET", PATH, Answer.json(fake.configuration(), content_type="text/plain"))
    assert fetch_smart_configuration(ehr, transport, DocumentCache(), NOW).supports_s256


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.html(), DiscoveryNotJson),
        (Answer.html(status=500), DiscoveryError),
        (Answer(status=404), DiscoveryError),
        (Answer(status=302, headers={"Location": "/login"}), RedirectRefused),
        (Answer(body=b"x" * 1_000_001), TooLarge),
    ],
)
def test_what_an_ehr_may_send_instead(
    fake: FakeEhr, ehr: Ehr, transport: Transport, answer: Answer, kind: type[LaunchError]
) -> None:
    fake.on("GET", PATH, answer)
    with pytest.raises(kind) as caught:
        fetch_smart_configuration(ehr, transport, DocumentCache(), NOW)
    assert type(caught.value) is kind
    assert caught.value.ehr_id == "fake"


def test_slow_discovery_ends_at_its_limit(
    fake: FakeEhr, ehr: Ehr, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr("launch.discovery.DOCUMENT_LIMITS", Limits(seconds=0.2, max_bytes=1000))
    fake.on("GET", PATH, Answer(wait_for=release))
    with pytest.raises(ReadTimeout):
        fetch_smart_configuration(ehr, transport, DocumentCache(), NOW)
    release.set()


@pytest.mark.parametrize("field", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_endpoint_on_a_foreign_host_is_refused_by_name(
    fake: FakeEhr, ehr: Ehr, transport: Transport, field: str
) -> None:
    fake.on("GET", PATH, Answer.json({**fake.configuration(), field: "https://evil.example/x"}))
    with pytest.raises(EndpointNotAllowed) as caught:
        fetch_smart_configuration(ehr, transport, DocumentCache(), NOW)
    assert caught.value.field == field


def read_twice(fake: FakeEhr, ehr: Ehr, transport: Transport, *, after: timedelta) -> int:
    cache = DocumentCache()
    first = fetch_smart_configuration(ehr, transport, cache, NOW)
    assert fetch_smart_configuration(ehr, transport, cache, NOW + after) == first
    return len(fake.requests)


@pytest.mark.parametrize(
    ("cache_control", "fresh", "stale"),
    [
        (None, timedelta(minutes=9), timedelta(minutes=10)),
        ("max-age=3600", timedelta(minutes=59), timedelta(hours=1)),
        ("public, max-age=0", timedelta(seconds=59), timedelta(seconds=60)),
        ("no-store", timedelta(seconds=59), timedelta(seconds=60)),
        ("max-age=9999999", timedelta(hours=23), timedelta(hours=24)),
        ("x-max-age=3600", timedelta(minutes=9), timedelta(minutes=10)),
    ],
)
def test_configuration_is_fresh_as_long_as_cache_control_says_within_bounds(
    fake: FakeEhr, transport: Transport, cache_control: str | None, fresh: timedelta, stale: timedelta
) -> None:
    headers = {} if cache_control is None else {"Cache_Control": cache_control}
    fake.on("GET", PATH, Answer.json(fake.configuration(), **headers))
    assert read_twice(fake, transport.ehr, transport, after=fresh) == 1
    assert read_twice(fake, transport.ehr, transport, after=stale) == 3


def test_stale_configuration_is_asked_for_with_its_etag_and_304_renews_it(
    fake: FakeEhr, ehr: Ehr, transport: Transport
) -> None:
    fake.on("GET", PATH, Answer.json(fake.configuration(), ETag='"v1"'), Answer(status=304))
    assert read_twice(fake, ehr, transport, after=timedelta(hours=1)) == 2
    assert [request.headers.get("if-none-match") for request in fake.requests] == [None, '"v1"']


def test_304_that_nobody_asked_for_is_refused(fake: FakeEhr, ehr: Ehr, transport: Transport) -> None:
    fake.on("GET", PATH, Answer(status=304))
    with pytest.raises(RedirectRefused):
        fetch_smart_configuration(ehr, transport, DocumentCache(), NOW)


def test_failure_is_not_cached(fake: FakeEhr, ehr: Ehr, transport: Transport) -> None:
    cache = DocumentCache()
    fake.on("GET", PATH, Answer(status=500), Answer.json(fake.configuration()))
    with pytest.raises(DiscoveryError):
        fetch_smart_configuration(ehr, transport, cache, NOW)
    assert fetch_smart_configuration(ehr, transport, cache, NOW).supports_s256
