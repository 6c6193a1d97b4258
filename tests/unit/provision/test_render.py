"""Is a node's network configuration what its file says, accepted by Debian's generator, and refused where it would cut
the node off?
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forms import FORMS, default, plain, properties, segregated, slave
from netplan import generate, generator

from pinakad.nodes.node_file import NodeFile, read
from pinakad.problems import has_errors
from pinakad.provision.__main__ import run
from pinakad.provision.render import Rendered, render
from pinakad.tables import ProvisionSettings

ADDRESS = "10.0.0.11"
OFF = {"dhcp4": False, "dhcp6": False, "accept-ra": False, "link-local": []}
TAGGED = ProvisionSettings()
Change = Callable[[dict[str, Any]], object]


def node_of(document: dict[str, Any]) -> NodeFile:
    found, problems = read("node_01.json", document)
    assert found is not None
    assert not has_errors(problems)
    return found


def rendered(document: dict[str, Any], settings: ProvisionSettings = TAGGED, **hardware: str) -> Rendered:
    return render("node_01.json", node_of(document), settings, hardware)


def network(document: dict[str, Any], settings: ProvisionSettings = TAGGED, **hardware: str) -> dict[str, Any]:
    found = rendered(document, settings, **hardware)
    assert found.problems == []
    assert found.document is not None
    network: dict[str, Any] = found.document["network"]
    return network


def node(**interfaces: Any) -> dict[str, Any]:
    return {"hostname": "sqdn-001", "disk": [], "roles": ["Compute"], "using_interfaces": interfaces}


# --- golden documents


def test_a_plain_interface_has_its_address_its_route_and_no_dhcp() -> None:
    document = default("sqdn-001", ADDRESS)
    document["using_interfaces"]["interface_01"]["Properties"]["DNS"] = "10.0.0.53, 10.0.0.54"
    assert network(document) == {
        "version": 2,
        "renderer": "networkd",
        "ethernets": {
            "eth0": OFF
            | {
                "addresses": [f"{ADDRESS}/24"],
                "mtu": 1500,
                "nameservers": {"addresses": ["10.0.0.53", "10.0.0.54"]},
                "routes": [{"to": "default", "via": "10.0.0.254"}],
            },
            "eth1": OFF | {"optional": True},
        },
    }


def test_a_bond_has_its_slaves_in_order_its_primary_and_the_first_ones_hardware_address() -> None:
    bond = {"interface_name": "bond1", "type": ["Primary"], "vlan_id": ""} | properties(ADDRESS)
    document = node(interface_01=slave("eno2"), interface_02=slave("eno1"), bond1=bond)
    found = network(document, eno2="52:54:00:00:00:02", eno1="52:54:00:00:00:01")
    assert found["bonds"]["bond1"]["interfaces"] == ["eno2", "eno1"]
    assert found["bonds"]["bond1"]["parameters"] == {
        "mode": "active-backup",
        "mii-monitor-interval": 100,
        "primary": "eno2",
    }
    assert found["bonds"]["bond1"]["macaddress"] == "52:54:00:00:00:02"
    assert found["ethernets"] == {name: OFF | {"optional": True} for name in ("eno2", "eno1")}
    lacp = network(document, ProvisionSettings(bond_mode="802.3ad"))["bonds"]["bond1"]
    assert lacp["parameters"] == {"mode": "802.3ad", "mii-monitor-interval": 100}
    assert "macaddress" not in lacp


def test_a_vlan_is_a_device_of_its_own_and_its_link_has_the_largest_mtu() -> None:
    high = plain("eno1", ["VXLAN"], {"vlan_id": "40"} | properties("10.40.0.1"))
    high["Properties"]["mtu"] = "9000"
    low = plain("eno1", ["Storage"], {"vlan_id": "4000"} | properties("10.50.0.1"))
    found = network(node(interface_01=high, interface_02=low))
    assert found["ethernets"]["eno1"] == OFF | {"optional": True, "mtu": 9000}
    assert found["vlans"]["vlan40"]["link"] == "eno1"
    assert (found["vlans"]["vlan40"]["id"], found["vlans"]["vlan40"]["mtu"]) == (40, 9000)
    assert found["vlans"]["vlan4000"]["addresses"] == ["10.50.0.1/24"]
    access = network(node(interface_01=high), ProvisionSettings(vlan="access"))
    assert "vlans" not in access
    assert access["ethernets"]["eno1"]["addresses"] == ["10.40.0.1/24"]


def test_the_default_route_is_on_the_interface_whose_subnet_has_the_gateway() -> None:
    storage = plain("eno1", ["Storage"], properties("10.9.0.1", gateway="10.0.0.254"))
    primary = plain("eno2", ["Primary"], properties(ADDRESS))
    found = network(node(interface_01=storage, interface_02=primary))["ethernets"]
    assert "routes" not in found["eno1"]
    assert found["eno2"]["routes"] == [{"to": "default", "via": "10.0.0.254"}]


def test_where_several_interfaces_are_in_the_gateways_subnet_one_has_the_route() -> None:
    storage = plain("eno1", ["Storage"], properties("10.0.0.101"))
    primary = plain("eno2", ["Primary"], properties(ADDRESS, gateway="10.0.0.254"))
    third = plain("eno3", ["Primary"], properties("10.0.0.103"))
    found = network(node(interface_01=storage, interface_02=primary, interface_03=third))["ethernets"]
    assert [name for name, values in found.items() if "routes" in values] == ["eno2"]


# --- what is refused


def _wrong(change: Change) -> dict[str, Any]:
    document = segregated("sqdn-001", ADDRESS)
    change(document["using_interfaces"])
    return document


def _set(key: str, **values: Any) -> Change:
    return lambda interfaces: interfaces[key].update(values)


def _property(key: str, name: str, value: str) -> Change:
    return lambda interfaces: interfaces[key]["Properties"].update({name: value})


def _add(key: str, value: Any) -> Change:
    return lambda interfaces: interfaces.update({key: value})


REFUSED: list[tuple[str, Change, str]] = [
    ("a slave with an address", _add("interface_09", slave("eno9") | properties("10.0.0.99")), "carries no address"),
    ("one address twice", _property("interface_02", "IP_ADDRESS", ADDRESS), "the address is on"),
    ("a gateway outside", _property("interface_04", "gateway", "192.0.2.1"), "must be in a subnet"),
    ("two gateways", _property("interface_01", "gateway", "10.0.0.77"), "one default route"),
    ("a long name", _set("interface_04", interface_name="enp0s31f6-and-more"), "1 to 15 letters"),
    ("a name that leaves its folder", _set("interface_04", interface_name="../x"), "1 to 15 letters"),
    ("no netmask", _property("interface_04", "Netmask", ""), "needs a netmask"),
    ("a netmask with a hole", _property("interface_04", "Netmask", "255.0.255.0"), "needs a netmask"),
    ("an mtu that is none", _property("interface_04", "mtu", "jumbo"), "an MTU is a number"),
    ("a vlan that is none", _set("interface_04", vlan_id="4095"), "a VLAN is a number"),
    ("an unknown bond", _add("interface_09", slave("eno9", "bond9")), "no bond of this name"),
    ("a bond alone", _add("bond9", {"interface_name": "bond9", "type": ["Storage"], "vlan_id": ""}), "needs a slave"),
    ("twice without a vlan", _add("interface_09", plain("eth0", ["Storage"])), "stands twice without a VLAN"),
    (
        "several vlans with one address",
        _set("interface_04", vlan_id=["40", "41"]),
        "an address belongs to one VLAN",
    ),
    (
        "a vlan above its link",
        lambda interfaces: interfaces.update(
            interface_09=plain("eth3", ["Storage"], {"vlan_id": "7"} | _with_mtu("10.70.0.1", "9000"))
        ),
        "larger than that of eth3 (1500)",
    ),
    (
        "one vlan on two links",
        lambda interfaces: interfaces.update(
            interface_08=plain("eno8", ["Storage"], {"vlan_id": "7"}),
            interface_09=plain("eno9", ["Storage"], {"vlan_id": "7"}),
        ),
        "its device would be vlan7 twice",
    ),
]


def _with_mtu(address: str, mtu: str) -> dict[str, Any]:
    found = properties(address)
    found["Properties"]["mtu"] = mtu
    return found


@pytest.mark.parametrize(("change", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_would_leave_a_node_without_a_network_is_refused_with_its_place(change: Change, said: str) -> None:
    found = rendered(_wrong(change))
    assert found.document is None
    assert any(said in problem.message for problem in found.problems), found.problems
    assert all(problem.path.startswith("/using_interfaces") for problem in found.problems)


# --- Debian's generator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder for the generator. Without it the test is skipped, but not where CI is to prove something."""
    if generator() is None and os.environ.get("CI") == "true":
        pytest.fail("there is no netplan generator")
    if generator() is None:
        pytest.skip("there is no netplan generator (apt-get install netplan.io)")
    return tmp_path


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_debians_generator_accepts_every_form_without_a_warning(folder: Path, form: Any) -> None:
    document = form("sqdn-001", ADDRESS)
    found = rendered(document)
    if found.document is None:  # the older flat form has no netmask, which a network needs
        assert form.__name__ == "flat"
        return
    files, said = generate(folder, found.document)
    assert said == ""
    assert any(f"Address={ADDRESS}/24" in text for text in files.values())


