"""What may be called, what may come back, and what is tried again."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from launch.errors import (
    ConnectFailed,
    ConnectionBroken,
    EndpointNotAllowed,
    PrivateAddressRefused,
    ReadTimeout,
    RedirectRefused,
    TooLarge,
    TransportError,
)
from launch.transport import HttpResponse, Limits, Transport
from tests.fakes.fake_ehr import LOOPBACK, Answer, FakeEhr

LIMITS = Limits(seconds=5, max_bytes=1_000_000)


def post(transport: Transport, url: str, **overrides: Any) -> HttpResponse:
    values: dict[str, Any] = {"body": b"{}", "headers": {"Content-Type": "application/json"}, "limits": LIMITS}
    return transport.send("POST", url, **{**values, **overrides})


# Addresses


def test_foreign_host_is_refused_before_any_look_up(fake: FakeEhr) -> None:
    def resolve(host: str, port: int) -> tuple[str, ...]:
        raise AssertionError(host)

    transport = Transport(fake.ehr(), resolve=resolve)
    with pytest.raises(EndpointNotAllowed) as caught:
        transport.get("http://other.example/fhir/Patient/1", limits=LIMITS)
    assert not caught.value.sent
    assert fake.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/fhir/x",
        "ftp://127.0.0.1/fhir",
        "http://user@127.0.0.1:{port}/fhir",
        "http://127.0.0.1:{port}@other.example/fhir",
        "http://127.0.0.1:{port}\\@other.example/fhir",
        "http://127.0.0.1:{port}/fhir#x",
        "//127.0.0.1:{port}/fhir",
        "http://127.0.0.1:{port}/fh ir",
        "http://127.0.0.1.:{port}x/fhir",
        "file:///etc/passwd",
        "",
    ],
)
def test_odd_urls_are_refused(fake: FakeEhr, transport: Transport, url: str) -> None:
    with pytest.raises(EndpointNotAllowed):
        transport.get(url.format(port=fake.port), limits=LIMITS)
    assert fake.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.1.2.3", "224.0.0.1",
        "240.0.0.1", "::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1",
        "::",
    ],
)  # fmt: skip
def test_name_that_leads_to_a_private_address_is_refused(fake: FakeEhr, address: str) -> None:
    ehr = fake.ehr(fhir_base_url="https://ehr.example/fhir", allow_private=())
    transport = Transport(ehr, resolve=lambda host, port: (address,))
    with pytest.raises(PrivateAddressRefused) as caught:
        transport.get("https://ehr.example/fhir/metadata", limits=LIMITS)
    assert not caught.value.sent


def test_one_private_address_among_public_ones_refuses_the_name(fake: FakeEhr) -> None:
    ehr = fake.ehr(fhir_base_url="https://ehr.example/fhir", allow_private=())
    transport = Transport(ehr, resolve=lambda host, port: ("8.8.8.8", "10.0.0.1"))
    with pytest.raises(PrivateAddressRefused):
        transport.get("https://ehr.example/fhir/metadata", limits=LIMITS)


def test_private_range_of_the_entry_is_allowed_and_another_is_not(fake: FakeEhr) -> None:
    ehr = fake.ehr(fhir_base_url=f"http://ehr.internal:{fake.port}/fhir", allow_private=(ip_network("127.0.0.0/8"),))
    fake.on("GET", "/fhir/metadata", Answer.fhir({}))
    with closing(Transport(ehr, resolve=lambda host, port: ("127.0.0.1",))) as allowed:
        response = allowed.get(f"http://ehr.internal:{fake.port}/fhir/metadata", limits=LIMITS)
    assert response.status == 200
    assert fake.requests[0].headers["host"] == f"ehr.internal:{fake.port}"
    refused = Transport(ehr, resolve=lambda host, port: ("10.0.0.1",))
    with pytest.raises(PrivateAddressRefused):
        refused.get(f"http://ehr.internal:{fake.port}/fhir/metadata", limits=LIMITS)


def test_plain_http_to_a_public_address_is_refused(fake: FakeEhr) -> None:
    ehr = fake.ehr(fhir_base_url="http://ehr.example/fhir")
    transport = Transport(ehr, resolve=lambda host, port: ("8.8.8.8",))
    with pytest.raises(PrivateAddressRefused):
        transport.get("http://ehr.example/fhir/metadata", limits=LIMITS)


def test_address_is_looked_up_once_and_that_one_is_connected_to(fake: FakeEhr) -> None:
    """A name server that answers differently the second time (DNS rebinding) is never asked a second time."""
    answers = iter([("127.0.0.1",), ("10.0.0.1",)])
    asked: list[str] = []

    def resolve(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        return next(answers)

    fake.on("GET", "/fhir/metadata", Answer.fhir({}))
    ehr = fake.ehr(fhir_base_url=f"http://rebind.example:{fake.port}/fhir")
    with closing(Transport(ehr, resolve=resolve)) as transport:
        assert transport.get(f"http://rebind.example:{fake.port}/fhir/metadata", limits=LIMITS).status == 200
        assert asked == ["rebind.example"]
        with pytest.raises(PrivateAddressRefused):
            post(transport, f"http://rebind.example:{fake.port}/fhir/Observation")
    assert [request.method for request in fake.requests] == ["GET"]


def test_literal_private_address_is_refused_also_behind_a_proxy(fake: FakeEhr) -> None:
    ehr = fake.ehr(fhir_base_url="https://169.254.169.254/fhir", allow_private=())
    with pytest.raises(PrivateAddressRefused):
        Transport(ehr, proxy="http://127.0.0.1:9").get("https://169.254.169.254/fhir/metadata", limits=LIMITS)


def test_request_through_a_proxy_goes_to_the_proxy(fake: FakeEhr) -> None:
    fake.on("GET", "/fhir/metadata", Answer.fhir({}))
    ehr = fake.ehr(fhir_base_url="http://ehr.internal/fhir")
    with closing(Transport(ehr, proxy=fake.origin)) as transport:
        assert transport.get("http://ehr.internal/fhir/metadata", limits=LIMITS).status == 200
    assert fake.requests[0].headers["host"] == "ehr.internal"


# Answers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_refused_and_not_followed(fake: FakeEhr, transport: Transport, status: int) -> None:
    fake.on("GET", "/fhir/Patient/1", Answer(status=status, headers={"Location": f"{fake.fhir_base_url}/Patient/2"}))
    fake.on("POST", "/fhir/Patient", Answer(status=status, headers={"Location": f"{fake.fhir_base_url}/Patient/2"}))
    for call in (
        lambda: transport.get(f"{fake.fhir_base_url}/Patient/1", limits=LIMITS),
        lambda: post(transport, f"{fake.fhir_base_url}/Patient"),
    ):
        with pytest.raises(RedirectRefused) as caught:
            call()
        assert caught.value.sent
    assert len(fake.requests) == 2


def endless(count: list[int]) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            count[0] += 1
            yield b"x" * 1_000_000

    return chunks


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_body_of_100_megabytes_is_cut_off_early(fake: FakeEhr, transport: Transport, method: str) -> None:
    written = [0]
    fake.on(method, "/fhir/Binary", Answer(chunks=endless(written)))
    call = {"GET": lambda url: transport.get(url, limits=LIMITS), "POST": lambda url: post(transport, url)}[method]
    with pytest.raises(TooLarge):
        call(f"{fake.fhir_base_url}/Binary")
    assert written[0] < 50
    assert len(fake.requests) == 1


@pytest.mark.parametrize("length", ["1000001", "9" * 5000])
def test_announced_length_over_the_cap_is_not_read(length: str, fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/fhir/Binary", Answer(body=b"x", headers={"Content-Length": length}))
    with pytest.raises(TooLarge):
        transport.get(f"{fake.fhir_base_url}/Binary", limits=LIMITS)


def test_gzip_counts_decoded(fake: FakeEhr, transport: Transport) -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    fake.on("GET", "/fhir/Binary", Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    assert len(bomb) < LIMITS.max_bytes
    with pytest.raises(TooLarge):
        transport.get(f"{fake.fhir_base_url}/Binary", limits=LIMITS)


def test_gzip_body_is_decoded(fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/fhir/Binary", Answer(body=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"}))
    assert transport.get(f"{fake.fhir_base_url}/Binary", limits=LIMITS).body == b"hello"


def test_cookies_of_the_ehr_are_not_kept(fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/fhir/metadata", Answer(headers={"Set-Cookie": "session=1; Path=/"}))
    for _ in range(2):
        transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS)
    assert [request.headers.get("cookie") for request in fake.requests] == [None, None]


def test_netrc_does_not_replace_our_header(
    fake: FakeEhr, transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    fake.on("GET", "/fhir/metadata", Answer())
    transport.get(f"{fake.fhir_base_url}/metadata", headers={"Authorization": "Bearer t"}, limits=LIMITS)
    assert fake.requests[0].headers["authorization"] == "Bearer t"


# Trying again


def test_get_is_tried_again_after_a_reset(fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/fhir/metadata", Answer(abort=True), Answer(abort=True), Answer(body=b"{}"))
    assert transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS).body == b"{}"
    assert len(fake.requests) == 3


def test_get_gives_up_after_three_resets(fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/fhir/metadata", Answer(abort=True))
    with pytest.raises(ConnectionBroken):
        transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS)
    assert len(fake.requests) == 3


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_get_is_tried_again_on_a_passing_status(fake: FakeEhr, transport: Transport, status: int) -> None:
    fake.on("GET", "/fhir/metadata", Answer(status=status), Answer(body=b"{}"))
    assert transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS).status == 200
    assert len(fake.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_get_is_not_tried_again_on_another_status(fake: FakeEhr, transport: Transport, status: int) -> None:
    fake.on("GET", "/fhir/metadata", Answer(status=status))
    assert transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS).status == status
    assert len(fake.requests) == 1


def test_get_waits_as_long_as_retry_after_says_when_that_is_short(fake: FakeEhr, ehr: Any) -> None:
    waits: list[float] = []
    fake.on("GET", "/fhir/metadata", Answer(status=429, headers={"Retry-After": "2"}), Answer())
    with closing(Transport(ehr, sleep=waits.append)) as transport:
        transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS)
    assert waits == [2.0]


def test_get_hands_back_a_429_that_asks_for_a_long_wait(fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/fhir/metadata", Answer(status=429, headers={"Retry-After": "60"}))
    response = transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS)
    assert (response.status, response.retry_after, len(fake.requests)) == (429, 60.0, 1)


def test_retry_after_as_a_date_counts_from_the_answers_own_date(fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/fhir/metadata", Answer(status=429, headers={"Retry-After": "Tue, 24 Nov 2026 12:01:30 GMT"}))
    assert transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS).retry_after == 90.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("99999999999999999999", 86_400.0),
        ("9" * 400, 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Mon, 1 Jan 999999999999999999999 00:00:00 GMT", None),
        ("-5", None),
    ],
)
def test_a_wait_outside_of_the_calendar_stops_nothing(
    said: str, seconds: float | None, fake: FakeEhr, transport: Transport
) -> None:
    fake.on("POST", "/fhir/Observation", Answer(status=429, headers={"Retry-After": said}))
    assert post(transport, f"{fake.fhir_base_url}/Observation").retry_after == seconds


@pytest.mark.parametrize("answer", [Answer(abort=True), Answer(status=502), Answer(status=503), Answer(status=429)])
def test_post_is_never_tried_again(fake: FakeEhr, transport: Transport, answer: Answer) -> None:
    fake.on("POST", "/fhir/Observation", answer)
    if answer.abort:
        with pytest.raises(ConnectionBroken) as caught:
            post(transport, f"{fake.fhir_base_url}/Observation")
        assert caught.value.sent
    else:
        assert post(transport, f"{fake.fhir_base_url}/Observation").status == answer.status
    assert len(fake.requests) == 1


def test_each_post_has_a_connection_of_its_own_and_gets_share_one(fake: FakeEhr, transport: Transport) -> None:
    fake.on("GET", "/fhir/metadata", Answer(body=b"{}"))
    fake.on("POST", "/fhir/Observation", Answer(status=201))
    for _ in range(2):
        transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS)
        post(transport, f"{fake.fhir_base_url}/Observation")
    gets = {request.connection for request in fake.requests if request.method == "GET"}
    posts = {request.connection for request in fake.requests if request.method == "POST"}
    assert (len(gets), len(posts), gets & posts) == (1, 2, set())


# Sent or not


def closed_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_refused_connection_is_not_sent(fake: FakeEhr) -> None:
    base = f"http://127.0.0.1:{closed_port()}/fhir"
    with pytest.raises(ConnectFailed) as caught:
        post(Transport(fake.ehr(fhir_base_url=base)), f"{base}/Observation")
    assert not caught.value.sent


def test_name_that_does_not_resolve_is_not_sent(fake: FakeEhr) -> None:
    def resolve(host: str, port: int) -> tuple[str, ...]:
        raise socket.gaierror("no such name")

    transport = Transport(fake.ehr(fhir_base_url="https://ehr.example/fhir"), resolve=resolve)
    with pytest.raises(ConnectFailed) as caught:
        post(transport, "https://ehr.example/fhir/Observation")
    assert not caught.value.sent


def test_failed_tls_handshake_is_not_sent(fake: FakeEhr) -> None:
    """The fake speaks plain http, so the handshake fails."""
    base = f"https://127.0.0.1:{fake.port}/fhir"
    with pytest.raises(ConnectFailed) as caught:
        post(Transport(fake.ehr(fhir_base_url=base)), f"{base}/Observation")
    assert not caught.value.sent


def test_second_address_is_used_when_the_first_refuses(fake: FakeEhr) -> None:
    ehr = fake.ehr(fhir_base_url=f"http://two.example:{fake.port}/fhir", allow_private=(*LOOPBACK, ip_network("::1")))
    fake.on("GET", "/fhir/metadata", Answer())
    with closing(Transport(ehr, resolve=lambda host, port: ("::1", "127.0.0.1"))) as transport:
        assert transport.get(f"http://two.example:{fake.port}/fhir/metadata", limits=LIMITS).status == 200


def test_no_answer_before_the_deadline_is_a_read_timeout_that_was_sent(fake: FakeEhr, transport: Transport) -> None:
    release = threading.Event()
    fake.on("POST", "/fhir/Observation", Answer(status=201, wait_for=release))
    with pytest.raises(ReadTimeout) as caught:
        post(transport, f"{fake.fhir_base_url}/Observation", limits=Limits(seconds=0.2, max_bytes=1000))
    release.set()
    assert caught.value.sent


def test_deadline_ends_an_answer_that_drips(fake: FakeEhr, transport: Transport) -> None:
    """Each byte comes within the read time-out; the whole does not come within the deadline."""
    tick = threading.Event()

    def drip() -> Iterator[bytes]:
        while not tick.wait(0.02):
            yield b"x"

    fake.on("GET", "/fhir/metadata", Answer(chunks=drip))
    with pytest.raises(ReadTimeout):
        transport.get(f"{fake.fhir_base_url}/metadata", limits=Limits(seconds=0.3, max_bytes=10_000))
    tick.set()


def test_read_timeout_between_two_reads(fake: FakeEhr, ehr: Any) -> None:
    release = threading.Event()
    fake.on("GET", "/fhir/metadata", Answer(wait_for=release))
    with closing(Transport(ehr, timeout=(1.0, 0.1))) as transport, pytest.raises(ReadTimeout):
        transport.get(f"{fake.fhir_base_url}/metadata", limits=LIMITS)
    release.set()
    assert len(fake.requests) == 1


def test_body_shorter_than_announced_is_a_broken_connection(fake: FakeEhr, transport: Transport) -> None:
    fake.on("POST", "/fhir/Observation", Answer(body=b"{", headers={"Content-Length": "5", "Connection": "close"}))
    with pytest.raises(ConnectionBroken) as caught:
        post(transport, f"{fake.fhir_base_url}/Observation")
    assert caught.value.sent


def test_before_first_byte_runs_once_connected_and_can_stop_the_request(fake: FakeEhr, transport: Transport) -> None:
    class StopHere(Exception):
        pass

    def stop() -> None:
        raise StopHere

    fake.on("POST", "/fhir/Observation", Answer(status=201))
    with pytest.raises(StopHere):
        post(transport, f"{fake.fhir_base_url}/Observation", before_first_byte=stop)
    seen: list[int] = []
    post(transport, f"{fake.fhir_base_url}/Observation", before_first_byte=lambda: seen.append(len(fake.requests)))
    assert seen == [0]
    assert len(fake.requests) == 1


def test_what_the_hook_raises_is_never_taken_for_the_network(fake: FakeEhr, transport: Transport) -> None:
    def disk_full() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        post(transport, f"{fake.fhir_base_url}/Observation", before_first_byte=disk_full)
    assert fake.requests == []


def test_before_first_byte_is_not_called_when_nothing_can_be_sent(fake: FakeEhr) -> None:
    base = f"http://127.0.0.1:{closed_port()}/fhir"
    called: list[bool] = []
    with pytest.raises(TransportError):
        post(
            Transport(fake.ehr(fhir_base_url=base)),
            f"{base}/Observation",
            before_first_byte=lambda: called.append(True),
        )
    assert called == []


def test_endpoint_host_with_port_is_allowed_and_without_it_is_not(fake: FakeEhr) -> None:
    ehr = fake.ehr(
        fhir_base_url="https://ehr.example/fhir", endpoint_hosts=frozenset({"auth.example", "keys.example:8443"}),
        allow_private=LOOPBACK,
    )  # fmt: skip
    assert ehr.allows_endpoint("https://auth.example/token")
    assert ehr.allows_endpoint("https://AUTH.example:443/token")
    assert ehr.allows_endpoint("https://keys.example:8443/jwks")
    assert not ehr.allows_endpoint("https://keys.example/jwks")
    assert not ehr.allows_endpoint("https://auth.example:8443/token")
    assert not ehr.allows_endpoint("https://auth.example.evil.example/token")
    assert ehr.allows_endpoint("http://auth.example/token")
    assert not replace(ehr, allow_private=()).allows_endpoint("http://auth.example/token")
