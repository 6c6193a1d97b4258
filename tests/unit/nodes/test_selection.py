import json
from typing import Any

import pytest
from paths import DATA

from pinakad.nodes.addresses import AddressSource
from pinakad.nodes.reading import ParsedNodeFile, read_file, unreadable
from pinakad.nodes.selection import NodeSet, select_nodes
from pinakad.problems import Code


def file(number: int, hostname: str, address: str, **top: Any) -> ParsedNodeFile:
    interface = {"interface_name": "eno1", "type": ["Primary"], "vlan_id": "", "ip": address}
    interfaces = {"interface_01": interface}
    value = {"hostname": hostname, "disk": [], "roles": ["Control"], "using_interfaces": interfaces} | top
    return read_file(f"node_{number:02}.json", json.dumps(value).encode(), allow_loopback=False)


def together(*files: ParsedNodeFile, asked: set[str] | None = None) -> NodeSet:
    return select_nodes(files, None if asked is None else frozenset(asked))


def names(found: NodeSet) -> list[str]:
    return [node.file for node in found.nodes]


def codes(found: NodeSet) -> list[tuple[Code, str]]:
    return [(problem.code, problem.file) for problem in found.problems]


def test_the_known_forms_make_one_deployment() -> None:
    files = [
        read_file(f"node_{number:02}.json", path.read_bytes(), allow_loopback=False)
        for number, path in enumerate(sorted(DATA.glob("*.json")), 1)
    ]
    found = together(*files)
    assert found.ok
    assert [item.code for item in found.problems] == [Code.DUPLICATE_TYPE]
    assert len(found.nodes) == len(files)


def test_a_node_has_what_its_file_says() -> None:
    raw = (DATA / "with_ssh.json").read_bytes()
    (node,) = together(read_file("node_007.json", raw, allow_loopback=False)).nodes
    assert (node.number, node.hostname, node.address, node.address_source) == (
        7,
        "sqdn-007",
        "node7.example.org",
        AddressSource.SSH,
    )
    assert (node.port, node.user) == (2222, "admin")


def test_nodes_come_by_number_not_by_name() -> None:
    files = [file(number, f"n{number}", f"192.0.2.{number}") for number in (100, 99, 9, 10)]
    found = together(*files)
    assert names(found) == ["node_09.json", "node_10.json", "node_99.json", "node_100.json"]
    assert list(found.files) == names(found)


def test_of_one_host_name_the_highest_number_counts_and_the_others_are_not_checked() -> None:
    broken = read_file("node_02.json", b'{"hostname": "SQDN-1"}', allow_loopback=False)
    found = together(broken, file(10, "sqdn-1", "192.0.2.1"), file(1, "Sqdn-1", "192.0.2.1"))
    assert found.ok
    assert names(found) == ["node_10.json"]
    assert [(entry.file, entry.by) for entry in found.superseded] == [
        ("node_01.json", "node_10.json"),
        ("node_02.json", "node_10.json"),
    ]
    assert list(found.files) == ["node_10.json"]


def test_a_broken_latest_file_is_an_error_and_no_older_one_stands_in() -> None:
    broken = read_file("node_02.json", b'{"hostname": "sqdn-1"}', allow_loopback=False)
    found = together(file(1, "sqdn-1", "192.0.2.1"), broken)
    assert not found.ok
    assert names(found) == []
    assert {code for code, _ in codes(found)} == {Code.MISSING}


@pytest.mark.parametrize("hostname", ["", "NULL", "n/a"])
def test_files_without_a_host_name_do_not_supersede_each_other(hostname: str) -> None:
    found = together(file(1, hostname, "192.0.2.1"), file(2, hostname, "192.0.2.2"))
    assert found.superseded == ()
    assert codes(found) == [(Code.BAD_HOSTNAME, "node_01.json"), (Code.BAD_HOSTNAME, "node_02.json")]


def test_a_request_is_limited_to_its_files_and_others_hold_nobody_up() -> None:
    broken = read_file("node_02.json", b"{", allow_loopback=False)
    found = together(file(1, "n1", "192.0.2.1"), broken, file(3, "n3", "192.0.2.3"), asked={"node_03.json"})
    assert found.ok
    assert names(found) == ["node_03.json"]
    assert list(found.files) == ["node_03.json"]


