"""Ask the daemon whether a login at an address or a node works."""

import click

from pinakad import config
from pinakad.cli.console.exits import exit_codes
from pinakad.cli.console.options import duration
from pinakad.cli.console.screen import open_console, plain, show
from pinakad.cli.console.session import Session, pass_session
from pinakad.client.access import opened
from pinakad.client.plan import node_files
from pinakad.client.reach import address_of, ask_reach
from pinakad.report.reach import ReachAnswer
from pinakad.report.remedies import OF_NODES

_CODES = {0: "the login works", 1: "it does not, or the question was not answered in time", 6: "no daemon runs"}
_HELP = f"""Ask the daemon to try a login.

\b
  pinakactl reach sqdn-007        a node, by its host name
  pinakactl reach 10.0.0.7        an address
  pinakactl reach 10.0.0.7 --json

The daemon makes one attempt with its key, beside whatever it deploys, and tells how far it came. You need no key. It
only asks addresses in [ssh] reach_networks (default: the subnets of the node files). This says nothing of any
deployment: its verdict rests on attempts of its own.

{exit_codes(_CODES, without=(3, 4, 5))}
"""


@click.command(name="reach", help=_HELP)
@click.argument("where", metavar="ADDRESS|NODE")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as the daemon wrote it.")
@click.option("--timeout", type=duration, metavar="DURATION", default="30s", help="The limit: 90, 20s, 2m.")
@pass_session
def command(session: Session, where: str, timeout: float, *, as_json: bool) -> None:
    """Reach."""
    settings = session.settings()
    with opened(settings.nodes_dir) as folder:
        address = address_of(node_files(settings, folder), where, settings.nodes_dir)
    answer = ask_reach(settings, config.state_dir(), config.runtime_dir(), address, timeout)
    if as_json:
        click.echo(answer.model_dump_json(by_alias=True))
    else:
        _print(answer, where)
    click.get_current_context().exit(0 if answer.reached else 1)


def _print(answer: ReachAnswer, where: str) -> None:
    console = open_console()
    if answer.refused:
        show(console, plain(f"{where}: not asked: {answer.message}", "yellow"))
        return
    if answer.reached:
        name = f", it names itself {answer.hostname}" if answer.hostname else ""
        show(console, plain(f"{where}: ", "green"), plain(f"the login works{name}"))
        return
    rung = f"it came as far as {answer.rung}" if answer.rung else "not even a connection"
    why = f" ({answer.message})" if answer.message else ""
    show(console, plain(f"{where}: ", "red"), plain(f"{answer.reason}{why}; {rung}"))
    if answer.reason is not None:
        show(console, plain(OF_NODES[answer.reason].do))
