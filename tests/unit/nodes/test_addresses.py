import json
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import DATA

from pinakad.nodes.addresses import (
    AddressSource,
    address_key,
    choose,
    ip_value,
    ipv4,
    is_netmask,
    is_usable,
    subnet,
    why_no_login,
)
from pinakad.nodes.node_file import NodeFile, read


def node(*interfaces: dict[str, Any], **top: Any) -> NodeFile:
    keyed = {
        item.pop("key", f"interface_0{n}"): {"interface_name": f"eth{n}"} | item for n, item in enumerate(interfaces)
    }
    value = {"hostname": "n", "disk": [], "roles": [], "using_interfaces": keyed} | top
    content, problems = read("node_01.json", value)
    assert content is not None, problems
    return content


def at(address: str, kind: str = "", **more: Any) -> dict[str, Any]:
    gateway = more.pop("gateway", "")
    return {"type": kind, "Properties": {"IP_ADDRESS": address, "gateway": gateway}} | more


@pytest.mark.parametrize(
    ("form", "address", "source"),
    [
        ("default", "192.0.2.11", AddressSource.PRIMARY),
        ("spelled_freely", "192.0.2.12", AddressSource.MGMT),
        ("bonds", "192.0.2.13", AddressSource.PRIMARY),
        ("segregated", "192.0.2.14", AddressSource.MGMT),
        ("flat", "192.0.2.15", AddressSource.PRIMARY),
        ("ten_interfaces", "192.0.2.16", AddressSource.PRIMARY),
        ("with_ssh", "node7.example.org", AddressSource.SSH),
    ],
)
def test_the_address_of_each_known_form(form: str, address: str, source: AddressSource) -> None:
    content, _ = read(f"{form}.json", json.loads((DATA / f"{form}.json").read_text()))
    assert content is not None
    assert choose(content, allow_loopback=False) == (address, source)


@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        ([at("10.0.0.3", "Primary"), at("10.0.0.2", "VXLAN"), at("10.0.0.1", "Mgmt")], ("10.0.0.1", "mgmt")),
        ([at("10.0.0.3", "Primary"), at("10.0.0.2", "VXLAN")], ("10.0.0.2", "vxlan")),
        ([at("10.0.0.2", "Storage", gateway="10.0.0.254"), at("10.0.0.3", "Primary")], ("10.0.0.3", "primary")),
        ([at("10.0.0.3", "Storage"), at("10.0.0.2", "Storage", gateway="10.0.0.254")], ("10.0.0.2", "gateway")),
        ([at("10.0.0.3", "Storage"), at("", "Primary")], ("10.0.0.3", "only")),
        ([at("10.0.0.3", "Storage"), at("10.0.0.4", "Secondary", gateway="10.0.0.254")], ("10.0.0.3", "only")),
        ([at("10.0.0.3", "Storage"), at("10.0.0.4", "External_Traffic")], ("10.0.0.3", "only")),
        ([at("10.0.0.3", "Storage"), at("10.0.0.4", "Storage")], None),
        ([at("10.0.0.4", "Secondary")], None),
        ([at("10.0.0.9", "Primary", Bond_Slave="YES"), at("10.0.0.1", "Primary")], ("10.0.0.1", "primary")),
        ([at("10.0.0.9", "Primary", Bond_Slave="YES", key="bond1")], ("10.0.0.9", "primary")),
        ([at("127.0.0.1", "Mgmt"), at("169.254.1.1", "Mgmt"), at("10.0.0.1", "Primary")], ("10.0.0.1", "primary")),
        ([at("10.0.0.1", "mGmT "), at("10.0.0.2", "Mgmt")], ("10.0.0.1", "mgmt")),
        ([], None),
    ],
)
def test_the_order_of_preference(interfaces: list[dict[str, Any]], expected: tuple[str, str] | None) -> None:
    assert choose(node(*interfaces), allow_loopback=False) == expected


@pytest.mark.parametrize("field", ["server_vip", "provider_gateway"])
def test_a_virtual_or_foreign_address_is_never_polled(field: str) -> None:
    content = node(at("10.0.0.100", "Mgmt"), at("10.0.0.1", "Primary"), **{field: "10.0.0.100"})
    assert choose(content, allow_loopback=False) == ("10.0.0.1", AddressSource.PRIMARY)


@pytest.mark.parametrize("kind", ["Mgmt", "Primary"])
def test_the_tenants_gateway_may_be_a_nodes_own_address(kind: str) -> None:
    content = node(at("10.0.0.1", kind), at("10.0.0.2", kind), tenant_gateway="10.0.0.1")
    assert choose(content, allow_loopback=False) == ("10.0.0.1", kind.lower())


