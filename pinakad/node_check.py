"""Does what a node file says make sense: every problem of one file, in one go?"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import NamedTuple

from pinakad.addresses import choose, ipv4, is_netmask, subnet
from pinakad.node_file import Interface, NodeFile, Port, is_hostname, is_known_key, ports_of
from pinakad.problems import Code, Problem, Spot, printable

KNOWN_TYPES = {"primary", "secondary", "mgmt", "vxlan", "storage", "externaltraffic"}
KNOWN_ROLES = {"controller", "compute", "storage", "network", "management", "monitoring"}
VLANS = range(1, 4095)
MTUS = range(576, 9217)


class _OwnNetwork(NamedTuple):
    """The addresses of a node and the subnets that they span."""

    addresses: set[str]
    subnets: set[IPv4Network]


def check(file: str, node_file: NodeFile, *, allow_loopback: bool) -> list[Problem]:
    """Return every problem of the file named `file` that can be seen without looking at another one."""
    spot = Spot(file)
    ports = ports_of(node_file)
    problems = [*_check_top(spot, node_file), *_check_bonds(spot, ports), *_check_vlans(spot, ports)]
    own = _own_network(ports)
    for port in ports:
        problems += _check_port(spot.at("using_interfaces", port.key), port, own)
    bad_address = any(problem.code is Code.BAD_ADDRESS for problem in problems)
    if choose(node_file, allow_loopback=allow_loopback) is None and not bad_address:
        text = "no address to poll: an interface of type Mgmt, VXLAN or Primary, one with a gateway, or a single one"
        problems.append(spot.at("using_interfaces").error(Code.NO_POLL_ADDRESS, text))
    return problems


def _check_top(spot: Spot, node_file: NodeFile) -> Iterator[Problem]:
    if not is_hostname(node_file.hostname):
        text = "a host name has letters, digits, '-' and '.', up to 63 characters a label"
        yield spot.at("hostname").error(Code.BAD_HOSTNAME, text, node_file.hostname)
    address = node_file.ssh.address if node_file.ssh else None
    if address is not None and not _is_any_address(address) and not _is_name(address):
        text = "an IPv4 address, an IPv6 address or a host name is needed"
        yield spot.at("ssh", "address").error(Code.BAD_ADDRESS, text, address)
    roles = [role.strip().lower() for role in node_file.roles]
    if "storage" in roles and not node_file.disk:
        yield spot.at("disk").error(Code.STORAGE_WITHOUT_DISK, "a node with the role Storage needs a disk", [])
    for index, role in enumerate(roles):
        if role not in KNOWN_ROLES:
            text = f"unknown role; known are {', '.join(sorted(KNOWN_ROLES))}"
            yield spot.at("roles", index).warning(Code.UNKNOWN_ROLE, text, node_file.roles[index])
    for key in node_file.using_interfaces:
        if not is_known_key(key):
            text = "unknown kind of interface, it is ignored; known are bond<n> and interface_<n>"
            yield spot.at("using_interfaces", key).warning(Code.UNKNOWN_INTERFACE, text, key)


def _check_bonds(spot: Spot, ports: list[Port]) -> Iterator[Problem]:
    bonds = {port.interface.interface_name for port in ports if port.is_bond}
    known = f"its bonds are {printable(', '.join(sorted(bonds)))}" if bonds else "it has no bond"
    slaves = Counter(port.interface.bond_interface_name for port in ports if port.is_slave)
    for port in ports:
        place = spot.at("using_interfaces", port.key)
        name = port.interface.interface_name
        if port.is_slave and port.interface.bond_interface_name not in bonds:
            text = f"the slave must name a bond of this file; {known}"
            yield place.at("Bond_Interface_Name").error(Code.UNKNOWN_BOND, text, port.interface.bond_interface_name)
        if port.is_bond and not slaves[name]:
            text = f"no interface has Bond_Slave YES and Bond_Interface_Name {name}"
            yield place.error(Code.BOND_WITHOUT_SLAVE, text, name)
        if port.is_bond and slaves[name] == 1:
            yield place.warning(Code.BOND_WITH_ONE_SLAVE, "a bond with one slave protects from nothing", name)


def _check_vlans(spot: Spot, ports: list[Port]) -> Iterator[Problem]:
    used: dict[tuple[str, str], str] = {}
    for port in ports:
        place = spot.at("using_interfaces", port.key, "vlan_id")
        counts = Counter(port.interface.vlans)
        for vlan, times in counts.items():
            first = used.setdefault((port.interface.interface_name, vlan), port.key)
            if first != port.key or times > 1:
                text = f"the interface {port.interface.interface_name} uses this VLAN twice (first in {first})"
                yield place.error(Code.DUPLICATE_VLAN, text, vlan)
                break
            if not (vlan.isascii() and vlan.isdigit() and int(vlan[:9]) in VLANS):
                yield place.warning(Code.VLAN_RANGE, "a VLAN id is a number from 1 to 4094", vlan)


def _check_port(spot: Spot, port: Port, own: _OwnNetwork) -> Iterator[Problem]:
    interface = port.interface
    for name in interface.types:
        if name not in KNOWN_TYPES:
            text = f"unknown type; known are {', '.join(sorted(KNOWN_TYPES))}"
            yield spot.at("type").warning(Code.UNKNOWN_TYPE, text, name)
    if not port.is_slave:
        yield from _check_plain(spot, interface, own)


def _check_plain(spot: Spot, interface: Interface, own: _OwnNetwork) -> Iterator[Problem]:
    if not interface.types:
        yield spot.at("type").error(Code.MISSING, "the field 'type' is needed and missing or empty")
    flat = interface.properties is None or not interface.properties.ip_address
    where = spot.at("ip") if flat else spot.at("Properties", "IP_ADDRESS")
    if interface.address and ipv4(interface.address) is None:
        text = "an IPv4 address is four numbers from 0 to 255 without leading zeros, such as 192.0.2.10"
        yield where.error(Code.BAD_ADDRESS, text, interface.address)
    if interface.properties is not None:
        yield from _check_properties(spot.at("Properties"), interface, own)


def _check_properties(spot: Spot, interface: Interface, own: _OwnNetwork) -> Iterator[Problem]:
    properties = interface.properties
    assert properties is not None  # noqa: S101 - the caller looked; this is for the type checker
    if properties.netmask and not is_netmask(properties.netmask):
        text = "a netmask is dotted and its ones are contiguous, such as 255.255.255.0"
        yield spot.at("Netmask").error(Code.BAD_NETMASK, text, properties.netmask)
    if properties.gateway:
        yield from _check_gateway(spot.at("gateway"), properties.gateway, own)
    for server in properties.dns.replace(",", " ").split():
        if not _is_any_address(server):
            yield spot.at("DNS").error(Code.BAD_DNS, "a DNS server is an IP address", properties.dns)
            break
    mtu = properties.mtu
    if mtu and not (mtu.isascii() and mtu.isdigit() and int(mtu[:9]) in MTUS):
        yield spot.at("mtu").warning(Code.MTU_RANGE, "an MTU is a number from 576 to 9216", mtu)


def _check_gateway(spot: Spot, gateway: str, own: _OwnNetwork) -> Iterator[Problem]:
    address = ipv4(gateway)
    around = [net for net in own.subnets if address is not None and address in net]
    if address is None:
        yield spot.error(Code.BAD_GATEWAY, "a gateway is an IPv4 address, such as 192.0.2.1", gateway)
    elif gateway in own.addresses:
        yield spot.error(Code.BAD_GATEWAY, "the gateway must not be the node's own address", gateway)
    elif own.subnets and not around:
        known = printable(", ".join(sorted(map(str, own.subnets))))
        yield spot.error(Code.BAD_GATEWAY, f"the gateway must be inside one of the node's subnets ({known})", gateway)
    elif any(net.prefixlen < 31 and address in (net[0], net[-1]) for net in around):  # noqa: PLR2004 - RFC 3021
        yield spot.error(Code.BAD_GATEWAY, "the gateway must not be a network or broadcast address", gateway)


def _own_network(ports: list[Port]) -> _OwnNetwork:
    interfaces = [port.interface for port in ports if not port.is_slave]
    spans = [subnet(item.ip_address, item.netmask) for item in (one.properties for one in interfaces) if item]
    return _OwnNetwork({item.address for item in interfaces} - {""}, {net for net in spans if net is not None})


def _is_name(text: str) -> bool:
    """Tell a host name from a mistyped address: no name ends in a label of digits (RFC 3696, section 2)."""
    return is_hostname(text) and not text.rpartition(".")[2].isdigit()


def _is_any_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
