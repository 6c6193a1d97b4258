"""Move the files of machines that are gone aside, so that they do not fail every later deployment."""

import click

from pinakad import config
from pinakad.cli.console.screen import open_console, plain, show
from pinakad.cli.console.session import Session, pass_session
from pinakad.client.node_store import RETIRED
from pinakad.client.retire import retire_nodes

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
    found = retire_nodes(settings, nodes, config.state_dir(), dry_run=dry_run)
    verb = "would retire" if dry_run else "retired"
    for file, place in zip(found.files, found.places, strict=True):
        text = f"{file.name} ({file.hostname or 'no host name'}) -> {place}"
        show(console, plain(f"{verb:<13}", "dim"), plain(text))
    if found.left == 0:
        show(console, plain("no node file is left: a deployment would fail with no_nodes", "yellow"))
