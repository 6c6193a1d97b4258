"""Are these node files good: what the daemon would say about them, before anybody asks it?"""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pinakad.cli.console.screen import columns, open_console, plain, show, show_table
from pinakad.cli.console.session import Session, WrongUseError, pass_session
from pinakad.client.sources import STDIN_NAME, as_draft
from pinakad.config import Config
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.nodes import strict_json
from pinakad.nodes.addresses import AddressSource
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.node_file import number_of
from pinakad.nodes.reading import ParsedNodeFile, read_file, unreadable
from pinakad.nodes.selection import NodeSet, select_nodes
from pinakad.printable import cause_of
from pinakad.problems import Code, Problem, Severity

_HOW = {
    AddressSource.SSH: "its ssh.address",
    AddressSource.MGMT: "the first interface of type Mgmt",
    AddressSource.VXLAN: "the first interface of type VXLAN, as no Mgmt has an address",
    AddressSource.PRIMARY: "the first interface of type Primary",
    AddressSource.GATEWAY: "the interface with the gateway",
    AddressSource.ONLY: "the only usable address",
}
_HELP = """Tell every problem of node files, all at once.

\b
  pinakactl validate                        the configured nodes folder
  pinakactl validate nodes/                 all node_<digits>.json in a folder
  pinakactl validate draft.json             a draft, under whatever name
  pinakactl validate nodes/ draft.json      is it good together with the others?
  make-node-file | pinakactl validate -

The files are read by the daemon's own code, and for each node it tells which address would be polled, and why that one.
A draft under another name counts as newer than every numbered file, in the order of the command line.

Exit code: 0 good (warnings hold nobody up), 1 a deployment of these files would fail, 2 wrong usage.
"""


@click.command(help=_HELP)
@click.argument("paths", nargs=-1, metavar="[FILE|DIR|-]...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print {ok, nodes, superseded, problems} as JSON.")
@pass_session
def command(session: Session, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Print what the files say."""
    settings = session.settings()
    loopback = settings.ssh.allow_loopback
    files = _read_all(paths or (settings.nodes_dir,), allow_loopback=loopback)
    found = select_nodes(files, ssh_port=settings.ssh.port)
    good = found.ok and bool(files)
    if as_json:
        click.echo(json.dumps({"ok": good} | _document(found, settings), indent=1))
    else:
        _print(open_console(), files, found)
    click.get_current_context().exit(0 if good else 1)


# --- reading


def _read_all(paths: tuple[Path, ...], *, allow_loopback: bool) -> list[ParsedNodeFile]:
    """Read what the paths name, each file once. Raises WrongUseError."""
    found: dict[str, tuple[Path, ParsedNodeFile]] = {}
    for path in paths:
        for place, file in _read_path(path, len(found), allow_loopback=allow_loopback):
            known = found.setdefault(file.name, (place, file))
            if known[0] != place:
                text = f"cannot validate '{known[0]}' together with '{place}': a deployment has each name once"
                raise WrongUseError(text)
    return [file for _, file in found.values()]


def _read_path(path: Path, position: int, *, allow_loopback: bool) -> list[tuple[Path, ParsedNodeFile]]:
    if str(path) == "-":
        raw = sys.stdin.buffer.read(strict_json.MAX_BYTES + 1)
        return [(path, as_draft(read_file(STDIN_NAME, raw, allow_loopback=allow_loopback), position))]
    if path.is_dir():
        try:
            files = NodesFolder(path).scan(allow_loopback=allow_loopback)
        except OSError as error:
            raise WrongUseError(f"cannot read the folder '{path}': {cause_of(error)}") from error
        return [(path.resolve() / file.name, file) for file in files]
    file = _read_one(path, allow_loopback=allow_loopback)
    place = path.parent.resolve() / path.name
    return [(place, file if number_of(path.name) is not None else as_draft(file, position))]


def _read_one(path: Path, *, allow_loopback: bool) -> ParsedNodeFile:
    """Read one file as the daemon reads it. Raises WrongUseError where there is none."""
    try:
        return read_file(path.name, read_regular(path, strict_json.MAX_BYTES), allow_loopback=allow_loopback)
    except NotRegularError:
        text = "a node file must be a regular file, not a folder, a link or the like"
        return unreadable(path.name, Code.NOT_A_FILE, text)
    except FileNotFoundError as error:
        raise WrongUseError(f"cannot read '{path}': there is no such file or folder") from error
    except OSError as error:
        return unreadable(path.name, Code.UNREADABLE, f"cannot read the file: {cause_of(error)}")


# --- telling


def _document(found: NodeSet, settings: Config) -> dict[str, Any]:
    """Return what was found, with the names that the report has."""
    nodes = [
        {
            "file": node.file,
            "sha256": node.sha256,
            "hostname": node.hostname,
            "address": node.address,
            "address_source": node.address_source,
            "port": node.port or settings.ssh.port,
            "user": node.user or settings.ssh.user,
        }
        for node in found.nodes
    ]
    superseded = [{"file": entry.file, "hostname": entry.hostname, "by": entry.by} for entry in found.superseded]
    problems = [problem.model_dump(mode="json") for problem in found.problems]
    return {"nodes": nodes, "superseded": superseded, "problems": problems}


def _print(console: Console, files: list[ParsedNodeFile], found: NodeSet) -> None:
    if not files:
        show(console, plain("there is no node file (node_<digits>.json): a deployment would fail with no_nodes", "red"))
        return
    if found.nodes:
        table = columns("file", "node", "polled at", "because it is")
        for node in found.nodes:
            table.add_row(*map(plain, (node.file, node.hostname, node.address, _HOW[node.address_source])))
        show_table(console, table)
        console.print()
    for entry in found.superseded:
        text = f"{entry.file}: superseded by {entry.by}, which is {entry.hostname} too"
        show(console, plain("superseded  ", "dim"), plain(text))
    for problem in sorted(found.problems, key=lambda problem: problem.severity is not Severity.ERROR):
        _print_problem(console, problem)
    show(console, plain(_sum(files, found), "green" if found.ok else "bold red"))


def _print_problem(console: Console, problem: Problem) -> None:
    style = "red" if problem.severity is Severity.ERROR else "yellow"
    show(console, plain(f"{problem.severity:<12}", style), plain(problem.line()))


def _sum(files: list[ParsedNodeFile], found: NodeSet) -> str:
    errors = sum(problem.severity is Severity.ERROR for problem in found.problems)
    counts = {
        "file": len(files),
        "node": len(found.nodes),
        "superseded": len(found.superseded),
        "error": errors,
        "warning": len(found.problems) - errors,
    }
    parts = [_counted(number, what) for what, number in counts.items() if number or what in ("file", "node")]
    return f"{', '.join(parts)}: {'good' if found.ok else 'a deployment of these files would fail'}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 or what == "superseded" else f"{number} {what}s"
