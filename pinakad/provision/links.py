"""Which links does a node have by its file: interfaces, bonds with their slaves, VLANs, and what each carries?

A physical interface may stand in several entries of a file: once without a VLAN, and once for each of its VLANs. Here
it is one link, and each VLAN on it is one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Interface

from pinakad.nodes.addresses import ipv4
from pinakad.nodes.node_file import NamedInterface, NodeFile, interfaces_of
from pinakad.problems import Code, Problem, Spot

MAX_NAME = 15
"""The kernel's limit of an interface's name (IFNAMSIZ, netdevice(7))."""
_MTUS, _VLANS = range(576, 9217), range(1, 4095)


@dataclass(frozen=True)
class Carried:
    """What one entry of a file puts on a link: an address, a gateway, name servers, an MTU; `key` is the entry's."""

    key: str
    address: IPv4Interface | None = None
    gateway: str = ""
    dns: tuple[str, ...] = ()
    mtu: int | None = None


@dataclass
class Link:
    """An interface or a bond: what it carries itself, and by VLAN. `slaves`: of a bond, in the file's order."""

    name: str
    key: str
    is_bond: bool
    untagged: Carried | None = None
    tagged: dict[int, Carried] = field(default_factory=dict)
    slaves: list[str] = field(default_factory=list)

    @property
    def mtu(self) -> int | None:
        """The MTU that it needs: the kernel refuses a VLAN with a larger one than that of its link."""
        wanted = [carried.mtu for carried in (self.untagged, *self.tagged.values()) if carried and carried.mtu]
        return max(wanted, default=None)

    def carried(self) -> Iterator[tuple[int | None, Carried]]:
        """Yield what it carries: the VLAN, None for none, and that."""
        if self.untagged is not None:
            yield None, self.untagged
        yield from self.tagged.items()


def links_of(file: str, node: NodeFile, *, tagged: bool) -> tuple[list[Link], list[Problem]]:
    """Return the links of a node in the file's order, and what of it cannot be configured. `tagged`: VLANs are used."""
    reading = _Reading(Spot(file), tagged=tagged)
    entries = interfaces_of(node)
    for entry in entries:
        if not entry.is_slave:
            reading.add(entry)
    for entry in entries:
        if entry.is_slave:
            reading.add_slave(entry)
    return list(reading.links.values()), reading.problems


class _Reading:
    """The links of one node while its file is read."""

    def __init__(self, spot: Spot, *, tagged: bool) -> None:
        self.links: dict[str, Link] = {}
        self.problems: list[Problem] = []
        self._spot, self._tagged = spot, tagged

    def add(self, entry: NamedInterface) -> None:
        """Add an interface or a bond."""
        name = entry.interface.interface_name
        self._check_name(entry, name)
        link = self.links.setdefault(name, Link(name, entry.key, entry.is_bond))
        carried = self._carried(entry)
        numbers = self._vlans(entry) if self._tagged else []
        if not numbers and link.untagged is None:
            link.untagged = carried
        elif not numbers:
            self._wrong(entry, Code.BAD_VALUE, f"'{name}' stands twice without a VLAN", name, "interface_name")
        if len(numbers) > 1 and carried.address is not None:
            text = "an address belongs to one VLAN: give each its own entry"
            self._wrong(entry, Code.BAD_VALUE, text, entry.interface.vlan_id, "vlan_id")
        for number in numbers:
            link.tagged[number] = carried

    def add_slave(self, entry: NamedInterface) -> None:
        """Add a slave to its bond."""
        interface = entry.interface
        self._check_name(entry, interface.interface_name)
        if interface.address:
            text = "a slave of a bond carries no address: it belongs to the bond"
            self._wrong(entry, Code.BAD_ADDRESS, text, interface.address)
        bond = self.links.get(interface.bond_interface_name)
        if bond is None or not bond.is_bond:
            text = "there is no bond of this name"
            self._wrong(entry, Code.UNKNOWN_BOND, text, interface.bond_interface_name, "Bond_Interface_Name")
        elif interface.interface_name in self.links:
            text = f"'{interface.interface_name}' is a slave, and stands as an interface of its own, too"
            self._wrong(entry, Code.BAD_VALUE, text, interface.interface_name, "interface_name")
        elif interface.interface_name not in bond.slaves:
            bond.slaves.append(interface.interface_name)

    def _carried(self, entry: NamedInterface) -> Carried:
        properties = entry.interface.properties
        dns = properties.dns.replace(",", " ").split() if properties else []
        return Carried(entry.key, self._address(entry), entry.interface.gateway, tuple(dns), self._mtu(entry))

    def _address(self, entry: NamedInterface) -> IPv4Interface | None:
        address, properties = entry.interface.address, entry.interface.properties
        if not address:
            return None
        mask = properties.netmask if properties else ""
        try:
            if ipv4(address) is not None and mask:
                return IPv4Interface(f"{address}/{mask}")
        except ValueError:
            pass
        text = "an address to configure needs a netmask such as 255.255.255.0"
        self._wrong(entry, Code.NO_NETMASK, text, mask or None, "Properties", "Netmask")
        return None

    def _mtu(self, entry: NamedInterface) -> int | None:
        text = entry.interface.properties.mtu.strip() if entry.interface.properties else ""
        if not text:
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > MAX_NAME or int(text) not in _MTUS:
            rule = f"an MTU is a number from {_MTUS[0]} to {_MTUS[-1]}"
            self._wrong(entry, Code.MTU_RANGE, rule, text, "Properties", "mtu")
            return None
        return int(text)

    def _vlans(self, entry: NamedInterface) -> list[int]:
        found = []
        for text in entry.interface.vlans:
            if text.isascii() and text.isdigit() and len(text) <= MAX_NAME and int(text) in _VLANS:
                found.append(int(text))
            else:
                rule = f"a VLAN is a number from {_VLANS[0]} to {_VLANS[-1]}"
                self._wrong(entry, Code.VLAN_RANGE, rule, text, "vlan_id")
        return list(dict.fromkeys(found))

    def _check_name(self, entry: NamedInterface, name: str) -> None:
        sound = 0 < len(name.encode()) <= MAX_NAME and name not in (".", "..") and name.isascii()
        if not sound or not all(character.isalnum() or character in "-_." for character in name):
            text = f"an interface's name has 1 to {MAX_NAME} letters, digits, '-', '_' and '.'"
            self._wrong(entry, Code.BAD_VALUE, text, name, "interface_name")

    def _wrong(self, entry: NamedInterface, code: Code, text: str, value: object, *keys: str) -> None:
        self.problems.append(self._spot.at("using_interfaces", entry.key, *keys).error(code, text, value))
