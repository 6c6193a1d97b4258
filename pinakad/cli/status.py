"""What is running, and how long may it take?"""

import click
from rich.console import Console
from rich.text import Text

from pinakad import config
from pinakad.cli.screen import columns, open_console, plain, show, show_table
from pinakad.cli.session import Session, pass_session
from pinakad.cli.standing import Standing, by_trouble, in_words, look, this_moment
from pinakad.polling import Now
from pinakad.problems import Severity
from pinakad.report import Outcome, Report, ScriptPart, ScriptState, wall_s
from pinakad.summary import ago_text, duration_text

MAX_ROWS = 10
_OTHER_LINES = 14
_STYLES = {Outcome.COMPLETED: "green", Outcome.FAILED: "red", Outcome.CANCELLED: "yellow"}


_HELP = """Tell what is running and how long it may take.

\b
  pinakactl status
  watch pinakactl status
  pinakactl status --json | jq '.counts, .outcome'

It reads what the daemon writes ($RUNTIME_DIRECTORY/status.json), or, where no daemon runs, the latest report in the
state folder ($STATE_DIRECTORY). The exit code is 0 whatever the outcome is; to act on it, use --json.
"""


@click.command(help=_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print the report of the running or latest deployment, or null.")
@pass_session
def command(session: Session, *, as_json: bool) -> None:  # noqa: ARG001 - every command has the session
    """Print how it stands."""
    standing = look(config.state_dir(), config.runtime_dir())
    if as_json:
        click.echo(standing.report.json_text() if standing.report else "null", nl=standing.report is None)
        return
    _print(open_console(), standing, this_moment())


def script_text(script: ScriptPart, now: Now) -> str:
    """Return how the script stands, e.g. `exited with status 0 after 12 s`."""
    began_s, ended_s = wall_s(script.started_at), wall_s(script.finished_at)
    if script.state is ScriptState.RUNNING and began_s is not None:
        return f"running for {duration_text(now.wall_s - began_s)}, pid {script.pid}"
    if script.state is not ScriptState.EXITED:
        return str(script.state)
    how = f"with status {script.exit_code}" if script.signal is None else f"by signal {script.signal}"
    took = "" if began_s is None or ended_s is None else f" after {duration_text(ended_s - began_s)}"
    return f"exited {how}{took}"


# --- for people


def _print(console: Console, standing: Standing, now: Now) -> None:
    report = standing.report
    show(console, _label("daemon"), plain(_daemon_text(standing, now), "" if standing.running else "yellow"))
    for note in standing.notes:
        show(console, _label("note"), plain(note, "yellow"))
    if report is None:
        show(console, _label("deployment"), plain("none yet"))
        return
    asked = f", request {report.request.id}" if report.request.id else ""
    ago = ago_text(now.wall_s - (wall_s(report.requested_at) or now.wall_s))
    show(console, _label("deployment"), plain(f"{report.id} on {report.host}, requested {ago}{asked}"))
    style = _STYLES.get(report.outcome, "") if report.outcome else "bold"
    show(console, _label("phase"), plain(in_words(report, now), style))
    _print_details(console, standing, report, now)


def _print_details(console: Console, standing: Standing, report: Report, now: Now) -> None:
    if report.message:
        show(console, _label("verdict"), plain(report.message))
    if not standing.running and not report.is_finished:
        text = "it stands still without a daemon and goes on when pinakad is started; a script that runs runs on"
        show(console, _label(""), plain(text, "yellow"))
    if report.script is not None:
        show(console, _label("script"), plain(script_text(report.script, now)))
    counts = report.counts
    if counts.total:
        text = f"{counts.total}: {counts.up} up, {counts.waiting} waiting, {counts.failed} failed"
        show(console, _label("nodes"), plain(text))
    _print_problems(console, report)
    _print_slowest(console, report, now)


def _print_problems(console: Console, report: Report) -> None:
    errors = [problem for problem in report.problems if problem.severity is Severity.ERROR]
    shown = [*errors, *(problem for problem in report.problems if problem not in errors)][:5]
    for problem in shown:
        style = "red" if problem.severity is Severity.ERROR else "yellow"
        show(console, _label(problem.severity), plain(problem.line(), style))
    if len(report.problems) > len(shown):
        show(console, _label(""), plain(f"and {len(report.problems) - len(shown)} more, see --json"))


def _print_slowest(console: Console, report: Report, now: Now) -> None:
    slowest = by_trouble(report.nodes)
    if not slowest or not any(node.attempts for node in slowest):
        return
    rows = max(3, console.height - _OTHER_LINES) if console.is_terminal else MAX_ROWS
    table = columns("slowest", "address", "attempts", "got to", "reason", "asked for", "what it says")
    for node in slowest[:rows]:
        asked_s = now.wall_s - (wall_s(node.first_attempt_at) or now.wall_s)
        cells = (node.hostname, node.address, node.attempts, node.last_rung or "-", node.reason or "-")
        table.add_row(*map(plain, cells), plain(duration_text(asked_s)), plain(node.message))
    console.print()
    show_table(console, table)
    if len(slowest) > rows:
        show(console, plain(f"and {len(slowest) - rows} more, see --json"))


def _daemon_text(standing: Standing, now: Now) -> str:
    if not standing.running:
        return "not running; systemctl start pinakad"
    daemon = standing.daemon
    if daemon is None:
        return "running"
    up_s = now.wall_s - (wall_s(daemon.started_at) or now.wall_s)
    parts = [f"running for {duration_text(up_s)}, pid {daemon.pid}, version {daemon.version}"]
    if daemon.watch != "events":
        parts.append("watching by rescans")
    if daemon.queued:
        parts.append("another request waits for its turn")
    return "; ".join(parts)


def _label(name: str) -> Text:
    return plain(f"{name:<12}", "dim")
