"""Which address of a node is polled?"""

from enum import StrEnum
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, NetmaskValueError, ip_address

from pinakad.nodes.node_file import NamedInterface, NodeFile, interfaces_of

_BROADCAST = IPv4Address("255.255.255.255")
_LOOPBACK_NAMES = {"localhost.localdomain", "ip6-localhost", "ip6-loopback"}
_WITHOUT_ADDRESS = {"secondary", "externaltraffic"}


class AddressSource(StrEnum):
    """How the address was chosen; the order is the order of preference."""

    SSH = "ssh"
    MGMT = "mgmt"
    VXLAN = "vxlan"
    PRIMARY = "primary"
    GATEWAY = "gateway"
    ONLY = "only"


@lru_cache(maxsize=4096)  # each address of a file is parsed several times, a gateway in thousands of files
def ipv4(text: str) -> IPv4Address | None:
    """Return the IPv4 address that `text` is: four decimal numbers without leading zeros (`ipaddress`); else None."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


@lru_cache(maxsize=4096)
def ip_value(text: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that `text` is, None where it is none.

    An IPv4 address inside an IPv6 one (RFC 4291, section 2.5.5.2) is the IPv4 address: both lead to the same machine.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def address_key(text: str) -> str:
    """Return the one spelling of an address or a name by which it is compared: no case, no final dot (RFC 4343)."""
    address = ip_value(text)
    return text.lower().removesuffix(".") if address is None else str(address)


def why_no_login(text: str, *, allow_loopback: bool) -> str | None:
    """Return why no node can be logged in to at an address or a name, None where a login is possible."""
    address = ip_value(text)
    if address is None:
        name = address_key(text)
        loopback = name in _LOOPBACK_NAMES or name.rpartition(".")[2] == "localhost"  # RFC 6761, section 6.3
    elif address.is_unspecified or address.is_multicast or address == _BROADCAST:
        kind = "unspecified" if address.is_unspecified else "multicast" if address.is_multicast else "broadcast"
        return f"the {kind} address is no machine's"
    elif isinstance(address, IPv6Address) and address.is_link_local and not address.scope_id:
        return "a link-local IPv6 address needs its interface, as in fe80::1%eth0"
    else:
        loopback = address.is_loopback
    return "it leads to this machine itself (loopback)" if loopback and not allow_loopback else None


def is_netmask(text: str) -> bool:
    """Return whether `text` is a dotted netmask: at least one bit is set, and the set bits are contiguous."""
    mask = ipv4(text)
    if mask is None or not int(mask):
        return False
    inverted = int(mask) ^ 0xFFFFFFFF
    return inverted & (inverted + 1) == 0


@lru_cache(maxsize=4096)
def subnet(address: str, netmask: str) -> IPv4Network | None:
    """Return the network that an address and its netmask span, None where either is not valid."""
    if ipv4(address) is None or not is_netmask(netmask):
        return None
    try:
        return IPv4Network((address, netmask), strict=False)
    except (AddressValueError, NetmaskValueError):
        return None


def is_usable(text: str, *, allow_loopback: bool) -> bool:
    """Return whether a node can have the IPv4 address `text`: no broadcast, multicast, link-local or loopback one."""
    address = ipv4(text)
    if address is None or address.is_unspecified or address.is_link_local or address.is_multicast:
        return False
    return address != _BROADCAST and (allow_loopback or not address.is_loopback)


def choose(node_file: NodeFile, *, allow_loopback: bool) -> tuple[str, AddressSource] | None:
    """Return the address that is polled and how it was chosen, None where the file has no usable address.

    Of the interfaces that are no slave and have a usable address: the first Mgmt, else the first VXLAN, else the
    first Primary, else the first with a gateway, else the only one that is left. An `ssh.address` wins over all.
    The virtual address and the provider's gateway are never chosen. The tenants' gateway is in a network of its own: a
    node may have the same address.
    """
    if node_file.ssh and node_file.ssh.address:
        return node_file.ssh.address, AddressSource.SSH
    foreign = {address_key(node_file.server_vip), address_key(node_file.provider_gateway)}
    candidates = [
        port
        for port in interfaces_of(node_file)
        if not port.is_slave
        and is_usable(port.interface.address, allow_loopback=allow_loopback)
        and port.interface.address not in foreign
    ]
    return _by_type(candidates) or _by_gateway(candidates)


def _by_type(candidates: list[NamedInterface]) -> tuple[str, AddressSource] | None:
    for source in (AddressSource.MGMT, AddressSource.VXLAN, AddressSource.PRIMARY):
        for port in candidates:
            if source.value in port.types:
                return port.interface.address, source
    return None


def _by_gateway(candidates: list[NamedInterface]) -> tuple[str, AddressSource] | None:
    inner = [port for port in candidates if not _WITHOUT_ADDRESS & set(port.types)]
    for port in inner:
        if port.interface.gateway:
            return port.interface.address, AddressSource.GATEWAY
    if len(inner) == 1:
        return inner[0].interface.address, AddressSource.ONLY
    return None