def test_a_superseded_file_that_is_asked_for_is_not_polled() -> None:
    found = together(file(1, "n1", "192.0.2.1"), file(2, "n1", "192.0.2.2"), asked={"node_01.json"})
    assert names(found) == []
    assert [entry.by for entry in found.superseded] == ["node_02.json"]


def test_one_address_on_two_host_names_is_an_error_that_says_which_file_to_remove() -> None:
    found = together(file(1, "n1", "192.0.2.1"), file(2, "n2", "192.0.2.1"))
    assert codes(found) == [(Code.DUPLICATE_ADDRESS, "node_02.json")]
    (problem,) = found.problems
    assert problem.path == "/using_interfaces/interface_01"
    assert "if node_01.json is out of date, remove it" in problem.message


@pytest.mark.parametrize("asked", ["node_01.json", "node_02.json"])
def test_an_address_shared_with_a_file_that_is_not_asked_for_is_told_at_the_one_that_is(asked: str) -> None:
    found = together(file(1, "n1", "192.0.2.1"), file(2, "n2", "192.0.2.1"), asked={asked})
    assert codes(found) == [(Code.DUPLICATE_ADDRESS, asked)]


def test_an_address_that_two_other_files_share_holds_nobody_up() -> None:
    files = [file(1, "n1", "192.0.2.1"), file(2, "n2", "192.0.2.1"), file(3, "n3", "192.0.2.3")]
    assert together(*files, asked={"node_03.json"}).ok


def test_a_superseded_file_claims_no_address() -> None:
    files = [file(1, "n1", "192.0.2.1", disk=["x"]), file(2, "n2", "192.0.2.1"), file(3, "n1", "192.0.2.3", disk=["x"])]
    assert together(*files).ok


@pytest.mark.parametrize(
    ("first", "second", "ok"),
    [
        ({"address": "nat.example"}, {"address": "nat.example"}, False),
        ({"address": "192.0.2.9"}, {"address": "192.0.2.9"}, False),
        ({"address": "nat.example", "port": 2201}, {"address": "nat.example", "port": 2202}, True),
        ({"address": "nat.example", "port": 2201}, {"address": "NAT.example", "port": 2201}, False),
    ],
)
def test_two_nodes_at_one_place_to_log_in_are_an_error(first: dict[str, Any], second: dict[str, Any], ok: bool) -> None:
    found = together(file(1, "n1", "192.0.2.1", ssh=first), file(2, "n2", "192.0.2.2", ssh=second))
    assert found.ok is ok
    assert ok or codes(found) == [(Code.DUPLICATE_ADDRESS, "node_02.json")]


def test_an_address_of_another_node_as_a_place_to_log_in_is_an_error() -> None:
    found = together(file(1, "n1", "192.0.2.1"), file(2, "n2", "192.0.2.2", ssh={"address": "192.0.2.1"}))
    assert codes(found) == [(Code.DUPLICATE_ADDRESS, "node_02.json")]


def test_a_virtual_address_that_is_a_nodes_own_is_an_error() -> None:
    found = together(file(1, "n1", "192.0.2.1"), file(2, "n2", "192.0.2.2", server_vip="192.0.2.1"))
    assert [(item.code, item.file, item.path) for item in found.problems] == [
        (Code.VIP_IS_NODE_ADDRESS, "node_02.json", "/server_vip")
    ]


def test_a_virtual_address_that_all_nodes_name_is_fine() -> None:
    files = [file(n, f"n{n}", f"192.0.2.{n}", server_vip="192.0.2.100") for n in (1, 2)]
    assert together(*files).ok


def test_a_file_that_could_not_be_read_is_an_error_of_its_own() -> None:
    found = together(file(1, "n1", "192.0.2.1"), unreadable("node_02.json", Code.UNREADABLE, "input/output error"))
    assert codes(found) == [(Code.UNREADABLE, "node_02.json")]
    assert not found.ok


@pytest.mark.parametrize(
    ("raw", "half"), [(b"", True), (b'{"host', True), (b'"\xc3', True), (b"[]", False), (b"{}", False)]
)
def test_only_what_a_writer_may_still_finish_counts_as_half_written(raw: bytes, half: bool) -> None:
    read = read_file("node_01.json", raw, allow_loopback=False)
    assert read.problems
    assert read.half_written is half


def test_no_file_is_no_node() -> None:
    found = together()
    assert found.ok
    assert found.nodes == ()
