"""Reads one node file: host name, interfaces and disks, or what is wrong with them.

The forms are those that existing producers write; unknown keys are kept and ignored. Nothing here reads other files,
the disk or the network.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from pinakad.problems import Code, Problem, Spot

_NAME = re.compile(r"node_([0-9]+)\.json")
_BOND_KEY = re.compile(r"bond[0-9]+", re.IGNORECASE)
_INTERFACE_KEY = re.compile(r"interface_[0-9]+", re.IGNORECASE)
_MAX_FINDINGS = 1000  # a hostile file has hundreds of thousands of values of the wrong shape
_MAX_DIGITS = 18  # a node's number fits into 64 bits
_ABSENT = {"", "NULL", "N/A"}


def number_of(name: str) -> int | None:
    """Return the number in a node file's base name (`node_07.json` -> 7), None for any other name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match and match[1].isascii() and len(match[1]) <= _MAX_DIGITS else None


def present(value: Any) -> Any:
    """Return "" for a string by which producers mean "none" ("", "NULL", "N/A"), any other value as it is."""
    return "" if isinstance(value, str) and value.strip().upper() in _ABSENT else value


@lru_cache(maxsize=1024)  # thousands of files have the same few types
def _plain_type(name: str) -> str:
    plain = re.sub(r"[\s_-]", "", name).lower() if present(name) else ""
    return "mgmt" if plain == "management" else plain


Text = Annotated[str, BeforeValidator(present)]


_FIRST: Any = Field(fail_fast=True)  # in a branch of a union: a wrong list is one problem, however long it is


