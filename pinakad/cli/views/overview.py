"""The running or latest deployment on one screen: the same parts for a single screen and for a live one."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from pinakad.cli.console.screen import OUTCOME_STYLES, columns, plain
from pinakad.client.daemon_view import DaemonView, by_trouble, in_words
from pinakad.polling.vocabulary import NodeState
from pinakad.problems import Severity
from pinakad.report.document import Report, ScriptPart
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import ScriptState
from pinakad.report.wording import ago_text, duration_text
from pinakad.times import Instant, wall_s

MAX_PROBLEMS = 5
_LAST = "what it says"
_FROM_WIDTH = {"address": 60, "got to": 70, "attempts": 100, "asked for": 100, _LAST: 80}
"""The screen's width from which on a column is shown."""
_STATE_STYLES = {NodeState.UP: "green", NodeState.FAILED: "red"}


def overview(view: DaemonView, now: Instant, rows: int, width: int) -> Iterator[Text | Table]:
    """Return the parts of one screen; of the nodes that are not up at most `rows`, those furthest from it first."""
    report = view.report
    yield _line("daemon", plain(_daemon_text(view, now), "" if view.running else "yellow"))
    for note in view.notes:
        yield _line("note", plain(note, "yellow"))
    if report is None:
        yield _line("deployment", plain("none yet"))
        return
    asked = f", request {report.request.id}" if report.request.id else ""
    ago = ago_text(now.wall_s - (wall_s(report.requested_at) or now.wall_s))
    yield _line("deployment", plain(f"{report.id} on {report.host}, requested {ago}{asked}"))
    style = OUTCOME_STYLES.get(report.outcome, "") if report.outcome else "bold"
    yield _line("phase", plain(in_words(report, now), style))
    yield from _details(view, report, now)
    yield from _problems(report)
    yield from _slowest(report, now, rows, width)


def _details(view: DaemonView, report: Report, now: Instant) -> Iterator[Text]:
    if report.message:
        yield _line("verdict", plain(report.message))
    if not view.running and not report.is_finished:
        text = "it stands still without a daemon and goes on when pinakad is started; a script that runs runs on"
        yield _line("", plain(text, "yellow"))
    if report.script is not None:
        yield _line("script", plain(script_text(report.script, now)))
    counts = report.counts
    if counts.total:
        yield _line("nodes", plain(f"{counts.total}: {counts.up} up, {counts.waiting} waiting, {counts.failed} failed"))
    reasons = Counter(str(node.reason) for node in report.nodes if node.reason and node.state is not NodeState.UP)
    if reasons:
        yield _line("because", plain(", ".join(f"{reason} {number}" for reason, number in reasons.most_common())))


def _problems(report: Report) -> Iterator[Text]:
    errors = [problem for problem in report.problems if problem.severity is Severity.ERROR]
    shown = [*errors, *(problem for problem in report.problems if problem not in errors)][:MAX_PROBLEMS]
    for problem in shown:
        style = "red" if problem.severity is Severity.ERROR else "yellow"
        yield _line(problem.severity, plain(problem.line(), style))
    if len(report.problems) > len(shown):
        yield _line("", plain(f"and {len(report.problems) - len(shown)} more, see --json"))


def _slowest(report: Report, now: Instant, rows: int, width: int) -> Iterator[Text | Table]:
    slowest = by_trouble(report.nodes)
    if not rows or not slowest or not any(node.attempts for node in slowest):
        return
    yield Text("")
    yield node_table(slowest[:rows], now, "slowest", width, with_state=False)
    if len(slowest) > rows:
        yield plain(f"and {len(slowest) - rows} more, see --nodes")


def node_table(nodes: Sequence[NodeReport], now: Instant, title: str, width: int, *, with_state: bool = True) -> Table:
    """Return the states of nodes, a row each. On a narrow screen the columns that matter least are left out."""
    cells = [_cells(node, now, title) for node in nodes]
    names = [name for name in (cells[0] if cells else {title: plain("")}) if with_state or name != "state"]
    names = [name for name in names if width >= _FROM_WIDTH.get(name, 0)]
    table = columns(*names)
    for column, name in zip(table.columns, names, strict=True):
        if name != _LAST:  # it alone gives way
            column.min_width = min(width // 3, max([len(name), *(row[name].cell_len for row in cells)]))
    for row in cells:
        table.add_row(*(row[name] for name in names))
    return table


def _cells(node: NodeReport, now: Instant, title: str) -> dict[str, Text]:
    asked_s = now.wall_s - (wall_s(node.first_attempt_at) or now.wall_s)
    return {
        title: plain(node.hostname),
        "address": plain(node.address),
        "state": plain(node.state, _STATE_STYLES.get(node.state, "yellow")),
        "attempts": plain(node.attempts),
        "got to": plain(node.last_rung or "-"),
        "reason": plain(node.reason or "-"),
        "asked for": plain(duration_text(asked_s)),
        _LAST: plain(node.message),
    }


def script_text(script: ScriptPart, now: Instant) -> str:
    """Return the state of the script in words, e.g. `exited with status 0 after 12 s`."""
    began_s, ended_s = wall_s(script.started_at), wall_s(script.finished_at)
    if script.state is ScriptState.RUNNING and began_s is not None:
        whose = ", started by somebody else" if script.adopted else ""
        return f"running for {duration_text(now.wall_s - began_s)}, pid {script.pid}{whose}"
    if script.state is not ScriptState.EXITED:
        return str(script.state)
    how = f"with status {script.exit_code}" if script.signal is None else f"by signal {script.signal}"
    if script.adopted:
        how = "with a status that is not known, started by somebody else"
    took = "" if began_s is None or ended_s is None else f" after {duration_text(ended_s - began_s)}"
    return f"exited {how}{took}"


def _daemon_text(view: DaemonView, now: Instant) -> str:
    if not view.running:
        return "not running; systemctl start pinakad"
    daemon = view.daemon
    if daemon is None:
        return "running"
    up_s = now.wall_s - (wall_s(daemon.started_at) or now.wall_s)
    parts = [f"running for {duration_text(up_s)}, pid {daemon.pid}, version {daemon.version}"]
    if daemon.watch != "events":
        parts.append("watching by rescans")
    if daemon.queued:
        parts.append("another request waits for its turn")
    return "; ".join(parts)


def _line(label: str, text: Text) -> Text:
    return Text("").join((plain(f"{label:<12}", "dim"), text))
