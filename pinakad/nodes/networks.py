"""In which networks do the nodes of the node files lie?"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from pinakad.nodes import strict_json
from pinakad.nodes.addresses import ipv4
from pinakad.nodes.node_file import interfaces_of
from pinakad.nodes.node_file import read as read_node_file
from pinakad.nodes.reading import ParsedNodeFile

Network = IPv4Network | IPv6Network


class NodeNetworks:
    """The networks of node files. What was found in a file is kept while its content is the same."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[Network]] = {}

    def of(self, files: Iterable[ParsedNodeFile]) -> set[Network]:
        """Return the subnets of all interfaces, and each polled address by itself."""
        kept = {file.sha256: self._known.get(file.sha256) or frozenset(_networks(file)) for file in files}
        self._known = kept
        return {network for networks in kept.values() for network in networks}


def has(networks: Iterable[Network], address: str) -> bool:
    """Return whether an address is in one of the networks. What is no address is in none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)


def _networks(file: ParsedNodeFile) -> Iterator[Network]:
    if file.stated is not None and file.stated.chosen is not None:
        yield from _alone(file.stated.chosen[0])
    try:
        content, _ = read_node_file(file.name, strict_json.parse(file.raw))
    except strict_json.JsonError:
        return
    if content is None:
        return
    if content.ssh is not None:
        yield from _alone(content.ssh.current or "")
    for named in interfaces_of(content):
        properties = named.interface.properties
        if ipv4(named.interface.address) is not None and properties is not None and properties.netmask:
            try:
                yield ip_network(f"{named.interface.address}/{properties.netmask}", strict=False)
            except ValueError:
                continue


def _alone(text: str) -> Iterator[Network]:
    try:
        yield ip_network(text)
    except ValueError:
        return  # a name: it says nothing of an address
