"""The registry: who is known, how `iss` is compared, and entries that could not work."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.ehr import ClientAuth, Ehr, EhrRegistry
from launch.ehr_profile import get_ehr_profile
from launch.errors import InvalidEhr, UnknownIssuer

PROFILE = get_ehr_profile("generic")


def make_ehr(**overrides: Any) -> Ehr:
    values: dict[str, Any] = {
        "id": "north",
        "name": "North Clinic",
        "fhir_base_url": "https://ehr.example/r4",
        "client_id": "app",
        "profile": PROFILE,
    }
    return Ehr(**{**values, **overrides})


@pytest.mark.parametrize(
    "iss",
    [
        "https://ehr.example/r4",
        "https://ehr.example/r4/",
        "https://EHR.Example:443/r4",
        "HTTPS://ehr.example/r4",
        "https://old.example/r4",
    ],
)
def test_iss_is_found_in_every_spelling_and_under_its_alias(iss: str) -> None:
    registry = EhrRegistry([make_ehr(aliases=("https://old.example/r4/",))])
    assert registry.get_by_iss(iss).id == "north"


@pytest.mark.parametrize(
    "iss",
    [
        "https://ehr.example/R4",
        "http://ehr.example/r4",
        "https://ehr.example",
        "https://ehr.example/r4/x",
        "https://ehr.example:8443/r4",
        "https://ehr.example.evil.example/r4",
        "https://ehr.example/r4?x=1",
        "",
        "ehr.example/r4",
        "https://ehr.example@evil.example/r4",
    ],
)
def test_another_iss_is_unknown(iss: str) -> None:
    with pytest.raises(UnknownIssuer) as caught:
        EhrRegistry([make_ehr()]).get_by_iss(iss)
    assert not iss or iss not in str(caught.value)


@given(st.text())
def test_any_text_is_unknown_without_another_error(text: str) -> None:
    with pytest.raises(UnknownIssuer):
        EhrRegistry([make_ehr()]).get_by_iss(text)


def test_registry_is_found_by_id_and_iterable() -> None:
    registry = EhrRegistry([make_ehr(), make_ehr(id="south", fhir_base_url="https://south.example/r4")])
    assert [ehr.id for ehr in registry] == ["north", "south"]
    assert len(registry) == 2
    assert registry.get("south").fhir_base_url == "https://south.example/r4"
    with pytest.raises(UnknownIssuer):
        registry.get("west")


@pytest.mark.parametrize(
    ("second", "field"),
    [
        ({"fhir_base_url": "https://south.example/r4"}, "id"),
        ({"id": "south"}, "fhir_base_url"),
        ({"id": "south", "fhir_base_url": "https://EHR.example:443/r4/"}, "fhir_base_url"),
        (
            {"id": "south", "fhir_base_url": "https://s.example", "aliases": ("https://ehr.example/r4",)},
            "fhir_base_url",
        ),
    ],
)
def test_two_entries_cannot_share_id_or_base(second: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEhr) as caught:
        EhrRegistry([make_ehr(), make_ehr(**second)])
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"id": ""}, "id"),
        ({"name": ""}, "name"),
        ({"client_id": ""}, "client_id"),
        ({"fhir_base_url": "ehr.example"}, "fhir_base_url"),
        ({"fhir_base_url": "http://ehr.example/r4"}, "fhir_base_url"),
        ({"aliases": ("x",)}, "fhir_base_url"),
        ({"client_auth": ClientAuth.CLIENT_SECRET_BASIC}, "client_secret"),
        ({"client_secret": "s"}, "client_secret"),
        ({"client_auth": ClientAuth.PRIVATE_KEY_JWT, "client_secret": "s"}, "client_secret"),
        ({"signing_alg": "RS256"}, "signing_alg"),
        ({"organization": "Practitioner/1"}, "organization"),
        ({"organization": "https://other.example/Organization/1"}, "organization"),
        ({"endpoint_hosts": frozenset({"https://auth.example"})}, "endpoint_hosts"),
        ({"endpoint_hosts": frozenset({"user@auth.example"})}, "endpoint_hosts"),
        *(
            ({"frame_ancestors": (source,)}, "frame_ancestors")
            for source in (
                "*",
                "https:",
                "https://*",
                "https://ehr.example; script-src *",
                "https://ehr.example https://x.example",
                "https://ehr.example\r\nSet-Cookie: a=b",
                "https://ehr.example/",
                "ehr.example",
                "'none'",
                "data:",
                "",
            )
        ),
    ],
)
def test_entry_that_could_not_work_is_refused_by_field(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEhr) as caught:
        make_ehr(**overrides)
    assert caught.value.field == field


@pytest.mark.parametrize("source", ["https://ehr.example", "https://*.ehr.example:8443", "http://127.0.0.1:9000"])
def test_an_origin_may_frame(source: str) -> None:
    assert make_ehr(frame_ancestors=(source,)).frame_ancestors == (source,)


def test_secret_is_not_in_the_repr() -> None:
    assert "hush" not in repr(make_ehr(client_auth=ClientAuth.CLIENT_SECRET_BASIC, client_secret="hush"))


def test_plain_http_base_needs_a_private_network() -> None:
    assert make_ehr(fhir_base_url="http://ehr.internal/r4", allow_private=(ip_network("10.0.0.0/8"),))
