"""Store node files and ask for their deployment: all of them, or nothing."""

from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from pinakad import config
from pinakad.cli.commands.wait import duration, end_with_verdict
from pinakad.cli.console.access import no_write, opened
from pinakad.cli.console.exits import exit_codes
from pinakad.cli.console.screen import columns, open_console, plain, show, show_table
from pinakad.cli.console.session import FaultError, Session, WrongUseError, pass_session
from pinakad.client.node_store import file_name, locked, next_number, store
from pinakad.client.sources import Source, as_drafts, read_sources
from pinakad.client.submit import Asked, Submitter, new_request_id
from pinakad.config import Config
from pinakad.linux.locks import is_locked
from pinakad.linux.open_folder import OpenFolder
from pinakad.markers.folder import Markers
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.selection import NodeSet, ParsedNodeFile, select_nodes
from pinakad.problems import Severity
from pinakad.report.request import MAX_REQUEST_ID
from pinakad.state.store import Store

_HELP = f"""Store node files and ask for their deployment.

\b
  pinakactl apply node.json --wait
  pinakactl apply rack7/*.json
  make-node-files | pinakactl apply - --dry-run
  pinakactl apply nodes.json --wait --timeout 30m --request-id ticket-4711

A FILE has one node, a list of nodes, or an object of nodes keyed by address. All problems of all of them are told at
once, together with what lies in the nodes folder already; where there is one, nothing is stored. Otherwise they are
stored under the next numbers, and then their deployment is asked for. A node that is there already is superseded.

The request names the files that were stored. Where one is there that was not served yet, the two become one.

{exit_codes({0: "asked for; with --wait: the deployment completed"})}

Without --wait only 0, 1 and 2 are possible.
"""


@dataclass(frozen=True)
class Plan:
    """What is to be stored, and what it means together with what lies there."""

    sources: list[Source]
    found: NodeSet
    replaced: dict[str, list[str]]
    """For each label the files that it supersedes."""


def valid_request_id(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Check an id of the operator's."""
    if text is not None and (not text.strip() or len(text) > MAX_REQUEST_ID):
        raise click.BadParameter(f"a request id has 1 to {MAX_REQUEST_ID} characters")
    return text.strip() if text is not None else None


@click.command(help=_HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILE...|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--wait", is_flag=True, help="Follow it to its verdict, and exit with that.")
@click.option("--timeout", type=duration, metavar="DURATION", help="With --wait: so long at most, as 90, 20m, 2h.")
@click.option("--dry-run", is_flag=True, help="Tell what would be stored, superseded and polled, and do nothing.")
@click.option(
    "--request-id", metavar="TEXT", callback=valid_request_id, help="An id of your own, which the report repeats."
)
@pass_session
def command(
    session: Session,
    files: tuple[Path, ...],
    timeout: float | None,
    request_id: str | None,
    *,
    wait: bool,
    dry_run: bool,
) -> None:
    """Apply."""
    if timeout is not None and not wait:
        raise WrongUseError("--timeout says how long to wait, and needs --wait; see pinakactl apply --help")
    settings, console = session.settings(), open_console()
    sources = read_sources(files)
    if dry_run:
        with opened(settings.nodes_dir) as folder:
            plan = _plan(settings, folder, sources)
            first = next_number(folder)
        _print(console, plan, [file_name(first + position) for position in range(len(sources))], "would store")
        return
    asked = _apply(console, settings, sources, request_id or new_request_id())
    tell_asked(console, asked)
    if wait:
        end_with_verdict(settings, asked.ref, timeout)


def _apply(console: Console, settings: Config, sources: list[Source], request_id: str) -> Asked:
    with locked(settings.nodes_dir) as folder, opened(settings.markers_dir) as place:
        submitter = Submitter(Store(config.state_dir()), Markers(settings.markers_dir), place)
        plan = _plan(settings, folder, sources)
        submitter.require_place()
        submitter.let_it_be_taken()
        names = store(folder, [source.raw for source in sources])
        _print(console, plan, names, "stored")
        return submitter.ask(names, request_id, successors(settings, folder))


def successors(settings: Config, folder: OpenFolder) -> "Successors":
    """Return which file counts in a file's place, as the folder is now. Raises FaultError."""
    found = select_nodes(node_files(settings, folder), ssh_port=settings.ssh.port)
    return Successors({entry.file: entry.by for entry in found.superseded})


class Successors(dict[str, str]):
    """Superseded file -> the one that counts."""

    def __call__(self, name: str) -> str:
        """Return the file that counts for the node of this one."""
        return self.get(name, name)


def tell_asked(console: Console, asked: Asked) -> None:
    """Tell that the request was made, and what that means."""
    nodes = (
        "all nodes" if asked.ref.nodes is None else f"{len(asked.ref.nodes)} node{'s' * (len(asked.ref.nodes) != 1)}"
    )
    joined = ", together with a request that was not served yet" if asked.joined else ""
    show(console, plain("asked for   ", "dim"), plain(f"{nodes}, request {asked.ref.request_id}{joined}"))
    if not is_locked(Store(config.state_dir()).lock_file):
        text = "no daemon runs: it is served when one is started, systemctl start pinakad"
        show(open_console(stderr=True), plain(f"pinakactl: {text}", "yellow"))


# --- the plan


def node_files(settings: Config, folder: OpenFolder) -> list[ParsedNodeFile]:
    """Return all node files as they lie there. Raises FaultError."""
    try:
        return NodesFolder(folder.here).scan(allow_loopback=settings.ssh.allow_loopback)
    except OSError as error:
        raise no_write(folder.path, error) from error


def _plan(settings: Config, folder: OpenFolder, sources: list[Source]) -> Plan:
    """Hold the drafts against each other and against what lies there. Raises FaultError with every problem."""
    loopback = settings.ssh.allow_loopback
    drafts = as_drafts(sources, allow_loopback=loopback)
    labels = frozenset(source.label for source in sources)
    lying = node_files(settings, folder)
    found = select_nodes([*lying, *drafts], labels, ssh_port=settings.ssh.port)
    wrong = [problem.line() for problem in found.problems if problem.severity is Severity.ERROR]
    wrong += [
        f"{entry.file}: it is {entry.hostname}, and so is {entry.by}: leave one of them out"
        for entry in found.superseded
    ]
    if len(labels) < len(sources):
        wrong.append("a file is named twice")
    if wrong:
        raise FaultError("\n".join((*wrong, "nothing was stored")))
    replaced: dict[str, list[str]] = {label: [] for label in labels}
    for entry in select_nodes([*lying, *drafts], ssh_port=settings.ssh.port).superseded:
        if entry.by in replaced:
            replaced[entry.by].append(entry.file)
    return Plan(sources, found, replaced)


def _print(console: Console, plan: Plan, names: list[str], verb: str) -> None:
    table = columns(verb, "node", "polled at", "from", "supersedes")
    nodes = {node.file: node for node in plan.found.nodes}
    for source, name in zip(plan.sources, names, strict=True):
        node, older = nodes[source.label], ", ".join(plan.replaced[source.label])
        table.add_row(*map(plain, (name, node.hostname, node.address, source.label, older or "-")))
    show_table(console, table)
    for problem in plan.found.problems:
        show(console, plain(f"{problem.severity:<12}", "yellow"), plain(problem.line()))
