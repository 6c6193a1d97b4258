"""Show a deployment of simulated nodes while it goes on: a live table on a terminal, plain lines in a pipe."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from pinakad.cli.console.screen import columns, plain, show
from pinakad.client.daemon_view import in_words
from pinakad.linux.clock import now
from pinakad.polling.vocabulary import NodeState
from pinakad.report.document import Report
from pinakad.report.node import NodeReport
from pinakad.simulate.node import SimulatedNode
from pinakad.simulate.scenario import Face

_MACHINE = {
    Face.DOWN: ("down", "red"),
    Face.INSTALLER: ("up, but a live installer", "yellow"),
    Face.DRIPPING: ("up, but sshd hangs", "yellow"),
    Face.LOCKED: ("up, but without the key", "yellow"),
}


@dataclass(frozen=True)
class View:
    """One moment: what the machines really do, and what pinakad knows of them."""

    machines: Sequence[SimulatedNode]
    report: Report | None


class Progress:
    """Shows views, and a line for each step. Use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_s = monotonic()
        self._said: dict[str, str] = {}
        on_screen = console.is_interactive and sys.stdout.isatty()
        self._live = Live(console=console, auto_refresh=False, transient=True) if on_screen else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line: a step was done."""
        show(self._console, plain(f"{self.elapsed_s:5.1f} s  ", "dim"), plain(text))
        sys.stdout.flush()

    def show(self, view: View) -> None:
        """Show the present view: the table anew, or a line for each change."""
        if self._live is not None:
            self._live.update(self._screen(view), refresh=True)
        else:
            self._say_changes(view)

    @property
    def elapsed_s(self) -> float:
        """The seconds since the beginning."""
        return monotonic() - self._began_s

    def _screen(self, view: View) -> Group:
        table = columns("node", "address", "the machine", "pinakad knows", "attempts")
        table.columns[2].min_width, table.columns[3].min_width = 24, 20  # the longest texts: nothing shall jump
        known = {node.hostname: node for node in view.report.nodes} if view.report else {}
        for machine in view.machines:
            part = known.get(machine.hostname)
            attempts = str(part.attempts) if part and part.attempts else ""
            table.add_row(
                plain(machine.hostname), plain(machine.address), machine_text(machine), knowledge(part), plain(attempts)
            )
        words = in_words(view.report, now())
        head = Text.assemble(plain(f"{self.elapsed_s:5.1f} s  ", "dim"), plain(words, "bold"))
        return Group(Text(""), head, Text(""), table)

    def _say_changes(self, view: View) -> None:
        """Print a line for each change."""
        for machine in view.machines:
            if machine.boots or machine.face is not Face.UP:
                self._say_once(machine.address, f"{machine.hostname} is {machine_text(machine)}")
        if view.report is None:
            return
        self._say_once("phase", f"pinakad: {view.report.phase}")
        for node in view.report.nodes:
            if node.attempts:
                self._say_once(node.hostname, f"pinakad: {node.hostname} is {knowledge(node)}")

    def _say_once(self, about: str, text: str) -> None:
        if self._said.get(about) != text:
            self._said[about] = text
            self.say(text)


def machine_text(machine: SimulatedNode) -> Text:
    """Return what a machine really does."""
    if machine.face is Face.UP:
        return plain("up, its new boot", "green") if machine.boots else plain("up, its old boot", "yellow")
    return plain(*_MACHINE[machine.face])


def knowledge(node: NodeReport | None) -> Text:
    """Return what pinakad knows of a node."""
    if node is None or not node.attempts:
        return plain("not asked yet", "dim") if node else plain("")
    if node.state is NodeState.UP:
        return plain("up", "green")
    return plain(f"{node.state}: {node.reason}", "yellow" if node.state is NodeState.WAITING else "red")
