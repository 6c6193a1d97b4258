"""What does a deployment need of one node file, and what is wrong with that file?"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pinakad.nodes import strict_json
from pinakad.nodes.addresses import AddressSource, choose
from pinakad.nodes.checks import check, has_control
from pinakad.nodes.keys import with_suggestions
from pinakad.nodes.machine import NOTHING_KNOWN, Machine, machine_of
from pinakad.nodes.node_file import NodeFile, number_of, present
from pinakad.nodes.node_file import read as read_node_file
from pinakad.problems import Code, Problem, Spot, capped

_NEEDS_THE_WHOLE_FILE = {
    Code.NO_POLL_ADDRESS,
    Code.UNKNOWN_BOND,
    Code.BOND_WITHOUT_SLAVE,
    Code.BOND_WITH_ONE_SLAVE,
    Code.NO_ROLE,
}


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The part of a node file's content that a deployment needs; the whole content takes ten times the memory.

    `chosen` is the address to poll and how it was chosen, None where there is none. `current` is where the node answers
    before its deployment.
    """

    hostname: str
    chosen: tuple[str, AddressSource] | None
    port: int | None
    user: str | None
    server_vip: str
    has_control: bool
    fingerprints: tuple[str, ...] = ()
    current: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedNodeFile:
    """One node file as it was found: its facts or its problems. Kept while the file does not change.

    `stated` is None where the shape is wrong, `machine` is known as far as the file can be parsed at all.
    """

    name: str
    raw: bytes
    sha256: str
    stated: NodeFacts | None
    hostname: str | None
    problems: tuple[Problem, ...]
    half_written: bool = False
    machine: Machine = NOTHING_KNOWN

    @property
    def key(self) -> tuple[int, str]:
        """The sort key of node files: the number, then the name."""
        return (number_of(self.name) or 0, self.name)


def read_file(name: str, raw: bytes, *, allow_loopback: bool) -> ParsedNodeFile:
    """Read and check the bytes of one node file on its own. Every problem is in the result; nothing is raised."""
    digest = sha256(raw).hexdigest()
    try:
        value = strict_json.parse(raw)
    except strict_json.JsonError as error:
        problem = Spot(name).error(Code(error.code), f"cannot read the file as JSON: {error}")
        return ParsedNodeFile(
            name, raw, digest, None, None, (problem,), half_written=error.code in ("not_json", "not_utf8")
        )
    content, problems = read_node_file(name, value)
    if content is not None:
        found = check(name, content, allow_loopback=allow_loopback)
        if problems:  # parts of the wrong shape were left out: problems that need the whole file cannot be found
            content, found = None, [problem for problem in found if problem.code not in _NEEDS_THE_WHOLE_FILE]
        problems += found
    problems = capped(with_suggestions(Spot(name), value, problems), Spot(name))
    return ParsedNodeFile(
        name=name,
        raw=raw,
        sha256=digest,
        stated=None if content is None else _stated(content, allow_loopback=allow_loopback),
        hostname=_hostname(value),
        problems=tuple(problems),
        machine=machine_of(value, allow_loopback=allow_loopback),
    )


def unreadable(name: str, code: Code, message: str) -> ParsedNodeFile:
    """Return the result for a file whose bytes could not be read."""
    return ParsedNodeFile(name, b"", "", None, None, (Spot(name).error(code, message),))


def _hostname(value: Any) -> str | None:
    hostname = present(value.get("hostname")) if isinstance(value, dict) else None
    return hostname if isinstance(hostname, str) else None


def _stated(content: NodeFile, *, allow_loopback: bool) -> NodeFacts:
    ssh = content.ssh
    return NodeFacts(
        hostname=content.hostname,
        chosen=choose(content, allow_loopback=allow_loopback),
        port=ssh.port if ssh else None,
        user=ssh.user if ssh else None,
        server_vip=content.server_vip,
        has_control=has_control(content),
        fingerprints=ssh.fingerprints if ssh else (),
        current=ssh.current if ssh else None,
    )
