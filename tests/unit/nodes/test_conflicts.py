"""Whichever way two node files write one address or one disk, one machine is never taken for two, nor two for one."""

import ipaddress
import json
import time
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinakad.nodes.reading import ParsedNodeFile, read_file
from pinakad.nodes.selection import NodeSet, select_nodes
from pinakad.problems import Code, Problem, Severity

MANY = settings(max_examples=400, deadline=None)


def file(number: int, hostname: str, *addresses: str, **top: Any) -> ParsedNodeFile:
    """Return a node file with these addresses: Mgmt first, then storage ones."""
    ports = {
        f"interface_0{n}": {
            "interface_name": f"eno{n}",
            "type": ["Storage"] if n > 1 else ["Mgmt"],
            "Properties": {"IP_ADDRESS": address, "Netmask": "255.255.255.0"},
        }
        for n, address in enumerate(addresses, 1)
    }
    value = {"hostname": hostname, "disk": [], "roles": ["Control"], "using_interfaces": ports} | top
    return read_file(f"node_{number:02}.json", json.dumps(value).encode(), allow_loopback=False)


def together(*files: ParsedNodeFile, asked: set[str] | None = None, ssh_port: int = 22) -> NodeSet:
    return select_nodes(files, None if asked is None else frozenset(asked), ssh_port=ssh_port)


def codes(found: NodeSet) -> list[tuple[Code, str]]:
    return [(problem.code, problem.file) for problem in found.problems]


# --- one machine twice


@pytest.mark.parametrize(
    ("first", "second", "ok"),
    [
        ({"address": "2001:db8::7"}, {"address": "2001:0DB8:0:0:0:0:0:7"}, False),
        ({"address": "::ffff:192.0.2.9"}, {"address": "192.0.2.9"}, False),
        ({"address": "nat.example."}, {"address": "NAT.example"}, False),
        ({"address": "nat.example", "port": 22}, {"address": "nat.example"}, False),
        ({"address": "nat.example", "port": 2201}, {"address": "nat.example"}, True),
        ({"address": "2001:db8::7", "port": 1}, {"address": "2001:db8:0::7", "port": 2}, True),
        ({"address": "192.0.2.2"}, {}, False),
        ({"address": "::ffff:192.0.2.2", "port": 22}, {}, False),
        ({"address": "192.0.2.2", "port": 2201}, {}, True),
        ({"address": "192.0.2.2", "port": 2201}, {"port": 2201}, False),
        ({"address": "10.9.0.2"}, {}, False),
        ({"address": "10.9.0.2"}, {"address": "nat.example", "port": 2201}, False),
        ({"address": "10.9.0.2", "port": 2201}, {"address": "nat.example", "port": 2201}, True),
        ({"address": "N2"}, {}, False),
        ({"address": "n2.", "port": 22}, {}, False),
        ({"address": "n2", "port": 2201}, {}, True),
    ],
)
def test_what_is_polled_is_one_machines_alone(first: dict[str, Any], second: dict[str, Any], ok: bool) -> None:
    files = (file(1, "n1", "192.0.2.1", "10.9.0.1", ssh=first), file(2, "n2", "192.0.2.2", "10.9.0.2", ssh=second))
    found = together(*files)
    assert codes(found) == ([] if ok else [(Code.DUPLICATE_ADDRESS, "node_02.json")])
    for asked in ("node_01.json", "node_02.json"):
        assert codes(together(*files, asked={asked})) == ([] if ok else [(Code.DUPLICATE_ADDRESS, asked)])


def test_the_port_that_is_polled_by_default_is_the_configured_one() -> None:
    files = (
        file(1, "n1", "192.0.2.1", ssh={"address": "nat.example", "port": 2222}),
        file(2, "n2", "192.0.2.2", ssh={"address": "nat.example"}),
    )
    assert together(*files, ssh_port=22).ok
    assert not together(*files, ssh_port=2222).ok


def test_every_address_of_a_node_is_its_own_not_only_the_one_that_is_polled() -> None:
    found = together(file(1, "n1", "192.0.2.1", "10.9.0.1"), file(2, "n2", "192.0.2.2", "10.9.0.1"))
    (problem,) = found.problems
    assert (problem.code, problem.path) == (Code.DUPLICATE_ADDRESS, "/using_interfaces/interface_02")
    assert "node_01.json" in problem.message


