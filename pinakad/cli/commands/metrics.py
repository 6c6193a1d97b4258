"""What would Prometheus get to see right now?"""

from pathlib import Path

import click

from pinakad import config
from pinakad.cli.console.session import FaultError, Session, pass_session
from pinakad.client.daemon_view import read_daemon_view
from pinakad.client.errors import NoReadError
from pinakad.linux.clock import now
from pinakad.linux.open_folder import shared_folder
from pinakad.printable import cause_of
from pinakad.report.overview import Overview
from pinakad.state.metrics_file import Facts, Ledger, text
from pinakad.state.store import Store

_HELP = """Print what Prometheus wants to know.

\b
  pinakactl metrics
  pinakactl metrics | grep pinakad_nodes
  pinakactl metrics --textfile /var/lib/prometheus/node-exporter/pinakad.prom

It has the deployments by outcome, how long the latest took, its nodes by state and by reason, when the last answer was
given, whether the daemon runs and whether it sees events. With [metrics] textfile in the configuration the daemon
writes the same by itself, at each change of phase and otherwise every 15 seconds.
"""


@click.command(help=_HELP)
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it there, in one step, for node_exporter's textfile collector.",
)
@pass_session
def command(session: Session, textfile: Path | None) -> None:  # noqa: ARG001 - every command has the session
    """Print or write the numbers."""
    exposition = text(_facts())
    if textfile is None:
        click.echo(exposition, nl=False)
        return
    try:
        with shared_folder(textfile.parent) as folder:
            folder.write_whole(textfile.name, exposition, 0o644)
    except OSError as error:
        raise FaultError(
            f"cannot write '{textfile}': {cause_of(error)}; name a file in a folder that you may write in"
        ) from error


def _facts() -> Facts:
    state = config.state_dir()
    view = read_daemon_view(state, config.runtime_dir())
    daemon = view.daemon
    try:
        summaries = Ledger(Store(state)).summaries()
    except OSError as error:
        raise NoReadError(state, error) from error
    return Facts(
        up=view.running,
        events=daemon is not None and daemon.watch == "events",
        queued=daemon is not None and daemon.queued,
        summaries=summaries,
        latest=view.report,
        overview=Overview(view.report.nodes if view.report else ()),
        now_wall_s=now().wall_s,
    )
