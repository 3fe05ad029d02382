"""Deciding whether a webhook may be sent to a network address."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, TypeAlias

__all__ = ["Address", "leads_nowhere", "literal_address", "refusal"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Metadata services of clouds, at addresses that count as public, shared or unique-local.
_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# An IPv4 address in the last four bytes, deprecated but still routed by some hosts.
_IPV4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
# The translated form of RFC 2765, to which nothing connects.
_TRANSLATED: Final = ipaddress.IPv6Network("::ffff:0:0:0/96")
# Ranges that some Python versions take for global, though the public Internet has no use of them.
_RESERVED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "100::/64"),
        *("2001:20::/28", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)


def literal_address(host: str) -> Address | None:
    """The address that a URL's host spells out, also as ``2130706433``, ``0x7f.1`` or ``[::1]``.

    None if the host is a name, so that only a resolver can tell.
    """
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(bare))
    except (OSError, UnicodeEncodeError, ValueError):
        return None


def refusal(address: Address, *, allow_private: bool) -> str | None:
    """Why an address is refused, or None if it may be sent to.

    ``allow_private`` admits loopback and private networks. Link-local addresses (where clouds
    serve credentials) and multicast are refused in any case.
    """
    inner = _embedded(address)
    if inner is not None:
        return refusal(inner, allow_private=allow_private)
    if address in _METADATA or address.is_link_local:
        return "a link-local or metadata address"
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        return "a multicast or broadcast address"
    if allow_private:
        return None
    if address.is_loopback or address.is_unspecified:
        return "a loopback address"
    if not address.is_global or any(address in network for network in _RESERVED):
        return "a private or reserved address"
    return None


def leads_nowhere(address: ipaddress.IPv6Address) -> bool:
    """Whether it is an IPv4 address in a form that only a gateway knows, and no gateway serves.

    A gateway (NAT64, 6to4, Teredo) leads to public addresses only, and a translated address is
    none to connect to. ``::ffff:127.0.0.1`` is another matter: the system itself reads it.
    """
    if address in _TRANSLATED:
        return True
    inner = _embedded(address)
    by_system = address.ipv4_mapped is not None or address in _IPV4_COMPATIBLE
    return inner is not None and not by_system and refusal(inner, allow_private=False) is not None


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that this IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None or address.sixtofour is not None:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    compatible = address in _IPV4_COMPATIBLE and int(address) > 1
    if address in _NAT64 or address in _TRANSLATED or compatible:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
