"""Which nodes does a deployment have: what do all the node files together say?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from pinakad import strict_json
from pinakad.addresses import AddressSource, choose, is_usable
from pinakad.node_check import check
from pinakad.node_file import NodeFile, number_of, ports_of, present
from pinakad.node_file import read as read_node_file
from pinakad.problems import Code, Problem, Spot, has_errors, pointer

_NEEDS_THE_WHOLE_FILE = {Code.NO_POLL_ADDRESS, Code.UNKNOWN_BOND, Code.BOND_WITHOUT_SLAVE, Code.BOND_WITH_ONE_SLAVE}


@dataclass(frozen=True, slots=True)
class Node:
    """A node to poll. `port` and `user` are None where the file leaves them to the configuration."""

    file: str
    sha256: str
    number: int
    hostname: str
    address: str
    address_source: AddressSource
    port: int | None
    user: str | None

    @property
    def short_name(self) -> str:
        """The host name's first label, without case: how machines are compared."""
        return self.hostname.split(".")[0].lower()


@dataclass(frozen=True, slots=True)
class Stated:
    """What a deployment needs of a node file's content: the whole of it takes ten times the room.

    `chosen` is the address to poll, None where there is none. `claims` are the addresses that no other node may have,
    each with the JSON Pointer of its place.
    """

    hostname: str
    chosen: tuple[str, AddressSource] | None
    port: int | None
    user: str | None
    server_vip: str
    claims: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One node file as it was found: what it states, or its problems. Kept while the file does not change."""

    name: str
    raw: bytes
    sha256: str
    stated: Stated | None
    hostname: str | None
    problems: tuple[Problem, ...]
    half_written: bool = False

    @property
    def key(self) -> tuple[int, str]:
        """The order of node files: by number."""
        return (number_of(self.name) or 0, self.name)


@dataclass(frozen=True, slots=True)
class Superseded:
    """A file that does not count, because a later one has the same host name."""

    file: str
    hostname: str
    by: str


@dataclass(frozen=True, slots=True)
class NodeSet:
    """What the asked node files say together. `files` is what was asked for: name -> content, in order."""

    nodes: tuple[Node, ...]
    superseded: tuple[Superseded, ...]
    problems: tuple[Problem, ...]
    files: Mapping[str, bytes]

    @property
    def ok(self) -> bool:
        """Tell whether nothing speaks against launching."""
        return not has_errors(self.problems)


def read_file(name: str, raw: bytes, *, allow_loopback: bool) -> ReadFile:
    """Read and check one node file on its own. Every problem is in the result; nothing is raised."""
    digest = sha256(raw).hexdigest()
    try:
        value = strict_json.parse(raw)
    except strict_json.JsonError as error:
        problem = Spot(name).error(Code(error.code), f"cannot read the file as JSON: {error}")
        return ReadFile(name, raw, digest, None, None, (problem,), half_written=error.code in ("not_json", "not_utf8"))
    content, problems = read_node_file(name, value)
    if content is not None:
        found = check(name, content, allow_loopback=allow_loopback)
        if problems:  # what has the wrong shape was left out: nothing that needs all of the file can be said
            content, found = None, [problem for problem in found if problem.code not in _NEEDS_THE_WHOLE_FILE]
        problems += found
    hostname = present(value.get("hostname")) if isinstance(value, dict) else None
    stated = None if content is None else _stated(content, allow_loopback=allow_loopback)
    return ReadFile(name, raw, digest, stated, hostname if isinstance(hostname, str) else None, tuple(problems))


def _stated(content: NodeFile, *, allow_loopback: bool) -> Stated:
    ssh = content.ssh
    return Stated(
        hostname=content.hostname,
        chosen=choose(content, allow_loopback=allow_loopback),
        port=ssh.port if ssh else None,
        user=ssh.user if ssh else None,
        server_vip=content.server_vip,
        claims=tuple(_claims(content, allow_loopback=allow_loopback)),
    )


def _claims(content: NodeFile, *, allow_loopback: bool) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for port in ports_of(content):
        address = port.interface.address
        if port.is_slave or address in seen or not is_usable(address, allow_loopback=allow_loopback):
            continue
        seen.add(address)
        yield address, pointer("using_interfaces", port.key)
    ssh = content.ssh
    if ssh and ssh.address and ssh.address not in seen:  # behind one address, ports may lead to different machines
        yield ssh.address.lower() + ("" if ssh.port is None else f" port {ssh.port}"), pointer("ssh", "address")


def unreadable(name: str, code: Code, message: str) -> ReadFile:
    """Return the result for a file that could not even be read."""
    return ReadFile(name, b"", "", None, None, (Spot(name).error(code, message),))


def combine(files: Iterable[ReadFile], asked: frozenset[str] | None = None) -> NodeSet:
    """Return the nodes of all `files`, or of those named in `asked`.

    Of the files with one host name (without case) the one with the highest number counts; the others are superseded,
    which is decided over all files. Problems of files that are not asked for do not count.
    """
    ordered = sorted(files, key=lambda file: file.key)
    winners = _latest_by_hostname(ordered)
    superseded = tuple(
        Superseded(file.name, file.hostname or "", winner)
        for file in ordered
        if (winner := winners.get(_folded(file), file.name)) != file.name and (asked is None or file.name in asked)
    )
    out = {entry.file for entry in superseded}
    counted = [file for file in ordered if winners.get(_folded(file), file.name) == file.name]
    wanted = [file for file in counted if (asked is None or file.name in asked) and file.name not in out]
    names = {file.name for file in wanted}
    problems = [problem for file in wanted for problem in file.problems]
    problems += _across(counted, names)
    nodes = tuple(node for file in wanted if (node := _node(file)) is not None)
    return NodeSet(nodes, superseded, tuple(problems), {file.name: file.raw for file in wanted})


def _folded(file: ReadFile) -> str:
    return (file.hostname or f"/{file.name}").lower()  # "/" is in no host name: a file without one is alone


def _latest_by_hostname(ordered: list[ReadFile]) -> dict[str, str]:
    return {_folded(file): file.name for file in ordered}


def _node(file: ReadFile) -> Node | None:
    stated = file.stated
    if stated is None or stated.chosen is None or has_errors(file.problems):
        return None
    address, source = stated.chosen
    return Node(
        file=file.name,
        sha256=file.sha256,
        number=number_of(file.name) or 0,
        hostname=stated.hostname,
        address=address,
        address_source=source,
        port=stated.port,
        user=stated.user,
    )


def _across(files: list[ReadFile], asked: set[str]) -> Iterator[Problem]:
    """Find what only two files together can get wrong; told at the asked one of them, once a pair of files."""
    owners: dict[str, list[tuple[ReadFile, str]]] = defaultdict(list)
    for file in files:
        for address, path in file.stated.claims if file.stated else ():
            owners[address].append((file, path))
    for address, claims in owners.items():
        yield from _shared_address(address, claims, asked)
    for file in files:
        vip = file.stated.server_vip if file.stated else ""
        owner = next((claim for claim, _ in owners.get(vip, []) if {file.name, claim.name} & asked), None)
        if vip and owner is not None:
            text = f"the virtual address must not be a node's own, but {owner.hostname} ({owner.name}) has it"
            told = file if file.name in asked else owner
            place = Spot(told.name).at("server_vip") if told is file else Spot(told.name)
            yield place.error(Code.VIP_IS_NODE_ADDRESS, text, vip)


def _shared_address(address: str, claims: list[tuple[ReadFile, str]], asked: set[str]) -> Iterator[Problem]:
    first, _ = claims[0]
    for file, path in claims[1:]:
        if file.name == first.name or not {file.name, first.name} & asked:
            continue
        text = (
            f"{file.hostname} ({file.name}) has the address of {first.hostname} ({first.name}); "
            f"if {first.name} is out of date, remove it"
        )
        place = Spot(file.name, path) if file.name in asked else Spot(first.name)
        yield place.error(Code.DUPLICATE_ADDRESS, text, address)
