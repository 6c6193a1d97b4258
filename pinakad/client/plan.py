"""What do new node files mean together with those that are in the folder already?"""

from dataclasses import dataclass

from pinakad.client.errors import NotStoredError, NoWriteError
from pinakad.client.sources import Source, as_drafts
from pinakad.config import Config
from pinakad.linux.open_folder import OpenFolder
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.nodes.selection import NodeSet, Superseded, select_nodes
from pinakad.problems import Code, Problem, Severity, Spot


@dataclass(frozen=True)
class Plan:
    """The nodes to store, and the node set that they form with the files that are in the folder already."""

    sources: list[Source]
    found: NodeSet
    replaced: dict[str, list[str]]
    """Label of a source -> the files in the folder that it supersedes."""


def successors(settings: Config, folder: OpenFolder) -> "Successors":
    """Return which file counts in a file's place, as the folder is now. Raises NoWriteError."""
    found = select_nodes(node_files(settings, folder), ssh_port=settings.ssh.port)
    return Successors({entry.file: entry.by for entry in found.superseded})


class Successors(dict[str, str]):
    """Superseded file -> the one that counts."""

    def __call__(self, name: str) -> str:
        """Return the file that counts for the node of this one."""
        return self.get(name, name)


def node_files(settings: Config, folder: OpenFolder) -> list[ParsedNodeFile]:
    """Return all node files as they are in the folder now. Raises NoWriteError."""
    try:
        return NodesFolder(folder.here).scan(allow_loopback=settings.ssh.allow_loopback)
    except OSError as error:
        raise NoWriteError(folder.path, error) from error


def plan_of(settings: Config, folder: OpenFolder, sources: list[Source]) -> Plan:
    """Check the sources together with each other and with the files in the folder.

    Raises NotStoredError, which names every problem, and NoWriteError.
    """
    loopback = settings.ssh.allow_loopback
    drafts = as_drafts(sources, allow_loopback=loopback)
    labels = frozenset(source.label for source in sources)
    present = node_files(settings, folder)
    found = select_nodes([*present, *drafts], labels, ssh_port=settings.ssh.port)
    wrong = [problem for problem in found.problems if problem.severity is Severity.ERROR]
    wrong += [_named_twice(entry) for entry in found.superseded]
    if len(labels) < len(sources):
        wrong.append(Spot("").error(Code.DUPLICATE_KEY, "a file is named twice"))
    if wrong:
        raise NotStoredError([problem.line() for problem in wrong], wrong)
    replaced: dict[str, list[str]] = {label: [] for label in labels}
    for entry in select_nodes([*present, *drafts], ssh_port=settings.ssh.port).superseded:
        if entry.by in replaced:
            replaced[entry.by].append(entry.file)
    return Plan(sources, found, replaced)


def _named_twice(entry: Superseded) -> Problem:
    text = f"it is {entry.hostname}, and so is {entry.by}: leave one of them out"
    return Spot(entry.file).error(Code.HOSTNAME_REUSED, text)
