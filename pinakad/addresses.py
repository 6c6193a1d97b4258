"""Which address of a node is polled?"""

from enum import StrEnum
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from pinakad.node_file import NodeFile, Port, ports_of

_BROADCAST = IPv4Address("255.255.255.255")
_WITHOUT_ADDRESS = {"secondary", "externaltraffic"}


class AddressSource(StrEnum):
    """How the address was chosen; the order is the order of preference."""

    SSH = "ssh"
    MGMT = "mgmt"
    VXLAN = "vxlan"
    PRIMARY = "primary"
    GATEWAY = "gateway"
    ONLY = "only"


@lru_cache(maxsize=4096)  # each address of a file is looked at several times, a gateway in thousands of files
def ipv4(text: str) -> IPv4Address | None:
    """Return the address, or None: only four decimal numbers without leading zeros are one (as `ipaddress` has it)."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def is_netmask(text: str) -> bool:
    """Tell whether `text` is a dotted netmask whose ones are contiguous and not none."""
    mask = ipv4(text)
    if mask is None or not int(mask):
        return False
    inverted = int(mask) ^ 0xFFFFFFFF
    return inverted & (inverted + 1) == 0


def subnet(address: str, netmask: str) -> IPv4Network | None:
    """Return the network that an address and its netmask span, None where either is none."""
    if ipv4(address) is None or not is_netmask(netmask):
        return None
    try:
        return IPv4Network((address, netmask), strict=False)
    except (AddressValueError, NetmaskValueError):
        return None


def is_usable(text: str, *, allow_loopback: bool) -> bool:
    """Tell whether a node can be reached at this address at all."""
    address = ipv4(text)
    if address is None or address.is_unspecified or address.is_link_local or address.is_multicast:
        return False
    return address != _BROADCAST and (allow_loopback or not address.is_loopback)


def choose(node_file: NodeFile, *, allow_loopback: bool) -> tuple[str, AddressSource] | None:
    """Return the address that is polled and how it was chosen, None where none can be.

    Of the interfaces that are no slave and have a usable address: the first Mgmt, else the first VXLAN, else the
    first Primary, else the first with a gateway, else the only one that is left. An `ssh.address` wins over all.
    """
    if node_file.ssh and node_file.ssh.address:
        return node_file.ssh.address, AddressSource.SSH
    foreign = {node_file.server_vip, node_file.provider_gateway, node_file.tenant_gateway}
    candidates = [
        port
        for port in ports_of(node_file)
        if not port.is_slave
        and is_usable(port.interface.address, allow_loopback=allow_loopback)
        and port.interface.address not in foreign
    ]
    return _by_type(candidates) or _by_gateway(candidates)


def _by_type(candidates: list[Port]) -> tuple[str, AddressSource] | None:
    for source in (AddressSource.MGMT, AddressSource.VXLAN, AddressSource.PRIMARY):
        for port in candidates:
            if source.value in port.interface.types:
                return port.interface.address, source
    return None


def _by_gateway(candidates: list[Port]) -> tuple[str, AddressSource] | None:
    inner = [port for port in candidates if not _WITHOUT_ADDRESS & set(port.interface.types)]
    for port in inner:
        if port.interface.gateway:
            return port.interface.address, AddressSource.GATEWAY
    if len(inner) == 1:
        return inner[0].interface.address, AddressSource.ONLY
    return None
