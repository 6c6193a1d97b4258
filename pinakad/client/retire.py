"""Move the files of machines that are gone aside, so that they do not fail every later deployment."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pinakad.client.errors import AmbiguousFileError, AskedForError, UnknownFileError
from pinakad.client.node_store import RETIRED, locked
from pinakad.client.node_store import retire as move_aside
from pinakad.client.pending import unserved
from pinakad.client.plan import node_files
from pinakad.config import Config
from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.nodes.conflicts import namesakes
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.problems import has_errors
from pinakad.state.store import Store

_SHOWN = 5


@dataclass(frozen=True)
class Retirement:
    """The files that were moved (or would be), their new places, and how many node files are left."""

    files: list[ParsedNodeFile]
    places: list[Path]
    left: int


def retire_nodes(settings: Config, texts: Sequence[str], state_dir: Path, *, dry_run: bool = False) -> Retirement:
    """Move the files of the nodes that the texts name: by host name, polled address or file.

    Raises UnknownFileError, AmbiguousFileError, AskedForError and the errors of the folder.
    """
    with locked(settings.nodes_dir) as folder:
        files = node_files(settings, folder)
        chosen = {file.name: file for text in texts for file in _chosen(files, text, settings)}
        _refuse_if_asked_for(settings, state_dir, set(chosen))
        names = sorted(chosen, key=lambda name: chosen[name].key)
        places = move_aside(folder, names) if not dry_run else [settings.nodes_dir / RETIRED / n for n in names]
    return Retirement([chosen[name] for name in names], places, len(files) - len(names))


def _chosen(files: list[ParsedNodeFile], text: str, settings: Config) -> list[ParsedNodeFile]:
    """Return the files that `text` names: one file, or all files of a node."""
    wanted = text.lower()
    for file in files:
        if file.name.lower() == wanted:
            group = _same_name(files, file)
            return [file] if file is not group[-1] or _are_two_machines(group, settings) else group
    group = _same_name(files, _named(files, text, settings))
    if _are_two_machines(group, settings):
        which = ", ".join(file.name for file in group[:_SHOWN])
        text = f"the files with the host name of '{text}' are two machines"
        raise AmbiguousFileError(text, f"name the file: {which}")
    return group


def _named(files: list[ParsedNodeFile], text: str, settings: Config) -> ParsedNodeFile:
    """Return a file of the node with this host name, polled address or first label."""
    wanted = text.lower()
    found = [file for file in files if (file.hostname or "").lower() == wanted]
    found = found or [file for file in files if _address(file) == wanted]
    found = found or [file for file in files if (file.hostname or "").lower().split(".")[0] == wanted]
    names = sorted({(file.hostname or file.name).lower() for file in found})
    if not found:
        raise UnknownFileError(text, settings.nodes_dir)
    if len(names) > 1:
        which = ", ".join(names[:_SHOWN])
        raise AmbiguousFileError(f"cannot tell which node '{text}' is: {which}", "write the host name or the file")
    return found[0]


def _same_name(files: list[ParsedNodeFile], file: ParsedNodeFile) -> list[ParsedNodeFile]:
    """Return the files with the host name of `file`, in order: the last one counts, the others are superseded."""
    hostname = (file.hostname or "").lower()
    found = [other for other in files if hostname and (other.hostname or "").lower() == hostname]
    return sorted(found or [file], key=lambda other: other.key)


def _are_two_machines(group: list[ParsedNodeFile], settings: Config) -> bool:
    return has_errors(namesakes(group, None, ssh_port=settings.ssh.port))


def _address(file: ParsedNodeFile) -> str | None:
    chosen = file.stated.chosen if file.stated else None
    return chosen[0].lower() if chosen else None


def _refuse_if_asked_for(settings: Config, state_dir: Path, names: set[str]) -> None:
    markers = Markers(settings.markers_dir)
    waiting = unserved(Store(state_dir), markers)
    asked = set(waiting.document.nodes or ()) if waiting and waiting.document else set()
    if asked & names:
        raise AskedForError(sorted(asked & names)[:_SHOWN], markers.folder / REQUEST)
