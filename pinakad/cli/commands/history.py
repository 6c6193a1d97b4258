"""How did the deployments end, one line each?"""

import json
from typing import Any

import click

from pinakad import config
from pinakad.cli.console.screen import OUTCOME_STYLES, columns, open_console, plain, show, show_table
from pinakad.cli.console.session import Session, pass_session
from pinakad.client.lookup import known_ids
from pinakad.linux.clock import now
from pinakad.report.summary import ReportSummary
from pinakad.report.wording import ago_text, duration_text
from pinakad.state.store import Store
from pinakad.state.summaries import read_summary
from pinakad.times import wall_s

_DEFAULT_ROWS = 20

_HELP = """Tell how the deployments ended, the newest first.

\b
  pinakactl history
  pinakactl history -n 100
  pinakactl history --json | jq '.[] | select(.outcome == "failed") | .id'

For one of them: pinakactl show ID, pinakactl logs ID. How many are kept is [history] keep in the configuration.
The exit code is 0 whatever the outcomes are.
"""


@click.command(help=_HELP)
@click.option(
    "-n", "rows", type=click.IntRange(1), default=_DEFAULT_ROWS, metavar="N", show_default=True, help="So many."
)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects with the names of the report.")
@pass_session
def command(session: Session, rows: int, *, as_json: bool) -> None:  # noqa: ARG001 - every command has the session
    """Print one line a deployment."""
    store, now_s = Store(config.state_dir()), now().wall_s
    newest = list(reversed(known_ids(store)))[:rows]
    found = [(identifier, read_summary(store.folder(identifier))) for identifier in newest]
    if as_json:
        click.echo(json.dumps([_document(identifier, head, now_s) for identifier, head in found], indent=1))
        return
    console = open_console()
    if not found:
        show(console, plain("no deployment yet"))
        return
    table = columns("deployment", "requested", "outcome", "nodes up", "took", "why")
    for identifier, head in found:
        table.add_row(*_cells(identifier, head, now_s))
    show_table(console, table)


def _cells(identifier: str, head: ReportSummary | None, now_s: float) -> list[Any]:
    if head is None:
        return [plain(identifier), plain("-"), plain("unreadable", "red"), plain("-"), plain("-"), plain("-")]
    style = OUTCOME_STYLES[head.outcome] if head.outcome else "bold"
    why = f"{head.reason}: {head.message}" if head.reason else head.message
    return [
        plain(identifier),
        plain(ago_text(now_s - (wall_s(head.requested_at) or now_s))),
        plain(head.outcome or head.phase, style),
        plain(f"{head.counts.up}/{head.counts.total}"),
        plain(duration_text(head.duration_s(now_s))),
        plain(why),
    ]


def _document(identifier: str, head: ReportSummary | None, now_s: float) -> dict[str, Any]:
    if head is None:
        return {"id": identifier, "phase": None}
    return head.model_dump(mode="json", exclude={"schema_"}) | {"duration_s": round(head.duration_s(now_s), 3)}