@pytest.mark.parametrize("vip", ["192.0.2.100", "::ffff:192.0.2.100"])
@pytest.mark.parametrize("ssh", [{"address": "192.0.2.100"}, {"address": "::FFFF:c000:264", "port": 2201}])
def test_a_virtual_address_as_a_place_to_log_in_is_an_error(vip: str, ssh: dict[str, Any]) -> None:
    files = (file(1, "n1", "192.0.2.1", server_vip=vip), file(2, "n2", "192.0.2.2", ssh=ssh))
    assert codes(together(*files)) == [(Code.VIP_IS_NODE_ADDRESS, "node_01.json")]
    assert codes(together(*files, asked={"node_02.json"})) == [(Code.VIP_IS_NODE_ADDRESS, "node_02.json")]
    own = file(1, "n1", "192.0.2.1", server_vip=vip, ssh=ssh)
    assert codes(together(own)) == [(Code.VIP_IS_NODE_ADDRESS, "node_01.json")]


def test_different_virtual_addresses_are_told_and_hold_nobody_up() -> None:
    vips = ("192.0.2.100", "192.0.2.101", "::ffff:192.0.2.100", "N/A")
    found = together(*(file(n, f"n{n}", f"192.0.2.{n}", server_vip=vip) for n, vip in enumerate(vips, 1)))
    assert found.ok
    assert [(item.code, item.file, item.path) for item in found.problems] == [
        (Code.DIFFERENT_VIPS, "node_02.json", "/server_vip")
    ]
    assert "192.0.2.101 in node_02.json, 192.0.2.100 in node_01.json" in found.problems[0].message


def test_that_nobody_has_control_is_told_and_holds_nobody_up() -> None:
    files = [file(n, f"n{n}", f"192.0.2.{n}", roles=["Compute"]) for n in (1, 2)]
    found = together(*files)
    assert found.ok
    assert codes(found) == [(Code.NO_CONTROL, "")]
    assert codes(together(*files, file(3, "n3", "192.0.2.3", roles=["control"]))) == []
    broken = read_file("node_03.json", b'{"roles": ["Control"]}', allow_loopback=False)
    assert Code.NO_CONTROL not in dict(codes(together(*files, broken)))
    assert codes(together(*files, asked={"node_01.json"})) == []


_HOSTS = [ipaddress.ip_address(text) for text in ("192.0.2.5", "192.0.2.6", "2001:db8::5", "2001:db8::6")]


def spelled(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> st.SearchStrategy[str]:
    """Return any spelling of an address."""
    if isinstance(address, ipaddress.IPv4Address):
        inside = ipaddress.IPv6Address((0xFFFF << 32) | int(address))
        texts = [str(address), f"::ffff:{address}", f"0:0:0:0:0:ffff:{address}", inside.compressed, inside.exploded]
    else:
        texts = [address.compressed, address.exploded, str(address).replace("::", ":0:0:0:0:0:")]
    return st.sampled_from([*texts, *(text.upper() for text in texts)])


_ADDRESSES = st.sampled_from(_HOSTS).flatmap(spelled)
_SSH = st.fixed_dictionaries({}, optional={"address": _ADDRESSES, "port": st.sampled_from([22, 2201])})
_OWN = st.sampled_from(["192.0.2.5", "192.0.2.6", "198.51.100.1", "198.51.100.2"])


@given(st.lists(st.tuples(_OWN, _SSH), min_size=2, max_size=4), st.sampled_from([22, 2201]))
@MANY
def test_two_files_conflict_exactly_where_a_slow_comparison_of_values_says_so(
    nodes: list[tuple[str, dict[str, Any]]], ssh_port: int
) -> None:
    files = [file(n, f"n{n}", own, ssh=ssh) for n, (own, ssh) in enumerate(nodes, 1)]
    found = together(*files, ssh_port=ssh_port)
    expected = any(_conflict(one, other, ssh_port) for one, other in combinations(nodes, 2))
    assert (not found.ok) is expected
    assert {item.code for item in found.problems} <= {Code.DUPLICATE_ADDRESS}


def _conflict(one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]], ssh_port: int) -> bool:
    """The oracle: by `ipaddress` alone, two machines at a time."""
    return one[0] == other[0] or bool(_places(one, ssh_port) & _places(other, ssh_port))


