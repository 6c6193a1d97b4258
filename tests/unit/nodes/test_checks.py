import json
import time
from pathlib import Path
from typing import Any

import pytest
from paths import DATA

from pinakad.nodes.checks import check
from pinakad.nodes.node_file import read
from pinakad.nodes.reading import read_file
from pinakad.problems import Code, Severity

WHERE = "/using_interfaces/interface_01"
TWO_PRIMARIES = (Severity.WARNING, Code.DUPLICATE_TYPE, "/using_interfaces/interface_09/type")
Found = list[tuple[str, str, str]]


def found_in(value: dict[str, Any]) -> Found:
    content, problems = read("node_01.json", value)
    assert content is not None, problems
    assert not problems
    return [(item.severity, item.code, item.path) for item in check("node_01.json", content, allow_loopback=False)]


def with_interface(**changes: Any) -> dict[str, Any]:
    """Return a sound node file whose one interface is changed."""
    properties = {"IP_ADDRESS": "192.0.2.11", "Netmask": "255.255.255.0", "gateway": "192.0.2.1"}
    properties |= changes.pop("Properties", {})
    interface = {"interface_name": "eno1", "type": ["Primary"], "vlan_id": "", "Properties": properties} | changes
    return {"hostname": "n1", "disk": ["sda"], "roles": ["Compute"], "using_interfaces": {"interface_01": interface}}


def with_properties(**changes: str) -> dict[str, Any]:
    return with_interface(Properties=changes)


OTHER = "/using_interfaces/interface_02"
NO_LOGIN = ("0.0.0.0", "::", "127.0.0.1", "::1", "ff02::1", "255.255.255.255", "fe80::1", "localhost")  # noqa: S104 - words
NO_LOGIN += ("0x7f.1", "0x7f000001", "127.1", "10.0.0.01", "NULL", "N/A", "192.0.2.255", "::ffff:192.0.2.0", "a..b")


