"""Show a deployment while it goes on: a live screen on a terminal, in a pipe a line for each change.

Files are checked once a second and read when they have changed; where many nodes change at once, they are counted.
"""

import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live

from pinakad.cli.console.screen import plain, show
from pinakad.cli.views.overview import overview
from pinakad.client.daemon_view import DaemonView, in_words, read_daemon_view
from pinakad.linux.clock import now
from pinakad.linux.locks import is_locked
from pinakad.polling.vocabulary import NodeState
from pinakad.report.document import Report
from pinakad.report.node import NodeReport
from pinakad.report.wording import outcome_text
from pinakad.state.store import Store

REFRESH_S = 1.0
MAX_LINES = 20
"""Lines for the changes of one refresh. More changes are counted, not listed."""
_MIN_ROWS = 3


def watch(console: Console, state: Path, runtime: Path, *, until_over: bool) -> DaemonView:
    """Show it until Ctrl-C, or (`until_over`) until the deployment is over; return what was shown last."""
    display = _Screen(console) if console.is_interactive and sys.stdout.isatty() else _Lines(console)
    source = _Source(state, runtime)
    with display:
        while True:
            view = source.read()
            display.show(view)
            if until_over and (view.report is None or view.report.is_finished or not view.running):
                return view
            time.sleep(REFRESH_S)


class _Source:
    """Reads the state of things again where anything may have changed."""

    def __init__(self, state: Path, runtime: Path) -> None:
        self._state, self._runtime = state, runtime
        self._store = Store(state)
        self._seen: object = None
        self._view: DaemonView | None = None

    def read(self) -> DaemonView:
        seen = (self._stamp(), is_locked(self._store.lock_file), self._latest())
        if self._view is None or seen != self._seen:
            self._view, self._seen = read_daemon_view(self._state, self._runtime), seen
        return self._view

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            status = (self._runtime / "status.json").stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _latest(self) -> list[str]:
        try:
            return self._store.ids()[-1:]
        except OSError:
            return []


class _Screen:
    """One screen, drawn anew at each refresh: the time that is left goes by."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, view: DaemonView) -> None:
        moment = now()
        width = self._console.width
        head = list(overview(view, moment, 0, width))
        taken = len(self._console.render_lines(Group(*head), pad=False)) + 4  # empty line, titles, rest, cursor
        rows = max(_MIN_ROWS, self._console.height - taken)
        self._live.update(Group(*overview(view, moment, rows, width)), refresh=True)


class _Lines:
    """A line for each change, with the time of day."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, str] = {}
        self._nodes: dict[str, str] = {}
        self._run = ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, view: DaemonView) -> None:
        if not view.running:
            self._once("daemon", "the daemon is not running")
        elif self._shown.get("daemon"):
            self._once("daemon", "the daemon is running")
        for note in view.notes:
            self._once("note", note)
        report = view.report
        if report is None:
            self._once("phase", "no deployment yet", key="none")
            return
        if report.id != self._run:
            self._run, self._nodes = report.id, {}
        if report.is_finished:
            self._show_nodes(report)  # the verdict has the last word
        text = f"{outcome_text(report)}: {report.message}" if report.is_finished else in_words(report, now())
        self._once("phase", f"{report.id}: {text}", key=f"{report.id} {report.phase}")
        self._show_nodes(report)

    def _show_nodes(self, report: Report) -> None:
        changed = [node for node in report.nodes if node.attempts and self._nodes.get(node.file) != _state(node)]
        self._nodes |= {node.file: _state(node) for node in changed}
        if len(changed) <= MAX_LINES:
            for node in changed:
                self._line(f"{node.hostname} {_state(node)}")
            return
        for state, number in Counter(map(_state, changed)).most_common(MAX_LINES - 1):
            self._line(f"{number} nodes {state}")
        counts = report.counts
        self._line(f"{counts.up} of {counts.total} nodes up, {counts.waiting} waiting, {counts.failed} failed")

    def _once(self, about: str, text: str, key: str | None = None) -> None:
        if self._shown.get(about) != (key or text):
            self._shown[about] = key or text
            self._line(text)

    def _line(self, text: str) -> None:
        show(self._console, plain(f"{time.strftime('%H:%M:%S')}  {text}"))
        sys.stdout.flush()


def _state(node: NodeReport) -> str:
    if node.state is NodeState.UP:
        return "up"
    return f"{node.state} ({node.reason})" if node.reason else str(node.state)