def _places(node: tuple[str, dict[str, Any]], ssh_port: int) -> set[tuple[int, int]]:
    own, ssh = node
    if "address" not in ssh:
        return {(_value(own), ssh.get("port", ssh_port))}
    login = (_value(ssh["address"]), ssh.get("port", ssh_port))
    return {login} if login[0] == _value(own) else {login, (_value(own), ssh_port)}


def _value(text: str) -> int:
    address = ipaddress.ip_address(text)
    return int(address) | ((0xFFFF << 32) if isinstance(address, ipaddress.IPv4Address) else 0)


# --- two machines as one


def reused(found: NodeSet) -> list[Problem]:
    return [problem for problem in found.problems if problem.code is Code.HOSTNAME_REUSED]


DISKS: list[tuple[Any, Any]] = [
    (["wwn-0x5000"], ["/dev/disk/by-id/WWN-0x5000"]),
    ([{"name": "wwn-0x5000"}], ["wwn-0x5000", "sdb"]),
    ([{"Serial-Number": "A1", "name": "sda"}], [{"serial_number": "a1", "name": "sdb"}]),
    ([{"size": "1T", "kind": "ssd"}], [{"kind": "ssd", "size": "1T"}]),
    ([["nested-1"]], ["nested-1"]),
    ([4711], ["4711"]),
]


@pytest.mark.parametrize(("old", "new"), DISKS)
def test_with_a_disk_in_common_the_higher_number_supersedes_whatever_the_form(old: Any, new: Any) -> None:
    found = together(file(1, "n1", "192.0.2.1", disk=old), file(2, "n1", "192.0.2.2", disk=new))
    assert (found.ok, found.problems) == (True, ())
    assert [entry.by for entry in found.superseded] == ["node_02.json"]


ADDRESSES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"ssh": {"address": "nat.example", "port": 2201}}, {"ssh": {"address": "NAT.example.", "port": 2201}}),
    ({"ssh": {"address": "2001:db8::7"}}, {"ssh": {"address": "2001:db8:0::7", "port": 22}}),
    ({}, {"ssh": {"address": "::ffff:192.0.2.1"}}),
    ({"ssh": {"address": "192.0.2.2"}}, {}),
]


@pytest.mark.parametrize(("old", "new"), ADDRESSES)
def test_with_an_address_in_common_the_higher_number_supersedes(old: dict[str, Any], new: dict[str, Any]) -> None:
    found = together(file(1, "n1", "192.0.2.1", **old), file(2, "N1", "192.0.2.2", **new))
    assert (found.ok, found.problems) == (True, ())


