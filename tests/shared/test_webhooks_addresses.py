"""Which addresses a webhook may go to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from llm_integrations.core.webhooks.addresses import literal_address, refusal

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "240.0.0.1",
    "::1",
    "::",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "2001:db8::1",
    "64:ff9b:1::1",
    # an IPv4 address in an IPv6 one
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
]
NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "168.63.129.16",
    "192.0.0.192",
    "100.100.100.200",
    "fd00:ec2::254",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
]
PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_and_loopback_addresses_are_refused_unless_allowed(text: str) -> None:
    assert refusal(ip_address(text), allow_private=False)
    assert refusal(ip_address(text), allow_private=True) is None


@pytest.mark.parametrize("text", NEVER)
@pytest.mark.parametrize("allow_private", [False, True])
def test_link_local_metadata_and_multicast_addresses_are_refused_in_any_case(
    text: str, allow_private: bool
) -> None:
    assert refusal(ip_address(text), allow_private=allow_private)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_admitted(text: str) -> None:
    assert refusal(ip_address(text), allow_private=False) is None


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
    ],
)
def test_a_host_that_spells_an_address_is_read_as_the_network_would(
    host: str, address: str
) -> None:
    assert literal_address(host) == ip_address(address)


@pytest.mark.parametrize("host", ["example.com", "localhost", "1.2.3.4.example.com", "ünï.example"])
def test_a_name_spells_no_address(host: str) -> None:
    assert literal_address(host) is None
