"""A key with a slip of the hand is named, wherever it is in the file."""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forms import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import DATA

from pinakad.nodes.keys import _INTERFACE, _PROPERTIES, _SSH, _TOP
from pinakad.nodes.reading import ParsedNodeFile, read_file
from pinakad.problems import MAX_PROBLEMS, Code, Problem, Severity

PORT = "/using_interfaces/interface_01"
FULL: dict[str, Any] = {
    "hostname": "n1",
    "disk": ["sda"],
    "roles": ["Control"],
    "ssh": {
        "address": "n1.example.org",
        "port": 22,
        "user": "admin",
        "current": "192.0.2.7",
        "host_key": "SHA256:" + "A" * 43,
    },
    "using_interfaces": {
        "interface_01": {
            "interface_name": "eno1",
            "type": ["Primary"],
            "vlan_id": "7",
            "Bond_Slave": "NO",
            "Bond_Interface_Name": "",
            "ip": "192.0.2.1",
            "Properties": {
                "IP_ADDRESS": "192.0.2.1",
                "Netmask": "255.255.255.0",
                "gateway": "192.0.2.254",
                "DNS": "192.0.2.2",
                "mtu": "1500",
            },
        }
    },
}
FULL |= dict.fromkeys(sorted(_TOP - FULL.keys()), "")


def read(value: Any) -> ParsedNodeFile:
    return read_file("node_01.json", json.dumps(value).encode(), allow_loopback=False)


def told(value: Any) -> list[tuple[Severity, Code, str]]:
    return [(item.severity, item.code, item.path) for item in read(value).problems]


def sound(**changes: Any) -> dict[str, Any]:
    """Return a sound file whose one interface is changed; ... leaves a key out."""
    value = copy.deepcopy(FULL)
    value["using_interfaces"]["interface_01"] |= {"ip": ""} | changes
    return value


def without(holder: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: item for key, item in holder.items() if key not in keys}


PROPERTIES = FULL["using_interfaces"]["interface_01"]["Properties"]


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_no_key_of_a_known_form_is_suspected(path: Path) -> None:
    assert Code.MISSPELLED_KEY not in {problem.code for problem in read(json.loads(path.read_text())).problems}


@pytest.mark.parametrize("form", FORMS)
def test_no_key_that_producers_write_is_suspected(form: Any) -> None:
    assert {problem.code for problem in read(form("n1", "192.0.2.1")).problems} <= {Code.DUPLICATE_TYPE}


SPREAD = {(): _TOP, ("ssh",): _SSH, ("using_interfaces", "interface_01"): _INTERFACE}
SPREAD["using_interfaces", "interface_01", "Properties"] = _PROPERTIES
KNOWN = [(place, key) for place, keys in SPREAD.items() for key in sorted(keys)]


def slip(key: str, kind: str, at: int) -> str:
    at %= len(key)
    return {
        "lost": key[:at] + key[at + 1 :],
        "doubled": key[:at] + key[at] + key[at:],
        "exchanged": key[:at] + key[at + 1 : at + 2] + key[at] + key[at + 2 :],
        "changed": key[:at] + ("x" if key[at] not in "xX" else "y") + key[at + 1 :],
        "case": key.swapcase(),
        "separators": key.replace("_", "-" if at % 2 else " "),
        "none": key.replace("_", ""),
    }[kind]


KINDS = st.sampled_from(["lost", "doubled", "exchanged", "changed", "case", "separators", "none"])


@given(st.sampled_from(KNOWN), KINDS, st.integers(0, 30))
@settings(max_examples=1000, deadline=None)
def test_every_slip_in_every_known_key_is_named_with_the_key_that_was_meant(
    known: tuple[tuple[str, ...], str], kind: str, at: int
) -> None:
    place, key = known
    wrong = slip(key, kind, at)
    for keep in (True, False):  # beside the right one, and in its place
        value = copy.deepcopy(FULL)
        holder = value
        for step in place:
            holder = holder[step]
        if wrong in SPREAD[place]:
            return
        holder[wrong] = holder[key]
        if not keep:
            del holder[key]
        if key in ("ip", "ssh", "Properties", "using_interfaces") and not keep:
            value.get("using_interfaces", {}).get("interface_01", {}).pop("Properties" if key == "ip" else "ip", None)
        assert any(names(problem, wrong, key) for problem in read(value).problems), (wrong, read(value).problems)


def names(problem: Problem, wrong: str, key: str) -> bool:
    at_field = problem.path.endswith(f"/{key}") and wrong in problem.message
    return at_field or (wrong in problem.value and f"'{key}'" in problem.message)