def twice(*, bond: bool = False, key: str = "interface_02", **changes: Any) -> dict[str, Any]:
    """Return a sound node file with a second interface."""
    value = with_interface()
    value["using_interfaces"][key] = {"interface_name": "eno2", "type": ["Secondary"], "vlan_id": ""} | changes
    if bond:
        value["using_interfaces"] |= {
            "bond1": {"interface_name": "bond0", "type": ["Secondary"], "vlan_id": ""},
            "interface_03": {"interface_name": "eno3", "Bond_Slave": "YES", "Bond_Interface_Name": "bond0"},
        }
    return value


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_the_known_forms_have_nothing_to_complain_about(path: Path) -> None:
    found = found_in(json.loads(path.read_text()))
    assert found == ([TWO_PRIMARIES] if path.stem == "ten_interfaces" else [])


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        (with_properties(IP_ADDRESS="192.0.2.256"), Code.BAD_ADDRESS, f"{WHERE}/Properties/IP_ADDRESS"),
        (with_properties(Netmask="255.0.255.0"), Code.BAD_NETMASK, f"{WHERE}/Properties/Netmask"),
        (with_properties(Netmask="24"), Code.BAD_NETMASK, f"{WHERE}/Properties/Netmask"),
        (with_properties(gateway="192.0.2"), Code.BAD_GATEWAY, f"{WHERE}/Properties/gateway"),
        (with_properties(gateway="192.0.3.1"), Code.BAD_GATEWAY, f"{WHERE}/Properties/gateway"),
        (with_properties(gateway="192.0.2.11"), Code.BAD_GATEWAY, f"{WHERE}/Properties/gateway"),
        (with_properties(gateway="192.0.2.0"), Code.BAD_GATEWAY, f"{WHERE}/Properties/gateway"),
        (with_properties(gateway="192.0.2.255"), Code.BAD_GATEWAY, f"{WHERE}/Properties/gateway"),
        (with_properties(DNS="192.0.2.2, nameserver"), Code.BAD_DNS, f"{WHERE}/Properties/DNS"),
        (with_interface() | {"hostname": "a_b"}, Code.BAD_HOSTNAME, "/hostname"),
        (with_interface() | {"hostname": "NULL"}, Code.BAD_HOSTNAME, "/hostname"),
        (with_interface() | {"roles": [" STORAGE "], "disk": []}, Code.STORAGE_WITHOUT_DISK, "/disk"),
        (with_interface(type="N/A", Properties={"gateway": "192.0.2.1"}), Code.MISSING, f"{WHERE}/type"),
        (with_interface(type=[]), Code.MISSING, f"{WHERE}/type"),
        (with_interface(vlan_id=["7", "7"]), Code.DUPLICATE_VLAN, f"{WHERE}/vlan_id"),
        (with_interface(vlan_id="7, 7"), Code.DUPLICATE_VLAN, f"{WHERE}/vlan_id"),
        (with_interface(vlan_id=[7, "7"]), Code.DUPLICATE_VLAN, f"{WHERE}/vlan_id"),
        (with_interface(type=["Storage", "Secondary"], Properties={}), Code.NO_POLL_ADDRESS, "/using_interfaces"),
        (with_properties(IP_ADDRESS="127.0.0.1", gateway=""), Code.NO_POLL_ADDRESS, "/using_interfaces"),
        (with_interface() | {"using_interfaces": {}}, Code.NO_POLL_ADDRESS, "/using_interfaces"),
        (with_interface() | {"ssh": {"address": "300.1.1.1"}}, Code.BAD_ADDRESS, "/ssh/address"),
        (with_interface() | {"ssh": {"address": "not a name"}}, Code.BAD_ADDRESS, "/ssh/address"),
        *((with_interface() | {"ssh": {"address": text}}, Code.BAD_ADDRESS, "/ssh/address") for text in NO_LOGIN),
        *((with_interface() | {"ssh": {"current": text}}, Code.BAD_ADDRESS, "/ssh/current") for text in NO_LOGIN),
        (with_properties(IP_ADDRESS="192.0.2.0"), Code.BAD_ADDRESS, f"{WHERE}/Properties/IP_ADDRESS"),
        (with_properties(IP_ADDRESS="192.0.2.255"), Code.BAD_ADDRESS, f"{WHERE}/Properties/IP_ADDRESS"),
        (with_properties(IP_ADDRESS="", Netmask="255.255.255.0") | {}, Code.NO_POLL_ADDRESS, "/using_interfaces"),
        (twice(ip="192.0.2.11"), Code.DUPLICATE_ADDRESS, f"{OTHER}/ip"),
        (
            twice(Properties={"IP_ADDRESS": "192.0.2.11", "Netmask": "255.255.255.0"}),
            Code.DUPLICATE_ADDRESS,
            f"{OTHER}/Properties/IP_ADDRESS",
        ),
        *(
            (with_interface() | {"roles": ["Storage"], "disk": disk}, Code.STORAGE_WITHOUT_DISK, "/disk")
            for disk in ([None], [""], [{}], ["NULL", " n/a "], [[]], [{"name": ""}], [None, "", {}], [False])
        ),
    ],
)
def test_an_error_is_told_at_its_place(value: dict[str, Any], code: Code, path: str) -> None:
    assert found_in(value) == [(Severity.ERROR, code, path)]


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        (with_interface(vlan_id="4095"), Code.VLAN_RANGE, f"{WHERE}/vlan_id"),
        (with_interface(vlan_id=0), Code.VLAN_RANGE, f"{WHERE}/vlan_id"),
        (with_interface(vlan_id="\u00b2"), Code.VLAN_RANGE, f"{WHERE}/vlan_id"),
        (with_interface(vlan_id="9" * 5000), Code.VLAN_RANGE, f"{WHERE}/vlan_id"),
        (with_properties(mtu="575"), Code.MTU_RANGE, f"{WHERE}/Properties/mtu"),
        (with_properties(mtu="jumbo"), Code.MTU_RANGE, f"{WHERE}/Properties/mtu"),
        (with_interface(type=["Primary", "Backup"]), Code.UNKNOWN_TYPE, f"{WHERE}/type"),
        (with_interface() | {"roles": ["compute", "dancer"]}, Code.UNKNOWN_ROLE, "/roles/1"),
        (with_interface() | {"roles": []}, Code.NO_ROLE, "/roles"),
        (with_interface() | {"roles": ["", "N/A"]}, Code.NO_ROLE, "/roles"),
        (with_interface() | {"server_vip": "192.0.2.300"}, Code.BAD_VIP, "/server_vip"),
        (with_interface() | {"server_vip": "192.0.2.100/24"}, Code.BAD_VIP, "/server_vip"),
        (twice(type=["primary"]), Code.DUPLICATE_TYPE, f"{OTHER}/type"),
        (with_interface(type=["Mgmt", "Management"]), Code.DUPLICATE_TYPE, f"{WHERE}/type"),
        (with_properties(Netmask="NULL", gateway=""), Code.NO_NETMASK, f"{WHERE}/Properties/Netmask"),
    ],
)
def test_a_warning_is_told_and_holds_nobody_up(value: dict[str, Any], code: Code, path: str) -> None:
    assert found_in(value) == [(Severity.WARNING, code, path)]


