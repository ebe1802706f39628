"""The server behind launcher and authorization: its address, its silences, and its addresses made this EHR's."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import requests
from flask import Response
from hypothesis import given
from hypothesis import strategies as st

from sandbox_ehr.backend import Backend
from sandbox_ehr.backend_rewriting import Rewriting
from sandbox_ehr.config import SandboxConfig
from sandbox_ehr.errors import BackendFailed, BackendTimedOut, InvalidBackend
from tests.unit.sandbox_ehr.open_server import running_open_server
from tests.unit.sandbox_ehr.wire import open_wire


def test_a_redirect_is_not_followed() -> None:
    with running_open_server() as server, open_wire(backend_url=server.url) as wire:
        server.answer = Response(status=307, headers={"Location": "http://192.0.2.1/fhir"})
        answer = wire.send("GET", "Patient/pt-01")
    assert answer.status_code == 502
    assert answer.json()["issue"][0]["code"] == "transient"


def test_a_silent_server_behind_ends_in_a_504() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/fhir"
        with open_wire(backend_url=url, backend_seconds=0.2) as wire:
            answer = wire.send("GET", "Patient/pt-01")
            assert (answer.status_code, answer.json()["issue"][0]["code"]) == (504, "timeout")
            assert requests.get(f"{wire.ehr.base_url}/", timeout=10).status_code == 504
        with pytest.raises(BackendTimedOut):
            Backend(url, read_seconds=0.2).find("Patient", "pt-01")


def test_a_server_behind_that_is_gone_ends_in_a_502() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with open_wire(backend_url=f"http://127.0.0.1:{port}/fhir") as wire:
        assert wire.send("GET", "Patient/pt-01").status_code == 502


@pytest.mark.parametrize(
    "config",
    [
        {"backend_url": "ftp://x/fhir"},
        {"backend_url": "nonsense"},
        {"backend_url": "http://x/fhir?a=b"},
    ],
)
def test_a_back_end_is_an_address_of_a_fhir_base(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidBackend):
        Backend(config["backend_url"])


def test_a_back_end_plays_itself() -> None:
    with pytest.raises(InvalidBackend):
        SandboxConfig(backend_url="http://127.0.0.1:1/fhir", persona="epic")
    with pytest.raises(InvalidBackend):
        SandboxConfig(seed_backend=True)
    config = SandboxConfig(backend_url="http://127.0.0.1:1/fhir")
    assert list(config.fhir_base_urls()) == ["open"]


def test_a_resource_that_cannot_be_kept_is_told() -> None:
    with running_open_server() as server, pytest.raises(BackendFailed):
        Backend(server.url).replace({"resourceType": "Patient", "id": "x", "gender": "bogus"})


REWRITING = Rewriting(backend="http://behind:8080/fhir", own="http://ehr:9000/fhir")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://behind:8080/fhir", "http://ehr:9000/fhir"),
        ("http://behind:8080/fhir?_getpages=1", "http://ehr:9000/fhir?_getpages=1"),
        ("http://behind:8080/fhir/Patient/1/_history/2", "http://ehr:9000/fhir/Patient/1/_history/2"),
        ("http://behind:8080/fhirs/Patient/1", "http://behind:8080/fhirs/Patient/1"),
        ("https://other/fhir/Patient/1", "https://other/fhir/Patient/1"),
        ("Patient/1", "Patient/1"),
        ("urn:uuid:1", "urn:uuid:1"),
    ],
)
def test_an_address_of_the_server_behind_becomes_one_of_this_ehr(address: str, expected: str) -> None:
    assert REWRITING.address(address) == expected


@given(st.text())
def test_no_other_address_changes(address: str) -> None:
    if not address.startswith(REWRITING.backend):
        assert REWRITING.address(address) == address
