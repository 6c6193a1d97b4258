"""Ask for a deployment once more: of the same nodes, or of those that failed."""

from dataclasses import dataclass

import click

from pinakad import config
from pinakad.cli.console.exits import NothingError, exit_codes
from pinakad.cli.console.options import duration, valid_request_id
from pinakad.cli.console.screen import open_console, plain, show
from pinakad.cli.console.session import FaultError, Session, WrongUseError, pass_session
from pinakad.cli.views.verdict import end_with_verdict, show_submitted
from pinakad.client.access import opened
from pinakad.client.lookup import choose_id, known_ids, load
from pinakad.client.node_store import locked
from pinakad.client.plan import Successors, node_files, successors
from pinakad.client.submit import Submitted, Submitter, new_request_id
from pinakad.config import Config
from pinakad.markers.folder import Markers
from pinakad.polling.vocabulary import NodeState
from pinakad.report.document import Report
from pinakad.report.vocabulary import Reason
from pinakad.state.store import Store

_CODES = {
    0: "asked for; with --wait: the deployment completed",
    5: "there is no deployment, or no node of it to try again",
}
_HELP = f"""Ask for a deployment once more.

\b
  pinakactl retry --failed --wait      the nodes of the latest deployment that are not up
  pinakactl retry                      all its nodes
  pinakactl retry 17 --failed          of that one, by its id or counter

The request names the node files. Where a node was applied again since, its newer file is named; a node that was
retired since is left out.

{exit_codes(_CODES)}

Without --wait only 0, 1, 2 and 5 are possible.
"""


@dataclass(frozen=True)
class _Again:
    """What is asked for: node files (None: all), files that are gone, pairs of a file and the newer one for it."""

    nodes: list[str] | None
    gone: list[str]
    instead: list[tuple[str, str]]


@click.command(name="retry", help=_HELP)
@click.argument("deployment", metavar="[ID]", required=False)
@click.option("--failed", is_flag=True, help="Only the nodes that were not up at its end.")
@click.option("--wait", is_flag=True, help="Follow it to its verdict, and exit with that.")
@click.option("--timeout", type=duration, metavar="DURATION", help="With --wait: so long at most, as 90, 20m, 2h.")
@click.option(
    "--request-id", metavar="TEXT", callback=valid_request_id, help="An id of your own, which the report repeats."
)
@pass_session
def command(
    session: Session,
    deployment: str | None,
    timeout: float | None,
    request_id: str | None,
    *,
    failed: bool,
    wait: bool,
) -> None:
    """Retry."""
    if timeout is not None and not wait:
        raise WrongUseError("--timeout says how long to wait, and needs --wait; see pinakactl retry --help")
    settings, store = session.settings(), Store(config.state_dir())
    if not known_ids(store):
        raise NothingError("there is no deployment yet that could be tried again; pinakactl apply makes one")
    report = load(store, choose_id(store, deployment))
    submitted = _submit(settings, report, request_id or new_request_id(), failed=failed)
    show_submitted(open_console(), submitted)
    if wait:
        end_with_verdict(settings, submitted.ref, timeout)


def _submit(settings: Config, report: Report, request_id: str, *, failed: bool) -> Submitted:
    with locked(settings.nodes_dir) as folder, opened(settings.markers_dir) as place:
        submitter = Submitter(Store(config.state_dir()), Markers(settings.markers_dir), place)
        newer = successors(settings, folder)
        there = {file.name for file in node_files(settings, folder)}
        again = _again(_names(report, failed=failed), newer, there, report)
        submitter.require_writable()
        _print(again)
        return submitter.submit(again.nodes, request_id, newer)


def _names(report: Report, *, failed: bool) -> list[str] | None:
    """Return the node files to try again, None for all. Raises FaultError and NothingError."""
    if not report.is_finished:
        raise FaultError(f"deployment {report.id} is not over; pinakactl wait waits for it, pinakactl cancel ends it")
    if not report.nodes and failed:
        text = f"deployment {report.id} ended before its nodes were known ({report.reason}); retry without --failed"
        raise FaultError(text)
    if not report.nodes:
        return _asked_for(report)
    names = [node.file for node in report.nodes if not failed or node.state is not NodeState.UP]
    if not names:
        raise NothingError(f"no node of deployment {report.id} failed: all {len(report.nodes)} were up")
    return names


def _asked_for(report: Report) -> list[str] | None:
    """Return what its request asked for. Raises FaultError where the report does not say: `nodes` is null then, too."""
    request, unsound = report.request, report.reason is Reason.INVALID_REQUEST
    unknown = report.reason is Reason.STATE_UNREADABLE and (request.size > 0 or request.inode == 0)
    if request.nodes is None and (unsound or unknown):
        what = "its request could not be read" if unsound else "its record could not be read"
        text = f"cannot tell which nodes deployment {report.id} was for: {what}"
        raise FaultError(f'{text}; name them, {{"nodes": [...]}} in a request, or ask for all: touch the marker')
    return request.nodes


def _again(names: list[str] | None, newer: Successors, there: set[str], report: Report) -> _Again:
    if names is None:
        return _Again(None, [], [])
    gone = [name for name in names if newer(name) not in there]
    nodes = list(dict.fromkeys(newer(name) for name in names if name not in gone))
    if not nodes:
        raise NothingError(f"none of the node files of deployment {report.id} is there any more")
    return _Again(nodes, gone, [(name, newer(name)) for name in names if name in newer])


def _print(again: _Again) -> None:
    console = open_console()
    for name in again.gone:
        show(console, plain("left out    ", "dim"), plain(f"{name}: it is not there any more", "yellow"))
    for name, by in again.instead:
        show(console, plain("instead     ", "dim"), plain(f"{by}, which came after {name}"))
