"""What happened in a deployment, and when: its own steps and those of each node."""

from datetime import datetime

import click
from rich.console import Console

from pinakad import config
from pinakad.cli.console.complete import complete_ids, complete_nodes
from pinakad.cli.console.screen import OUTCOME_STYLES, columns, json_text, open_console, plain, show, show_table
from pinakad.cli.console.session import Session, pass_session
from pinakad.cli.views.overview import script_text
from pinakad.client.daemon_view import by_trouble, in_words
from pinakad.client.lookup import choose_id, choose_node, load
from pinakad.linux.clock import now
from pinakad.polling.vocabulary import NodeState
from pinakad.problems import Problem, Severity
from pinakad.report.document import Report
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import ScriptState
from pinakad.state.store import Store
from pinakad.times import wall_s

_NODE_STYLES = {NodeState.UP: "green", NodeState.WAITING: "yellow", NodeState.FAILED: "red"}
_MAX_ROWS = 500
_MAX_PROBLEMS = 30
_LABEL = 20

_HELP = """Tell what happened in a deployment, and when.

\b
  pinakactl show                            the latest deployment
  pinakactl show 7                          the one whose id ends with .0007
  pinakactl show 20261123T21                the one that was taken then
  pinakactl show --node sqdn-004            everything about one node
  pinakactl show 7 --node 10.0.0.4 --json | jq .reasons

ID is a deployment's id, the beginning of one, or its counter; pinakactl history lists them. NAME is a node's host name,
its address or its file. Times are local, the second column counts from the request.
"""


@click.command(help=_HELP)
@click.argument("identifier", metavar="[ID]", required=False, shell_complete=complete_ids)
@click.option("--node", "name", metavar="NAME", shell_complete=complete_nodes, help="Tell everything about one node.")
@click.option("--json", "as_json", is_flag=True, help="Print the report, or with --node the node's part of it.")
@pass_session
def command(session: Session, identifier: str | None, name: str | None, *, as_json: bool) -> None:  # noqa: ARG001 - every command has the session
    """Print the story of a deployment or of one of its nodes."""
    store = Store(config.state_dir())
    report = load(store, choose_id(store, identifier))
    node = choose_node(report, name) if name is not None else None
    if as_json:
        text = node.model_dump_json(indent=1) if node else report.json_text().decode()
        click.echo(json_text(text), nl=node is not None)
        return
    console = open_console()
    if node is None:
        _print_report(console, report)
    else:
        _print_node(console, report, node)


# --- the run


def timeline(report: Report) -> list[tuple[str, str]]:
    """Return what happened in the run as (timestamp, words), in the order of the times."""
    script = report.script
    steps = [
        (report.requested_at, "requested" + (f" as '{report.request.id}'" if report.request.id else "")),
        (report.started_at, "taken: the node files and the key are checked"),
        (report.clock.launched_at, "launched" if script else "the wait for the nodes begins; the script is not ours"),
        (script.finished_at if script else None, f"the script {_how_it_ended(report)}"),
        (report.polling_at, f"polling of {report.counts.total} nodes begins"),
        (report.finished_at, f"finished: {report.outcome}" + (f" ({report.reason})" if report.reason else "")),
    ]
    return sorted(((at, words) for at, words in steps if at is not None), key=lambda entry: entry[0])


def _how_it_ended(report: Report) -> str:
    script = report.script
    if script is None or script.state is not ScriptState.EXITED:
        return "is lost" if script and script.state is ScriptState.LOST else "was interrupted"
    return script_text(script, now())


def _print_report(console: Console, report: Report) -> None:
    style = OUTCOME_STYLES[report.outcome] if report.outcome else "bold"
    _line(console, "deployment", f"{report.id} on {report.host}, by pinakad {report.version}")
    _line(console, "phase", in_words(report, now()), style)
    if report.message:
        _line(console, "verdict", report.message)
    if report.script is not None:
        _line(console, "script", f"{report.script.path}, by the runner {report.script.runner}")
    console.print()
    _print_times(console, report, timeline(report))
    _print_problems(console, report.problems)
    for entry in report.superseded[:_MAX_PROBLEMS]:
        _line(console, "superseded", f"{entry.file} by {entry.by}, which is {entry.hostname} too")
    if report.nodes:
        console.print()
        _print_nodes(console, report)


