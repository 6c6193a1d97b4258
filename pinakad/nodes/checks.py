"""Does the content of one node file make sense? Every problem of the file is found in one pass."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from pinakad.nodes.addresses import choose, ip_value, ipv4, is_netmask, is_usable, subnet, why_no_login
from pinakad.nodes.hostname import is_hostname
from pinakad.nodes.machine import is_disk
from pinakad.nodes.node_file import Interface, NamedInterface, NodeFile, interfaces_of, is_known_key, present
from pinakad.nodes.spelling import plain, slips_between
from pinakad.printable import printable
from pinakad.problems import MAX_PROBLEMS, Code, Problem, Spot

KNOWN_TYPES = {"primary", "secondary", "mgmt", "vxlan", "storage", "externaltraffic"}
CONTROL = {"control", "controller"}
KNOWN_ROLES = CONTROL | {"compute", "storage", "network", "management", "monitoring"}
_ONCE = KNOWN_TYPES - {"secondary"}  # producers give every remaining interface the type Secondary
VLANS = range(1, 4095)
MTUS = range(576, 9217)
_MAX_INTERFACE_KEY = 30
_FEW = 32  # above it each prefix length is tried, not each subnet: a hostile file has thousands of subnets
_POINT_TO_POINT = 31


class _OwnNetwork(NamedTuple):
    """The addresses of a node and the subnets that they span."""

    addresses: set[str]
    subnets: set[IPv4Network]
    lengths: set[int]
    """The prefix lengths of the subnets."""
    shown: str
    """The subnets as text for a message."""

    def around(self, address: IPv4Address) -> list[IPv4Network]:
        """Return the subnets that contain an address."""
        if len(self.subnets) <= _FEW:
            return [net for net in self.subnets if address in net]
        nets = (IPv4Network((int(address), length), strict=False) for length in self.lengths)
        return [net for net in nets if net in self.subnets]


def check(file: str, node_file: NodeFile, *, allow_loopback: bool) -> list[Problem]:
    """Return every problem of the file with the base name `file` that the file shows without the other files."""
    spot = Spot(file)
    ports = interfaces_of(node_file)
    own = _own_network(ports)
    problems = [*_check_top(spot, node_file), *_check_roles(spot, node_file)]
    problems += _check_logins(spot, node_file, own, allow_loopback=allow_loopback)
    problems += [*_check_bonds(spot, ports), *_check_vlans(spot, ports), *_check_types(spot, ports)]
    for port in ports:
        problems += _check_port(spot.at("using_interfaces", port.key), port, own)
    problems += _check_own_addresses(spot, ports)
    bad_address = any(problem.code is Code.BAD_ADDRESS for problem in problems)
    if choose(node_file, allow_loopback=allow_loopback) is None and not bad_address:
        text = "no address to poll: an interface of type Mgmt, VXLAN or Primary, one with a gateway, or a single one"
        problems.append(spot.at("using_interfaces").error(Code.NO_POLL_ADDRESS, text))
    return problems


def has_control(node_file: NodeFile) -> bool:
    """Return whether a node has the role Control."""
    return any(plain(role) in CONTROL for role in node_file.roles)


def _check_top(spot: Spot, node_file: NodeFile) -> Iterator[Problem]:
    if not is_hostname(node_file.hostname):
        text = "a host name has letters, digits, '-' and '.', up to 63 characters a label"
        yield spot.at("hostname").error(Code.BAD_HOSTNAME, text, node_file.hostname)
    if node_file.server_vip and ip_value(node_file.server_vip) is None:
        text = "the virtual address is an IP address, such as 192.0.2.100; it is ignored"
        yield spot.at("server_vip").warning(Code.BAD_VIP, text, node_file.server_vip)
    for key in node_file.using_interfaces:
        if not is_known_key(key):
            text = "unknown kind of interface, it is ignored; known are bond<n> and interface_<n>"
            meant = _interface_key(key)
            text += f": is '{meant}' meant?" if meant else ""
            yield spot.at("using_interfaces", key).warning(Code.UNKNOWN_INTERFACE, text, key)


def _interface_key(key: str) -> str | None:
    """Return the known key (`bond1`, `interface_1`) that `key` is a typing slip of, None where there is none."""
    word = plain(key[:_MAX_INTERFACE_KEY])
    kind, number = word.rstrip("0123456789"), word[len(word.rstrip("0123456789")) :]
    for known, slips in (("interface", 2), ("bond", 1)):
        if number and slips_between(kind, known) <= slips:
            return f"{known}_{number}" if known == "interface" else f"{known}{number}"
    return None


def _check_logins(spot: Spot, node_file: NodeFile, own: _OwnNetwork, *, allow_loopback: bool) -> Iterator[Problem]:
    ssh = node_file.ssh
    for key, address in (("address", ssh.address), ("current", ssh.current)) if ssh else ():
        if address is None:
            continue
        place, value = spot.at("ssh", key), ip_value(address)
        why = why_no_login(address, allow_loopback=allow_loopback)
        if value is None and not _is_name(address):
            text = "an IPv4 address, an IPv6 address or a host name is needed; without one leave it out"
            yield place.error(Code.BAD_ADDRESS, text, address)
        elif why is not None:
            yield place.error(Code.BAD_ADDRESS, f"nobody can be logged in to there: {why}", address)
        elif isinstance(value, IPv4Address) and (net := _edge_of(value, own.around(value))):
            text = f"nobody can be logged in to there: it is the network or broadcast address of {net}"
            yield place.error(Code.BAD_ADDRESS, text, address)


def _check_roles(spot: Spot, node_file: NodeFile) -> Iterator[Problem]:
    roles = [plain(role) for role in node_file.roles]
    if not any(map(present, roles)):
        text = "the node has no role; roles are such as Control, Compute and Storage"
        yield spot.at("roles").warning(Code.NO_ROLE, text, node_file.roles)
        return
    if "storage" in roles and not any(map(is_disk, node_file.disk)):
        text = "a node with the role Storage needs a disk, such as /dev/sda"
        yield spot.at("disk").error(Code.STORAGE_WITHOUT_DISK, text, node_file.disk)
    text = f"unknown role; known are {', '.join(sorted(KNOWN_ROLES))}"
    unknown = {role: index for index, role in reversed(list(enumerate(roles))) if role not in KNOWN_ROLES}
    for index in sorted(unknown.values())[:MAX_PROBLEMS]:
        yield spot.at("roles", index).warning(Code.UNKNOWN_ROLE, text, node_file.roles[index])


def _check_bonds(spot: Spot, ports: list[NamedInterface]) -> Iterator[Problem]:
    bonds = {port.interface.interface_name for port in ports if port.is_bond}
    known = f"its bonds are {printable(', '.join(sorted(bonds)))}" if bonds else "it has no bond"
    slaves: dict[str, set[str]] = defaultdict(set)
    bond_of: dict[str, str] = {}
    for port in ports:
        if not port.is_slave:
            continue
        name, bond = port.interface.interface_name, port.interface.bond_interface_name
        place = spot.at("using_interfaces", port.key, "Bond_Interface_Name")
        slaves[bond].add(name)
        if bond not in bonds:
            yield place.error(Code.UNKNOWN_BOND, f"the slave must name a bond of this file; {known}", bond)
        elif bond_of.setdefault(name, bond) != bond:
            text = f"the interface {printable(name)} is a slave of {printable(bond_of[name])} already"
            yield place.warning(Code.SLAVE_OF_TWO_BONDS, text, bond)
    for port in ports:
        if not port.is_bond:
            continue
        place, name = spot.at("using_interfaces", port.key), port.interface.interface_name
        if not slaves[name]:
            text = f"no interface has Bond_Slave YES and Bond_Interface_Name {name}"
            yield place.error(Code.BOND_WITHOUT_SLAVE, text, name)
        if len(slaves[name]) == 1:
            yield place.warning(Code.BOND_WITH_ONE_SLAVE, "a bond with one slave protects from nothing", name)


def _check_vlans(spot: Spot, ports: list[NamedInterface]) -> Iterator[Problem]:
    used: dict[tuple[str, str], str] = {}
    for port in ports:
        place = spot.at("using_interfaces", port.key, "vlan_id")
        counts, strange = Counter(port.interface.vlans), 0
        for vlan, times in counts.items():
            first = used.setdefault((port.interface.interface_name, vlan), port.key)
            if first != port.key or times > 1:
                text = f"the interface {port.interface.interface_name} uses this VLAN twice (first in {first})"
                yield place.error(Code.DUPLICATE_VLAN, text, vlan)
                break
            if not (vlan.isascii() and vlan.isdigit() and int(vlan[:9]) in VLANS) and strange < MAX_PROBLEMS:
                strange += 1
                yield place.warning(Code.VLAN_RANGE, "a VLAN id is a number from 1 to 4094", vlan)


def _check_types(spot: Spot, ports: list[NamedInterface]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    reported: set[str] = set()
    for port in ports:
        for name in port.types if not port.is_slave else ():
            if name in first and name in _ONCE and name not in reported:
                reported.add(name)
                text = f"the node has this type twice (first in {first[name]}); the first one counts"
                yield spot.at("using_interfaces", port.key, "type").warning(Code.DUPLICATE_TYPE, text, name)
            first.setdefault(name, port.key)


def _check_own_addresses(spot: Spot, ports: list[NamedInterface]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for port in ports:
        address = port.interface.address
        if not port.is_slave and is_usable(address, allow_loopback=True):
            holder = first.setdefault(address, port.key)
            if holder != port.key:
                place = _address_place(spot.at("using_interfaces", port.key), port.interface)
                yield place.error(Code.DUPLICATE_ADDRESS, f"{holder} of this node has this address already", address)


def _check_port(spot: Spot, port: NamedInterface, own: _OwnNetwork) -> Iterator[Problem]:
    interface = port.interface
    for name in list(dict.fromkeys(name for name in port.types if name not in KNOWN_TYPES))[:MAX_PROBLEMS]:
        text = f"unknown type; known are {', '.join(sorted(KNOWN_TYPES))}"
        yield spot.at("type").warning(Code.UNKNOWN_TYPE, text, name)
    if not port.is_slave:
        if not port.types:
            yield spot.at("type").error(Code.MISSING, "the field 'type' is needed and missing or empty")
        yield from _check_plain(spot, interface, own)


def _check_plain(spot: Spot, interface: Interface, own: _OwnNetwork) -> Iterator[Problem]:
    where, address = _address_place(spot, interface), ipv4(interface.address)
    if interface.address and address is None:
        text = "an IPv4 address is four numbers from 0 to 255 without leading zeros, such as 192.0.2.10"
        yield where.error(Code.BAD_ADDRESS, text, interface.address)
    net = _subnet_of(interface)
    if address is not None and net is not None and _edge_of(address, [net]):
        text = f"it is the network or broadcast address of {net}, which no node may have"
        yield where.error(Code.BAD_ADDRESS, text, interface.address)
    if interface.properties is not None:
        yield from _check_properties(spot.at("Properties"), interface, own)


def _check_properties(spot: Spot, interface: Interface, own: _OwnNetwork) -> Iterator[Problem]:
    properties = interface.properties
    assert properties is not None  # noqa: S101 - the caller has checked it; this is for the type checker
    if properties.netmask and not is_netmask(properties.netmask):
        text = "a netmask is dotted and its ones are contiguous, such as 255.255.255.0"
        yield spot.at("Netmask").error(Code.BAD_NETMASK, text, properties.netmask)
    if not properties.netmask and ipv4(properties.ip_address) is not None:
        text = "the address has no netmask, such as 255.255.255.0"
        yield spot.at("Netmask").warning(Code.NO_NETMASK, text, properties.ip_address)
    if properties.gateway:
        yield from _check_gateway(spot.at("gateway"), properties.gateway, own)
    for server in properties.dns.replace(",", " ").split():
        if ip_value(server) is None:
            yield spot.at("DNS").error(Code.BAD_DNS, "a DNS server is an IP address", properties.dns)
            break
    mtu = properties.mtu
    if mtu and not (mtu.isascii() and mtu.isdigit() and int(mtu[:9]) in MTUS):
        yield spot.at("mtu").warning(Code.MTU_RANGE, "an MTU is a number from 576 to 9216", mtu)


def _check_gateway(spot: Spot, gateway: str, own: _OwnNetwork) -> Iterator[Problem]:
    address = ipv4(gateway)
    around = [] if address is None else own.around(address)
    if address is None:
        yield spot.error(Code.BAD_GATEWAY, "a gateway is an IPv4 address, such as 192.0.2.1", gateway)
    elif gateway in own.addresses:
        yield spot.error(Code.BAD_GATEWAY, "the gateway must not be the node's own address", gateway)
    elif own.subnets and not around:
        text = f"the gateway must be inside one of the node's subnets ({own.shown})"
        yield spot.error(Code.BAD_GATEWAY, text, gateway)
    elif _edge_of(address, around):
        yield spot.error(Code.BAD_GATEWAY, "the gateway must not be a network or broadcast address", gateway)


def _own_network(ports: list[NamedInterface]) -> _OwnNetwork:
    interfaces = [port.interface for port in ports if not port.is_slave]
    subnets = {net for net in map(_subnet_of, interfaces) if net is not None}
    shown = printable(", ".join(sorted(map(str, subnets))))
    lengths = {net.prefixlen for net in subnets}
    return _OwnNetwork({item.address for item in interfaces} - {""}, subnets, lengths, shown)


def _subnet_of(interface: Interface) -> IPv4Network | None:
    return subnet(interface.address, interface.properties.netmask) if interface.properties else None


def _edge_of(address: IPv4Address, nets: list[IPv4Network]) -> IPv4Network | None:
    """Return the network whose network or broadcast address `address` is; a /31 has neither (RFC 3021)."""
    for net in nets:
        if net.prefixlen < _POINT_TO_POINT and address in (net.network_address, net.broadcast_address):
            return net
    return None


def _address_place(spot: Spot, interface: Interface) -> Spot:
    flat = interface.properties is None or not interface.properties.ip_address
    return spot.at("ip") if flat else spot.at("Properties", "IP_ADDRESS")


def _is_name(text: str) -> bool:
    """Return whether `text` is a host name, not a mistyped address: no name ends in digits only (RFC 3696, section 2).

    A hexadecimal last label is an address, too: resolvers parse 0x7f.1 as one (inet_aton(3)).
    """
    name = text.removesuffix(".")
    last = name.rpartition(".")[2]
    return is_hostname(name) and present(name) != "" and re.fullmatch(r"\d+|0[xX][0-9a-fA-F]*", last) is None
