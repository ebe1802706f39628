"""Which IP addresses an EHR's name may lead to (RFC 6890 special-purpose addresses; OWASP ASVS 5.0, 1.3.6).

The connection itself asks here, so the address that was checked is the address that is connected to: a name server that
answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], tuple[str, ...]]
"""Host and port → textual addresses, best first. Raises OSError when the name does not resolve."""

_NAT64 = IPv6Network("64:ff9b::/96")
_MOST_ADDRESSES = 4


class AddressRefused(Exception):
    """A name leads to an address that is neither public nor allowed for this EHR."""


def resolve_host(host: str, port: int) -> tuple[str, ...]:
    """Ask the system's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def find_literal(host: str) -> Address | None:
    """Return the address that `host` is, when it is one and not a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def check_addresses(texts: Iterable[str], *, allow_private: Iterable[Network], public: bool) -> tuple[str, ...]:
    """Return the addresses to connect to, at most four. Raises AddressRefused when any of the name's is not allowed.

    One bad address refuses the name: a mixed answer is how rebinding looks. `public` False (plain http) accepts only
    `allow_private`.
    """
    networks = tuple(allow_private)
    checked = tuple(texts)[:_MOST_ADDRESSES]
    for text in checked:
        address = _unwrap(ip_address(text.partition("%")[0]))
        allowed = any(address in network for network in networks if network.version == address.version)
        if not allowed and not (public and address.is_global and not address.is_multicast):
            raise AddressRefused
    return checked


def _unwrap(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one: mapped, 6to4 or NAT64."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
