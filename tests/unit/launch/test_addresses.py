"""Which addresses count as public, and which as those that an entry allows."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.addresses import AddressRefused, check_addresses, find_literal

TEN = (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_public_address_is_allowed_in_every_form(address: str) -> None:
    assert check_addresses([address], allow_private=(), public=True) == (address,)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::"])
def test_allowed_range_is_allowed_in_every_form_and_no_other(address: str) -> None:
    assert check_addresses([address], allow_private=TEN, public=False) == (address,)
    with pytest.raises(AddressRefused):
        check_addresses([address], allow_private=(ip_network("192.168.0.0/16"),), public=True)


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_private_address_hides_in_no_ipv6_form(address: IPv4Address) -> None:
    number = int(address)
    forms = [IPv6Address((0xFFFF << 32) | number), IPv6Address((0x2002 << 112) | (number << 80))]
    forms.append(IPv6Address(int(IPv6Address("64:ff9b::")) | number))
    for form in (address, *forms):
        with pytest.raises(AddressRefused):
            check_addresses([str(form)], allow_private=(), public=True)


@given(st.ip_addresses(v=4, network="11.0.0.0/8"))
def test_plain_http_needs_an_allowed_range_also_for_public_addresses(address: IPv4Address) -> None:
    with pytest.raises(AddressRefused):
        check_addresses([str(address)], allow_private=TEN, public=False)
    allowed = (IPv4Network("11.0.0.0/8"),)
    assert check_addresses([str(address)], allow_private=allowed, public=False) == (str(address),)


def test_at_most_four_addresses_are_tried() -> None:
    assert len(check_addresses([f"8.8.8.{last}" for last in range(9)], allow_private=(), public=True)) == 4


@pytest.mark.parametrize(
    ("host", "literal"), [("8.8.8.8", True), ("[::1]", True), ("::1", True), ("ehr.example", False)]
)
def test_literal_is_told_from_a_name(host: str, literal: bool) -> None:
    assert (find_literal(host) is not None) == literal