ERRORS: list[tuple[dict[str, Any], Code, str, str]] = [
    (without(FULL, "hostname") | {"hostnam": "n1"}, Code.MISSING, "/hostname", "hostnam"),
    (without(FULL, "roles") | {"role": ["Control"]}, Code.MISSING, "/roles", "role"),
    (without(FULL, "disk") | {"Disks": ["sda"]}, Code.MISSING, "/disk", "Disks"),
    (
        sound(Properties=without(PROPERTIES, "IP_ADDRESS") | {"IP_ADRESS": "192.0.2.1"}),
        Code.MISSING,
        f"{PORT}/Properties/IP_ADRESS",
        "IP_ADDRESS",
    ),
    (sound(Properties={"ip": "192.0.2.1"}), Code.MISSING, f"{PORT}/Properties/ip", "'ip'"),
    (sound(Properties={}, IP_ADDRESS="192.0.2.1"), Code.MISSING, f"{PORT}/IP_ADDRESS", "'IP_ADDRESS' in 'Properties'"),
    (sound(Properties=None, Propertis=PROPERTIES), Code.MISSING, f"{PORT}/Propertis", "Properties"),
    (sound(type=[], typ=["Primary"]), Code.MISSING, f"{PORT}/type", "typ"),
    (sound(Bond_Slave="", bond_slave="YES"), Code.MISSING, f"{PORT}/bond_slave", "Bond_Slave"),
    (without(FULL, "ssh") | {"SSH": {"address": "n1"}}, Code.MISSING, "/SSH", "'ssh'"),
    (FULL | {"ssh": {"adress": "192.0.2.9"}}, Code.MISSING, "/ssh/adress", "'address'"),
    (FULL | {"ssh": {"prot": 2201}}, Code.MISSING, "/ssh/prot", "'port'"),
]


@pytest.mark.parametrize(("value", "code", "path", "named"), ERRORS)
def test_where_the_field_is_needed_and_missing_it_is_an_error_that_names_the_key(
    value: dict[str, Any], code: Code, path: str, named: str
) -> None:
    value = copy.deepcopy(value)
    found = [item for item in read(value).problems if item.path == path]
    assert [(item.severity, item.code) for item in found] == [(Severity.ERROR, code)]
    assert named in found[0].message


def test_the_missing_interface_of_a_slave_is_named_with_the_key_that_may_be_it() -> None:
    value = sound()
    bond = {"interface_name": "bond0", "type": ["Storage"], "vlan_id": ""}
    slave = {"Bond_Slave": "YES", "Bond_Interface_Name": "bond0"}
    value["using_interfaces"] |= {"bond1": bond, "interface_02": {"interface_name": "a"} | slave}
    value["using_interfaces"]["interface_03"] = {
        "interface_name": "b",
        "Bond_Slave": "YES",
        "Bond_Interfce_Name": "bond0",
    }
    found = [item for item in read(value).problems if item.code is Code.UNKNOWN_BOND]
    assert ["'Bond_Interfce_Name' is nearly it" in item.message for item in found] == [True]
    assert Code.MISSPELLED_KEY not in {item.code for item in read(value).problems}


def test_a_host_name_one_level_too_low_is_named_where_it_is_missing() -> None:
    value = without(copy.deepcopy(FULL), "hostname")
    value["using_interfaces"]["interface_01"]["hostname"] = "n1"
    assert told(value) == [(Severity.ERROR, Code.MISSING, "/hostname")]
    assert "'hostname' in 'interface_01' may be it" in read(value).problems[0].message


@pytest.mark.parametrize(
    ("value", "path", "named"),
    [
        (FULL | {"hostnam": "n1"}, "/hostnam", "'hostname'"),
        (FULL | {"server-vip": "x"}, "/server-vip", "'server_vip'"),
        (without(FULL, "server_vip") | {"SERVER_VIP": "192.0.2.9"}, "/SERVER_VIP", "'server_vip'"),
        (sound(Properties=PROPERTIES | {"IP_ADRESS": "x"}), f"{PORT}/Properties/IP_ADRESS", "'IP_ADDRESS'"),
        (sound(mtu="1500"), f"{PORT}/mtu", "'mtu' in 'Properties'"),
        (sound(Properties=without(PROPERTIES, "mtu") | {"MTU": "1500"}), f"{PORT}/Properties/MTU", "'mtu'"),
        (FULL | {"interface_name": "eno1"}, "/interface_name", "'interface_name' in an interface"),
    ],
)
def test_where_nothing_needed_is_missing_it_is_a_warning(value: dict[str, Any], path: str, named: str) -> None:
    assert told(value) == [(Severity.WARNING, Code.MISSPELLED_KEY, path)]
    assert named in read(value).problems[0].message


@pytest.mark.parametrize(
    "more",
    [
        *("tenant_id", "mac", "serial", "rack", "comment", "domain", "username", "nodename", "version", "cluster_name"),
        *("interface_type", "provider_vlan", "id", "os", "n", "", "\u00e9", "x" * 500),
    ],
)
def test_other_keys_are_nobodys_business(more: str) -> None:
    value = copy.deepcopy(FULL) | {more: "5"}
    value["using_interfaces"]["interface_01"][f"{more}x"] = "mac"
    assert told(value) == []