@pytest.mark.parametrize(
    "value",
    [
        with_properties(gateway=""),
        with_properties(Netmask="255.255.255.254", IP_ADDRESS="192.0.2.1", gateway="192.0.2.0"),
        with_properties(DNS="192.0.2.2 2001:db8::1"),
        with_properties(mtu="576"),
        with_properties(mtu="9216"),
        with_interface(vlan_id=["1", "4094"]),
        with_interface() | {"ssh": {"address": "2001:db8::7"}},
        with_interface() | {"ssh": {"address": "node-7.example.org"}},
        with_interface() | {"ssh": {"address": "node-7.example.org.", "current": "fe80::7%eth0"}},
        with_interface() | {"roles": ["Control"]},
        with_interface() | {"roles": ["CONTROLLER "]},
        with_interface() | {"roles": ["Storage"], "disk": [None, "/dev/sda"]},
        with_interface() | {"roles": ["Storage"], "disk": [{"name": "sda", "serial": ""}]},
        with_interface() | {"disk": [None]},
        with_properties(Netmask="255.255.255.254", IP_ADDRESS="192.0.2.0", gateway=""),
        with_properties(Netmask="255.255.255.255", IP_ADDRESS="192.0.2.0", gateway=""),
        twice(type=["Secondary"]),
        twice(ip="0.0.0.0"),  # noqa: S104 - some front ends' word for none
        twice(ip="192.0.2.11", Bond_Slave="YES", Bond_Interface_Name="bond0", key="interface_02", bond=True),
    ],
)
def test_what_is_allowed_is_not_told(value: dict[str, Any]) -> None:
    assert found_in(value) == []


def test_a_gateway_may_be_inside_any_subnet_of_the_node_but_never_one_of_its_addresses() -> None:
    value = with_properties(gateway="10.0.0.1")
    other = {
        "interface_name": "eno2",
        "type": ["Storage"],
        "Properties": {"IP_ADDRESS": "10.0.0.9", "Netmask": "255.0.0.0"},
    }
    value["using_interfaces"]["interface_02"] = other
    assert found_in(value) == []
    value["using_interfaces"]["interface_01"]["Properties"]["gateway"] = "10.0.0.9"
    assert found_in(value) == [(Severity.ERROR, Code.BAD_GATEWAY, f"{WHERE}/Properties/gateway")]


def _bonded(*slaves: dict[str, Any]) -> dict[str, Any]:
    value = with_interface()
    value["using_interfaces"]["bond1"] = {"interface_name": "bond0", "type": ["Secondary"], "vlan_id": ""}
    for number, slave in enumerate(slaves, 2):
        value["using_interfaces"][f"interface_0{number}"] = {
            "interface_name": f"s{number}",
            "Bond_Slave": "YES",
        } | slave
    return value