def test_a_virtual_address_is_known_in_any_spelling() -> None:
    content = node(at("10.0.0.100", "Mgmt"), at("10.0.0.1", "Primary"), server_vip="::ffff:10.0.0.100")
    assert choose(content, allow_loopback=False) == ("10.0.0.1", AddressSource.PRIMARY)


def test_the_flat_address_stands_in_for_empty_properties() -> None:
    content = node(at("NULL", "Primary", ip="10.0.0.1"))
    assert choose(content, allow_loopback=False) == ("10.0.0.1", AddressSource.PRIMARY)


def test_an_ssh_object_without_an_address_leaves_the_choice_to_the_interfaces() -> None:
    content = node(at("10.0.0.1", "Primary"), ssh={"port": 2222})
    assert choose(content, allow_loopback=False) == ("10.0.0.1", AddressSource.PRIMARY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.01",
        "010.0.0.1",
        " 10.0.0.1",
        "10.0.0.1/24",
        "0x0a.0.0.1",
        "1",
        "::1",
        "\u0661.0.0.1",
    ],
)
def test_what_is_not_four_plain_numbers_is_no_address(text: str) -> None:
    assert ipv4(text) is None
    assert not is_usable(text, allow_loopback=True)


@pytest.mark.parametrize("text", [str(IPv4Address(0)), "169.254.0.1", "224.0.0.1", "239.1.2.3", "255.255.255.255"])
def test_addresses_that_no_node_can_have_are_not_usable(text: str) -> None:
    assert not is_usable(text, allow_loopback=True)


def test_loopback_is_for_rehearsals_only() -> None:
    assert is_usable("127.0.0.2", allow_loopback=True)
    assert not is_usable("127.0.0.2", allow_loopback=False)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("255.255.255.0", True),
        ("255.255.255.255", True),
        ("128.0.0.0", True),
        (str(IPv4Address(0)), False),
        ("255.0.255.0", False),
        ("0.0.0.255", False),
        ("24", False),
        ("/24", False),
        ("255.255.255", False),
    ],
)
def test_a_netmask_is_dotted_and_contiguous(text: str, holds: bool) -> None:
    assert is_netmask(text) is holds


def test_a_subnet_needs_an_address_and_its_mask() -> None:
    assert str(subnet("192.0.2.77", "255.255.255.192")) == "192.0.2.64/26"
    assert subnet("192.0.2.77", "") is None
    assert subnet("", "255.255.255.0") is None
    assert subnet("192.0.2.77", "0.0.0.255") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::7", "2001:0DB8:0:0::0007", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::FFFF:c000:201", "192.0.2.1", True),
        ("fe80::1%eth0", "FE80:0::1%eth0", True),
        ("fe80::1%eth0", "fe80::1%eth1", False),
        ("Node7.Example.org.", "node7.example.org", True),
        ("node7.example.org", "node7.example", False),
        ("192.0.2.1", "192.0.2.10", False),
    ],
)
def test_addresses_are_compared_by_value(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same


@given(st.integers(0, 2**32 - 1))
def test_every_spelling_of_an_ipv4_address_inside_an_ipv6_one_is_that_address(number: int) -> None:
    plain, inside = IPv4Address(number), IPv6Address((0xFFFF << 32) | number)
    for text in (str(inside), inside.exploded, inside.exploded.upper(), f"::ffff:{plain}"):
        assert ip_value(text) == plain
        assert address_key(text) == str(plain)


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "::ffff:239.1.2.3", "ff02::1", "255.255.255.255"),  # noqa: S104 - words
        *("::ffff:255.255.255.255", "fe80::1"),
    ],
)
def test_nobody_is_logged_in_to_at_an_address_that_is_no_machines(text: str) -> None:
    assert why_no_login(text, allow_loopback=True)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost.", "a.localhost"]
)
def test_loopback_in_any_spelling_is_for_rehearsals_only(text: str) -> None:
    assert why_no_login(text, allow_loopback=False)
    assert why_no_login(text, allow_loopback=True) is None


@pytest.mark.parametrize(
    "text",
    ["192.0.2.1", "2001:db8::7", "fe80::1%eth0", "169.254.1.1", "node7.example.org.", "localhost7", "n.localdomain"],
)
def test_nothing_speaks_against_a_login_elsewhere(text: str) -> None:
    assert why_no_login(text, allow_loopback=False) is None
