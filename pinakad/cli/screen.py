"""How is something shown to people: on a terminal, in a pipe, and whatever a node or a file may say?

Texts from outside go through `plain`: no control character reaches the terminal, no markup is looked for.
"""

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pinakad.problems import printable
from pinakad.report import Outcome

OUTCOME_STYLES = {Outcome.COMPLETED: "green", Outcome.FAILED: "red", Outcome.CANCELLED: "yellow"}
_PIPE_WIDTH = 1000
"""Nobody's lines are broken or cut in a pipe."""


def open_console(*, stderr: bool = False) -> Console:
    """Return the screen. Colours follow the terminal and $NO_COLOR."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def plain(text: object, style: str = "") -> Text:
    """Return a text that can do nothing to the terminal."""
    return Text(printable(str(text), 2000), style=style)


def columns(*names: str) -> Table:
    """Return an empty table without lines, as wide as its content; what does not fit is cut at the terminal's edge."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    return table


def show(console: Console, *parts: Text) -> None:
    """Print one line; a terminal breaks it where it must, a pipe never."""
    console.print(Text("").join(parts), soft_wrap=not console.is_terminal)


def show_table(console: Console, table: Table) -> None:
    """Print a table; in a pipe without the spaces that fill its last column."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as lines:
        console.print(table)
    for line in lines.get().splitlines():
        show(console, Text(line.rstrip()))


def show_part(console: Console, part: Text | Table) -> None:
    """Print a line or a table."""
    if isinstance(part, Table):
        show_table(console, part)
    else:
        show(console, part)
