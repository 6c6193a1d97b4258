"""Which forms do existing producers write node files in? One function a form, each with one address to poll."""

from typing import Any

Document = dict[str, Any]


def default(hostname: str, address: str) -> Document:
    """Primary and Secondary: the default layout."""
    primary = plain("eth0", ["Primary"], properties(address, gateway=neighbour(address)))
    return _document(hostname, {"interface_01": primary, "interface_02": plain("eth1", ["Secondary"])})


def lower_case(hostname: str, address: str) -> Document:
    """Types without capitals, one of them a bare string."""
    primary = plain("eth0", "primary", properties(address, gateway=neighbour(address)))
    return _document(hostname, {"interface_01": plain("eth1", ["secondary"]), "interface_02": primary})


def bonds(hostname: str, address: str) -> Document:
    """A bond with two slaves carries the address; the slaves' own ones never count."""
    bond = {"interface_name": "bond1", "type": ["Primary"], "vlan_id": "7"} | properties(address)
    return _document(hostname, {"interface_01": slave("eth0"), "interface_02": slave("eth1"), "bond1": bond})


def segregated(hostname: str, address: str) -> Document:
    """Mgmt comes first, wherever it stands; storage and VXLAN have addresses of their own."""
    ports = {
        "interface_01": plain("eth0", ["Storage"], properties(neighbour(address, 101))),
        "interface_02": plain("eth1", ["VXLAN"], properties(neighbour(address, 102))),
        "interface_03": plain("eth2", ["External_Traffic"]),
        "interface_04": plain("eth3", ["Management"], properties(address, gateway=neighbour(address))),
    }
    return _document(hostname, ports) | {"server_vip": neighbour(address, 200), "provider_cidr": "N/A"}


def flat(hostname: str, address: str) -> Document:
    """The older form: `ip` on the interface, no Properties, no Bond_Slave."""
    primary = {"interface_name": "eth0", "type": ["Primary"], "vlan_id": "", "ip": address}
    return _document(hostname, {"interface_01": primary})


def tenth(hostname: str, address: str) -> Document:
    """Ten interfaces: the tenth key is `interface_010`, which sorting would put after the first."""
    ports = {f"interface_0{n}": plain(f"eth{n}", ["Secondary"]) for n in range(1, 10)}
    ports["interface_02"] = plain("eth2", ["Primary"], properties(address))
    ports["interface_010"] = plain("eth10", ["Primary"], properties(neighbour(address, 110)))
    return _document(hostname, ports)


FORMS = (default, lower_case, bonds, segregated, flat, tenth)


def plain(name: str, types: list[str] | str, more: Document | None = None) -> Document:
    """Return a plain interface."""
    return {"interface_name": name, "type": types, "vlan_id": "NULL", "Bond_Slave": "NO"} | (more or {})


def slave(name: str, bond: str = "bond1") -> Document:
    """Return a slave of a bond."""
    return {"interface_name": name, "Bond_Slave": "YES", "Bond_Interface_Name": bond}


def properties(address: str, gateway: str = "") -> Document:
    """Return what an interface with an address says of it."""
    values = {"IP_ADDRESS": address, "Netmask": "255.255.255.0", "DNS": "N/A", "mtu": "1500"}
    return {"Properties": values | ({"gateway": gateway} if gateway else {})}


def neighbour(address: str, last: int = 254) -> str:
    """Return another address of the same /24."""
    return f"{address.rpartition('.')[0]}.{last}"


def _document(hostname: str, ports: Document) -> Document:
    return {"hostname": hostname, "using_interfaces": ports, "disk": ["sda"], "roles": ["Control", "Compute"]}