class _Object(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class Properties(_Object):
    """The addresses of an interface. All values are strings; "", "NULL" and "N/A" mean that there is none."""

    ip_address: Text = Field("", alias="IP_ADDRESS")
    netmask: Text = Field("", alias="Netmask")
    dns: Text = Field("", alias="DNS")
    mtu: Text = ""
    gateway: Text = ""


class Interface(_Object):
    """A plain interface, a bond or a bond slave, by its key and by `Bond_Slave`."""

    interface_name: str = Field(min_length=1)
    type: Annotated[list[str], _FIRST] | str = []
    vlan_id: Annotated[list[str | int], _FIRST] | str | int = ""
    bond_slave: Text = Field("", alias="Bond_Slave")
    bond_interface_name: Text = Field("", alias="Bond_Interface_Name")
    properties: Properties | None = Field(None, alias="Properties")
    ip: Text = ""

    @property
    def address(self) -> str:
        """The address as it is written, "" where there is none; the older flat form has it in `ip`."""
        return (self.properties.ip_address if self.properties else "") or self.ip

    @property
    def gateway(self) -> str:
        """The gateway as it is written, "" where there is none."""
        return self.properties.gateway if self.properties else ""

    @property
    def types(self) -> list[str]:
        """The types without case, spaces, `_` and `-`; `management` is `mgmt`."""
        written = [self.type] if isinstance(self.type, str) else self.type
        return [plain for name in written if (plain := _plain_type(name))]

    @property
    def vlans(self) -> list[str]:
        """The VLAN ids as they are written, without the values that mean "none"."""
        written = self.vlan_id if isinstance(self.vlan_id, list) else [self.vlan_id]
        parts = [part.strip() for item in written for part in str(item).split(",")]
        return [part for part in parts if present(part)]


Fingerprint = Annotated[str, StringConstraints(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]


class Ssh(_Object):
    """Our own addition to the format: where to log in, whatever the interfaces say.

    `current` is where the node answers before its deployment. `host_key` names the fingerprints that its host key must
    have, as `ssh-keygen -l` says them.
    """

    address: str | None = Field(None, min_length=1)
    current: str | None = Field(None, min_length=1)
    port: int | None = Field(None, ge=1, le=65535)
    user: str | None = Field(None, pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_.@-]{0,63}$")
    host_key: Fingerprint | Annotated[list[Fingerprint], Field(min_length=1)] | None = None

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of `host_key`, be it one string or a list."""
        named = [self.host_key] if isinstance(self.host_key, str) else self.host_key
        return tuple(named or ())


class NodeFile(_Object):
    """A node file of a known form. The order of `using_interfaces` is the file's and matters."""

    hostname: Text
    using_interfaces: dict[str, Interface]
    disk: list[Any]
    roles: list[str]
    server_vip: Text = ""
    provider_gateway: Text = ""
    tenant_gateway: Text = ""
    ssh: Ssh | None = None


@dataclass(frozen=True, slots=True)
class NamedInterface:
    """An interface of a node file together with its key.

    `is_bond`: decided by the key, as the flat form has no `Bond_Slave` anywhere. `is_slave`: a slave of a bond, which
    carries no address. `types`: see `Interface.types`.
    """

    key: str
    interface: Interface
    is_bond: bool
    is_slave: bool
    types: list[str]


def read(file: str, value: Any) -> tuple[NodeFile | None, list[Problem]]:
    """Read the JSON value of the file with the base name `file`; nothing is raised.

    Return the node file and the problems of its shape. Where there are problems, the node file holds only the sound
    parts, so that these can be checked in the same pass; it is None where no part is sound.
    """
    spot = Spot(file)
    if not isinstance(value, dict):
        return None, [spot.error(Code.NOT_AN_OBJECT, "a node file must be a JSON object", value)]
    try:
        return NodeFile.model_validate(value), []
    except ValidationError as error:
        findings = error.errors(include_url=False, include_context=False)
        return _sound_part(value, findings), list(islice(_shape_problems(spot, value, findings), _MAX_FINDINGS))


def interfaces_of(node_file: NodeFile) -> list[NamedInterface]:
    """Return the interfaces under known keys, in the file's order."""
    return [_port(key, item) for key, item in node_file.using_interfaces.items() if is_known_key(key)]


def _port(key: str, interface: Interface) -> NamedInterface:
    is_bond = is_bond_key(key)
    is_slave = not is_bond and interface.bond_slave.upper() == "YES"
    return NamedInterface(key, interface, is_bond, is_slave, interface.types)


@lru_cache(maxsize=1024)
def is_known_key(key: str) -> bool:
    """Return whether a key of `using_interfaces` is one that producers write: `bond<n>` or `interface_<n>`."""
    return bool(_BOND_KEY.fullmatch(key) or _INTERFACE_KEY.fullmatch(key))


@lru_cache(maxsize=1024)
def is_bond_key(key: str) -> bool:
    """Return whether a key of `using_interfaces` is that of a bond."""
    return _BOND_KEY.fullmatch(key) is not None


def _sound_part(value: dict[str, Any], findings: list[ErrorDetails]) -> NodeFile | None:
    """Return the file without the interfaces and fields that have the wrong shape."""
    unknown: dict[str, Any] = {"hostname": "unknown", "disk": ["unknown"], "roles": [], "using_interfaces": {}}
    sound, broken = unknown | value, set()
    for finding in findings:
        top, *below = finding["loc"]
        if top == "using_interfaces" and below:
            broken.add(below[0])
        elif top in unknown:
            sound[str(top)] = unknown[str(top)]
        else:
            sound.pop(str(top), None)
    if broken:
        sound["using_interfaces"] = {key: item for key, item in sound["using_interfaces"].items() if key not in broken}
    try:
        return NodeFile.model_validate(sound)
    except ValidationError:
        return None


_UNIONS = ("type", "vlan_id")
_EXPECTED = {
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "string_too_short": "must not be empty",
}


def _shape_problems(spot: Spot, value: Any, findings: list[ErrorDetails]) -> Iterator[Problem]:
    """Yield the findings of pydantic as problems. A union has one finding for each branch: they make one problem."""
    reported: set[str] = set()
    for finding in findings:
        keys = _keys_in(value, finding["loc"], missing=finding["type"] == "missing")
        place = spot.at(*keys)
        if place.path in reported:
            continue
        reported.add(place.path)
        name = keys[-1] if keys else spot.file
        if finding["type"] == "missing":
            yield place.error(Code.MISSING, f"the field '{name}' is needed and missing")
        elif name == "host_key":
            rule = "must be a fingerprint as ssh-keygen -l says it ('SHA256:' and 43 characters), or a list of them"
            yield place.error(Code.BAD_VALUE, f"'host_key' {rule}", finding["input"])
        elif name in _UNIONS:
            yield place.error(Code.WRONG_TYPE, f"'{name}' must be a string or a list of strings", finding["input"])
        else:
            rule = _EXPECTED.get(finding["type"], finding["msg"].lower())
            code = Code.WRONG_TYPE if finding["type"].endswith("_type") else Code.BAD_VALUE
            yield place.error(code, f"'{name}' {rule}", finding["input"])


def _keys_in(value: Any, loc: tuple[str | int, ...], *, missing: bool) -> list[str | int]:
    """Return the keys of `loc` that lead through `value`, without the names of union branches that pydantic adds."""
    keys: list[str | int] = []
    for key in loc:
        in_list = isinstance(value, list) and isinstance(key, int) and key < len(value)
        if in_list or (isinstance(value, dict) and key in value and not (keys and keys[-1] in _UNIONS)):
            value = value[key]
        elif not missing:
            break
        keys.append(key)
    return keys
