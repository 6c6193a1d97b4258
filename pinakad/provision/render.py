"""A node -> its netplan configuration (network-config v2, https://netplan.readthedocs.io), or what prevents one.

The document is JSON, which is YAML. Debian's generator lets some mistakes through that leave a node without a network:
they are refused here, before anything is pushed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, ip_address
from typing import Any

from pinakad.nodes.addresses import choose
from pinakad.nodes.node_file import NodeFile
from pinakad.problems import Code, Problem, Spot
from pinakad.provision.links import Carried, Link, links_of
from pinakad.tables import ProvisionSettings

MII_MONITOR_MS = 100
_WITH_PRIMARY = ("active-backup", "balance-tlb", "balance-alb")


@dataclass(frozen=True)
class Rendered:
    """A node's netplan document; None where `problems` prevent one."""

    document: dict[str, Any] | None
    problems: list[Problem]


def render(
    file: str,
    node: NodeFile,
    settings: ProvisionSettings,
    hardware: Mapping[str, str] | None = None,
    *,
    allow_loopback: bool = False,
) -> Rendered:
    """Return the configuration of a node. `hardware`: the permanent hardware addresses of its interfaces, by name.

    Without them a bond has no `macaddress`: it is read on the node, and left out where no node is asked.
    """
    links, problems = links_of(file, node, tagged=settings.vlan == "tagged")
    problems += _refusals(Spot(file), links)
    if problems:
        return Rendered(None, problems)
    chosen = choose(node, allow_loopback=allow_loopback)
    writer = _Writer(settings, dict(hardware or {}), links, chosen[0] if chosen else "")
    return Rendered(writer.document(), [])


class _Writer:
    """Writes the document of one node."""

    def __init__(self, settings: ProvisionSettings, hardware: dict[str, str], links: list[Link], polled: str) -> None:
        self._settings, self._hardware, self._links, self._polled = settings, hardware, links, polled
        self._network: dict[str, Any] = {"version": 2, "renderer": "networkd"}
        self._gateway = next(iter(_gateways(links)), "")
        self._with_route = self._carrier_of_the_route()

    def document(self) -> dict[str, Any]:
        """Return the whole document."""
        for link in self._links:
            kind = "bonds" if link.is_bond else "ethernets"
            self._put(kind, link.name, (self._bond(link) if link.is_bond else {}) | self._link(link))
            for slave in link.slaves:
                self._put("ethernets", slave, _without_address() | {"optional": True})
            for number, carried in link.tagged.items():
                self._put("vlans", f"vlan{number}", {"id": number, "link": link.name} | self._carried(carried))
        return {"network": self._network}

    def _put(self, kind: str, name: str, values: dict[str, Any]) -> None:
        self._network.setdefault(kind, {})[name] = values

    def _bond(self, link: Link) -> dict[str, Any]:
        mode = self._settings.bond_mode
        parameters: dict[str, Any] = {"mode": mode, "mii-monitor-interval": MII_MONITOR_MS}
        if mode in _WITH_PRIMARY:
            parameters["primary"] = link.slaves[0]
        values: dict[str, Any] = {"interfaces": link.slaves, "parameters": parameters}
        if link.slaves[0] in self._hardware:
            values["macaddress"] = self._hardware[link.slaves[0]]
        return values

    def _link(self, link: Link) -> dict[str, Any]:
        values = self._carried(link.untagged) if link.untagged else _without_address() | {"optional": True}
        if link.mtu is not None:
            values["mtu"] = link.mtu
        return values

    def _carried(self, carried: Carried) -> dict[str, Any]:
        values = _without_address()
        if carried.address is None:
            values["optional"] = True  # it has a carrier, but is never "online": nobody waits for it at boot
        else:
            values["addresses"] = [str(carried.address)]
            if carried.dns and str(carried.address.ip) == self._polled:
                values["nameservers"] = {"addresses": list(carried.dns)}
        if carried.mtu is not None:
            values["mtu"] = carried.mtu
        if carried is self._with_route:
            values["routes"] = [{"to": "default", "via": self._gateway}]
        return values

    def _carrier_of_the_route(self) -> Carried | None:
        """Return what has the default route: where the gateway's subnet is, whatever entry names the gateway.

        Where several interfaces are in that subnet: the one that names it, else the polled one, else the first.
        """
        all_carried = [carried for link in self._links for _, carried in link.carried()]
        inside = [carried for carried in all_carried if _is_inside(self._gateway, carried.address)]
        naming = [carried for carried in inside if carried.gateway]
        polled = [carried for carried in inside if carried.address and str(carried.address.ip) == self._polled]
        return next(iter([*naming, *polled, *inside]), None)


