import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import DATA

from pinakad.nodes.hostname import is_hostname
from pinakad.nodes.node_file import interfaces_of, number_of, read
from pinakad.nodes.reading import read_file
from pinakad.nodes.selection import select_nodes
from pinakad.problems import Code, Problem

SOUND: dict[str, Any] = json.loads((DATA / "default.json").read_text())
_NAMES = (
    "hostname disk roles using_interfaces interface_01 bond1 interface_name type vlan_id Bond_Slave Properties "
    "Bond_Interface_Name IP_ADDRESS Netmask gateway DNS mtu ip ssh address port user server_vip model_config "
    "model_fields types __class__"
)
_KEYS = st.sampled_from(_NAMES.split())
_TEXTS = st.sampled_from(["192.0.2.1", "255.255.255.0", "Mgmt", "Primary", "YES", "NO", "", "NULL", "bond0", "1,2,2"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(max_size=3), inner, max_size=6),
    max_leaves=25,
)
_FILES = st.fixed_dictionaries(
    {},
    optional={
        "hostname": st.just("sqdn-001") | _VALUES,
        "disk": st.just([]) | _VALUES,
        "roles": st.just(["storage"]) | _VALUES,
        "ssh": st.fixed_dictionaries({}, optional={"address": _VALUES, "port": _VALUES, "user": _VALUES}) | _VALUES,
        "server_vip": _VALUES,
        "using_interfaces": _VALUES
        | st.dictionaries(
            st.sampled_from(["interface_01", "interface_02", "bond1", "x"]),
            st.fixed_dictionaries(
                {"interface_name": st.just("eth0") | _VALUES},
                optional={"type": _TEXTS | _VALUES, "vlan_id": _VALUES, "ip": _TEXTS, "Bond_Slave": _TEXTS}
                | {"Properties": st.dictionaries(_KEYS, _TEXTS) | _VALUES, "Bond_Interface_Name": _TEXTS},
            )
            | _VALUES,
        ),
    },
)


def problems_with(**changes: Any) -> list[Problem]:
    value = {key: item for key, item in (SOUND | changes).items() if item is not ...}
    return read("node_01.json", value)[1]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("node_01.json", 1),
        ("node_1.json", 1),
        ("node_100.json", 100),
        ("node_.json", None),
        ("node_01.json.tmp", None),
        (".node_01.json", None),
        ("Node_01.json", None),
        ("node_01.JSON", None),
        ("node_-1.json", None),
        ("node_1a.json", None),
        ("node_01.json\n", None),
        ("node_\u0661.json", None),
    ],
)
def test_only_node_digits_json_is_a_node_file(name: str, number: int | None) -> None:
    assert number_of(name) == number


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("sqdn-001", True),
        ("A.b.example", True),
        ("1", True),
        ("a" * 63, True),
        ("a" * 64, False),
        (".".join(["a" * 63] * 4), False),
        ("", False),
        ("a.", False),
        ("a..b", False),
        ("-a", False),
        ("a-", False),
        ("a_b", False),
        ("a b", False),
        ("a\n", False),
        ("h\u00f6st", False),
    ],
)
def test_a_host_name_is_what_rfc_1123_says(text: str, holds: bool) -> None:
    assert is_hostname(text) is holds


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_every_known_form_is_read_without_a_problem(path: Path) -> None:
    content, problems = read(path.name, json.loads(path.read_text()))
    assert content is not None
    assert problems == []


def test_interfaces_keep_the_order_of_the_file() -> None:
    content, _ = read("node_06.json", json.loads((DATA / "ten_interfaces.json").read_text()))
    assert content is not None
    assert [port.key for port in interfaces_of(content)] == ["interface_010", "interface_09", "interface_01"]


def test_in_the_flat_form_the_key_tells_a_bond() -> None:
    content, _ = read("node_05.json", json.loads((DATA / "flat.json").read_text()))
    assert content is not None
    told = {port.key: (port.is_bond, port.is_slave) for port in interfaces_of(content)}
    assert told == {
        "bond1": (True, False),
        "interface_01": (False, True),
        "interface_02": (False, True),
        "interface_03": (False, False),
    }


@pytest.mark.parametrize("value", [[], "x", None, 7, True])
def test_what_is_no_object_is_no_node_file(value: object) -> None:
    content, problems = read("node_01.json", value)
    assert content is None
    assert [problem.code for problem in problems] == [Code.NOT_AN_OBJECT]


