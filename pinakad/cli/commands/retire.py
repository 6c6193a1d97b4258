"""Move the files of machines that are gone aside, so that they do not fail every later deployment."""

import click
from rich.console import Console

from pinakad import config
from pinakad.cli.console.screen import open_console, plain, show
from pinakad.cli.console.session import FaultError, Session, WrongUseError, pass_session
from pinakad.client.node_store import RETIRED, locked, retire
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
_HELP = f"""Move a node's files aside.

\b
  pinakactl retire sqdn-007             by its host name (without case)
  pinakactl retire 10.0.0.7             by the address that is polled
  pinakactl retire node_07.json         by its file
  pinakactl retire --dry-run sqdn-007 sqdn-008

A machine that is gone fails every deployment of all nodes. This moves all of its files, the superseded ones too,
into the sub-folder `{RETIRED}` of the nodes folder, which the daemon does not look at. To take one back, move it back.
A superseded file that is named, or one of two machines with one host name, is moved alone.
A deployment that runs has its own copy and is not changed.

\b
Exit codes:
  0  moved
  1  it could not be moved, nothing was
  2  wrong usage or configuration, or there is no such node
"""


@click.command(name="retire", help=_HELP)
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...")
@click.option("--dry-run", is_flag=True, help="Tell what would be moved, and do nothing.")
@pass_session
def command(session: Session, nodes: tuple[str, ...], *, dry_run: bool) -> None:
    """Retire."""
    settings, console = session.settings(), open_console()
    with locked(settings.nodes_dir) as folder:
        files = node_files(settings, folder)
        chosen = {file.name: file for text in nodes for file in _chosen(files, text, settings)}
        _refuse_if_asked_for(settings, set(chosen))
        names = sorted(chosen, key=lambda name: chosen[name].key)
        places = retire(folder, names) if not dry_run else [settings.nodes_dir / RETIRED / n for n in names]
    verb = "would retire" if dry_run else "retired"
    for name, place in zip(names, places, strict=True):
        show(
            console,
            plain(f"{verb:<13}", "dim"),
            plain(f"{name} ({chosen[name].hostname or 'no host name'}) -> {place}"),
        )
    _print_rest(console, len(files) - len(names))


def _print_rest(console: Console, left: int) -> None:
    if left == 0:
        show(console, plain("no node file is left: a deployment would fail with no_nodes", "yellow"))


def _chosen(files: list[ParsedNodeFile], text: str, settings: Config) -> list[ParsedNodeFile]:
    """Return the files that `text` names: one file, or all files of a node. Raises WrongUseError."""
    wanted = text.lower()
    for file in files:
        if file.name.lower() == wanted:
            group = _same_name(files, file)
            return [file] if file is not group[-1] or _are_two_machines(group, settings) else group
    group = _same_name(files, _named(files, text, settings))
    if _are_two_machines(group, settings):
        which = ", ".join(file.name for file in group[:_SHOWN])
        raise WrongUseError(f"the files with the host name of '{text}' are two machines; name the file: {which}")
    return group


def _named(files: list[ParsedNodeFile], text: str, settings: Config) -> ParsedNodeFile:
    """Return a file of the node with this host name, polled address or first label. Raises WrongUseError."""
    wanted = text.lower()
    found = [file for file in files if (file.hostname or "").lower() == wanted]
    found = found or [file for file in files if _address(file) == wanted]
    found = found or [file for file in files if (file.hostname or "").lower().split(".")[0] == wanted]
    names = sorted({(file.hostname or file.name).lower() for file in found})
    if not found:
        text = f"cannot find a node '{text}' in '{settings.nodes_dir}'; pinakactl validate lists them"
        raise WrongUseError(text)
    if len(names) > 1:
        which = ", ".join(names[:_SHOWN])
        raise WrongUseError(f"cannot tell which node '{text}' is: {which}; write the host name or the file")
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


def _refuse_if_asked_for(settings: Config, names: set[str]) -> None:
    markers = Markers(settings.markers_dir)
    waiting = unserved(Store(config.state_dir()), markers)
    asked = set(waiting.document.nodes or ()) if waiting and waiting.document else set()
    if asked & names:
        text = f"cannot retire {', '.join(sorted(asked & names)[:_SHOWN])}: a request that waits to be served names it"
        raise FaultError(f"{text}; pinakactl wait waits for it, rm '{markers.folder / REQUEST}' takes it back")
