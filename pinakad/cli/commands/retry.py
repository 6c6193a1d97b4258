"""Ask for a deployment once more: of the same nodes, or of those that failed."""

import click

from pinakad import config
from pinakad.cli.console.exits import NothingError, exit_codes
from pinakad.cli.console.options import duration, valid_request_id
from pinakad.cli.console.screen import open_console, plain, show
from pinakad.cli.console.session import Session, WrongUseError, pass_session
from pinakad.cli.views.verdict import end_with_verdict, show_submitted
from pinakad.client.lookup import choose_id, known_ids, load
from pinakad.client.retry import Again, retry
from pinakad.client.submit import new_request_id
from pinakad.state.store import Store

_CODES = {
    0: "asked for; with --wait: the deployment completed",
    5: "there is no deployment, or no node of it to try again",
}
_HELP = f"""Ask for a deployment once more.

\b
  pinakactl retry --failed --wait      the nodes of the latest deployment that are not up
  pinakactl retry                      all its nodes
  pinakactl retry 17 --failed          of that one, by its id or counter

The request names the node files. Where a node was applied again since, its newer file is named; a node that was
retired since is left out.

{exit_codes(_CODES)}

Without --wait only 0, 1, 2 and 5 are possible.
"""


@click.command(name="retry", help=_HELP)
@click.argument("deployment", metavar="[ID]", required=False)
@click.option("--failed", is_flag=True, help="Only the nodes that were not up at its end.")
@click.option("--wait", is_flag=True, help="Follow it to its verdict, and exit with that.")
@click.option("--timeout", type=duration, metavar="DURATION", help="With --wait: so long at most, as 90, 20m, 2h.")
@click.option(
    "--request-id", metavar="TEXT", callback=valid_request_id, help="An id of your own, which the report repeats."
)
@pass_session
def command(
    session: Session,
    deployment: str | None,
    timeout: float | None,
    request_id: str | None,
    *,
    failed: bool,
    wait: bool,
) -> None:
    """Retry."""
    if timeout is not None and not wait:
        raise WrongUseError("--timeout says how long to wait, and needs --wait; see pinakactl retry --help")
    settings, store = session.settings(), Store(config.state_dir())
    if not known_ids(store):
        raise NothingError("there is no deployment yet that could be tried again; pinakactl apply makes one")
    report = load(store, choose_id(store, deployment))
    retried = retry(settings, report, request_id or new_request_id(), config.state_dir(), failed=failed)
    _print(retried.again)
    show_submitted(open_console(), retried.submitted)
    if wait:
        end_with_verdict(settings, retried.submitted.ref, timeout)


def _print(again: Again) -> None:
    console = open_console()
    for name in again.gone:
        show(console, plain("left out    ", "dim"), plain(f"{name}: it is not there any more", "yellow"))
    for name, by in again.instead:
        show(console, plain("instead     ", "dim"), plain(f"{by}, which came after {name}"))
