"""Show texts and tables on a terminal or in a pipe, safely, although nodes and files may contain anything.

Texts from outside go through `plain`: no control character reaches the terminal, no markup is looked for.
"""

import sys

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from pinakad.printable import printable
from pinakad.report.vocabulary import Outcome

OUTCOME_STYLES = {Outcome.COMPLETED: "green", Outcome.FAILED: "red", Outcome.CANCELLED: "yellow"}
_PIPE_WIDTH = 1000
"""Nobody's lines are broken or cut in a pipe."""
_GAP = 2
_LEAST_COLUMN = 6
"""A column of which less would be seen is left out."""


def open_console(*, stderr: bool = False) -> Console:
    """Return the screen. Colours follow the terminal and $NO_COLOR."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def plain(text: object, style: str = "") -> Text:
    """Return a text that can do nothing to the terminal."""
    return Text(printable(str(text), 2000), style=style)


def json_text(text: str) -> str:
    """Return a JSON document with every character escaped that could do something to the terminal (RFC 8259, 7)."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


def columns(*names: str) -> Table:
    """Return an empty table without lines, as wide as its content; what does not fit is cut at the terminal's edge."""
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    return table


def show(console: Console, *parts: Text) -> None:
    """Print one line; a terminal breaks it where it must, a pipe never."""
    console.print(Text("").join(parts), soft_wrap=not console.is_terminal)


def cut(table: Table, width: int) -> Table:
    """Return the part of a table that is left of the terminal's edge: rich would make every column unreadable."""
    widths = [max(_cell_width(cell) for cell in (column.header, *column.cells)) for column in table.columns]
    shown, used = columns(), 0
    for column, natural in zip(table.columns, widths, strict=True):
        left = width - used
        if left < min(natural, _LEAST_COLUMN):
            break
        shown.add_column(column.header, no_wrap=True, overflow="ellipsis", width=min(natural, left))
        used += natural + _GAP
    cells = [list(column.cells) for column in table.columns[: len(shown.columns)]]
    for row in zip(*cells, strict=True):
        shown.add_row(*row)
    return shown


def _cell_width(cell: RenderableType) -> int:
    return cell.cell_len if isinstance(cell, Text) else cell_len(str(cell))


def show_table(console: Console, table: Table) -> None:
    """Print a table. In a pipe it is as wide as its content, without spaces at its end, and thousands of rows are
    quick: rich takes a millisecond for each.
    """
    if console.is_terminal:
        console.print(cut(table, console.width))
        return
    columns_of_cells = [[as_text(column.header), *map(as_text, column.cells)] for column in table.columns]
    widths = [max(cell.cell_len for cell in cells) for cells in columns_of_cells]
    for row in zip(*columns_of_cells, strict=True):
        padded = (cell.plain + " " * (width - cell.cell_len) for cell, width in zip(row, widths, strict=True))
        console.file.write("  ".join(padded).rstrip() + "\n")


def as_text(cell: RenderableType) -> Text:
    """Return a table's cell, of which ours are all texts."""
    return cell if isinstance(cell, Text) else Text(str(cell))


def show_part(console: Console, part: Text | Table) -> None:
    """Print a line or a table."""
    if isinstance(part, Table):
        show_table(console, part)
    else:
        show(console, part)