@pytest.mark.parametrize(
    ("key", "meant"), [("interfaces_01", "interface_01"), ("Interface-02", "interface_02"), ("bnd1", "bond1")]
)
def test_an_unknown_kind_of_interface_that_is_nearly_a_known_one_is_named(key: str, meant: str) -> None:
    value = sound()
    value["using_interfaces"][key] = {"interface_name": "x", "type": ["Storage"]}
    (problem,) = read(value).problems
    assert (problem.code, problem.severity) == (Code.UNKNOWN_INTERFACE, Severity.WARNING)
    assert f"is '{meant}' meant?" in problem.message


# --- bounds


def interfaces(count: int, make: Callable[[int], Any], key: str = "interface_") -> dict[str, Any]:
    value = copy.deepcopy(FULL)
    value["using_interfaces"] |= {f"{key}{n}": make(n) for n in range(2, count)}
    return value


def near(n: int) -> str:
    """Return one of many words that are nearly "hostname"."""
    return f"h{chr(97 + n % 26)}st{chr(97 + n // 26 % 26)}am{chr(97 + n // 676 % 26)}"


def on_gateway(n: int) -> dict[str, Any]:
    net = f"{n // 250}.{n % 250}"
    inner = {"IP_ADDRESS": f"10.{net}.1", "Netmask": "255.255.255.0", "gateway": f"11.{net}.9"}
    return {"interface_name": f"e{n}", "type": "storage", "Properties": inner}


STORAGE = {"interface_name": "a", "type": "storage"}
SLAVE = {"interface_name": "a", "Bond_Slave": "YES"}
HOSTILE: dict[str, Callable[[], Any]] = {
    "typos": lambda: FULL | {f"hostname{n:x}"[:12]: 0 for n in range(40_000)},
    "near": lambda: FULL | {near(n): "x" * 40 for n in range(17_000)},
    "typos in interfaces": lambda: interfaces(9_000, lambda _: STORAGE | {"Propertes": 1, "mtu": 1, "hostname": 1}),
    "other typos in each": lambda: interfaces(9_000, lambda n: STORAGE | {near(n): 1, f"typ{n % 10}e": 1}),
    "broken interfaces": lambda: interfaces(25_000, lambda _: {"interface_name": 5}),
    "no interfaces": lambda: interfaces(40_000, lambda _: 5),
    "unknown interfaces": lambda: interfaces(20_000, lambda _: {"interface_name": "a"}, "interfac_"),
    "roles": lambda: FULL | {"roles": list(range(150_000))},
    "unknown roles": lambda: FULL | {"roles": ["x"] * 200_000},
    "many roles": lambda: FULL | {"roles": [f"{n:x}" for n in range(120_000)]},
    "types": lambda: sound(type=["x"] * 200_000),
    "many types": lambda: sound(type=[f"{n:x}" for n in range(120_000)]),
    "broken types": lambda: sound(type=[5] * 300_000),
    "disks": lambda: FULL | {"disk": [{}] * 250_000, "roles": ["storage"]},
    "gateways": lambda: interfaces(5_500, on_gateway),
    "one address": lambda: interfaces(11_000, lambda _: STORAGE | {"ip": "192.0.2.1"}),
    "slaves": lambda: interfaces(9_000, lambda n: SLAVE | {"Bond_Interface_Name": f"b{n}"}),
    "vlans": lambda: sound(vlan_id=",".join(map(str, range(100_000, 230_000)))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_of_the_greatest_size_has_few_problems_and_costs_a_second_at_most(kind: str) -> None:
    raw = json.dumps(HOSTILE[kind](), separators=(",", ":")).encode()
    assert 400_000 < len(raw) <= 1024 * 1024
    began_s = time.process_time()
    found = read_file("node_01.json", raw, allow_loopback=False)
    cost_s = time.process_time() - began_s
    assert 0 < len(found.problems) <= MAX_PROBLEMS
    assert all(len(problem.line()) < 3_000 for problem in found.problems)
    assert cost_s < 1, f"{cost_s:.2f} s"


def test_an_error_among_a_thousand_warnings_is_told_first() -> None:
    value = FULL | {"roles": [f"dancer{n}" for n in range(1000)], "server_vip": 5, "hostnam": "x"}
    found = read(value).problems
    assert len(found) == MAX_PROBLEMS
    assert (found[0].severity, found[0].path) == (Severity.ERROR, "/server_vip")
    assert (found[-1].code, found[-1].severity) == (Code.MORE_PROBLEMS, Severity.WARNING)
    assert "and 3 more problems, 0 of them errors" in found[-1].message