def random_nodes(number: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield nodes that are valid, of all shapes: bonds, VLANs, several networks."""
    chance = random.Random(seed)  # noqa: S311 - shapes, not secrets
    for place in range(number):
        interfaces: dict[str, Any] = {}
        vlans = chance.sample(range(1, 4095), 12)
        for index in range(chance.randint(1, 4)):
            address = f"10.{index}.{place % 256}.{chance.randint(1, 253)}"
            more = properties(address, gateway=f"10.{index}.{place % 256}.254" if index == 0 else "")
            more["Properties"]["mtu"] = str(chance.choice([1500, 9000, 1450]))
            vlan = str(vlans.pop()) if chance.random() < 0.4 else ""
            types = [chance.choice(["Mgmt", "VXLAN", "Storage", "Primary"])]
            if chance.random() < 0.4:
                bond = {"interface_name": f"bond{index}", "type": types, "vlan_id": vlan} | more
                interfaces[f"bond{index}"] = bond
                for number_of_slave in range(chance.randint(1, 3)):
                    name = f"ens{index}f{number_of_slave}"
                    interfaces[f"interface_0{len(interfaces) + 1}"] = slave(name, f"bond{index}")
            else:
                interfaces[f"interface_0{len(interfaces) + 1}"] = plain(f"eno{index}", types, {"vlan_id": vlan} | more)
        yield node(**interfaces)


@pytest.mark.parametrize(
    "number", [pytest.param(300, id="share"), pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_every_valid_node_renders_to_what_the_generator_accepts(folder: Path, number: int) -> None:
    mode: Any
    for place, document in enumerate(random_nodes(number, seed=1)):
        mode = ["active-backup", "802.3ad", "balance-xor", "balance-alb"][place % 4]
        found = rendered(document, ProvisionSettings(bond_mode=mode))
        assert found.document is not None, found.problems
        _, said = generate(folder, found.document)
        assert said == "", (document, found.document)


# --- the program


def test_the_program_prints_documents_by_host_name_or_every_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "node_01.json", tmp_path / "node_02.json"
    good.write_text(json.dumps(default("sqdn-001", ADDRESS)), encoding="utf-8")
    wrong = default("sqdn-002", "10.0.0.12")
    wrong["using_interfaces"]["interface_01"]["Properties"]["mtu"] = "jumbo"
    bad.write_text(json.dumps(wrong), encoding="utf-8")
    assert run(["render", str(good)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["sqdn-001"]
    assert printed["sqdn-001"]["network"]["version"] == 2
    assert run(["render", str(good), str(bad), str(tmp_path / "none.json")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "node_02.json /using_interfaces/interface_01/Properties/mtu: an MTU is a number" in said.err
    assert "none.json': no such file or directory" in said.err