def _print_nodes(console: Console, report: Report) -> None:
    table = columns("node", "state", "up", "attempts", "got to", "reason", "rebooted", "first asked", "address")
    troubled = by_trouble(report.nodes)
    ordered = [*troubled, *(node for node in report.nodes if node.state is NodeState.UP)]
    for node in ordered[:_MAX_ROWS]:
        polled = (_since(report, node.up_at), node.attempts, node.rung or "-", node.reason or "-")
        rest = (_yes_or_no(rebooted=node.rebooted), _since(report, node.first_attempt_at), node.address)
        table.add_row(plain(node.hostname), plain(node.state, _NODE_STYLES[node.state]), *map(plain, (*polled, *rest)))
    show_table(console, table)
    if len(ordered) > _MAX_ROWS:
        show(console, plain(f"and {len(ordered) - _MAX_ROWS} more nodes; see --node NAME or --json"))


# --- one node


def node_timeline(report: Report, node: NodeReport) -> list[tuple[str, str]]:
    """Return what happened to a node as (timestamp, words), in the order of the times."""
    last = f"asked for the last time (attempt {node.attempts}): {node.reason or 'it answered as it should'}"
    steps = [
        (report.clock.launched_at, "the deployment was launched"),
        (node.first_attempt_at, "asked for the first time"),
        (node.up_at, "up"),
        (node.last_attempt_at if node.attempts > 1 else None, last),
        (report.finished_at, f"the deployment finished; the node counts as {node.state}"),
    ]
    return sorted(((at, words) for at, words in steps if at is not None), key=lambda entry: entry[0])


def _print_node(console: Console, report: Report, node: NodeReport) -> None:
    _line(console, "deployment", report.id)
    for field, value in node.model_dump(mode="json").items():
        style = _NODE_STYLES[node.state] if field == "state" else ""
        _line(console, field, _value_text(value), style)
    console.print()
    _print_times(console, report, node_timeline(report, node))
    _print_problems(console, [problem for problem in report.problems if problem.file == node.file])


def _value_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{reason} {count} times" for reason, count in value.items()) or "-"
    if isinstance(value, bool):
        return _yes_or_no(rebooted=value)
    return "-" if value in (None, "") else str(value)


# --- lines


def _print_problems(console: Console, problems: list[Problem]) -> None:
    ordered = sorted(problems, key=lambda problem: problem.severity is not Severity.ERROR)
    for problem in ordered[:_MAX_PROBLEMS]:
        _line(console, problem.severity, problem.line(), "red" if problem.severity is Severity.ERROR else "yellow")
    if len(ordered) > _MAX_PROBLEMS:
        _line(console, "", f"and {len(ordered) - _MAX_PROBLEMS} more problems, see --json")


def _print_times(console: Console, report: Report, steps: list[tuple[str, str]]) -> None:
    for at, words in steps:
        show(console, plain(f"{_clock_text(at)}  ", "dim"), plain(f"{_since(report, at):>10}  ", "dim"), plain(words))


def _since(report: Report, at: str | None) -> str:
    """Return the time between the request and a moment; a wall clock that was set back counts as it says."""
    moment_s, began_s = wall_s(at), wall_s(report.requested_at)
    return "-" if moment_s is None or began_s is None else f"{moment_s - began_s:+.1f} s"


def _clock_text(at: str) -> str:
    moment = datetime.fromisoformat(at).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _yes_or_no(*, rebooted: bool | None) -> str:
    return "not known" if rebooted is None else "yes" if rebooted else "no"


def _line(console: Console, label: str, text: str, style: str = "") -> None:
    show(console, plain(f"{label:<{_LABEL}}", "dim"), plain(text, style))
