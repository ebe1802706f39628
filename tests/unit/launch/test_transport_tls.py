"""The same transport over TLS: the address is pinned, the name is what the certificate must show."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from launch.errors import ConnectFailed, ReadTimeout
from launch.transport import Limits, Transport
from tests.fakes.fake_ehr import Answer, FakeEhr

LIMITS = Limits(seconds=5, max_bytes=1_000_000)
HOST = "ehr.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for ehr.example and its key in one PEM file; the TLS library takes the real clock."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "ehr.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[FakeEhr]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = FakeEhr(tls=context)
    server.on("GET", "/fhir/metadata", Answer(body=b"{}"))
    server.on("POST", "/fhir/Observation", Answer(status=201))
    yield server
    server.close()


def transport_to(server: FakeEhr, host: str, **overrides: Any) -> tuple[Transport, str]:
    base = f"https://{host}:{server.port}/fhir"
    values = {"resolve": lambda name, port: ("127.0.0.1",), "sleep": lambda _: None, **overrides}
    return Transport(server.ehr(fhir_base_url=base), **values), base


def test_name_is_sent_and_checked_though_the_address_is_pinned(secure: FakeEhr, certificate: Path) -> None:
    transport, base = transport_to(secure, HOST, ca_file=str(certificate))
    with closing(transport):
        assert transport.get(f"{base}/metadata", limits=LIMITS).body == b"{}"
        sent = transport.send("POST", f"{base}/Observation", body=b"{}", headers={}, limits=LIMITS)
    assert sent.status == 201
    assert {request.headers["host"] for request in secure.requests} == {f"{HOST}:{secure.port}"}


@pytest.mark.parametrize("trusted", [True, False])
def test_certificate_of_another_name_or_authority_sends_nothing(
    secure: FakeEhr, certificate: Path, trusted: bool
) -> None:
    host, ca_file = ("other.example", str(certificate)) if trusted else (HOST, None)
    transport, base = transport_to(secure, host, ca_file=ca_file)
    with closing(transport), pytest.raises(ConnectFailed) as caught:
        transport.send("POST", f"{base}/Observation", body=b"{}", headers={}, limits=LIMITS)
    assert not caught.value.sent
    assert secure.requests == []


def test_deadline_ends_an_exchange_over_tls(secure: FakeEhr, certificate: Path) -> None:
    release = threading.Event()
    secure.on("POST", "/fhir/Observation", Answer(status=201, wait_for=release))
    transport, base = transport_to(secure, HOST, ca_file=str(certificate))
    with closing(transport), pytest.raises(ReadTimeout) as caught:
        transport.send(
            "POST", f"{base}/Observation", body=b"{}", headers={}, limits=Limits(seconds=0.3, max_bytes=1000)
        )
    release.set()
    assert caught.value.sent


def test_proxy_that_refuses_the_tunnel_means_not_sent(fake: FakeEhr) -> None:
    transport, base = transport_to(fake, HOST, proxy=fake.origin)
    with closing(transport), pytest.raises(ConnectFailed) as caught:
        transport.send("POST", f"{base}/Observation", body=b"{}", headers={}, limits=LIMITS)
    assert not caught.value.sent
    assert [request.method for request in fake.requests] == ["CONNECT"]


def test_deadline_that_falls_during_name_look_up_means_not_sent(fake: FakeEhr) -> None:
    over = threading.Event()

    def resolve(host: str, port: int) -> tuple[str, ...]:
        over.wait(0.3)
        return ("127.0.0.1",)

    base = f"http://{HOST}:{fake.port}/fhir"
    transport = Transport(fake.ehr(fhir_base_url=base), resolve=resolve)
    with closing(transport), pytest.raises(ConnectFailed) as caught:
        transport.send(
            "POST", f"{base}/Observation", body=b"{}", headers={}, limits=Limits(seconds=0.1, max_bytes=1000)
        )
    assert not caught.value.sent
    assert fake.requests == []
