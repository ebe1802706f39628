"""Base URLs, addresses below them, references and Locations."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from launch.urls import InvalidUrl, Reference, find_reference, is_below, is_fhir_id, normalize_base_url, resolve_url

BASE = "https://ehr.example/tenant/r4"
IDS = st.from_regex(r"[A-Za-z0-9\-.]{1,64}", fullmatch=True).filter(lambda text: text not in (".", ".."))
TYPES = st.sampled_from(["Patient", "Observation", "QuestionnaireResponse"])
HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,10}\.example", fullmatch=True)
PATHS = st.lists(st.from_regex(r"[A-Za-z0-9_\-]{1,8}", fullmatch=True), max_size=3).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)


@given(HOSTS, PATHS, st.integers(0, 3))
def test_spellings_of_one_base_normalise_to_one(host: str, path: str, slashes: int) -> None:
    spelled = f"HTTPS://{host.upper()}:443{path}" + "/" * slashes
    assert normalize_base_url(spelled) == f"https://{host}{path}" == normalize_base_url(f"https://{host}{path}")


@given(HOSTS, PATHS, st.integers(1, 65535))
def test_another_port_or_scheme_is_another_base(host: str, path: str, port: int) -> None:
    assume(port != 443)
    assert normalize_base_url(f"https://{host}:{port}{path}") != normalize_base_url(f"https://{host}{path}")
    assert normalize_base_url(f"http://{host}{path}") != normalize_base_url(f"https://{host}{path}")


@given(st.text())
def test_any_text_normalises_or_is_invalid(text: str) -> None:
    try:
        normalized = normalize_base_url(text)
    except InvalidUrl:
        return
    assert normalize_base_url(normalized) == normalized


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ehr.example/r4",
        "ftp://ehr.example",
        "https://",
        "https:///r4",
        "https://a@ehr.example",
        "https://ehr.example/r4?x=1",
        "https://ehr.example/r4#x",
        "https://ehr.example/r4#",
        "https://ehr.example:0/",
        "https://ehr.example:99999/",
        "https://ehr.example:x/",
        "https://ehr.example/\n",
        "https://ehr.example\\evil",
        " https://ehr.example",
        "https://[::1",
        "https://ehr.example/r4?",
    ],
)
def test_what_is_not_a_base_url(url: str) -> None:
    with pytest.raises(InvalidUrl):
        normalize_base_url(url)


def test_path_keeps_its_case_and_ipv6_its_brackets() -> None:
    assert normalize_base_url("https://EHR.example/R4/") == "https://ehr.example/R4"
    assert normalize_base_url("https://[::1]:9443/r4/") == "https://[::1]:9443/r4"


@pytest.mark.parametrize(
    "url",
    [
        BASE,
        BASE + "/",
        BASE + "?page=2",
        BASE + "/Patient/1",
        BASE + "/Observation?_page=2",
        "https://EHR.example:443/tenant/r4/Patient",
    ],
)
def test_addresses_below_the_base(url: str) -> None:
    assert is_below(BASE, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://ehr.example/tenant/r4evil/Patient",
        "https://ehr.example/tenant",
        "https://ehr.example.evil.example/tenant/r4/x",
        "http://ehr.example/tenant/r4/x",
        "https://ehr.example:8443/tenant/r4/x",
        "https://ehr.example/tenant/r4/../../admin",
        "https://ehr.example/tenant/r4/%2e%2e/x",
        "https://ehr.example/tenant/r4/%2E%2e%2fx",
        "https://ehr.example/tenant/r4/..%2fx",
        "https://evil@ehr.example/tenant/r4/x",
        "https://ehr.example/TENANT/r4/x",
        "//ehr.example/tenant/r4/x",
        "x",
        "",
        "https://ehr.example/tenant/r4/x#y",
    ],
)
def test_addresses_outside_the_base(url: str) -> None:
    assert not is_below(BASE, url)


@given(
    TYPES,
    IDS,
    st.none() | IDS,
    st.sampled_from(["", "/", BASE + "/", "/tenant/r4/", "https://EHR.example:443/tenant/r4/"]),
)
def test_location_in_every_spelling_gives_type_id_and_version(
    kind: str, id_: str, version: str | None, prefix: str
) -> None:
    history = "" if version is None else f"/_history/{version}"
    found = find_reference(f"{prefix}{kind}/{id_}{history}", fhir_base_url=BASE)
    assert found == Reference(resource_type=kind, id=id_, version_id=version)
    assert str(found) == f"{kind}/{id_}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Patient",
        "Patient/",
        "/Patient",
        "Patient/1/2",
        "patient/1",
        "Patient/1/_history",
        "Patient/1/_history/",
        "Patient/../1",
        "Patient/..",
        "Patient/a b",
        "Patient/" + "x" * 65,
        "https://other.example/tenant/r4/Patient/1",
        "//other.example/Patient/1",
        "https://ehr.example/r4/Patient/1",
        "Patient?identifier=1",
        "Patient/1?x=y",
        "#contained",
        "urn:uuid:5a3f",
        "Patient/1#x",
        "http://ehr.example/tenant/r4/Patient/1",
        BASE + "/Patient/1?x=y",
        "Patient/1/_history/a b",
    ],
)
def test_what_is_not_a_reference_on_this_ehr(text: str) -> None:
    assert find_reference(text, fhir_base_url=BASE) is None


@given(st.text())
def test_any_text_is_a_reference_or_none(text: str) -> None:
    found = find_reference(text, fhir_base_url=BASE)
    assert found is None or is_fhir_id(found.id)


def test_relative_address_is_resolved_below_the_base() -> None:
    assert resolve_url(BASE, "oauth/token") == BASE + "/oauth/token"
    assert resolve_url(BASE, "https://auth.example/token") == "https://auth.example/token"