BOND = "/using_interfaces/bond1"
SLAVE = "/using_interfaces/interface_02/Bond_Interface_Name"
OF_BOND0 = {"Bond_Interface_Name": "bond0"}


@pytest.mark.parametrize(
    ("slaves", "expected"),
    [
        ([OF_BOND0, OF_BOND0], []),
        ([OF_BOND0], [(Severity.WARNING, Code.BOND_WITH_ONE_SLAVE, BOND)]),
        ([], [(Severity.ERROR, Code.BOND_WITHOUT_SLAVE, BOND)]),
        ([{"Bond_Interface_Name": "bond9"}, OF_BOND0, OF_BOND0], [(Severity.ERROR, Code.UNKNOWN_BOND, SLAVE)]),
        ([{}, OF_BOND0, OF_BOND0], [(Severity.ERROR, Code.UNKNOWN_BOND, SLAVE)]),
        ([{"Bond_Interface_Name": "bond1"}, OF_BOND0, OF_BOND0], [(Severity.ERROR, Code.UNKNOWN_BOND, SLAVE)]),
    ],
)
def test_bonds_and_slaves_name_each_other(slaves: list[dict[str, Any]], expected: Found) -> None:
    assert found_in(_bonded(*slaves)) == expected


def test_an_interface_in_two_bonds_is_told_and_makes_no_second_slave() -> None:
    value = _bonded(OF_BOND0, OF_BOND0)
    value["using_interfaces"]["bond2"] = {"interface_name": "bond9", "type": ["Secondary"], "vlan_id": ""}
    value["using_interfaces"] |= {
        f"interface_0{n}": {"interface_name": name, "Bond_Slave": "YES", "Bond_Interface_Name": "bond9"}
        for n, name in ((4, "s2"), (5, "s5"))
    }
    where = "/using_interfaces/interface_04/Bond_Interface_Name"
    assert found_in(value) == [(Severity.WARNING, Code.SLAVE_OF_TWO_BONDS, where)]


def test_one_interface_that_is_named_twice_as_a_slave_is_one_slave() -> None:
    value = _bonded(OF_BOND0, OF_BOND0)
    value["using_interfaces"]["interface_03"]["interface_name"] = "s2"
    assert found_in(value) == [(Severity.WARNING, Code.BOND_WITH_ONE_SLAVE, BOND)]


def test_the_same_vlan_on_two_entries_of_one_interface_is_an_error() -> None:
    value = with_interface(vlan_id="7")
    value["using_interfaces"]["interface_02"] = {"interface_name": "eno1", "type": "Secondary", "vlan_id": "7"}
    value["using_interfaces"]["interface_03"] = {"interface_name": "eno3", "type": "Secondary", "vlan_id": "7"}
    assert found_in(value) == [(Severity.ERROR, Code.DUPLICATE_VLAN, "/using_interfaces/interface_02/vlan_id")]


def test_an_unknown_kind_of_interface_is_ignored_with_a_warning() -> None:
    value = with_interface()
    value["using_interfaces"]["wlan0"] = {"interface_name": "w", "type": "Mgmt", "ip": "192.0.2.9"}
    assert found_in(value) == [(Severity.WARNING, Code.UNKNOWN_INTERFACE, "/using_interfaces/wlan0")]


@pytest.mark.parametrize("kind", ["vlans", "interfaces"])
def test_a_file_of_the_greatest_size_costs_seconds_at_most(kind: str) -> None:
    value = with_interface()
    if kind == "vlans":
        value["using_interfaces"]["interface_01"]["vlan_id"] = ",".join(map(str, range(100_000, 230_000)))
    else:
        small = {"interface_name": "a", "type": "storage", "Properties": {"gateway": "192.0.2.1"}}
        value["using_interfaces"] |= {f"interface_{n}": small for n in range(2, 9_000)}
    began_s = time.process_time()
    read_file("node_01.json", json.dumps(value).encode(), allow_loopback=False)
    assert time.process_time() - began_s < 5
