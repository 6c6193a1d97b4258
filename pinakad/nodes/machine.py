"""Which machine does a node file describe: by which addresses and disks is it known?"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pinakad.nodes.addresses import address_key, is_usable
from pinakad.nodes.node_file import is_bond_key, is_known_key, present
from pinakad.problems import pointer

_KERNEL_NAME = re.compile(r"(sd[a-z]+|vd[a-z]+|hd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|md\d+|dm-\d+|sr\d+)")
_SAYS_WHICH = {"name", "device", "dev", "path", "disk", "id", "serial", "serialnumber", "wwn", "wwid", "uuid", "eui"}


@dataclass(frozen=True, slots=True)
class Machine:
    """The addresses and disks by which a file identifies its machine.

    `addresses`: the usable addresses of its interfaces, each with the JSON Pointer of the interface. `login`:
    `ssh.address`, `port`: `ssh.port`, None where there is none. All addresses have the spelling of `address_key`.
    `disks`: names and serial numbers of the disks; "sda" and "/dev/sda" are the same.
    """

    addresses: tuple[tuple[str, str], ...] = ()
    login: str | None = None
    port: int | None = None
    disks: frozenset[str] = frozenset()

    def own_port(self, ssh_port: int) -> int:
        """Return the port of the machine's own sshd. A port beside an `ssh.address` belongs to that address."""
        return self.port if self.port is not None and self.login is None else ssh_port

    def login_port(self, ssh_port: int) -> int:
        """Return the port that is polled."""
        return ssh_port if self.port is None else self.port

    def marks(self, ssh_port: int) -> frozenset[str]:
        """Return marks that no two machines share: addresses, addresses with ports, and disks but for kernel names."""
        found = {f"disk {name}" for name in self.disks if not is_kernel_name(name)}
        for address, _ in self.addresses:
            found |= {address, f"{address} port {self.own_port(ssh_port)}"}
        if self.login is not None:
            found.add(f"{self.login} port {self.login_port(ssh_port)}")
        return frozenset(found)


NOTHING_KNOWN = Machine()


def is_kernel_name(disk: str) -> bool:
    """Return whether a disk is named as the kernel names it ("sda"), which does not say which disk it is."""
    return _KERNEL_NAME.fullmatch(disk) is not None


def machine_of(value: Any, *, allow_loopback: bool) -> Machine:
    """Return the machine that the JSON value of a node file describes; parts of the wrong shape are left out."""
    if not isinstance(value, dict):
        return NOTHING_KNOWN
    ssh = value.get("ssh")
    address, port = (ssh.get("address"), ssh.get("port")) if isinstance(ssh, dict) else (None, None)
    disks = value.get("disk")
    return Machine(
        addresses=tuple(_addresses(value.get("using_interfaces"), allow_loopback=allow_loopback)),
        login=address_key(address) if isinstance(address, str) and address else None,
        port=port if isinstance(port, int) and not isinstance(port, bool) else None,
        disks=frozenset(name for item in disks for name in _disk_names(item))
        if isinstance(disks, list)
        else frozenset(),
    )


def is_disk(item: Any) -> bool:
    """Return whether an entry of `disk` names a disk: at any depth there is something but null, false and blanks."""
    if isinstance(item, dict):
        return any(is_disk(part) for part in item.values())
    if isinstance(item, list):
        return any(map(is_disk, item))
    return item is not None and item is not False and bool(str(present(item)).strip())


def _addresses(interfaces: Any, *, allow_loopback: bool) -> Iterator[tuple[str, str]]:
    if not isinstance(interfaces, dict):
        return
    seen: set[str] = set()
    for key, interface in interfaces.items():
        if not isinstance(interface, dict) or not is_known_key(key):
            continue
        if not is_bond_key(key) and str(interface.get("Bond_Slave", "")).upper() == "YES":
            continue
        address = _address(interface)
        if address not in seen and is_usable(address, allow_loopback=allow_loopback):
            seen.add(address)
            yield address, pointer("using_interfaces", key)


def _address(interface: Mapping[str, Any]) -> str:
    properties = interface.get("Properties")
    written = present(properties.get("IP_ADDRESS", "")) if isinstance(properties, dict) else ""
    written = written or present(interface.get("ip", ""))
    return written if isinstance(written, str) else ""


def _disk_names(item: Any) -> Iterator[str]:
    if not is_disk(item):
        return
    if isinstance(item, dict):
        named = [part for key, part in item.items() if re.sub(r"[\s_-]", "", key).lower() in _SAYS_WHICH]
        for part in named:
            yield from _disk_names(part)
        if not named:
            yield json.dumps(item, sort_keys=True)
    elif isinstance(item, list):
        for part in item:
            yield from _disk_names(part)
    else:
        yield str(item).strip().rstrip("/").rpartition("/")[2].lower()
