"""What is running, and how long may it take?"""

import click

from pinakad import config
from pinakad.cli.console.exits import EXIT_NO_DAEMON, EXIT_NOTHING, exit_code_of, exit_codes
from pinakad.cli.console.screen import json_text, open_console, plain, show, show_part
from pinakad.cli.console.session import Session, WrongUseError, pass_session
from pinakad.cli.views.overview import node_table, overview
from pinakad.client.daemon_view import DaemonView, read_daemon_view
from pinakad.linux.clock import now

_OTHER_LINES = 15
MAX_ROWS = 10
_CODES = {
    0: "told; with --exit-code: the latest deployment completed",
    4: "it is running",
    5: "there was no deployment yet",
    6: "it is not over, and no daemon runs",
}
_HELP = f"""Tell what is running and how long it may take.

\b
  pinakactl status
  pinakactl status --watch                  live, until Ctrl-C
  pinakactl status --nodes                  all nodes, not only the slowest
  pinakactl status --exit-code > /dev/null; echo $?
  pinakactl status --json | jq '.counts, .outcome'

It reads what the daemon writes ($RUNTIME_DIRECTORY/status.json), or, where no daemon runs, the latest report in the
state folder ($STATE_DIRECTORY). In a pipe, --watch prints a line for each change.

{exit_codes(_CODES)}

Without --exit-code it is 0 whatever the outcome is. With --watch --exit-code it ends with the deployment.
"""


@click.command(help=_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print the report of the running or latest deployment, or null.")
@click.option("--nodes", "all_nodes", is_flag=True, help="Show all nodes.")
@click.option("--watch", is_flag=True, help="Go on showing it, until Ctrl-C.")
@click.option("--exit-code", "with_code", is_flag=True, help="Tell by the exit code how it stands.")
@pass_session
def command(session: Session, *, as_json: bool, all_nodes: bool, watch: bool, with_code: bool) -> None:  # noqa: ARG001 - every command has the session
    """Print the running or latest deployment."""
    if watch and (as_json or all_nodes):
        raise WrongUseError("--watch shows what fits on the screen: leave --json or --nodes out")
    if watch:
        from pinakad.cli.views.watching import watch as go_on  # noqa: PLC0415 - a single screen needs none of it

        view = go_on(open_console(), config.state_dir(), config.runtime_dir(), until_over=with_code)
    else:
        view = read_daemon_view(config.state_dir(), config.runtime_dir())
        _print(view, as_json=as_json, all_nodes=all_nodes)
    if with_code:
        click.get_current_context().exit(_exit_code(view))


def _print(view: DaemonView, *, as_json: bool, all_nodes: bool) -> None:
    if as_json:
        text = view.report.json_text().decode() if view.report else "null"
        click.echo(json_text(text), nl=view.report is None)
        return
    console, moment = open_console(), now()
    rows = max(3, console.height - _OTHER_LINES) if console.is_terminal else MAX_ROWS
    for part in overview(view, moment, rows=0 if all_nodes else rows, width=console.width):
        show_part(console, part)
    if all_nodes and view.report is not None:
        console.print()
        show_part(console, node_table(view.report.nodes, moment, "node", console.width))
        show(console, plain(f"{len(view.report.nodes)} nodes"))


def _exit_code(view: DaemonView) -> int:
    if view.report is None:
        return EXIT_NOTHING
    if not view.running and not view.report.is_finished:
        return EXIT_NO_DAEMON
    return exit_code_of(view.report)
