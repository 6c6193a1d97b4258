"""Store node files and ask for their deployment: all of them, or nothing."""

import sys
from pathlib import Path

import click
from rich.console import Console

from pinakad import config
from pinakad.cli.console.exits import exit_codes
from pinakad.cli.console.options import duration, valid_request_id
from pinakad.cli.console.screen import columns, open_console, plain, show, show_table
from pinakad.cli.console.session import Session, WrongUseError, pass_session
from pinakad.cli.views.verdict import end_with_verdict, show_submitted
from pinakad.client.apply import Preview, apply, preview
from pinakad.client.sources import read_sources
from pinakad.client.submit import new_request_id

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
    sources = read_sources(files, sys.stdin.buffer)
    if dry_run:
        _print(console, preview(settings, sources), "would store")
        return
    applied = apply(settings, sources, request_id or new_request_id(), config.state_dir())
    _print(console, applied, "stored")
    show_submitted(console, applied.submitted)
    if wait:
        end_with_verdict(settings, applied.submitted.ref, timeout)


# --- the plan


def _print(console: Console, found: Preview, verb: str) -> None:
    plan, names = found.plan, found.names
    table = columns(verb, "node", "polled at", "from", "supersedes")
    nodes = {node.file: node for node in plan.found.nodes}
    for source, name in zip(plan.sources, names, strict=True):
        node, older = nodes[source.label], ", ".join(plan.replaced[source.label])
        table.add_row(*map(plain, (name, node.hostname, node.address, source.label, older or "-")))
    show_table(console, table)
    for problem in plan.found.problems:
        show(console, plain(f"{problem.severity:<12}", "yellow"), plain(problem.line()))