def test_an_address_that_is_not_polled_is_in_common_too() -> None:
    assert together(file(1, "n1", "192.0.2.1", "10.9.0.1"), file(2, "n1", "192.0.2.2", "10.9.0.1")).ok


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {}),
        ({"disk": ["sda"]}, {"disk": ["sdb"]}),
        ({"disk": ["sda"]}, {"disk": []}),
        ({"disk": [{"serial": "A1"}]}, {"disk": [{"serial": "A2"}]}),
        ({"disk": [None, ""]}, {"disk": [None, ""]}),
        ({"ssh": {"address": "nat.example", "port": 2201}}, {"ssh": {"address": "nat.example", "port": 2202}}),
        ({"server_vip": "192.0.2.100"}, {"server_vip": "192.0.2.100"}),
    ],
)
def test_a_host_name_that_another_machine_has_now_is_an_error_that_says_which_file_to_retire(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    files = (file(1, "ctrl-1", "192.0.2.1", **old), file(2, "Ctrl-1", "192.0.2.2", **new))
    found = together(*files)
    (problem,) = reused(found)
    assert not found.ok
    assert (problem.severity, problem.file, problem.path) == (Severity.ERROR, "node_02.json", "/hostname")
    assert "if node_01.json is out of date: `pinakactl retire node_01.json`, else" in problem.message
    assert problem.value == '"Ctrl-1"'


@pytest.mark.parametrize(("asked", "told"), [("node_01.json", 1), ("node_02.json", 1), ("node_03.json", 0)])
def test_only_who_asks_for_one_of_the_two_machines_is_held_up(asked: str, told: int) -> None:
    files = (file(1, "c", "192.0.2.1"), file(2, "c", "192.0.2.2"), file(3, "n3", "192.0.2.3"))
    found = reused(together(*files, asked={asked}))
    assert [problem.file for problem in found] == [asked] * told


def test_a_machine_that_was_renumbered_twice_is_still_the_same() -> None:
    chain = (file(1, "c", "192.0.2.1"), file(2, "c", "192.0.2.1", "10.0.0.2"), file(3, "c", "192.0.2.3", "10.0.0.2"))
    assert together(*chain).ok
    broken_chain = (chain[0], file(2, "c", "192.0.2.9"), chain[2])
    assert [
        "node_01.json" in item.message or "node_02.json" in item.message for item in reused(together(*broken_chain))
    ] == [
        True,
        True,
    ]


def test_disks_that_most_machines_have_are_not_enough_to_be_silent() -> None:
    found = together(file(1, "c", "192.0.2.1", disk=["/dev/sda"]), file(2, "c", "192.0.2.2", disk=[{"name": "sda"}]))
    (problem,) = reused(found)
    assert (problem.severity, problem.file, found.ok) == (Severity.WARNING, "node_02.json", True)
    assert "disks such as sda are in most machines" in problem.message


@pytest.mark.parametrize(
    "old",
    [
        {"hostname": "c"},
        {"hostname": "c", "using_interfaces": {"interface_01": {"Bond_Slave": "YES", "ip": "192.0.2.1"}}},
        {"hostname": "c", "using_interfaces": {"interface_01": {"ip": "127.0.0.1"}}, "disk": [None, {}]},
        {"hostname": "c", "using_interfaces": {"interface_01": {"ip": "192.0.2.2"}}, "roles": 5},
    ],
)
def test_a_broken_file_that_shows_no_machine_of_its_own_is_superseded_as_before(old: dict[str, Any]) -> None:
    older = read_file("node_01.json", json.dumps(old).encode(), allow_loopback=False)
    assert together(older, file(2, "c", "192.0.2.2")).ok


def test_a_broken_file_that_shows_another_machine_does_not_vanish() -> None:
    raw = b'{"hostname": "c", "roles": 5, "using_interfaces": {"interface_01": {"ip": "192.0.2.1"}}}'
    older = read_file("node_01.json", raw, allow_loopback=False)
    assert not together(older, file(2, "c", "192.0.2.2")).ok


_DISK = st.sampled_from(["sda", "sdb", "wwn-1", "wwn-2"])
_FORM = st.sampled_from([str, "/dev/{}".format, "/dev/disk/by-id/{}".format, lambda name: {"name": name}])
_SHOWS = st.tuples(st.sets(_OWN, min_size=1, max_size=2), st.sets(_DISK, max_size=2), _FORM)


@given(st.lists(_SHOWS, min_size=2, max_size=5))
@MANY
def test_a_file_is_superseded_in_silence_exactly_where_a_chain_leads_to_the_latest(shown: list[Any]) -> None:
    files = [
        file(n, "c", *sorted(addresses), disk=[form(disk) for disk in sorted(disks)])
        for n, (addresses, disks, form) in enumerate(shown, 1)
    ]
    found = reused(together(*files))
    kinds = ({"192.0.2.5", "192.0.2.6", "198.51.100.1", "198.51.100.2", "wwn-1", "wwn-2"}, {"sda", "sdb"})
    strong = _reached([(addresses | disks) & kinds[0] for addresses, disks, _ in shown])
    weak = _reached([addresses | disks for addresses, disks, _ in shown])
    assert sum(problem.severity is Severity.ERROR for problem in found) == len(shown) - len(weak)
    assert sum(problem.severity is Severity.WARNING for problem in found) == len(weak) - len(strong)


def _reached(marks: list[set[str]]) -> set[int]:
    """The oracle: from the last one, as long as it grows."""
    found = {len(marks) - 1}
    while more := {n for n in range(len(marks)) if n not in found and any(marks[n] & marks[m] for m in found)}:
        found |= more
    return found


# --- many of them


def test_thousands_of_files_of_one_name_or_one_address_cost_seconds_at_most() -> None:
    same_name = [file(n, "c", f"10.{n // 250}.{n % 250}.1") for n in range(1, 3001)]
    same_place = [
        file(n, f"n{n}", "192.0.2.1", ssh={"address": "192.0.2.1"}, server_vip="192.0.2.1") for n in range(1, 3001)
    ]
    began_s = time.process_time()
    found = together(*same_name)
    assert 1 < len(found.problems) <= 100
    assert not found.ok
    assert not together(*same_place).ok
    assert not together(*same_place, asked={"node_3000.json"}).ok
    assert time.process_time() - began_s < 3
