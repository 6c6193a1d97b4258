"""Wait for the verdict of a deployment; print it, and exit with its code."""

import click

from pinakad import config
from pinakad.cli.console.exits import exit_codes
from pinakad.cli.console.options import duration
from pinakad.cli.console.session import Session, pass_session
from pinakad.cli.views.verdict import end_with_verdict
from pinakad.client.lookup import choose_id
from pinakad.client.refs import DeploymentRef, Exactly, ref_to_latest
from pinakad.markers.folder import Markers
from pinakad.state.store import Store

_HELP = f"""Wait for the verdict, and exit with it.

\b
  pinakactl wait
  pinakactl wait --timeout 20m && echo all nodes are up
  touch .../deployment_in_progress; pinakactl wait
  pinakactl wait 17             that one, by its id or counter

It waits for what is asked for and not served yet, else for what is running; where nothing is, it tells the latest
verdict. The daemon may be restarted meanwhile.

{exit_codes()}
"""


@click.command(name="wait", help=_HELP)
@click.argument("deployment", metavar="[ID]", required=False)
@click.option("--timeout", type=duration, metavar="DURATION", help="Wait so long at most: 90, 20m, 2h.")
@click.option("-q", "--quiet", is_flag=True, help="Tell the verdict only.")
@pass_session
def command(session: Session, deployment: str | None, timeout: float | None, *, quiet: bool) -> None:
    """Wait."""
    settings = session.settings()
    store, markers = Store(config.state_dir()), Markers(settings.markers_dir)
    ref: DeploymentRef = ref_to_latest(store, markers) if deployment is None else Exactly(choose_id(store, deployment))
    end_with_verdict(settings, ref, timeout, quiet=quiet)