def _is_inside(gateway: str, address: IPv4Interface | None) -> bool:
    try:
        return address is not None and ip_address(gateway) in address.network
    except ValueError:
        return False


def _without_address() -> dict[str, Any]:
    return {"dhcp4": False, "dhcp6": False, "accept-ra": False, "link-local": []}


def _gateways(links: list[Link]) -> list[str]:
    found = [carried.gateway for link in links for _, carried in link.carried() if carried.gateway]
    return list(dict.fromkeys(found))


def _refusals(spot: Spot, links: list[Link]) -> Iterator[Problem]:
    all_carried = [(link, number, carried) for link in links for number, carried in link.carried()]
    yield from _bonds_without_slaves(spot, links)
    yield from _slaves_of_two(spot, links)
    yield from _addresses(spot, [carried for _, _, carried in all_carried])
    yield from _default_routes(spot, links, [carried for _, _, carried in all_carried])
    yield from _vlans(spot, links)


def _bonds_without_slaves(spot: Spot, links: list[Link]) -> Iterator[Problem]:
    for link in links:
        if link.is_bond and not link.slaves:
            yield spot.at("using_interfaces", link.key).error(Code.BOND_WITHOUT_SLAVE, "a bond needs a slave")


def _slaves_of_two(spot: Spot, links: list[Link]) -> Iterator[Problem]:
    times = Counter(slave for link in links for slave in link.slaves)
    for slave in (name for name, number in times.items() if number > 1):
        yield spot.at("using_interfaces").error(Code.SLAVE_OF_TWO_BONDS, "an interface is a slave of one bond", slave)


def _addresses(spot: Spot, all_carried: list[Carried]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for carried in all_carried:
        if carried.address is None:
            continue
        address = str(carried.address.ip)
        if seen.setdefault(address, carried.key) != carried.key:
            text = f"the address is on {seen[address]} already: one of them would not work"
            yield spot.at("using_interfaces", carried.key).error(Code.DUPLICATE_ADDRESS, text, address)


def _default_routes(spot: Spot, links: list[Link], all_carried: list[Carried]) -> Iterator[Problem]:
    gateways = _gateways(links)
    if len(gateways) > 1:
        text = "a node has one default route; name the gateway on one interface"
        yield spot.at("using_interfaces").error(Code.BAD_GATEWAY, text, gateways)
        return
    for gateway in gateways:
        if not any(_is_inside(gateway, carried.address) for carried in all_carried):
            text = "the gateway must be in a subnet of the node"
            yield spot.at("using_interfaces").error(Code.BAD_GATEWAY, text, gateway)


def _vlans(spot: Spot, links: list[Link]) -> Iterator[Problem]:
    owners: dict[int, str] = {}
    for link in links:
        own = link.untagged.mtu if link.untagged else None
        for number, carried in link.tagged.items():
            place = spot.at("using_interfaces", carried.key)
            if owners.setdefault(number, link.name) != link.name:
                text = f"VLAN {number} is on {owners[number]} already, and its device would be vlan{number} twice"
                yield place.error(Code.DUPLICATE_VLAN, text, number)
            if own is not None and carried.mtu is not None and carried.mtu > own:
                text = f"the MTU of VLAN {number} is larger than that of {link.name} ({own}): the kernel refuses it"
                yield place.at("Properties", "mtu").error(Code.MTU_RANGE, text, carried.mtu)