@pytest.mark.parametrize("key", ["hostname", "disk", "roles", "using_interfaces"])
def test_a_missing_field_is_named(key: str) -> None:
    assert [(item.code, item.path) for item in problems_with(**{key: ...})] == [(Code.MISSING, f"/{key}")]


def _interface(**changes: Any) -> dict[str, Any]:
    return {"using_interfaces": {"interface_01": {"interface_name": "eno1", "type": ["Primary"]} | changes}}


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"hostname": 5}, Code.WRONG_TYPE, "/hostname"),
        ({"disk": "sda"}, Code.WRONG_TYPE, "/disk"),
        ({"roles": ["compute", 5]}, Code.WRONG_TYPE, "/roles/1"),
        ({"roles": None}, Code.WRONG_TYPE, "/roles"),
        ({"using_interfaces": []}, Code.WRONG_TYPE, "/using_interfaces"),
        ({"using_interfaces": {"interface_01": None}}, Code.WRONG_TYPE, "/using_interfaces/interface_01"),
        (_interface(interface_name=""), Code.BAD_VALUE, "/using_interfaces/interface_01/interface_name"),
        (_interface(type=5), Code.WRONG_TYPE, "/using_interfaces/interface_01/type"),
        (_interface(type=[5]), Code.WRONG_TYPE, "/using_interfaces/interface_01/type"),
        (_interface(type={}), Code.WRONG_TYPE, "/using_interfaces/interface_01/type"),
        (_interface(type={"str": 1}), Code.WRONG_TYPE, "/using_interfaces/interface_01/type"),
        (_interface(vlan_id=True), Code.WRONG_TYPE, "/using_interfaces/interface_01/vlan_id"),
        (_interface(vlan_id=1.5), Code.WRONG_TYPE, "/using_interfaces/interface_01/vlan_id"),
        (_interface(vlan_id=[None]), Code.WRONG_TYPE, "/using_interfaces/interface_01/vlan_id"),
        (_interface(Properties=[]), Code.WRONG_TYPE, "/using_interfaces/interface_01/Properties"),
        (_interface(Properties={"mtu": 9000}), Code.WRONG_TYPE, "/using_interfaces/interface_01/Properties/mtu"),
        (_interface(Bond_Slave=True), Code.WRONG_TYPE, "/using_interfaces/interface_01/Bond_Slave"),
        ({"ssh": {"port": 0}}, Code.BAD_VALUE, "/ssh/port"),
        ({"ssh": {"port": "22"}}, Code.WRONG_TYPE, "/ssh/port"),
        ({"ssh": {"user": "a b"}}, Code.BAD_VALUE, "/ssh/user"),
        ({"ssh": {"user": "-oProxyCommand=x"}}, Code.BAD_VALUE, "/ssh/user"),
        ({"ssh": {"address": ""}}, Code.BAD_VALUE, "/ssh/address"),
        ({"server_vip": 5}, Code.WRONG_TYPE, "/server_vip"),
    ],
)
def test_a_field_of_the_wrong_shape_is_told_once_and_at_its_place(
    changes: dict[str, Any], code: Code, path: str
) -> None:
    assert [(item.code, item.path) for item in problems_with(**changes)] == [(code, path)]


def test_all_problems_of_a_file_come_in_one_go() -> None:
    found = read_file("node_01.json", b'{"hostname": "a b", "roles": 5}', allow_loopback=False)
    assert {(item.code, item.path) for item in found.problems} == {
        (Code.MISSING, "/disk"),
        (Code.MISSING, "/using_interfaces"),
        (Code.WRONG_TYPE, "/roles"),
        (Code.BAD_HOSTNAME, "/hostname"),
    }


def test_unknown_keys_are_ignored_also_where_they_sound_like_ours() -> None:
    more = {"properties": 5, "bond_slave": "YES", "address": 1, "types": 2, "model_config": 3, "vlans": {}}
    content, problems = read("node_01.json", SOUND | _interface(**more) | {"ports": 1})
    assert problems == []
    assert content is not None
    assert interfaces_of(content)[0].is_slave is False
    assert interfaces_of(content)[0].interface.types == ["primary"]


@given(_FILES | _VALUES)
@settings(max_examples=400, deadline=None)
def test_whatever_a_file_says_there_are_nodes_or_problems(value: object) -> None:
    files = [
        read_file(name, json.dumps(value).encode(), allow_loopback=False) for name in ("node_01.json", "node_02.json")
    ]
    found = select_nodes(files)
    assert bool(found.nodes) or not found.ok
    assert all(problem.path == "" or problem.path.startswith("/") for problem in found.problems)
