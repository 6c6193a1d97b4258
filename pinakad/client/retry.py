"""Ask for a deployment once more: of the same nodes, or of those that failed."""

from dataclasses import dataclass
from pathlib import Path

from pinakad.client.access import opened
from pinakad.client.errors import NodesUnknownError, NothingToRetryError, NotOverError
from pinakad.client.node_store import locked
from pinakad.client.plan import Successors, node_files, successors
from pinakad.client.submit import Submitted, Submitter
from pinakad.config import Config
from pinakad.markers.folder import Markers
from pinakad.polling.vocabulary import NodeState
from pinakad.report.document import Report
from pinakad.report.vocabulary import Reason
from pinakad.state.store import Store


@dataclass(frozen=True)
class Again:
    """What is asked for: node files (None: all), files that are gone, pairs of a file and the newer one for it."""

    nodes: list[str] | None
    gone: list[str]
    instead: list[tuple[str, str]]


@dataclass(frozen=True)
class Retried:
    """What was asked for, and the request."""

    again: Again
    submitted: Submitted


def retry(settings: Config, report: Report, request_id: str, state_dir: Path, *, failed: bool) -> Retried:
    """Ask for the nodes of a finished deployment again, or for those that were not up at its end.

    Raises NotOverError, NothingToRetryError, NodesUnknownError, and the errors of the folders and of the request.
    """
    with locked(settings.nodes_dir) as folder, opened(settings.markers_dir) as place:
        submitter = Submitter(Store(state_dir), Markers(settings.markers_dir), place)
        newer = successors(settings, folder)
        there = {file.name for file in node_files(settings, folder)}
        again = _again(_names(report, failed=failed), newer, there, report)
        submitter.require_writable()
        return Retried(again, submitter.submit(again.nodes, request_id, newer))


def _names(report: Report, *, failed: bool) -> list[str] | None:
    """Return the node files to try again, None for all."""
    if not report.is_finished:
        raise NotOverError(report.id)
    if not report.nodes and failed:
        text = f"deployment {report.id} ended before its nodes were known ({report.reason})"
        raise NodesUnknownError(text, "retry without --failed")
    if not report.nodes:
        return _asked_for(report)
    names = [node.file for node in report.nodes if not failed or node.state is not NodeState.UP]
    if not names:
        raise NothingToRetryError(f"no node of deployment {report.id} failed: all {len(report.nodes)} were up")
    return names


def _asked_for(report: Report) -> list[str] | None:
    """Return what its request asked for; where the report does not say, `nodes` is null, too."""
    request, unsound = report.request, report.reason is Reason.INVALID_REQUEST
    unknown = report.reason is Reason.STATE_UNREADABLE and (request.size > 0 or request.inode == 0)
    if request.nodes is None and (unsound or unknown):
        what = "its request could not be read" if unsound else "its record could not be read"
        text = f"cannot tell which nodes deployment {report.id} was for: {what}"
        raise NodesUnknownError(text, 'name them, {"nodes": [...]} in a request, or ask for all: touch the marker')
    return request.nodes


def _again(names: list[str] | None, newer: Successors, there: set[str], report: Report) -> Again:
    if names is None:
        return Again(None, [], [])
    gone = [name for name in names if newer(name) not in there]
    nodes = list(dict.fromkeys(newer(name) for name in names if name not in gone))
    if not nodes:
        raise NothingToRetryError(f"none of the node files of deployment {report.id} is there any more")
    return Again(nodes, gone, [(name, newer(name)) for name in names if name in newer])
