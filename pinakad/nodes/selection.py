"""Which nodes does a deployment have, given all node files?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pinakad.nodes.addresses import AddressSource
from pinakad.nodes.conflicts import conflicts, namesakes
from pinakad.nodes.node_file import number_of
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.printable import printable
from pinakad.problems import Code, Problem, Spot, has_errors

SSH_PORT = 22


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
    fingerprints: tuple[str, ...] = ()
    current: str | None = None


@dataclass(frozen=True, slots=True)
class Superseded:
    """A file that does not count, because a later one has the same host name."""

    file: str
    hostname: str
    by: str


@dataclass(frozen=True, slots=True)
class NodeSet:
    """The nodes and problems of a request. `files` are the node files that count: name -> content, in order."""

    nodes: tuple[Node, ...]
    superseded: tuple[Superseded, ...]
    problems: tuple[Problem, ...]
    files: Mapping[str, bytes]

    @property
    def ok(self) -> bool:
        """Whether no problem prevents the launch."""
        return not has_errors(self.problems)


def ignored_text(names: Sequence[str], more: int = 0) -> str:
    """Return the sentence that names the ignored files, `more` unnamed ones, and the form of a node file's name."""
    shown = ", ".join(f"'{printable(name)}'" for name in names) + (f" and {more} more" if more else "")
    return f"{shown} {'is' if len(names) + more == 1 else 'are'} ignored: a node file is named node_<digits>.json"


def no_node_file_text(ignored: Sequence[str]) -> str:
    """Return the sentence that there is no node file, with the ignored files that may be meant as such."""
    return "there is no node file" + (f"; {ignored_text(ignored)}" if ignored else "")


def select_nodes(
    files: Iterable[ParsedNodeFile], asked: frozenset[str] | None = None, *, ssh_port: int = SSH_PORT
) -> NodeSet:
    """Return the nodes of all `files`, or of those whose names are in `asked`.

    Of the files with one host name (case ignored) the one with the highest number counts; the others are superseded.
    That is decided over all files. Problems of files that are not asked for do not count. `ssh_port` is the port of a
    file that names none. Nothing is raised.
    """
    groups = _by_hostname(sorted(files, key=lambda file: file.key))
    counted = sorted((group[-1] for group in groups), key=lambda file: file.key)
    wanted = [file for file in counted if asked is None or file.name in asked]
    problems = [problem for file in wanted for problem in file.problems]
    for group in groups:
        if len(group) > 1:
            problems += namesakes(group, asked, ssh_port=ssh_port)
    problems += conflicts(counted, {file.name for file in wanted}, ssh_port=ssh_port)
    if asked is None:
        problems += _without_control(counted)
    return NodeSet(
        nodes=tuple(node for file in wanted if (node := _node(file)) is not None),
        superseded=tuple(_superseded(groups, asked)),
        problems=tuple(problems),
        files={file.name: file.raw for file in wanted},
    )


def _by_hostname(ordered: Iterable[ParsedNodeFile]) -> list[list[ParsedNodeFile]]:
    groups: dict[str, list[ParsedNodeFile]] = defaultdict(list)
    for file in ordered:
        groups[(file.hostname or f"/{file.name}").lower()].append(
            file
        )  # no host name contains "/": a file without host name is a group of its own
    return list(groups.values())


def _superseded(groups: Sequence[Sequence[ParsedNodeFile]], asked: frozenset[str] | None) -> list[Superseded]:
    older = [(file, group[-1]) for group in groups for file in group[:-1] if asked is None or file.name in asked]
    older.sort(key=lambda pair: pair[0].key)
    return [Superseded(file.name, file.hostname or "", latest.name) for file, latest in older]


def _without_control(counted: Sequence[ParsedNodeFile]) -> Iterator[Problem]:
    if counted and all(file.stated and not file.stated.has_control for file in counted):
        yield Spot("").warning(Code.NO_CONTROL, "no node has the role Control")


def _node(file: ParsedNodeFile) -> Node | None:
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
        fingerprints=stated.fingerprints,
        current=stated.current,
    )
